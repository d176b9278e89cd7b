// Writes draft.attached: which policy of each kind decides for which place; and what each policy is told about it.
import { condition, placeKey } from '../draft.ts';
import type { Draft, DraftPolicy, PolicyKind } from '../draft.ts';
import { policyKindNames, policyKinds } from '../policy-kinds.ts';
import { problemAt } from '../problem-at.ts';
import { addAncestor } from './ancestors.ts';
import { overrides } from './overrides.ts';
import { ancestorsOf, idleSelectors, policyTargets, targetIndex } from './policy-targets.ts';
import type { Target, TargetIndex } from './policy-targets.ts';

type Found = Target & { readonly kind: 'found' };

/** Kinds know nothing of each other: on one place there may be one policy of each. */
export function attachPolicies(draft: Draft): void {
  const index = targetIndex(draft);
  for (const kind of policyKindNames) attachKind(kind, draft, index);
}

function attachKind<Kind extends PolicyKind>(kind: Kind, draft: Draft, index: TargetIndex): void {
  const policies: readonly DraftPolicy<Kind>[] = draft.policies[kind];
  const attached: Map<string, DraftPolicy<Kind>> = draft.attached[kind];
  const { words } = policyKinds[kind];
  const placed: { policy: DraftPolicy<Kind>; target: Found }[] = [];
  for (const policy of policies) {
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
      const winner = attached.get(key);
      if (winner === undefined) attached.set(key, policy);
      const verdict = winner !== undefined ? condition(resource, 'Accepted', false, 'Conflicted', words.conflict(target.place))
        : effect.kind === 'closed' ? condition(resource, 'Accepted', false, 'Invalid', effect.message)
          : condition(resource, 'Accepted', true, 'Accepted', 'Policy has been accepted.');
      if (winner !== undefined) draft.problems.push(problemAt(resource, { path: 'spec', message: words.conflict(target.place) }));
      for (const ancestor of ancestorsOf(target)) say(ancestor, verdict);
      if (winner === undefined) placed.push({ policy, target });
    }
  }
  const overriddenBy = overrides(draft, attached);
  for (const { policy, target } of placed) {
    const by = overriddenBy(target.place);
    if (by.listeners.length + by.routes.length + by.rules.length === 0) continue;
    const say = addAncestor(draft, policy);
    for (const ancestor of ancestorsOf(target)) say(ancestor, condition(policy.resource, 'Overridden', true, 'Overridden', words.overridden(by)));
  }
}
