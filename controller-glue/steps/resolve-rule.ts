// One rule of an HTTPRoute → what it matches, in Envoy's terms, and where its requests go.
import { parseDuration } from '../../policy/duration.ts';
import type { Draft, DraftRule } from '../draft.ts';
import type { IrAction, IrMatch, IrShare, IrValueMatch } from '../ir.ts';
import type { HttpRouteSpec, HttpRule, Match } from '../kinds/http-route.ts';
import { problemAt } from '../problem-at.ts';
import type { Resource } from '../resources.ts';
import { resolveBackend } from './resolve-backend.ts';
import type { Backend } from './resolve-backend.ts';

export function resolveRule(resource: Resource<HttpRouteSpec>, rule: HttpRule, index: number, draft: Draft): DraftRule {
  const at = `spec.rules[${index}]`;
  const invalid = resource.problems.filter(({ path }) => path === at || path.startsWith(`${at}.`)).map(({ path, message }) => `${path}: ${message}`);
  const fault = (path: string, message: string) => {
    draft.problems.push(problemAt(resource, { path, message }));
    invalid.push(`${path}: ${message}`);
  };
  // Gateway API: no matches is one match of every path.
  const matches = (rule.matches.length === 0 ? [{ path: { type: 'PathPrefix' as const, value: '/' }, headers: [], queryParams: [] }] : rule.matches)
    .map((each, i) => match(each, `${at}.matches[${i}]`, fault, resource));
  const backends = rule.backendRefs.map((ref, i) => resolveBackend(resource, ref, `${at}.backendRefs[${i}]`, draft));
  // EG: it takes the whole rule. A part of the requests could not be told from those that go elsewhere.
  const dynamic = backends.findIndex(({ share }) => 'cluster' in share && draft.clusters.get(share.cluster)?.kind === 'dynamic');
  if (dynamic !== -1 && rule.backendRefs.length > 1) fault(`${at}.backendRefs[${dynamic}]`, 'a Backend of type DynamicResolver must be the only backendRef of its rule');
  const unresolved = backends.flatMap((backend) => (backend.refused === undefined ? [] : [backend.refused]));
  return { index, name: rule.name, matches, invalid, unresolved, action: invalid.length > 0 ? { kind: 'respond', status: 500, reason: 'gatewright_route_invalid' } : action(backends, rule) };
}

function action(backends: readonly Backend[], { timeouts }: HttpRule): IrAction {
  const shares = backends.filter(({ share }) => share.weight > 0).map(({ share }) => share);
  if (shares.length === 0) return { kind: 'respond', status: 500, reason: 'gatewright_no_backends' };
  const [first] = shares;
  if (shares.every((share) => 'reason' in share) && first !== undefined && 'reason' in first) return { kind: 'respond', status: 500, reason: first.reason };
  const timeoutMs = timeouts?.request === undefined ? null : parseDuration(timeouts.request);
  return { kind: 'forward', shares: merged(shares), ...(timeoutMs === null ? {} : { timeoutMs }) };
}

/** The same backend twice is one share. */
function merged(shares: readonly IrShare[]): IrShare[] {
  const groups = Map.groupBy(shares, (share) => ('reason' in share ? share.reason : `/${share.cluster}`));
  return [...groups.values()].flatMap((same) => {
    const [first] = same;
    return first === undefined ? [] : [{ ...first, weight: same.reduce((sum, { weight }) => sum + weight, 0) }];
  });
}

type SayFault = (path: string, message: string) => void;

/**
 * What a match cannot say it leaves out: broader, for a rule that answers 500. So are the patterns of a route that Envoy refused, and all that is long in one that
 * was too large for it.
 */
function match({ path, headers, queryParams, method }: Match, at: string, fault: SayFault, { large, refusal }: Resource<HttpRouteSpec>): IrMatch {
  if (large) return { path: pathMatch(path, `${at}.path.value`, fault, undefined), headers: [], query: [] };
  return {
    path: pathMatch(path, `${at}.path.value`, fault, refusal),
    ...(method === undefined ? {} : { method }),
    headers: values(headers, `${at}.headers`, true, fault, refusal),
    query: values(queryParams, `${at}.queryParams`, false, fault, refusal),
  };
}

function pathMatch({ type, value }: Match['path'], at: string, fault: SayFault, refusal: string | undefined): IrMatch['path'] {
  switch (type) {
    case 'Exact': return { kind: 'exact', value };
    // "Trailing slashes are ignored": /foo/ and /foo are the same prefix.
    case 'PathPrefix': return { kind: 'prefix', value: value === '/' ? '/' : value.replace(/\/+$/, '') };
    case 'RegularExpression': {
      if (refusal === undefined) return { kind: 'regex', value };
      fault(at, refusal);
      return { kind: 'prefix', value: literalPrefix(value), standIn: true };
    }
  }
}

/** The path elements that everything a pattern could match begins with: what is closed in its place. */
function literalPrefix(pattern: string): string {
  const literal = /^(?:\/[A-Za-z0-9_~-]+)*(?=\/[^?*{])/.exec(pattern)?.[0] ?? '';
  return pattern.includes('|') || literal === '' ? '/' : literal;
}

function values(matches: Match['headers'], at: string, foldCase: boolean, fault: SayFault, refusal: string | undefined): IrValueMatch[] {
  const seen = new Set<string>();
  return matches.flatMap(({ type, name, value }, i): IrValueMatch[] => {
    const key = foldCase ? name.toLowerCase() : name;
    // Gateway API: of several entries with one name the first counts.
    if (seen.has(key)) return [];
    seen.add(key);
    if (type === 'Exact') return [{ name: key, kind: 'exact', value }];
    if (refusal === undefined) return [{ name: key, kind: 'regex', value }];
    fault(`${at}[${i}].value`, refusal);
    return [];
  });
}
