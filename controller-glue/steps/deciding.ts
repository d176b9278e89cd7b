// Which policy of a kind decides at a place: the one on the most specific place around it.
import { placeKey } from '../draft.ts';
import type { Draft, DraftListener, DraftPolicy, DraftRoute, DraftRule, Place, PolicyKind, PolicyKinds } from '../draft.ts';
import { policyKinds } from '../policy-kinds.ts';

/** `places`: the most specific first. */
export function deciding<Kind extends PolicyKind>(kind: Kind, places: readonly string[], draft: Draft): DraftPolicy<Kind> | undefined { return around(kind, places, draft)[0]; }

/** All of the kind that are attached to any of the places, the most specific first. */
export function around<Kind extends PolicyKind>(kind: Kind, places: readonly string[], draft: Draft): DraftPolicy<Kind>[] {
  const attached: ReadonlyMap<string, DraftPolicy<Kind>> = draft.attached[kind];
  return places.map((key) => attached.get(key)).filter((policy) => policy !== undefined);
}

/** Those that have a say at the places. */
export function heard<Kind extends PolicyKind>(kind: Kind, places: readonly string[], draft: Draft): DraftPolicy<Kind>[] {
  const all = around(kind, places, draft);
  return policyKinds[kind].addsUp === true ? all : all.slice(0, 1);
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
