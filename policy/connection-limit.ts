// The policies of filters/connection-limit: connections (in the listener) and concurrent requests (in the HTTP chain).
// EG's connection.connectionLimit is a ConnectionLimit per Listener, field for field. One shape for our kinds and for the filter.
import { z } from 'zod';
import { PositiveDuration } from './duration.ts';
import { ClaimMatch, RequestKey } from './request-key.ts';
import { RequestMatch } from './request-match.ts';

const limitName = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a lower-case name such as per-client');
/** In the listener, where limits of several objects meet: the limit's name with the object's before it. */
const qualifiedName = z.string().max(381).regex(/^([a-z0-9-]+\/[a-z0-9.-]+\/)?[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'must be a lower-case name such as per-client, or namespace/policy/per-client');
const cidr = z.union([z.cidrv4(), z.cidrv6()]);

const limitFields = {
  per: z.enum(['Listener', 'Gateway', 'SourceIP', 'ServerName', 'ClientCertificate']).default('Listener')
    .describe('what is counted together. Gateway: all its listeners. SourceIP, ServerName (SNI), ClientCertificate (SHA-256): each value by itself, over all listeners'),
  ipv4PrefixLength: z.int().min(1).max(32).default(32).describe('for SourceIP: addresses of one network of this size count together'),
  ipv6PrefixLength: z.int().min(1).max(128).default(64),
  value: z.int().min(1).max(1_000_000).optional().describe('connections open at one time, over all workers'),
  rate: z.strictObject({
    connections: z.int().min(1).max(1_000_000),
    per: PositiveDuration.default('1s'),
    burst: z.int().min(1).max(1_000_000).optional().describe('how many may come at once; default: connections'),
  }).optional().describe('new connections'),
  closeDelay: PositiveDuration.optional().describe('a connection too many is closed after this; until then it waits, and is not counted'),
  sources: z.array(cidr).max(128).default([]).describe('only connections from there; empty: all'),
  allow: z.array(cidr).max(128).default([]).describe('connections from there are neither limited nor counted'),
  dryRun: z.boolean().default(false).describe('counted as refused, and let in'),
};

function limitsSomething({ value, rate }: { readonly value?: unknown; readonly rate?: unknown }, context: z.RefinementCtx): void {
  if (value === undefined && rate === undefined) context.addIssue({ code: 'custom', message: 'must have value or rate' });
}

/** One limit on connections, as it is written. `value` and `rate` both hold where both are given. */
export const ConnectionLimit = z.strictObject({ name: limitName.describe('in metrics, and what connections are counted under'), ...limitFields }).superRefine(limitsSomething);
export type ConnectionLimit = z.infer<typeof ConnectionLimit>;

/** The same as a listener carries it. Listeners that carry a limit of one name, and do not count per Listener, share its counts. */
export const ListenerLimit = z.strictObject({ name: qualifiedName.describe('in metrics, and what connections are counted under'), ...limitFields }).superRefine(limitsSomething);
export type ListenerLimit = z.infer<typeof ListenerLimit>;

function uniqueNames(limits: readonly { readonly name: string }[], context: z.RefinementCtx): void {
  limits.forEach(({ name }, i) => {
    if (limits.findIndex((each) => each.name === name) < i) context.addIssue({ code: 'custom', path: [i, 'name'], message: 'must be unique within the policy' });
  });
}

export const ConnectionLimits = z.array(ConnectionLimit).min(1).max(16).superRefine(uniqueNames);

/** One limit on requests in flight: from their headers to the end of the answer. */
export const ConcurrencyLimit = z.strictObject({
  name: limitName,
  key: RequestKey.optional().describe('each value by itself, IPv6 addresses by /64; absent: all requests together. A request without the key is not limited'),
  value: z.int().min(1).max(1_000_000).describe('requests in flight at one time, over all workers'),
  claims: z.array(ClaimMatch).max(16).default([]).describe('only requests whose token says this'),
  httpStatus: z.union([z.literal(429), z.literal(503)]).default(429),
  dryRun: z.boolean().default(false),
});

/** Limits on the requests of the routes that the policy is for; they share its counts. */
export const ConcurrencyPolicy = z.strictObject({
  name: z.string().min(1).max(253).describe('what requests are counted under'),
  limits: z.array(ConcurrencyLimit).min(1).max(16).superRefine(uniqueNames),
});
export type ConcurrencyPolicy = z.infer<typeof ConcurrencyPolicy>;

/** Whether any of it can only be judged once the token has been. */
export function concurrencyClaims({ limits }: ConcurrencyPolicy): string[] {
  return limits.flatMap(({ key, claims }) => [...(key?.type === 'Claim' && key.name !== undefined ? [key.name] : []), ...claims.map(({ name }) => name)]);
}

/** The plugin configuration of connection-limit.wasm: as a network filter (connections), or as an HTTP filter (requests). Said, never inferred. */
export const ConnectionLimitPluginConfiguration = z.union([
  z.strictObject({
    connections: z.strictObject({
      listener: z.string().min(1).max(600).describe('what `per: Listener` counts under: namespace/gateway/port/listener at most'),
      limits: z.array(ListenerLimit).max(17).superRefine(uniqueNames).describe('EG\'s one, and those of a ConnectionLimitPolicy'),
    }),
  }),
  z.strictObject({
    requests: z.union([
      z.strictObject({ source: z.literal('route') }),
      z.strictObject({ rules: z.array(z.strictObject({ match: RequestMatch, policy: ConcurrencyPolicy })) }),
    ]),
  }),
]);
