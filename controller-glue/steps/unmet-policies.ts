// A policy that can never do on some rule what it says: told to its author, with the rule by name. The rule is closed, the others are served.
import { condition } from '../draft.ts';
import type { Draft, DraftPolicy, DraftRoute, DraftRule, PolicyKind } from '../draft.ts';
import { withCondition } from '../condition.ts';
import { problemAt } from '../problem-at.ts';
import { objectName } from '../resources.ts';
import type { Unmet } from './rule-filters.ts';

type Policies = { readonly [Kind in Unmet['kind']]: DraftPolicy<Kind> | undefined };

const WORDS: Readonly<Record<Unmet['problem'], string>> = {
  'no tokens': 'asks for claims, and no SecurityPolicy with jwt covers',
  'too many claims': 'asks, with the other policies there, for more than 32 claims on',
};

const MAX_MESSAGE = 2_000;   // of a condition; all of it is among the problems

export function reportUnmet(unmet: readonly Unmet[], policies: Policies, route: DraftRoute, rule: DraftRule, draft: Draft): void {
  for (const { kind, path, problem } of unmet) {
    const policy = policies[kind];
    if (policy !== undefined) reportClosed(policy, path, WORDS[problem], route, rule, draft);
  }
}

/** `words` lead up to the rule, which this policy closes. */
export function reportClosed(policy: DraftPolicy<PolicyKind>, path: string, words: string, { resource }: DraftRoute, { index }: DraftRule, draft: Draft): void {
  const message = `${words} rule ${index} of ${objectName(resource.ref)}: the rule answers 500`;
  // The rule may be on several listeners.
  if (draft.problems.some((known) => known.object === policy.resource.ref && known.path === path && known.message === message)) return;
  draft.problems.push(problemAt(policy.resource, { path, message }));
  policy.ancestors = policy.ancestors.map((entry) => {
    const said = entry.conditions.find(({ type }) => type === 'PartiallyInvalid')?.message;
    if (said !== undefined && said.length > MAX_MESSAGE) return entry;
    const text = `${said === undefined ? '' : `${said}; `}${path}: ${message}`;
    return { ...entry, conditions: withCondition(entry.conditions, condition(policy.resource, 'PartiallyInvalid', true, 'Invalid', text)) };
  });
}
