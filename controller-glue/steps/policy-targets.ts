// What a policy is for: its references and selectors → places that are there, places that are not.
import type { Draft, DraftGateway, DraftRoute, Place } from '../draft.ts';
import { GATEWAY_API } from '../kinds.ts';
import type { TargetRef, TargetSelector, Targets } from '../kinds/policy-target.ts';
import { selects } from '../lookup.ts';
import type { Metadata } from '../resources.ts';
import type { ParentReference } from '../status.ts';

export type Target =
  | { readonly kind: 'found'; readonly place: Place; readonly gateway: DraftGateway | undefined; readonly route: DraftRoute | undefined }
  /** Whether it is wrong, and what to say. */
  | { readonly kind: 'missing'; readonly ref: TargetRef; readonly path: string; readonly reason: 'TargetNotFound' | 'Invalid'; readonly message: string };

/** Gateways and routes by name, once for all policies. */
export interface TargetIndex { readonly gateways: ReadonlyMap<string, DraftGateway>; readonly routes: ReadonlyMap<string, DraftRoute>; readonly foreign: ReadonlySet<string> }

export function targetIndex({ gateways, routes, resources }: Draft): TargetIndex {
  const key = ({ metadata }: { readonly metadata: Metadata }) => `${metadata.namespace}/${metadata.name}`;
  return {
    gateways: new Map(gateways.map((each) => [key(each.resource), each])),
    routes: new Map(routes.map((each) => [key(each.resource), each])),
    foreign: new Set([...resources.gateways.map((each) => `Gateway/${key(each)}`), ...resources.httpRoutes.map((each) => `HTTPRoute/${key(each)}`)]),
  };
}

/** Every target, each once. Objects that another controller serves are passed over in silence, as EG does. */
export function policyTargets(spec: Targets, namespace: string, index: TargetIndex): Target[] {
  const refs: { ref: TargetRef; path: string }[] = [
    ...(spec.targetRef === undefined ? [] : [{ ref: spec.targetRef, path: 'spec.targetRef' }]),
    ...(spec.targetRefs ?? []).map((ref, i) => ({ ref, path: `spec.targetRefs[${i}]` })),
    ...(spec.targetSelectors ?? []).flatMap((selector, i) => selected(selector, namespace, index).map((ref) => ({ ref, path: `spec.targetSelectors[${i}]` }))),
  ];
  const seen = new Set<string>();
  return refs.flatMap(({ ref, path }) => {
    const key = `${ref.group}/${ref.kind}/${ref.name}/${ref.sectionName ?? ''}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return target(ref, path, namespace, index);
  });
}

function target(ref: TargetRef, path: string, namespace: string, { gateways, routes, foreign }: TargetIndex): Target[] {
  const missing = (reason: 'TargetNotFound' | 'Invalid', message: string): Target[] => [{ kind: 'missing', ref, path, reason, message }];
  if (ref.group !== GATEWAY_API || (ref.kind !== 'Gateway' && ref.kind !== 'HTTPRoute')) return missing('Invalid', `${path}: ${ref.kind} is not supported as a target`);
  const name = `${namespace}/${ref.name}`;
  const section = ref.sectionName;
  const gateway = ref.kind === 'Gateway' ? gateways.get(name) : undefined;
  const route = ref.kind === 'HTTPRoute' ? routes.get(name) : undefined;
  if (gateway === undefined && route === undefined) return foreign.has(`${ref.kind}/${name}`) ? [] : missing('TargetNotFound', `${ref.kind} ${name} not found`);
  const sections = gateway?.listeners.map(({ spec }) => spec.name) ?? route?.rules.map((rule) => rule.name) ?? [];
  if (section !== undefined && !sections.includes(section)) {
    return missing('TargetNotFound', ref.kind === 'Gateway' ? `No section name ${section} found for Gateway ${name}` : `No section name ${section} found for HTTPRoute ${name}`);
  }
  return [{ kind: 'found', place: { kind: ref.kind, namespace, name: ref.name, section }, gateway, route }];
}

function selected(selector: TargetSelector, namespace: string, { gateways, routes }: TargetIndex): TargetRef[] {
  const all: readonly { readonly resource: { readonly metadata: Metadata } }[] = selector.kind === 'Gateway' ? [...gateways.values()] : selector.kind === 'HTTPRoute' ? [...routes.values()] : [];
  return all.map(({ resource: { metadata } }) => metadata)
    .filter((metadata) => metadata.namespace === namespace && selects(selector, metadata.labels))
    .map(({ name }) => ({ group: GATEWAY_API, kind: selector.kind, name }));
}

/** Selectors that select nothing: the policy covers less than its author may think. */
export function idleSelectors(spec: Targets, namespace: string, index: TargetIndex): string[] {
  return (spec.targetSelectors ?? []).flatMap((selector, i) => (selected(selector, namespace, index).length === 0 ? [`spec.targetSelectors[${i}]`] : []));
}

/** Where a policy's status stands (EG): the Gateway, or the Gateways that the route is attached to. */
export function ancestorsOf(target: Target & { readonly kind: 'found' }): ParentReference[] {
  const { place, route } = target;
  if (route === undefined) return [{ group: GATEWAY_API, kind: 'Gateway', namespace: place.namespace, name: place.name, ...(place.section === undefined ? {} : { sectionName: place.section }) }];
  return route.parents.map(({ ref, gateway }) => ({
    group: GATEWAY_API, kind: 'Gateway', namespace: gateway.resource.metadata.namespace, name: gateway.resource.metadata.name,
    ...(ref.sectionName === undefined ? {} : { sectionName: ref.sectionName }), ...(ref.port === undefined ? {} : { port: ref.port }),
  }));
}
