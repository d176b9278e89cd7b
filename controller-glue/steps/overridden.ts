// Which places within a place have a policy of their own: EG's Overridden condition, in its words.
import { placeKey } from '../draft.ts';
import type { Draft, DraftRoute, Place } from '../draft.ts';

/** "these gateway listeners: [ns/gateway/listener] and these routes: [ns/route] and these route rules: [ns/route/rule]"; empty when there are none. */
export function overridden(draft: Draft): (place: Place) => string {
  // Routes with policies of their own, by the Gateway and the listener they are attached to.
  const routes = new Map<string, Set<string>>();
  const rules = new Map<string, Set<string>>();
  for (const route of draft.routes) {
    const own = place(route);
    const ownRules = route.rules.flatMap(({ name }) => (name !== undefined && draft.attached.has(placeKey({ ...own, section: name })) ? [name] : []));
    const name = `${own.namespace}/${own.name}`;
    for (const key of containers(route)) {
      if (draft.attached.has(placeKey(own))) add(routes, key, name);
      for (const rule of ownRules) add(rules, key, `${name}/${rule}`);
    }
    for (const rule of ownRules) add(rules, placeKey(own), rule);
  }
  return (of) => {
    const key = placeKey(of);
    const gateway = of.kind === 'Gateway' && of.section === undefined
      ? draft.gateways.find(({ resource: { metadata } }) => metadata.namespace === of.namespace && metadata.name === of.name) : undefined;
    const listeners = (gateway?.listeners ?? []).filter(({ spec }) => draft.attached.has(placeKey({ ...of, section: spec.name }))).map(({ spec }) => `${of.namespace}/${of.name}/${spec.name}`);
    return [list('these gateway listeners', listeners), list('these routes', routes.get(key) ?? []), list('these route rules', of.section !== undefined && of.kind === 'HTTPRoute' ? [] : rules.get(key) ?? [])]
      .filter((part) => part !== '').join(' and ');
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

function list(label: string, names: Iterable<string>): string {
  const sorted = [...names].sort();
  return sorted.length === 0 ? '' : `${label}: [${sorted.join(' ')}]`;
}
