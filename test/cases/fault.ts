// What filters/fault does, as sentences. The same table runs in the VM, in Envoy by plugin configuration and by route metadata, and, where
// Envoy's own fault filter has the same, against that one (answers compared; wanted differences stand in test/fault-deviations.ts).
import type { z } from 'zod';
import type { FaultPolicy } from '../../policy/fault.ts';

export type FaultPolicyInput = z.input<typeof FaultPolicy>;
type Fault = FaultPolicyInput['faults'][number];
export type HeaderMatch = NonNullable<NonNullable<Fault['match']>['headers']>[number];

const one = (fault: Fault): FaultPolicyInput => ({ faults: [fault] });
const abort = { httpStatus: 503 };
const where = (...headers: HeaderMatch[]): FaultPolicyInput => one({ abort, match: { headers } });
const replace = (replacement: NonNullable<Fault['response']>['replace']): FaultPolicyInput => one({ response: { replace: replacement } });
/** gRPC statuses and the HTTP statuses that map to them. */
const GRPC = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401] as const;

/** The policy of the path /<name>. */
export const policies: Readonly<Record<string, FaultPolicyInput>> = {
  abort: one({ abort }),
  never: one({ abort: { httpStatus: 503, percentage: 0 }, delay: { fixedDelay: '10s', percentage: 0 }, responseRateLimit: { limitKbps: 1, percentage: 0 } }),
  abort200: one({ abort: { httpStatus: 200 } }),
  abort204: one({ abort: { httpStatus: 204 } }),
  abort400: one({ abort: { httpStatus: 400 } }),
  abort599: one({ abort: { httpStatus: 599 } }),
  ...Object.fromEntries(GRPC.map((_, status) => [`grpc${status}`, one({ abort: { grpcStatus: status } })])),
  delay: one({ delay: { fixedDelay: '250ms' } }),
  delayAbort: one({ delay: { fixedDelay: '100ms' }, abort: { httpStatus: 504 } }),
  limit: one({ responseRateLimit: { limitKbps: 10 } }),
  byHeader: one({ abort: { headerAbort: {} }, delay: { headerDelay: {} }, responseRateLimit: { headerLimit: {} } }),
  byHeaderNever: one({ abort: { headerAbort: {}, percentage: 0 }, delay: { headerDelay: {}, percentage: 0 }, responseRateLimit: { headerLimit: {}, percentage: 0 } }),
  exact: where({ name: 'x-user', value: 'alice' }),
  notExact: where({ name: 'x-user', value: 'alice', invert: true }),
  prefix: where({ name: 'x-user', type: 'Prefix', value: 'al' }),
  suffix: where({ name: 'x-user', type: 'Suffix', value: 'ce' }),
  contains: where({ name: 'x-user', type: 'Contains', value: 'lic' }),
  present: where({ name: 'x-user', type: 'Present' }),
  absent: where({ name: 'x-user', type: 'Present', invert: true }),
  range: where({ name: 'x-user', type: 'Range', start: -10, end: 20 }),
  both: where({ name: 'x-user', value: 'alice' }, { name: 'x-team', value: 'red' }),
  posts: where({ name: ':method', value: 'POST' }),
  paths: where({ name: ':path', type: 'Contains', value: 'slow' }),
  hosts: where({ name: ':authority', value: 'a.example' }),
  cluster: one({ abort, match: { clusters: ['upstream'] } }),
  otherCluster: one({ abort, match: { clusters: ['elsewhere'] } }),
  node: one({ abort, match: { downstreamNodes: ['node-1', 'node-2'] } }),

  // What Envoy's own filter has not.
  capped: one({ delay: { headerDelay: {}, max: '80ms' } }),
  uniform: one({ delay: { uniform: { min: '60ms', max: '60ms' } } }),
  quantiles: one({ delay: { quantiles: [{ quantile: 0, delay: '70ms' }, { quantile: 1, delay: '70ms' }] } }),
  cappedPareto: one({ delay: { pareto: { scale: '10s', shape: 1 }, max: '90ms' } }),
  inOrder: { faults: [{ delay: { fixedDelay: '60ms' } }, { delay: { fixedDelay: '40ms' } }, { abort }, { delay: { fixedDelay: '10s' } }, { abort: { httpStatus: 418 } }] },
  orElse: { faults: [{ abort: { httpStatus: 418 }, match: { headers: [{ name: 'x-user', type: 'Present' }] } }, { abort }] },
  ownWords: one({ abort: { httpStatus: 429, body: '{"slow":"down"}', headers: [{ name: 'Content-Type', value: 'application/json' }, { name: 'Retry-After', value: '7' }] } }),
  noWords: one({ abort: { httpStatus: 500, body: '' } }),
  reset: one({ abort: { reset: true } }),
  delayReset: one({ delay: { fixedDelay: '50ms' }, abort: { reset: true } }),
  responseDelay: one({ response: { delay: { fixedDelay: '120ms' } } }),
  everything: one({ delay: { fixedDelay: '50ms' }, response: { delay: { fixedDelay: '60ms' } }, responseRateLimit: { limitKbps: 10 } }),
  status: replace({ httpStatus: 500 }),
  headers: replace({ headers: [{ name: 'X-Kind', value: 'other' }, { name: 'x-new', value: 'yes' }], removeHeaders: ['X-Gone'] }),
  body: replace({ httpStatus: 418, headers: [{ name: 'x-new', value: 'yes' }], removeHeaders: ['x-gone'], body: 'teapot' }),
  sameStatusBody: replace({ body: 'other' }),
  delayedBody: one({ response: { delay: { fixedDelay: '80ms' }, replace: { httpStatus: 502, body: 'late' } } }),
  to204: replace({ httpStatus: 204 }),
  to200: replace({ httpStatus: 200 }),
  notOurOwn: one({ abort, response: { delay: { fixedDelay: '10s' }, replace: { httpStatus: 418, body: 'teapot' } }, responseRateLimit: { limitKbps: 1 } }),
  twice: { faults: [{ response: { replace: { httpStatus: 500, body: 'first' } } }, { response: { replace: { httpStatus: 502 } } }] },
  dryRun: one({ dryRun: true, abort, delay: { fixedDelay: '10s' }, response: { delay: { fixedDelay: '10s' }, replace: { httpStatus: 418 } }, responseRateLimit: { limitKbps: 1 } }),
  dryRunFirst: { faults: [{ dryRun: true, abort: { httpStatus: 418 } }, { abort }] },
  over: one({ abort, schedule: { end: '2024-01-01T00:00:00Z' } }),
  yetToCome: one({ abort, schedule: { start: '2099-01-01T00:00:00Z' } }),
  nowOn: one({ abort, schedule: { start: '2024-01-01T00:00:00+01:00', end: '2099-01-01T00:00:00Z', ramp: '1h' } }),
  sticky: one({ abort, sticky: { type: 'Header', name: 'x-user' } }),
  claim: one({ abort, match: { claims: [{ name: 'tier', values: ['free'] }] } }),
};

