// The policy of filters/fault: one shape for the kind FaultPolicy, for routes' metadata and for a plugin configuration.
// EG's faultInjection is a Fault with delay and abort, field for field. filters/fault/config.ts reads exactly this shape.
import { z } from 'zod';
import { Duration, PositiveDuration, parseDuration } from './duration.ts';
import { ClaimMatch, RequestKey } from './request-key.ts';
import { RequestMatch } from './request-match.ts';

/** In per cent, steps of 0.0001: what is finer is cut off. */
const percentage = z.number().min(0).max(100).default(100).describe('of the requests, in steps of 0.0001');
const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,253}$/, 'must be a header name');
const headerValue = z.string().max(4096).regex(/^[^\0\r\n]*$/, 'must not hold line breaks');
/** What says where a message ends, or is between two neighbours: one that does not fit its body would pass off a part of it as the next answer on the connection. */
const FRAMING = ['connection', 'content-length', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'];
const SetHeader = z.strictObject({ name: headerName.refine((name) => !FRAMING.includes(name.toLowerCase()), `must not be one of ${FRAMING.join(', ')}: Envoy sets them as the body asks`), value: headerValue });
const httpStatus = z.int().min(200, 'must be from 200 to 599').max(599, 'must be from 200 to 599');

/** Issues unless exactly one of the named fields is given. */
function exactlyOne(...names: readonly string[]) {
  return (value: object, context: z.RefinementCtx): void => {
    const given = names.filter((name) => (value as Record<string, unknown>)[name] !== undefined);
    if (given.length !== 1) context.addIssue({ code: 'custom', message: `must have exactly one of ${names.join(', ')}${given.length > 1 ? `, and has ${given.join(' and ')}` : ''}` });
  };
}

/** One point of a latency distribution: so many of all requests (0 to 1) take this long at most. */
const Quantile = z.strictObject({ quantile: z.number().min(0).max(1), delay: Duration });

const distributions = {
  fixedDelay: PositiveDuration.optional(),
  uniform: z.strictObject({ min: Duration, max: PositiveDuration }).optional(),
  normal: z.strictObject({ mean: PositiveDuration, deviation: PositiveDuration }).optional().describe('cut off at 0'),
  pareto: z.strictObject({ scale: PositiveDuration.describe('the least delay'), shape: z.number().min(0.1).max(100) }).optional(),
  quantiles: z.array(Quantile).min(2).max(32).optional().describe('ascending; between two points delays are spread evenly'),
};
const spread = {
  jitter: PositiveDuration.optional().describe('up to this much more or less, never below 0'),
  max: PositiveDuration.default('1m').describe('no delay is longer, fixedDelay excepted'),
  percentage,
};

function ascending({ uniform, quantiles }: { readonly uniform?: { min: string; max: string } | undefined; readonly quantiles?: readonly z.infer<typeof Quantile>[] | undefined }, context: z.RefinementCtx): void {
  const ms = (text: string): number => parseDuration(text) ?? 0;
  if (uniform !== undefined && ms(uniform.min) > ms(uniform.max)) context.addIssue({ code: 'custom', path: ['uniform', 'min'], message: 'must not be more than max' });
  quantiles?.forEach((each, i) => {
    const before = quantiles[i - 1];
    if (before !== undefined && (each.quantile <= before.quantile || ms(each.delay) < ms(before.delay))) context.addIssue({ code: 'custom', path: ['quantiles', i], message: 'must be ascending' });
  });
}

/** How long a request waits before it goes on. Envoy's fault filter: HTTPFault.delay. */
export const Delay = z.strictObject({
  ...distributions,
  headerDelay: z.strictObject({}).optional().describe('the request says it: x-envoy-fault-delay-request, in milliseconds'),
  ...spread,
}).superRefine(exactlyOne(...Object.keys(distributions), 'headerDelay')).superRefine(ascending);

export const ResponseDelay = z.strictObject({ ...distributions, ...spread }).superRefine(exactlyOne(...Object.keys(distributions))).superRefine(ascending);

/** How a request ends without its backend. Envoy's fault filter: HTTPFault.abort. */
export const Abort = z.strictObject({
  httpStatus: httpStatus.optional(),
  grpcStatus: z.int().min(0).max(16).optional().describe('requests that are not gRPC get the HTTP status that maps to it'),
  headerAbort: z.strictObject({}).optional().describe('the request says it: x-envoy-fault-abort-request or x-envoy-fault-abort-grpc-request'),
  reset: z.literal(true).optional().describe('the stream is reset; on HTTP/1 the connection closes'),
  body: z.string().max(65_536).optional().describe('instead of "fault filter abort"'),
  headers: z.array(SetHeader).max(16).default([]),
  percentage,
}).superRefine(exactlyOne('httpStatus', 'grpcStatus', 'headerAbort', 'reset'));

/** What happens to the backend's answer. */
export const ResponseFault = z.strictObject({
  delay: ResponseDelay.optional(),
  replace: z.strictObject({
    httpStatus: httpStatus.optional(),
    headers: z.array(SetHeader).max(16).default([]),
    removeHeaders: z.array(headerName).max(16).default([]),
    body: z.string().max(65_536).optional(),
    percentage,
  }).optional(),
}).superRefine(({ delay, replace }, context) => {
  if (delay === undefined && replace === undefined) context.addIssue({ code: 'custom', message: 'must have delay or replace' });
});

/** Envoy's fault filter: HTTPFault.response_rate_limit. */
export const ResponseRateLimit = z.strictObject({
  limitKbps: z.int().min(1).max(1_048_576).optional().describe('KiB/s, each response; a chunk waits until its time has come, so the total time is right and the flow is coarse'),
  headerLimit: z.strictObject({}).optional().describe('the request says it: x-envoy-fault-throughput-response, in KiB/s'),
  percentage,
}).superRefine(exactlyOne('limitKbps', 'headerLimit'));

/** Which requests a fault is for. All that is given must hold. */
export const FaultMatch = z.strictObject({
  headers: z.array(z.strictObject({
    name: z.string().min(1).max(253).describe('lower case; also :method, :path, :authority'),
    type: z.enum(['Exact', 'Prefix', 'Suffix', 'Contains', 'Present', 'Range']).default('Exact'),
    value: z.string().max(4096).optional().describe('for Exact, Prefix, Suffix, Contains'),
    start: z.int().optional().describe('for Range: the least integer'),
    end: z.int().optional().describe('for Range: the first integer beyond'),
    invert: z.boolean().default(false),
  }).superRefine(({ type, value, start, end }, context) => {
    const needsValue = type !== 'Present' && type !== 'Range';
    if (needsValue !== (value !== undefined)) context.addIssue({ code: 'custom', path: ['value'], message: needsValue ? `must be given when type is ${type}` : `must be absent when type is ${type}` });
    if ((type === 'Range') !== (start !== undefined && end !== undefined)) context.addIssue({ code: 'custom', message: 'must have start and end when type is Range, and only then' });
  })).max(16).default([]),
  clusters: z.array(z.string().min(1)).max(64).default([]).describe('Envoy\'s name of the cluster that the route leads to'),
  downstreamNodes: z.array(z.string().min(1)).max(64).default([]).describe('x-envoy-downstream-service-node is one of them'),
  claims: z.array(ClaimMatch).max(16).default([]),
});

/** When a fault is on. Outside it nothing happens. */
export const Schedule = z.strictObject({
  start: z.iso.datetime({ offset: true }).optional(),
  end: z.iso.datetime({ offset: true }).optional(),
  ramp: PositiveDuration.optional().describe('from start on, the percentages grow from 0 to what they are'),
}).superRefine(({ start, end, ramp }, context) => {
  if (start !== undefined && end !== undefined && Date.parse(start) >= Date.parse(end)) context.addIssue({ code: 'custom', path: ['end'], message: 'must be after start' });
  if (ramp !== undefined && start === undefined) context.addIssue({ code: 'custom', path: ['ramp'], message: 'needs start' });
});

/** One fault. Each of its effects rolls a die of its own. */
export const Fault = z.strictObject({
  name: z.string().min(1).max(63).optional(),
  match: FaultMatch.optional(),
  schedule: Schedule.optional(),
  sticky: RequestKey.optional().describe('the same key always meets the same fate; a request without it rolls as usual'),
  seed: z.string().max(253).default('').describe('another seed, another fate'),
  dryRun: z.boolean().default(false).describe('counted, and not done'),
  delay: Delay.optional(),
  abort: Abort.optional().describe('after the delay'),
  response: ResponseFault.optional(),
  responseRateLimit: ResponseRateLimit.optional(),
}).superRefine(({ delay, abort, response, responseRateLimit }, context) => {
  if (delay === undefined && abort === undefined && response === undefined && responseRateLimit === undefined) {
    context.addIssue({ code: 'custom', message: 'must have at least one of delay, abort, response, responseRateLimit' });
  }
});
export type Fault = z.infer<typeof Fault>;

/** The faults of one route, in order: delays add up, the first abort ends the request. */
export const FaultPolicy = z.strictObject({
  faults: z.array(Fault).min(1).max(16),
  maxActiveFaults: z.int().min(1).max(1_000_000).optional().describe('requests under a fault at one time, over all workers; a request beyond them passes untouched'),
  requestTimeout: PositiveDuration.optional().describe('a request that is delayed gets 504 so long after it came, unless its answer has begun: the route\'s own timeout starts after the delay'),
  name: z.string().min(1).max(253).optional().describe('what active faults are counted under; a policy that changes keeps its count. Default: the policy\'s content'),
});
export type FaultPolicy = z.infer<typeof FaultPolicy>;

/** Whether a policy can only be judged once the token has been. */
export function needsClaims({ faults }: FaultPolicy): boolean {
  return faults.some(({ match, sticky }) => (match?.claims.length ?? 0) > 0 || sticky?.type === 'Claim');
}

/** Does it hold requests or answers up? What is only counted, or turned down to 0 %, does not. */
export function delays({ faults }: FaultPolicy): boolean {
  const happens = (delay: { readonly percentage: number } | undefined): boolean => delay !== undefined && delay.percentage > 0;
  return faults.some(({ dryRun, delay, response }) => !dryRun && (happens(delay) || happens(response?.delay)));
}

/** The plugin configuration of fault.wasm. `stage`: which of a route's two policies this instance carries out. */
export const FaultPluginConfiguration = z.union([
  z.strictObject({ source: z.literal('route'), stage: z.enum(['BeforeAuthorization', 'AfterAuthorization']).default('BeforeAuthorization') }),
  z.strictObject({ rules: z.array(z.strictObject({ match: RequestMatch, policy: FaultPolicy })).describe('first match decides; none: no fault') }),
]);
