// Writes draft.policies, oldest first: what each policy makes of what it will decide for.
import type { Draft, DraftPolicy, Effect, PolicyKind } from '../draft.ts';
import { older } from '../lookup.ts';
import { policyKindNames, policyKinds } from '../policy-kinds.ts';
import { problemAt } from '../problem-at.ts';
import type { Fault } from '../problem-at.ts';

export function readPolicies(draft: Draft): void {
  for (const kind of policyKindNames) readKind(kind, draft);
}

function readKind<Kind extends PolicyKind>(kind: Kind, draft: Draft): void {
  const policies: DraftPolicy<Kind>[] = draft.policies[kind];
  for (const resource of policyKinds[kind].resources(draft.resources).toSorted(older)) policies.push({ resource, effect: effect(kind, resource, draft), ancestors: [] });
}

function effect<Kind extends PolicyKind>(kind: Kind, resource: DraftPolicy<Kind>['resource'], draft: Draft): DraftPolicy<Kind>['effect'] {
  // Whatever could not be read or is not supported may be what restricts access.
  if (resource.problems.length > 0) return closed(resource.problems);
  const faults: Fault[] = [];
  const value = policyKinds[kind].effect(resource, draft, (fault) => faults.push(fault));
  draft.problems.push(...faults.map((fault) => problemAt(resource, fault)));
  const errors = faults.filter(({ severity }) => severity !== 'warning');
  return errors.length > 0 ? closed(errors) : { kind: 'applied', value };
}

function closed(faults: readonly Fault[]): Effect<never> {
  const message = faults.map((fault) => (fault.path === '' ? fault.message : `${fault.path}: ${fault.message}`)).join('; ');
  return { kind: 'closed', reason: 'gatewright_policy_invalid', message };
}
