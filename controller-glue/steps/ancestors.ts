// status.ancestors of a policy, entry by entry.
import { withCondition } from '../condition.ts';
import type { Condition } from '../condition.ts';
import type { Draft } from '../draft.ts';
import type { AncestorStatus, ParentReference } from '../status.ts';

const MAX_ANCESTORS = 16;   // the CRD's limit

/** Adds a condition to the entry of an ancestor, made when it is not there. */
export function addAncestor({ settings: { controllerName } }: Draft, policy: { ancestors: AncestorStatus[] }): (ref: ParentReference, condition: Condition) => void {
  return (ancestorRef, condition) => {
    const at = policy.ancestors.findIndex(({ ancestorRef: other }) => same(other, ancestorRef));
    const entry = policy.ancestors[at];
    if (entry !== undefined) policy.ancestors[at] = { ...entry, conditions: withCondition(entry.conditions, condition) };
    else if (policy.ancestors.length < MAX_ANCESTORS) policy.ancestors.push({ ancestorRef, controllerName, conditions: [condition] });
  };
}

function same(a: ParentReference, b: ParentReference): boolean {
  return a.kind === b.kind && a.namespace === b.namespace && a.name === b.name && a.sectionName === b.sectionName && a.port === b.port;
}
