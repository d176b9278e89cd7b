// Writes draft.routes: HTTPRoutes with a parent of ours, which listeners take them, and for which hosts.
import { condition } from '../draft.ts';
import type { Attachment, Draft, DraftGateway, DraftListener, DraftParent, DraftRoute } from '../draft.ts';
import { intersection } from '../hostname.ts';
import { GATEWAY_API } from '../kinds.ts';
import type { HttpRouteSpec, ParentRef } from '../kinds/http-route.ts';
import { older, selects } from '../lookup.ts';
import { problemAt } from '../problem-at.ts';
import type { Resource } from '../resources.ts';
import { resolveRule } from './resolve-rule.ts';

export function acceptRoutes(draft: Draft): void {
  const gateways = new Map(draft.gateways.map((gateway) => [`${gateway.resource.metadata.namespace}/${gateway.resource.metadata.name}`, gateway]));
  const known = new Set(draft.resources.gateways.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
  for (const resource of draft.resources.httpRoutes.toSorted(older)) {
    const parents: DraftParent[] = [];
    for (const [i, ref] of resource.spec.parentRefs.entries()) {
      if (ref.group !== GATEWAY_API || ref.kind !== 'Gateway') continue;
      const key = `${ref.namespace ?? resource.metadata.namespace}/${ref.name}`;
      const gateway = gateways.get(key);
      if (gateway !== undefined) parents.push(attach(resource, ref, gateway, draft));
      else if (!known.has(key)) draft.problems.push(problemAt(resource, { path: `spec.parentRefs[${i}]`, severity: 'warning', message: `there is no Gateway ${key}` }));
    }
    if (parents.length === 0) continue;
    // A listener counts a route once, however many parentRefs lead to it.
    const listeners = new Set(parents.flatMap(({ attachments }) => attachments.map(({ listener }) => listener)));
    for (const listener of listeners) listener.attachedRoutes++;
    const route: DraftRoute = { resource, parents, rules: resource.spec.rules.map((rule, i) => resolveRule(resource, rule, i, draft)), invalid: beyondRules(resource) };
    draft.routes.push(route);
    for (const parent of parents) parent.conditions.push(...conditions(route, parent));
  }
}

/** Faults that are not within one rule: we cannot tell what they would have changed, so the whole route is closed. */
function beyondRules({ problems }: Resource<HttpRouteSpec>): string[] {
  return problems.filter(({ path }) => !/^spec\.rules\[\d+\]/.test(path)).map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
}

function attach(resource: Resource<HttpRouteSpec>, ref: ParentRef, gateway: DraftGateway, draft: Draft): DraftParent {
  const refuse = (reason: string, message: string): DraftParent => ({ ref, gateway, attachments: [], conditions: [condition(resource, 'Accepted', false, reason, message)] });
  const selected = gateway.listeners.filter(({ spec }) => (ref.sectionName === undefined || spec.name === ref.sectionName) && (ref.port === undefined || spec.port === ref.port));
  if (selected.length === 0) return refuse('NoMatchingParent', 'No listeners match this parent ref');
  const allowed = selected.filter((listener) => allows(listener, resource.metadata.namespace, draft));
  if (allowed.length === 0) return refuse('NotAllowedByListeners', 'No listeners included by this parent ref allowed this attachment.');
  const attachments = allowed.map((listener): Attachment => ({ listener, hostnames: hosts(resource.spec.hostnames, listener.spec.hostname ?? '') })).filter(({ hostnames }) => hostnames.length > 0);
  if (attachments.length === 0) return refuse('NoMatchingListenerHostname', 'There were no hostname intersections between the HTTPRoute and this parent ref\'s Listener(s).');
  return { ref, gateway, attachments, conditions: [] };
}

function allows({ gateway, spec: { allowedRoutes: { namespaces } }, supportedKinds }: DraftListener, namespace: string, { find }: Draft): boolean {
  if (supportedKinds.length === 0) return false;
  switch (namespaces.from) {
    case 'All': return true;
    case 'Same': return namespace === gateway.metadata.namespace;
    case 'None': return false;
    case 'Selector': return namespaces.selector !== undefined && selects(namespaces.selector, find.namespaceLabels(namespace));
  }
}

function hosts(route: readonly string[], listener: string): string[] {
  const wanted = route.length === 0 ? [''] : route;
  return [...new Set(wanted.map((name) => intersection(name, listener)).filter((name) => name !== null))];
}

function conditions({ resource, rules, invalid }: DraftRoute, parent: DraftParent) {
  const unresolved = rules.flatMap((rule) => rule.unresolved);
  const [first] = unresolved;
  const resolved = first === undefined
    ? condition(resource, 'ResolvedRefs', true, 'ResolvedRefs', 'Resolved all the Object references for the Route')
    : condition(resource, 'ResolvedRefs', false, first.reason, [...new Set(unresolved.map(({ message }) => message))].join('; '));
  if (parent.conditions.length > 0) return [resolved];
  const bad = rules.filter((rule) => rule.invalid.length > 0);
  if (invalid.length === 0 && bad.length === 0) return [condition(resource, 'Accepted', true, 'Accepted', 'Route is accepted'), resolved];
  const text = [...invalid, ...bad.flatMap((rule) => rule.invalid)].join('; ');
  const refused = condition(resource, 'Accepted', false, 'UnsupportedValue', text);
  if (invalid.length > 0 || bad.length === rules.length) return [refused, resolved];
  return [refused, condition(resource, 'PartiallyInvalid', true, 'UnsupportedValue', `Dropped Rule(s) [${bad.map(({ index }) => index).join(' ')}]: ${text}`), resolved];
}
