// Writes draft.closed: what policies of kinds that we do not carry out cover. They may restrict access, so it answers 500 until they are gone.
import { condition, placeKey } from '../draft.ts';
import type { Draft } from '../draft.ts';
import type { Targets } from '../kinds/policy-target.ts';
import { problemAt } from '../problem-at.ts';
import { addAncestor } from './ancestors.ts';
import { ancestorsOf, policyTargets, targetIndex } from './policy-targets.ts';

export function closeUnsupported(draft: Draft): void {
  const index = targetIndex(draft);
  for (const resource of draft.resources.unsupportedPolicies) {
    const policy = { resource, ancestors: [] };
    draft.unsupported.push(policy);
    const say = addAncestor(draft, policy);
    const refused = condition(resource, 'Accepted', false, 'Invalid', `${resource.ref.kind} is not supported yet; what it covers answers 500`);
    // BackendTLSPolicy and EnvoyPatchPolicy have targets of their own kinds.
    const [elsewhere, here] = split(resource.spec);
    for (const { key, name, kind } of elsewhere) {
      draft.closed.set(key(resource.metadata.namespace), resource.ref);
      say({ group: '', kind, namespace: resource.metadata.namespace, name }, refused);
    }
    for (const target of policyTargets(here, resource.metadata.namespace, index)) {
      if (target.kind === 'missing') {
        draft.problems.push(problemAt(resource, { path: target.path, message: target.message, severity: 'warning' }));
        say({ group: target.ref.group, kind: target.ref.kind, namespace: resource.metadata.namespace, name: target.ref.name }, condition(resource, 'Accepted', false, target.reason, target.message));
        continue;
      }
      draft.closed.set(placeKey(target.place), resource.ref);
      for (const ancestor of ancestorsOf(target)) say(ancestor, refused);
    }
  }
}

/** Services and GatewayClasses are no places that a SecurityPolicy can have: they are closed by keys of their own. */
function split(spec: Targets): [{ key: (namespace: string) => string; name: string; kind: string }[], Targets] {
  const refs = [...(spec.targetRef === undefined ? [] : [spec.targetRef]), ...(spec.targetRefs ?? [])];
  const other = refs.filter(({ kind }) => kind === 'Service' || kind === 'GatewayClass');
  return [
    other.map(({ kind, name }) => ({ kind, name, key: (namespace) => (kind === 'Service' ? serviceKey(namespace, name) : classKey(name)) })),
    { targetRefs: refs.filter(({ kind }) => kind !== 'Service' && kind !== 'GatewayClass'), targetSelectors: spec.targetSelectors },
  ];
}

export function serviceKey(namespace: string, name: string): string { return `Service/${namespace}/${name}`; }
export function classKey(name: string): string { return `GatewayClass/${name}`; }
