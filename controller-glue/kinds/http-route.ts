// HTTPRoute, gateway.networking.k8s.io/v1.
import { z } from 'zod';
import { parseDuration } from '../../policy/duration.ts';
import { group, hostname, kind, namespaceName, objectName, portNumber, sectionName } from './names.ts';
import { regexProblem } from '../regex-problem.ts';
import { notSupported } from './not-supported.ts';

const headerName = z.string().min(1).max(256).regex(/^[A-Za-z0-9!#$%&'*+\-.^_|~]+$/, 'must be a header name');

/** Gateway API, HTTPPathMatch: what Envoy's normalised paths can never hold is refused, or the rule would silently match nothing. */
function pathProblem(value: string): string | null {
  if (!value.startsWith('/')) return 'must start with /';
  const refused = ['//', '/./', '/../', '%2f', '%2F', '#', '?'].find((part) => value.includes(part));
  if (refused !== undefined) return `must not contain ${refused}`;
  const ending = ['/..', '/.'].find((part) => value.endsWith(part));
  return ending === undefined ? null : `must not end with ${ending}`;
}

const PathMatch = z.strictObject({
  type: z.enum(['Exact', 'PathPrefix', 'RegularExpression']).default('PathPrefix'),
  value: z.string().min(1).max(1024).default('/'),
}).superRefine(({ type, value }, context) => {
  const problem = type === 'RegularExpression' ? regexProblem(value) : pathProblem(value);
  if (problem !== null) context.addIssue({ code: 'custom', path: ['value'], message: problem });
});

const ValueMatch = z.strictObject({
  type: z.enum(['Exact', 'RegularExpression']).default('Exact'),
  name: headerName,
  value: z.string().min(1).max(4096),
}).superRefine(({ type, value }, context) => {
  const problem = type === 'RegularExpression' ? regexProblem(value) : null;
  if (problem !== null) context.addIssue({ code: 'custom', path: ['value'], message: problem });
});

const Match = z.strictObject({
  path: PathMatch.default({ type: 'PathPrefix', value: '/' }),
  headers: z.array(ValueMatch).max(16).default([]),
  queryParams: z.array(ValueMatch).max(16).default([]),
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']).optional(),
});
export type Match = z.infer<typeof Match>;

/** A filter of whatever type: the rule that has one answers 500. */
const Filter = z.unknown().superRefine((filter, context) => {
  const type = typeof filter === 'object' && filter !== null && 'type' in filter ? String(filter.type) : 'this type';
  context.addIssue({ code: 'custom', message: 'not supported', params: { notSupported: true, hint: `filters of ${type} are not there yet` } });
});

export const BackendRef = z.strictObject({
  group: group.default(''),
  kind: kind.default('Service'),
  name: objectName,
  namespace: namespaceName.optional(),
  port: portNumber.optional(),
  weight: z.int().min(0).max(1_000_000).default(1),
  filters: z.array(Filter).max(16).optional(),
});
export type BackendRef = z.infer<typeof BackendRef>;

const duration = z.string().refine((text) => parseDuration(text) !== null, 'must be a duration such as 500ms, 10s or 1h30m');

export const HttpRule = z.strictObject({
  name: sectionName.optional(),
  matches: z.array(Match).max(64).default([]),
  filters: z.array(Filter).max(16).optional(),
  backendRefs: z.array(BackendRef).max(16).default([]),
  timeouts: z.strictObject({ request: duration.optional(), backendRequest: notSupported('use timeouts.request') }).optional(),
  retry: notSupported(),
  sessionPersistence: notSupported(),
});
export type HttpRule = z.infer<typeof HttpRule>;

export const ParentRef = z.strictObject({
  group: group.default('gateway.networking.k8s.io'),
  kind: kind.default('Gateway'),
  namespace: namespaceName.optional(),
  name: objectName,
  sectionName: sectionName.optional(),
  port: portNumber.optional(),
});
export type ParentRef = z.infer<typeof ParentRef>;

/** Gateway API allows so many in all rules of a route together. */
const MAX_MATCHES = 128;

/** A rule without matches has one, of every path. Asked whatever else is wrong: what is found later would count as a consequence of it. */
function fewMatches(rules: readonly HttpRule[]): boolean {
  return rules.reduce((sum, rule) => sum + (Array.isArray(rule?.matches) ? Math.max(1, rule.matches.length) : 1), 0) <= MAX_MATCHES;
}

export const HttpRouteSpec = z.strictObject({
  parentRefs: z.array(ParentRef).max(32).default([]),
  useDefaultGateways: notSupported(),
  hostnames: z.array(hostname).max(16).default([]),
  // CRD default: one rule that matches every path.
  rules: z.array(HttpRule).max(256).refine(fewMatches, { message: `must have at most ${MAX_MATCHES} matches, those of all rules together`, when: ({ value }) => Array.isArray(value) })
    .default([{ matches: [], backendRefs: [] }]),
});
export type HttpRouteSpec = z.infer<typeof HttpRouteSpec>;
