// What the filters do on one rule: its policies of different kinds put together, and the claims they need.
import { canonicalJson } from '../../policy/canonical-json.ts';
import { concurrencyClaims } from '../../policy/connection-limit.ts';
import type { ConcurrencyPolicy } from '../../policy/connection-limit.ts';
import { formatDuration } from '../../policy/duration.ts';
import { delays, needsClaims } from '../../policy/fault.ts';
import type { Fault, FaultPolicy } from '../../policy/fault.ts';
import { contentId } from '../content-id.ts';
import type { BackendTrafficEffect, FaultEffect, SecurityEffect } from '../draft.ts';
import type { IrConcurrency, IrFault, IrJwt } from '../ir.ts';

/** What the deciding policies make of the rule; each may be absent. */
export interface Effects {
  readonly security: SecurityEffect | undefined;
  readonly traffic?: BackendTrafficEffect | undefined;
  readonly faults?: FaultEffect | undefined;
  readonly concurrency?: ConcurrencyPolicy | undefined;
  /** The route's own; it starts after the delay of a fault, so the filter keeps to it too. 0: none. */
  readonly timeoutMs?: number | undefined;
}

export interface RuleFilters { readonly jwt?: IrJwt; readonly fault?: IrFault; readonly faultAfter?: IrFault; readonly concurrency?: IrConcurrency }

/** What can never come true on this rule: a policy that does not do what it says is not applied. */
export interface Unmet { readonly kind: 'FaultPolicy' | 'ConcurrencyPolicy'; readonly path: string; readonly problem: 'no tokens' | 'too many claims' }

const MAX_CLAIMS = 32;   // policy/jwt.ts, publishClaims

/** With something unmet there are no filters: the rule must be closed. */
export function ruleFilters({ security, traffic, faults, concurrency, timeoutMs = 0 }: Effects): { readonly filters: RuleFilters; readonly unmet: readonly Unmet[] } {
  // Faults of both kinds add up, EG's first.
  const all: readonly Fault[] = [...(traffic?.fault === undefined ? [] : [traffic.fault]), ...(faults?.faults ?? [])];
  const name = faults?.name ?? traffic?.name;
  const claims = [...new Set([...all.flatMap(faultClaims), ...(concurrency === undefined ? [] : concurrencyClaims(concurrency))])].sort();
  const judged = claims.length > 0 ? withSessions(security) : security?.jwt;
  const unmet = unmetClaims(claims, judged, faults, concurrency);
  if (unmet.length > 0) return { filters: {}, unmet };
  const stage = (some: readonly Fault[]): IrFault | undefined => {
    if (some.length === 0) return undefined;
    const policy: FaultPolicy = { faults: [...some], ...(faults?.maxActiveFaults === undefined ? {} : { maxActiveFaults: faults.maxActiveFaults }), ...(name === undefined ? {} : { name }) };
    const timed = timeoutMs > 0 && delays(policy) ? { ...policy, requestTimeout: formatDuration(timeoutMs) } : policy;
    return { id: contentId(canonicalJson(timed)), policy: timed };
  };
  const jwt = judged === undefined || claims.length === 0 ? judged : publishing(judged, claims);
  // DESIGN 20: what asks for claims is judged after authorization, all else before it.
  const fault = stage(all.filter((each) => !asksForClaims(each)));
  const faultAfter = stage(all.filter(asksForClaims));
  const filters: RuleFilters = {
    ...(jwt === undefined ? {} : { jwt }), ...(fault === undefined ? {} : { fault }), ...(faultAfter === undefined ? {} : { faultAfter }),
    ...(concurrency === undefined ? {} : { concurrency: { id: contentId(canonicalJson(concurrency)), policy: concurrency } }),
  };
  return { filters, unmet: [] };
}

function unmetClaims(claims: readonly string[], jwt: IrJwt | undefined, faults: FaultEffect | undefined, concurrency: ConcurrencyPolicy | undefined): Unmet[] {
  if (claims.length === 0) return [];
  if (claims.length > MAX_CLAIMS) return [{ kind: faults?.faults.some(asksForClaims) === true ? 'FaultPolicy' : 'ConcurrencyPolicy', path: 'spec', problem: 'too many claims' }];
  if (jwt !== undefined && jwt.policy.providers.length > 0) return [];
  return [
    ...(faults?.faults ?? []).flatMap((fault, i): Unmet[] => (asksForClaims(fault) ? [{ kind: 'FaultPolicy', path: `spec.faults[${i}]`, problem: 'no tokens' }] : [])),
    ...(concurrency?.limits ?? []).flatMap((limit, i): Unmet[] => (concurrencyClaims({ name: '', limits: [limit] }).length > 0 ? [{ kind: 'ConcurrencyPolicy', path: `spec.limits[${i}]`, problem: 'no tokens' }] : [])),
  ];
}

function asksForClaims(fault: Fault): boolean { return needsClaims({ faults: [fault] }); }

function faultClaims({ match, sticky }: Fault): string[] {
  return [...(match?.claims ?? []).map(({ name }) => name), ...(sticky?.type === 'Claim' && sticky.name !== undefined ? [sticky.name] : [])];
}

/** Where there are no tokens, the claims of a session are those that others ask for. */
function withSessions(security: SecurityEffect | undefined): IrJwt | undefined {
  const { jwt, oidc } = security ?? {};
  if (oidc === undefined || (jwt !== undefined && jwt.policy.providers.length > 0)) return jwt;
  return { id: '', policy: { ...(jwt?.policy ?? { missing: 'Allow', claimHeaders: 'FilterState' }), providers: [oidc.session] } };
}

/** Another policy by its content, so another id. */
function publishing({ policy }: IrJwt, claims: readonly string[]): IrJwt {
  const more = { ...policy, publishClaims: claims.map((claim) => claim.split('.')) };
  return { id: contentId(canonicalJson(more)), policy: more };
}
