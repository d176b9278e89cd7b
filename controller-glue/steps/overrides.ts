// Which places within a place have a policy of the same kind of their own: EG's Overridden condition names them.
import { placeKey } from '../draft.ts';
import type { Draft, DraftRoute, Place } from '../draft.ts';
import type { Overrides } from '../policy-kinds.ts';

/** `attached`: what has a policy of the kind, by placeKey. Listeners are named ns/gateway/listener, routes ns/route, rules ns/route/rule, or on their own route by name alone. */
export function overrides(draft: Draft, attached: ReadonlyMap<string, unknown>): (place: Place) => Overrides {
  // Routes with policies of their own, by the Gateway and the listener they are attached to.
  const routes = new Map<string, Set<string>>();
  const rules = new Map<string, Set<string>>();
  for (const route of draft.routes) {
    const own = place(route);
    const ownRules = route.rules.flatMap(({ name }) => (name !== undefined && attached.has(placeKey({ ...own, section: name })) ? [name] : []));
    const name = `${own.namespace}/${own.name}`;
    for (const key of containers(route)) {
      if (attached.has(placeKey(own))) add(routes, key, name);
      for (const rule of ownRules) add(rules, key, `${name}/${rule}`);
    }
    for (const rule of ownRules) add(rules, placeKey(own), rule);
  }
  return (of) => {
    const key = placeKey(of);
    const gateway = of.kind === 'Gateway' && of.section === undefined
      ? draft.gateways.find(({ resource: { metadata } }) => metadata.namespace === of.namespace && metadata.name === of.name) : undefined;
    const listeners = (gateway?.listeners ?? []).filter(({ spec }) => attached.has(placeKey({ ...of, section: spec.name }))).map(({ spec }) => `${of.namespace}/${of.name}/${spec.name}`);
    return {
      listeners: listeners.sort(), routes: [...routes.get(key) ?? []].sort(),
      rules: of.section !== undefined && of.kind === 'HTTPRoute' ? [] : [...rules.get(key) ?? []].sort(),
    };
  };
}

function place({ resource: { metadata } }: DraftRoute): Place { return { kind: 'HTTPRoute', namespace: metadata.namespace, name: metadata.name }; }

function containers(route: DraftRoute): Set<string> {
  return new Set(route.parents.flatMap(({ attachments }) => attachments.flatMap(({ listener: { gateway: { metadata }, spec } }) => {
    const gateway: Place = { kind: 'Gateway', namespace: metadata.namespace, name: metadata.name };
    return [placeKey(gateway), placeKey({ ...gateway, section: spec.name })];
  })));
}

function add(to: Map<string, Set<string>>, key: string, value: string): void {
  const set = to.get(key);
  if (set === undefined) to.set(key, new Set([value]));
  else set.add(value);
}
