// Which policy of a kind decides at a place: the one on the most specific place around it.
import { placeKey } from '../draft.ts';
import type { Draft, DraftListener, DraftPolicy, DraftRoute, DraftRule, Place, PolicyKind, PolicyKinds } from '../draft.ts';

/** `places`: the most specific first. */
export function deciding<Kind extends PolicyKind>(kind: Kind, places: readonly string[], draft: Draft): DraftPolicy<Kind> | undefined {
  const attached: ReadonlyMap<string, DraftPolicy<Kind>> = draft.attached[kind];
  return places.map((key) => attached.get(key)).find((policy) => policy !== undefined);
}

/** What it makes of it; undefined when there is none, or when it closes. */
export function applied<Kind extends PolicyKind>(policy: DraftPolicy<Kind> | undefined): PolicyKinds[Kind]['effect'] | undefined {
  return policy?.effect.kind === 'applied' ? policy.effect.value : undefined;
}

/** A rule on a listener: rule, route, listener, Gateway. */
export function rulePlaces({ resource: { metadata } }: DraftRoute, rule: DraftRule, listener: DraftListener): string[] {
  const route: Place = { kind: 'HTTPRoute', namespace: metadata.namespace, name: metadata.name };
  return [...(rule.name === undefined ? [] : [placeKey({ ...route, section: rule.name })]), placeKey(route), ...listenerPlaces(listener)];
}

/** A listener: itself, its Gateway. */
export function listenerPlaces({ gateway: { metadata }, spec }: DraftListener): [own: string, gateway: string] {
  const gateway: Place = { kind: 'Gateway', namespace: metadata.namespace, name: metadata.name };
  return [placeKey({ ...gateway, section: spec.name }), placeKey(gateway)];
}
