// What the resolver asks of the requests of one rule: there is a policy wherever a rule leads to a DynamicResolver, the defaults where nobody wrote one.
import { canonicalJson } from '../../policy/canonical-json.ts';
import { formatDuration } from '../../policy/duration.ts';
import { MOST_ENTRIES, type ResolverRoute, type WrittenResolverPolicy } from '../../policy/resolver.ts';
import { type ResolverLevel, askingLevel, combineResolvers } from '../combined-resolver.ts';
import { contentId } from '../content-id.ts';
import type { Draft, DraftListener, DraftPolicy, DraftRoute, DraftRule } from '../draft.ts';
import type { IrRoute } from '../ir.ts';
import { problemAt } from '../problem-at.ts';
import { objectName } from '../resources.ts';
import { applied, around, listenerPlaces, rulePlaces } from './deciding.ts';
import { reportClosed } from './unmet-policies.ts';

interface Level extends ResolverLevel { readonly policy: DraftPolicy<'ResolverPolicy'> }

/** `timeoutMs`: of the rule's requests, 0: none. 'closed': what its policies deny together is more than there may be, and none of it may be left out. All of them are applied. */
export function resolverOf(route: DraftRoute, rule: DraftRule, listener: DraftListener, draft: Draft, timeoutMs = 0): Pick<IrRoute, 'resolver'> | 'closed' {
  const { action } = rule;
  if (action.kind !== 'forward') return {};
  const cluster = action.shares.map((share) => ('cluster' in share ? draft.clusters.get(share.cluster) : undefined)).find((each) => each?.kind === 'dynamic');
  if (cluster?.kind !== 'dynamic') return {};
  const levels = levelsOf(route, rule, listener, draft);
  const { policy, tooLong } = combineResolvers(levels);
  for (const { list, entries } of tooLong) {
    // The innermost that adds to the list is the one that can be made shorter without asking anybody.
    const adding = levels.find(({ written }) => (written[list]?.deny.length ?? 0) > 0);
    if (adding !== undefined) reportClosed(adding.policy, `spec.${list}.deny`, `comes, with what the policies around it deny, to ${entries} entries, and there may be ${MOST_ENTRIES[list]}, on`, route, rule, draft);
  }
  if (tooLong.length > 0) return 'closed';
  warnOfUnused(levels, route, draft);
  const asked: ResolverRoute = { policy, tls: cluster.tls !== undefined, ...(timeoutMs === 0 ? {} : { requestTimeout: formatDuration(timeoutMs) }) };
  return { resolver: { id: contentId(canonicalJson(asked)), policy: asked } };
}

function levelsOf(route: DraftRoute, rule: DraftRule, listener: DraftListener, draft: Draft): Level[] {
  const ofGateway = listenerPlaces(listener);
  const ofRoute = rulePlaces(route, rule, listener).filter((key) => !ofGateway.includes(key));
  const levels = (of: Level['of'], places: readonly string[]): Level[] => around('ResolverPolicy', places, draft).flatMap((policy) => {
    const written: WrittenResolverPolicy | undefined = applied(policy);
    return written === undefined ? [] : [{ of, policy, written }];
  });
  return [...levels('route', ofRoute), ...levels('gateway', ofGateway)];
}

/** Which name servers are asked, and which file is read, is for those to say who have the Gateway. */
function warnOfUnused(levels: readonly Level[], { resource }: DraftRoute, draft: Draft): void {
  const asking = askingLevel(levels);
  if (asking?.of !== 'gateway') return;
  const message = `is not used on ${objectName(resource.ref)}: ${objectName(asking.policy.resource.ref)}, of its Gateway, says how names are looked up there`;
  for (const { of, policy, written } of levels) {
    const { ref } = policy.resource;
    // One policy may be for both.
    if (of === 'gateway' || policy === asking.policy || written.dns === undefined) continue;
    if (draft.problems.some((known) => known.object === ref && known.path === 'spec.dns' && known.message === message)) continue;
    draft.problems.push(problemAt(policy.resource, { path: 'spec.dns', severity: 'warning', message }));
  }
}