/** What the upstream answers; 200 and "hello" unless told otherwise. */
export interface UpstreamAnswer { readonly status?: number; readonly headers?: Record<string, string>; readonly body?: string }
export interface FaultCase {
  readonly name: string;
  readonly policy: string;
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly answer?: UpstreamAnswer;
  /** What the client gets; 0: the stream is reset. */
  readonly status: number;
  readonly body?: string;
  /** Of the response; null: must not be there. */
  readonly found?: Record<string, string | null>;
  /** Response code details; absent: the upstream's answer came through. */
  readonly details?: string;
  /** Milliseconds until all of the answer is there. */
  readonly takes?: number;
}

const user = (value: string | string[]): Record<string, string | string[]> => ({ 'x-user': value });
const grpc = { 'content-type': 'application/grpc' };
type Rest = Omit<FaultCase, 'name' | 'policy' | 'status'> & { status?: number };
const aborted = (name: string, policy: string, status = 503, rest: Rest = {}): FaultCase => ({ name, policy, status, body: 'fault filter abort', details: 'fault_filter_abort', ...rest });
const passed = (name: string, policy: string, rest: Rest = {}): FaultCase => ({ name, policy, status: 200, body: 'hello', ...rest });
const asked = (kind: string, value: string, more: Record<string, string | string[]> = {}): Rest => ({ headers: { [`x-envoy-fault-${kind}`]: value, ...more } });
const answeredGrpc = (name: string, policy: string, status: number, rest: Rest = {}): FaultCase =>
  aborted(name, policy, 200, { body: '', found: { 'grpc-status': String(status), 'grpc-message': 'fault filter abort', 'content-type': 'application/grpc' }, ...rest, headers: { ...grpc, ...rest.headers } });
