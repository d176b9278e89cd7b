// The routes that one HTTPRoute makes on one listener: its rules, under the policies that cover them there.
import type { Draft, DraftListener, DraftPolicy, DraftRoute, DraftRule, PolicyKind } from '../draft.ts';
import type { IrAction, IrCluster, IrRoute, ObjectRef } from '../ir.ts';
import { policyKindNames } from '../policy-kinds.ts';
import type { Reason } from '../reason.ts';
import { classKey, serviceKey } from './close-unsupported.ts';
import { applied, deciding, heard, listenerPlaces, rulePlaces } from './deciding.ts';
import { ruleClusters } from './rule-clusters.ts';
import { type RuleFilters, ruleFilters } from './rule-filters.ts';
import { oidcOf } from './rule-oidc.ts';
import { resolverOf } from './rule-resolver.ts';
import { reportUnmet } from './unmet-policies.ts';

/** A route with what it needs beside it: key sets by id, clusters of its own. */
export interface TableRoute { readonly route: IrRoute; readonly keySets: readonly string[]; readonly clusters: readonly IrCluster[] }

export function irRoutes(route: DraftRoute, listener: DraftListener, draft: Draft): TableRoute[] {
  const { metadata, ref } = route.resource;
  return route.rules.flatMap((rule) => {
    const covered = cover(route, rule, listener, draft);
    const owners: ObjectRef[] = [ref, ...covered.owners];
    return rule.matches.map((match, i): TableRoute => ({
      keySets: covered.keySets ?? [], clusters: covered.clusters ?? [],
      route: { name: `httproute/${metadata.namespace}/${metadata.name}/rule/${rule.index}/match/${i}`, owners, match, action: covered.action, ...covered.filters },
    }));
  });
}

interface Covered {
  readonly action: IrAction;
  readonly owners: readonly ObjectRef[];
  readonly filters?: RuleFilters & Pick<IrRoute, 'resolver' | 'oidc' | 'cors'>;
  readonly keySets?: readonly string[];
  readonly clusters?: readonly IrCluster[];
}

/** Closed by anything that closes; else under the most specific policy of each kind, whole: rule, route, listener, Gateway. ResolverPolicies add up. */
function cover(route: DraftRoute, rule: DraftRule, listener: DraftListener, draft: Draft): Covered {
  const places = rulePlaces(route, rule, listener);
  const unsupported = [...places, ...others(rule.action, listener)].map((key) => draft.closed.get(key)).find((ref) => ref !== undefined);
  if (unsupported !== undefined) return closed('gatewright_policy_unsupported', [unsupported]);
  const policies = policyKindNames.flatMap((kind): readonly DraftPolicy<PolicyKind>[] => heard(kind, places, draft));
  const owners = policies.map(({ resource }) => resource.ref);
  for (const { effect } of policies) if (effect.kind === 'closed') return closed(effect.reason, owners);
  if (route.invalid.length > 0) return closed('gatewright_route_invalid', owners);
  const security = applied(deciding('SecurityPolicy', places, draft));
  const keySets = security?.keySets ?? [];
  // An answer of our own needs no backend, and nobody wants it delayed.
  if (rule.action.kind === 'respond') return { action: rule.action, owners, keySets, filters: ruleFilters({ security }).filters };
  const traffic = applied(deciding('BackendTrafficPolicy', places, draft));
  const faults = deciding('FaultPolicy', places, draft);
  const concurrency = deciding('ConcurrencyPolicy', places, draft);
  // HTTPRoute's own timeout goes before the policy's (EG).
  const timed = { ...(traffic?.requestTimeoutMs === undefined ? {} : { timeoutMs: traffic.requestTimeoutMs }), ...rule.action };
  const { filters: own, unmet } = ruleFilters({ security, traffic, faults: applied(faults), concurrency: applied(concurrency), timeoutMs: timed.timeoutMs });
  if (unmet.length > 0) {
    reportUnmet(unmet, { FaultPolicy: faults, ConcurrencyPolicy: concurrency }, route, rule, draft);
    return closed('gatewright_policy_invalid', owners);
  }
  const resolver = resolverOf(route, rule, listener, draft, timed.timeoutMs);
  if (resolver === 'closed') return closed('gatewright_policy_invalid', owners);
  const oidc = oidcOf(security?.oidc, own.jwt, route, rule, listener, draft);
  if (oidc === 'closed') return closed('gatewright_policy_invalid', owners);
  const filters = { ...own, ...resolver, ...oidc, ...(security?.cors === undefined ? {} : { cors: security.cors }) };
  if (traffic?.cluster === undefined) return { action: timed, owners, keySets, filters };
  return { ...ruleClusters(timed, clusterScope(route, rule, listener, places, draft), traffic.cluster, draft.clusters), owners, keySets, filters };
}

/** Whose clusters they are: the rule's; under a policy for one listener alone, that listener's share of the rule. */
function clusterScope({ resource: { metadata } }: DraftRoute, { index }: DraftRule, listener: DraftListener, places: readonly string[], draft: Draft): string {
  const rule = `${metadata.namespace}/${metadata.name}/rule/${index}`;
  const at = places.find((key) => draft.attached.BackendTrafficPolicy.has(key));
  return at === listenerPlaces(listener)[0] ? `${rule}/${listener.spec.name}` : rule;
}

/** What only kinds that we do not carry out can have as a target: the class, and the Services a rule sends to. */
function others(action: IrAction, { gateway }: DraftListener): string[] {
  const services = action.kind !== 'forward' ? [] : action.shares.flatMap((share) => {
    const [namespace = '', name = ''] = 'cluster' in share ? share.cluster.split('/') : [];
    return 'cluster' in share ? [serviceKey(namespace, name)] : [];
  });
  return [classKey(gateway.spec.gatewayClassName), ...services];
}

function closed(reason: Reason, owners: readonly ObjectRef[]): Covered { return { action: { kind: 'respond', status: 500, reason }, owners }; }
