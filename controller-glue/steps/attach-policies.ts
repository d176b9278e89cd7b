// Writes draft.attached: which SecurityPolicy decides for which place; and what each policy is told about it.
import { condition, placeKey } from '../draft.ts';
import type { Draft, DraftPolicy, Place } from '../draft.ts';
import { problemAt } from '../problem-at.ts';
import { addAncestor } from './ancestors.ts';
import { overridden } from './overridden.ts';
import { ancestorsOf, idleSelectors, policyTargets, targetIndex } from './policy-targets.ts';
import type { Target } from './policy-targets.ts';

type Found = Target & { readonly kind: 'found' };

export function attachPolicies(draft: Draft): void {
  const index = targetIndex(draft);
  const placed: { policy: DraftPolicy; target: Found }[] = [];
  for (const policy of draft.policies) {
    const { resource, effect } = policy;
    const say = addAncestor(draft, policy);
    for (const path of idleSelectors(resource.spec, resource.metadata.namespace, index)) {
      draft.problems.push(problemAt(resource, { path, severity: 'warning', message: 'selects nothing' }));
    }
    for (const target of policyTargets(resource.spec, resource.metadata.namespace, index)) {
      if (target.kind === 'missing') {
        draft.problems.push(problemAt(resource, { path: target.path, message: target.message }));
        const { group, kind, name, sectionName } = target.ref;
        say({ group, kind, namespace: resource.metadata.namespace, name, ...(sectionName === undefined ? {} : { sectionName }) }, condition(resource, 'Accepted', false, target.reason, target.message));
        continue;
      }
      const key = placeKey(target.place);
      const winner = draft.attached.get(key);
      if (winner === undefined) draft.attached.set(key, policy);
      const verdict = winner !== undefined ? condition(resource, 'Accepted', false, 'Conflicted', conflict(target.place))
        : effect.kind === 'closed' ? condition(resource, 'Accepted', false, 'Invalid', effect.message)
          : condition(resource, 'Accepted', true, 'Accepted', 'Policy has been accepted.');
      if (winner !== undefined) draft.problems.push(problemAt(resource, { path: 'spec', message: conflict(target.place) }));
      for (const ancestor of ancestorsOf(target)) say(ancestor, verdict);
      if (winner === undefined) placed.push({ policy, target });
    }
  }
  const overrides = overridden(draft);
  for (const { policy, target } of placed) {
    const others = overrides(target.place);
    if (others === '') continue;
    const say = addAncestor(draft, policy);
    for (const ancestor of ancestorsOf(target)) {
      say(ancestor, condition(policy.resource, 'Overridden', true, 'Overridden', `This policy is being overridden by other securityPolicies for ${others}`));
    }
  }
}

/** EG's own words. */
function conflict({ kind, name, section }: Place): string {
  const what = section === undefined ? `${kind} ${name}` : `${kind === 'Gateway' ? 'Listener' : 'RouteRule'} ${name}/${section}`;
  return `Unable to target ${what}, another SecurityPolicy has already attached to it`;
}