const answer: UpstreamAnswer = { status: 201, headers: { 'x-kind': 'own', 'x-gone': '1', 'x-kept': '1', etag: '"a"', 'content-encoding': 'identity', 'content-type': 'application/json' }, body: '{"a":1}' };

export const cases: readonly FaultCase[] = [
  aborted('aborts', 'abort', 503, { found: { 'content-type': 'text/plain', 'content-length': '18' } }),
  aborted('aborts whatever the method', 'abort', 503, { method: 'DELETE' }),
  aborted('answers HEAD without a body', 'abort', 503, { method: 'HEAD', body: '', found: { 'content-length': '18' } }),
  passed('does nothing at 0 per cent', 'never'),
  ...([200, 400, 599] as const).map((status) => aborted(`aborts with ${status}`, `abort${status}`, status)),
  aborted('sends no body with 204', 'abort204', 204, { body: '', found: { 'content-length': null } }),
  answeredGrpc('tells a gRPC client the gRPC status that maps to the HTTP one', 'abort', 14),
  answeredGrpc('knows gRPC by its subtype too', 'abort', 14, { headers: { 'content-type': 'application/grpc+proto' } }),
  aborted('does not take gRPC-Web for gRPC', 'grpc5', 404, { headers: { 'content-type': 'application/grpc-web' } }),
  ...GRPC.map((status, code) => aborted(`answers plain HTTP ${status} for gRPC status ${code}`, `grpc${code}`, status)),
  ...GRPC.map((_, code) => answeredGrpc(`answers gRPC with status ${code}`, `grpc${code}`, code)),
  passed('delays', 'delay', { takes: 250 }),
  passed('delays a request with a body', 'delay', { method: 'POST', takes: 250 }),
  aborted('aborts after the delay', 'delayAbort', 504, { takes: 100 }),
  passed('takes its time with the response', 'limit', { answer: { body: 'x'.repeat(2000) }, body: 'x'.repeat(2000), takes: 196 }),
  passed('takes no time for an empty response', 'limit', { answer: { body: '' }, body: '' }),

  passed('does nothing unless the request asks', 'byHeader'),
  ...(['503', '+503', ' 503 ', '0503'] as const).map((value) => aborted(`aborts when asked by "${value}"`, 'byHeader', 503, asked('abort-request', value))),
  ...(['200', '599'] as const).map((value) => aborted(`aborts when asked by "${value}"`, 'byHeader', Number(value), asked('abort-request', value))),
  ...(['199', '600', '503.0', '5e2', '-0', '-503', '0x1f7', '18446744073709552119', '503abc', '', '²03'] as const).map((value) => passed(`ignores a status of "${value}"`, 'byHeader', asked('abort-request', value))),
  aborted('takes the first of two statuses', 'byHeader', 503, { headers: { 'x-envoy-fault-abort-request': ['503', '504'] } }),
  aborted('answers plain HTTP what maps to the gRPC status asked for', 'byHeader', 404, asked('abort-grpc-request', '5')),
  answeredGrpc('answers gRPC with the status asked for', 'byHeader', 5, asked('abort-grpc-request', '5')),
  aborted('takes the HTTP status when both are asked for', 'byHeader', 503, asked('abort-request', '503', { 'x-envoy-fault-abort-grpc-request': '3' })),
  aborted('takes the gRPC status when the HTTP one is none', 'byHeader', 404, asked('abort-request', 'x', { 'x-envoy-fault-abort-grpc-request': '5' })),
  ...(['-1', 'x', ''] as const).map((value) => passed(`ignores a gRPC status of "${value}"`, 'byHeader', asked('abort-grpc-request', value))),
  ...(['17', '4294967296'] as const).map((value) => passed(`ignores a gRPC status of "${value}"`, 'byHeader', asked('abort-grpc-request', value))),
  passed('lets the request lower the percentage', 'byHeader', asked('abort-request', '503', { 'x-envoy-fault-abort-request-percentage': '0' })),
  ...(['100', '101', '50.5', '-1', '-0', '4294967296', 'x', ''] as const).map((value) => aborted(`takes a percentage of "${value}" for all there is`, 'byHeader', 503, asked('abort-request', '503', { 'x-envoy-fault-abort-request-percentage': value }))),
  passed('does not let the request raise the percentage', 'byHeaderNever', { headers: { 'x-envoy-fault-abort-request': '503', 'x-envoy-fault-abort-request-percentage': '100', 'x-envoy-fault-delay-request': '10000', 'x-envoy-fault-delay-request-percentage': '100', 'x-envoy-fault-throughput-response': '1', 'x-envoy-fault-throughput-response-percentage': '100' } }),
  passed('delays as long as asked', 'byHeader', { ...asked('delay-request', '120'), takes: 120 }),
  ...(['0', 'x', '-5', '1.5', '9223372036854775808', '18446744073709551616', ''] as const).map((value) => passed(`ignores a delay of "${value}"`, 'byHeader', asked('delay-request', value))),
  passed('lets the request lower the percentage of delays', 'byHeader', asked('delay-request', '10000', { 'x-envoy-fault-delay-request-percentage': '0' })),
  passed('limits the rate as asked', 'byHeader', { ...asked('throughput-response', '10'), answer: { body: 'x'.repeat(1500) }, body: 'x'.repeat(1500), takes: 147 }),
  ...(['0', 'x', '-5', ''] as const).map((value) => passed(`ignores a rate of "${value}"`, 'byHeader', asked('throughput-response', value))),
  passed('lets the request lower the percentage of rate limits', 'byHeader', asked('throughput-response', '1', { 'x-envoy-fault-throughput-response-percentage': '0' })),
  aborted('delays and aborts as asked', 'byHeader', 501, { ...asked('delay-request', '60', { 'x-envoy-fault-abort-request': '501' }), takes: 60 }),

  aborted('matches a header', 'exact', 503, { headers: user('alice') }),
  ...([['another value', user('bob')], ['a longer value', user('alice2')], ['another case', user('Alice')], ['no such header', {}], ['two values in one', user('alice,bob')]] as const).map(([what, headers]) => passed(`does not match ${what}`, 'exact', { headers })),
  aborted('matches one of two values', 'exact', 503, { headers: user(['bob', 'alice']) }),
  aborted('matches the beginning of one of two values', 'prefix', 503, { headers: user(['bob', 'alice']) }),
  aborted('finds one of two values in a range', 'range', 503, { headers: user(['x', '5']) }),
  passed('inverts a match of one of two values', 'notExact', { headers: user(['bob', 'alice']) }),
  aborted('inverts a match of two values', 'notExact', 503, { headers: user(['bob', 'eve']) }),
  aborted('inverts a match', 'notExact', 503, { headers: user('bob') }),
  passed('inverts a match that holds', 'notExact', { headers: user('alice') }),
  passed('does not take a header that is absent for another value', 'notExact'),
  aborted('matches a prefix', 'prefix', 503, { headers: user('alice') }),
  passed('does not match what is no prefix', 'prefix', { headers: user('malice') }),
  aborted('matches a suffix', 'suffix', 503, { headers: user('malice') }),
  passed('does not match what is no suffix', 'suffix', { headers: user('alicex') }),
  passed('does not match a value shorter than the suffix', 'suffix', { headers: user('e') }),
  aborted('matches a part', 'contains', 503, { headers: user('malicex') }),
  passed('does not match what is no part', 'contains', { headers: user('bob') }),
  aborted('matches a part of two values', 'contains', 503, { headers: user(['bob', 'alice']) }),
  aborted('matches a header that is there', 'present', 503, { headers: user('') }),
  passed('does not match a header that is not there', 'present'),
  aborted('matches the absence of a header', 'absent'),
  passed('does not match the absence of a header that is there', 'absent', { headers: user('x') }),
  ...(['-10', '0', '19', '+5'] as const).map((value) => aborted(`finds ${value} in a range`, 'range', 503, { headers: user(value) })),
  ...(['-11', '20', '5.0', 'x', '', '99999999999999999999'] as const).map((value) => passed(`does not find "${value}" in a range`, 'range', { headers: user(value) })),
  aborted('wants all headers', 'both', 503, { headers: { ...user('alice'), 'x-team': 'red' } }),
  passed('does nothing when one header is missing', 'both', { headers: user('alice') }),
  aborted('matches the method', 'posts', 503, { method: 'POST' }),
  passed('does not match another method', 'posts'),
  aborted('matches the path', 'paths', 503, { path: '/slow?x=1' }),
  passed('does not match another path', 'paths'),
  aborted('matches the host', 'hosts', 503, { host: 'a.example' }),
  passed('does not match another host', 'hosts', { host: 'b.example' }),
  aborted('matches the cluster', 'cluster'),
  passed('does not match another cluster', 'otherCluster'),
  aborted('matches the downstream node', 'node', 503, { headers: { 'x-envoy-downstream-service-node': 'node-2' } }),
  passed('does not match another downstream node', 'node', { headers: { 'x-envoy-downstream-service-node': 'node-3' } }),
  passed('does not match a request without a downstream node', 'node'),

  passed('delays no longer than the policy allows', 'capped', { ...asked('delay-request', '9223372036854775807'), takes: 80 }),
  passed('delays as long as asked where that is less', 'capped', { ...asked('delay-request', '30'), takes: 30 }),
  passed('draws from a range', 'uniform', { takes: 60 }),
  passed('draws from quantiles', 'quantiles', { takes: 70 }),
  passed('caps what it draws', 'cappedPareto', { takes: 90 }),
  aborted('adds delays up and stops at the first abort', 'inOrder', 503, { takes: 100 }),
  aborted('takes the first fault that matches', 'orElse', 418, { headers: user('x') }),
  aborted('takes the next fault when one does not match', 'orElse'),
  aborted('aborts in words of its own', 'ownWords', 429, { body: '{"slow":"down"}', found: { 'content-type': 'application/json', 'retry-after': '7' } }),
  answeredGrpc('tells a gRPC client those words', 'ownWords', 14, { found: { 'grpc-status': '14', 'grpc-message': '{"slow":"down"}', 'retry-after': '7' } }),
  aborted('aborts without words', 'noWords', 500, { body: '', found: { 'content-type': null } }),
  { name: 'resets', policy: 'reset', status: 0 },
  { name: 'resets after the delay', policy: 'delayReset', status: 0, takes: 50 },
  passed('delays the response', 'responseDelay', { takes: 120 }),
  passed('delays an answer that is no success', 'responseDelay', { answer: { status: 404, body: 'no' }, status: 404, body: 'no', takes: 120 }),
  passed('delays request and response and slows the body down', 'everything', { answer: { body: 'x'.repeat(1024) }, body: 'x'.repeat(1024), takes: 210 }),
  { name: 'replaces the status', policy: 'status', answer, status: 500, body: '{"a":1}', found: { 'x-kind': 'own', etag: '"a"', 'x-kept': '1' } },
  { name: 'replaces headers', policy: 'headers', answer, status: 201, body: '{"a":1}', found: { 'x-kind': 'other', 'x-new': 'yes', 'x-gone': null, 'x-kept': '1', etag: '"a"' } },
  {
    name: 'replaces the body', policy: 'body', answer, status: 418, body: 'teapot', details: 'fault_filter_replace',
    found: { 'x-kind': 'own', 'x-new': 'yes', 'x-gone': null, 'x-kept': '1', etag: null, 'content-encoding': null, 'content-length': '6', 'content-type': 'application/json' },
  },
  { name: 'replaces nothing but the body', policy: 'sameStatusBody', answer, status: 201, body: 'other', details: 'fault_filter_replace', found: { 'content-length': '5' } },
  { name: 'answers a gRPC request in its form', policy: 'body', headers: grpc, answer: { headers: grpc }, status: 200, body: '', details: 'fault_filter_replace', found: { 'grpc-status': '2', 'grpc-message': 'teapot' } },
  { name: 'replaces the body after a delay', policy: 'delayedBody', status: 502, body: 'late', details: 'fault_filter_replace', takes: 80 },
  { name: 'takes the body away with a status that has none', policy: 'to204', answer, status: 204, body: '', details: 'fault_filter_replace', found: { 'content-length': null, 'x-kept': '1' } },
  { name: 'leaves no length behind of a body that never comes', policy: 'to200', answer: { status: 304, headers: { 'x-kept': '1', etag: '"a"', 'content-length': '5' }, body: '' }, status: 200, body: '', details: 'fault_filter_replace', found: { 'content-length': null, 'x-kept': '1', etag: null } },
  aborted('does not touch its own abort on the way back', 'notOurOwn'),
  { name: 'lets the last replacement have its way', policy: 'twice', status: 502, body: 'first', details: 'fault_filter_replace' },
  passed('does nothing in a dry run', 'dryRun'),
  aborted('goes on behind a dry run', 'dryRunFirst'),
  passed('does nothing when it is over', 'over'),
  passed('does nothing before its time', 'yetToCome'),
  aborted('does it in its time', 'nowOn'),
  aborted('always hits at 100 per cent, sticky or not', 'sticky', 503, { headers: user('alice') }),
  aborted('rolls as usual for a request without the key', 'sticky'),
  passed('does not match a claim that nobody published', 'claim'),
];
