// What a processor may answer, and what comes of it. The same table runs in the test host and in Envoy.
import type { HostOptions, HostRequest, HostResponse, Service } from '../../extproc/test-host.ts';
import { Policies } from '../../extproc/policies.ts';
import type { AnyProcessor, Authorizer, Processor } from '../../extproc/processor.ts';
import type { Changes, Headers, Mode, Reply } from '../../extproc/reply.ts';
import { changed } from '../../extproc/wire-response.ts';
import { Secret } from '../../policy/secret.ts';

export interface ExtProcCase {
  readonly name: string;
  readonly processor: AnyProcessor;
  readonly mode?: HostOptions['mode'];
  readonly observability?: boolean;
  readonly request?: Pick<HostRequest, 'method' | 'headers' | 'body' | 'trailers' | 'metadata'>;
  readonly upstream?: HostResponse;
  readonly status: number;
  readonly details?: string;
  /** Of the answer that the client gets: these are all its values. */
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  readonly body?: string;
  readonly trailers?: Readonly<Record<string, readonly string[]>>;
  /** What the upstream got. `false`: nothing. */
  readonly upstreamGot?: false | { readonly headers?: Readonly<Record<string, readonly string[]>>; readonly body?: string; readonly trailers?: Readonly<Record<string, readonly string[]>> };
}

export const KNOWN_POLICY = 'policy-1';
export function policies(): Policies<{ tenant: string }> {
  const known = new Policies((document) => document as { tenant: string });
  known.add(KNOWN_POLICY, new Secret('{"tenant":"blue"}'));
  return known;
}

let made = 0;
const named = (): string => `case_${made++}`;
const onRequest = (reply: Reply): Processor => ({ name: named(), onRequestHeaders: () => reply });
const onResponse = (reply: Reply): Processor => ({ name: named(), onResponseHeaders: () => reply });
const mutate = (changes: Changes): Reply => ({ kind: 'mutate', ...changes });
const authorizer = (phases: Partial<Authorizer<{ tenant: string }>>): Authorizer<{ tenant: string }> => ({ name: named(), authorizes: true, policies: policies(), onRequestHeaders: () => ({ kind: 'pass' }), ...phases });
const known = { metadata: { 'gatewright-policy': KNOWN_POLICY } };
const post = (...body: string[]): Pick<HostRequest, 'method' | 'body'> => ({ method: 'POST', body });
const cookies: Headers = [['set-cookie', 'a=1; Path=/'], ['set-cookie', 'b=2; Path=/'], ['set-cookie', 'c=3; Path=/']];
const allCookies = cookies.map(([, value]) => value);
const upper = (text: Uint8Array): string => Buffer.from(text).toString().toUpperCase();
const answersBody = (mode: Mode): Processor => ({ name: named(), onRequestHeaders: () => mutate({ mode }), onRequestBody: ({ body, endOfStream }) => ({ kind: 'respond', status: 200, body: `${upper(body)} ${endOfStream}`, details: 'echoed' }) });
/** As long as the test wants, and longer than any deadline. */
const never = (): Promise<never> => new Promise(() => {});

/** What every processor does before it breaks: the request would pass. */
const broken = (name: string, onRequestHeaders: () => unknown, extra: Partial<ExtProcCase> = {}): ExtProcCase => ({
  name, processor: authorizer({ onRequestHeaders: onRequestHeaders as () => { kind: 'pass' } }), request: known, status: 500, upstreamGot: false, ...extra,
});

export const cases: readonly ExtProcCase[] = [
  // ---- headers ----
  { name: 'continue changes nothing', processor: onRequest({ kind: 'continue' }), request: { headers: [['x-a', '1']] }, status: 200, upstreamGot: { headers: { 'x-a': ['1'] } } },
  { name: 'a phase without a function is answered with continue', processor: { name: named() }, mode: { responseHeaders: true }, status: 200, upstreamGot: {} },
  { name: 'set replaces every value, and adds', processor: onRequest(mutate({ set: [['x-a', 'new'], ['x-b', 'added']] })), request: { headers: [['x-a', '1'], ['x-a', '2']] }, status: 200, upstreamGot: { headers: { 'x-a': ['new'], 'x-b': ['added'] } } },
  { name: 'append keeps what is there', processor: onRequest(mutate({ append: [['x-a', '2'], ['x-a', '3']] })), request: { headers: [['x-a', '1']] }, status: 200, upstreamGot: { headers: { 'x-a': ['1', '2', '3'] } } },
  { name: 'addIfAbsent leaves what is there', processor: onRequest(mutate({ addIfAbsent: [['x-a', 'default'], ['x-b', 'default']] })), request: { headers: [['x-a', 'mine']] }, status: 200, upstreamGot: { headers: { 'x-a': ['mine'], 'x-b': ['default'] } } },
  { name: 'remove takes every value', processor: onRequest(mutate({ remove: ['x-a'] })), request: { headers: [['x-a', '1'], ['x-a', '2'], ['x-b', '1']] }, status: 200, upstreamGot: { headers: { 'x-a': [], 'x-b': ['1'] } } },
  { name: 'what is removed is absent for addIfAbsent', processor: onRequest(mutate({ remove: ['x-a'], addIfAbsent: [['x-a', 'default']] })), request: { headers: [['x-a', '1']] }, status: 200, upstreamGot: { headers: { 'x-a': ['default'] } } },
  { name: 'an empty value is a value', processor: onRequest(mutate({ set: [['x-a', '']] })), request: { headers: [['x-a', '1']] }, status: 200, upstreamGot: { headers: { 'x-a': [''] } } },
  { name: 'values go through as they are, whatever bytes', processor: { name: named(), onRequestHeaders: ({ headers }) => mutate({ set: [['x-copy', headers.get('x-a') ?? 'none']] }) }, request: { headers: [['x-a', 'zażółć; "q" =,']] }, status: 200, upstreamGot: { headers: { 'x-copy': ['zażółć; "q" =,'] } } },
  { name: 'repeated headers are read as one, or each', processor: { name: named(), onRequestHeaders: ({ headers }) => mutate({ set: [['x-joined', headers.get('x-a') ?? ''], ['x-count', String(headers.getAll('x-a').length)], ['x-has', String(headers.has('x-none'))]] }) }, request: { headers: [['x-a', '1'], ['x-a', '2']] }, status: 200, upstreamGot: { headers: { 'x-joined': ['1, 2'], 'x-count': ['2'], 'x-has': ['false'] } } },
  { name: 'an answer may take its time', processor: { name: named(), onRequestHeaders: async () => { await new Promise((resolve) => setTimeout(resolve, 20)); return mutate({ set: [['x-late', 'yes']] }); } }, status: 200, upstreamGot: { headers: { 'x-late': ['yes'] } } },
  { name: 'more time is granted to who asks', processor: { name: named(), deadline: 100, onRequestHeaders: async (_, stream) => { stream.extend(5000); await new Promise((resolve) => setTimeout(resolve, 400)); return mutate({ set: [['x-late', 'very']] }); } }, status: 200, upstreamGot: { headers: { 'x-late': ['very'] } } },

  // ---- responses ----
  { name: 'response headers change, and cookies of the upstream stay', processor: onResponse(mutate({ append: cookies, set: [['x-a', 'new']], remove: ['x-b'] })), mode: { responseHeaders: true }, upstream: { status: 200, headers: [['set-cookie', 'u=0'], ['x-a', 'old'], ['x-b', 'old']] }, status: 200, headers: { 'set-cookie': ['u=0', ...allCookies], 'x-a': ['new'], 'x-b': [] } },
  { name: 'an earlier phase is remembered', processor: { name: named(), onRequestHeaders: () => ({ kind: 'continue' }), onResponseHeaders: (_, { requestHeaders }) => mutate({ set: [['x-was', requestHeaders?.get('x-a') ?? 'forgotten']] }) }, mode: { responseHeaders: true }, request: { headers: [['x-a', 'mine']] }, status: 200, headers: { 'x-was': ['mine'] } },
  { name: 'a status of the upstream is replaced', processor: onResponse(mutate({ set: [[':status', '203']] })), mode: { responseHeaders: true }, status: 203 },

  // ---- immediate responses ----
  { name: 'an immediate response keeps every cookie', processor: onRequest({ kind: 'respond', status: 302, headers: [['location', 'https://login.example.com/'], ...cookies], details: 'login_required' }), status: 302, details: 'login_required', headers: { location: ['https://login.example.com/'], 'set-cookie': allCookies }, upstreamGot: false },
  { name: 'an immediate response has a body of its own type', processor: onRequest({ kind: 'respond', status: 403, headers: [['content-type', 'text/html']], body: '<p>no</p>', details: 'refused' }), status: 403, details: 'refused', body: '<p>no</p>', headers: { 'content-type': ['text/html'] }, upstreamGot: false },
  { name: 'gRPC clients get a gRPC status', processor: onRequest({ kind: 'respond', status: 403, grpcStatus: 7, details: 'refused' }), request: { method: 'POST', headers: [['content-type', 'application/grpc']] }, status: 200, details: 'refused', headers: { 'grpc-status': ['7'] }, upstreamGot: false },
  { name: 'a response phase may answer in the upstream\'s place', processor: onResponse({ kind: 'respond', status: 502, body: 'hidden', details: 'refused' }), mode: { responseHeaders: true }, upstream: { status: 200, body: ['secret'] }, status: 502, body: 'hidden', details: 'refused' },
  {
    name: 'a streamed response comes piece by piece', status: 201, body: 'one two ', headers: { 'x-a': ['1'] }, upstreamGot: false,
    processor: { name: named(), onRequestHeaders: () => ({ kind: 'respond_streamed', status: 201, headers: [['x-a', '1']], details: 'streamed', body: (async function* pieces() { yield 'one '; await Promise.resolve(); yield Buffer.from('two '); })() }) },
  },

  // ---- bodies ----
  { name: 'STREAMED: each piece is replaced', processor: { name: named(), onRequestBody: ({ body }) => mutate({ body: upper(body) }) }, mode: { requestBody: 'STREAMED' }, request: post('ab', 'cd'), status: 200, upstreamGot: { body: 'ABCD' } },
  { name: 'BUFFERED: the whole body is replaced by a longer one', processor: { name: named(), onRequestBody: ({ body, endOfStream }) => mutate({ body: `${upper(body)}${endOfStream}!` }) }, mode: { requestBody: 'BUFFERED' }, request: post('ab', 'cd'), status: 200, upstreamGot: { body: 'ABCDtrue!' } },
  { name: 'BUFFERED: with the body, headers may change', processor: { name: named(), onRequestBody: ({ body }) => mutate({ set: [['x-size', String(body.length)]] }) }, mode: { requestBody: 'BUFFERED' }, request: post('ab', 'cd'), status: 200, upstreamGot: { body: 'abcd', headers: { 'x-size': ['4'] } } },
  { name: 'BUFFERED: a body is taken away', processor: { name: named(), onRequestBody: () => mutate({ body: '' }) }, mode: { requestBody: 'BUFFERED' }, request: post('ab'), status: 200, upstreamGot: { body: '' } },
  { name: 'BUFFERED_PARTIAL: a small body comes whole', processor: { name: named(), onRequestBody: ({ body }) => mutate({ body: upper(body) }) }, mode: { requestBody: 'BUFFERED_PARTIAL' }, request: post('ab', 'cd'), status: 200, upstreamGot: { body: 'ABCD' } },
  { name: 'FULL_DUPLEX_STREAMED: pieces are replaced', processor: { name: named(), onRequestBody: ({ body }) => mutate({ body: upper(body) }) }, mode: { requestBody: 'FULL_DUPLEX_STREAMED', requestTrailers: true }, request: post('ab', 'cd'), status: 200, upstreamGot: { body: 'ABCD' } },
  { name: 'FULL_DUPLEX_STREAMED: continue gives the body back', processor: { name: named() }, mode: { requestBody: 'FULL_DUPLEX_STREAMED', requestTrailers: true }, request: post('ab', 'cd'), status: 200, upstreamGot: { body: 'abcd' } },
  { name: 'a header answer replaces the body to come', processor: onRequest(mutate({ body: 'instead' })), mode: { requestBody: 'BUFFERED' }, request: post('ab'), status: 200, upstreamGot: { body: 'instead' } },
  { name: 'STREAMED response: pieces are replaced', processor: { name: named(), onResponseBody: ({ body }) => mutate({ body: upper(body) }) }, mode: { responseBody: 'STREAMED', responseHeaders: true }, upstream: { status: 200, body: ['ab', 'cd'] }, status: 200, body: 'ABCD' },
  { name: 'BUFFERED response: the whole is replaced', processor: { name: named(), onResponseBody: ({ body }) => mutate({ body: `${upper(body)}!` }) }, mode: { responseBody: 'BUFFERED', responseHeaders: true }, upstream: { status: 200, body: ['ab', 'cd'] }, status: 200, body: 'ABCD!' },
  { name: 'FULL_DUPLEX_STREAMED response: pieces are replaced', processor: { name: named(), onResponseBody: ({ body }) => mutate({ body: upper(body) }) }, mode: { responseBody: 'FULL_DUPLEX_STREAMED', responseHeaders: true, responseTrailers: true }, upstream: { status: 200, body: ['ab', 'cd'] }, status: 200, body: 'ABCD' },
  { name: 'a mode override asks for the body, which is then answered', processor: answersBody({ requestBody: 'BUFFERED' }), request: post('ab', 'cd'), status: 200, body: 'ABCD true', details: 'echoed', upstreamGot: false },
  { name: 'a mode override asks for the response headers', processor: { name: named(), onRequestHeaders: () => mutate({ mode: { responseHeaders: true } }), onResponseHeaders: () => mutate({ set: [['x-seen', 'yes']] }) }, status: 200, headers: { 'x-seen': ['yes'] } },

  // ---- trailers ----
  { name: 'request trailers change', processor: { name: named(), onRequestTrailers: ({ trailers }) => mutate({ set: [['x-sum', `${trailers.get('x-sum')}!`]], append: [['x-more', '1']] }) }, mode: { requestTrailers: true }, request: { ...post('ab'), trailers: [['x-sum', '7']] }, status: 200, upstreamGot: { body: 'ab', trailers: { 'x-sum': ['7!'], 'x-more': ['1'] } } },
  { name: 'response trailers change', processor: { name: named(), onResponseTrailers: () => mutate({ set: [['x-sum', '8']] }) }, mode: { responseHeaders: true, responseTrailers: true }, upstream: { status: 200, body: ['ab'], trailers: [['x-sum', '7']] }, status: 200, body: 'ab', trailers: { 'x-sum': ['8'] } },

  // ---- the guard ----
  { name: 'a pass carries the verdict', processor: authorizer({}), request: known, status: 200, upstreamGot: {} },
  { name: 'a pass may change headers', processor: authorizer({ onRequestHeaders: (_, { policy, policyId }) => ({ kind: 'pass', set: [['x-tenant', policy.tenant], ['x-policy', policyId]] }) }), request: known, status: 200, upstreamGot: { headers: { 'x-tenant': ['blue'], 'x-policy': [KNOWN_POLICY] } } },
  { name: 'a verdict may wait for the body', processor: authorizer({ onRequestHeaders: () => ({ kind: 'await_body' }), onRequestBody: ({ body }) => upper(body) === 'GOOD' ? { kind: 'pass' } : { kind: 'respond', status: 403, details: 'refused' } }), request: { ...known, ...post('go', 'od') }, status: 200, upstreamGot: { body: 'good' } },
  { name: 'a refusal may wait for the body', processor: authorizer({ onRequestHeaders: () => ({ kind: 'await_body' }), onRequestBody: () => ({ kind: 'respond', status: 403, details: 'refused' }) }), request: { ...known, ...post('bad') }, status: 403, details: 'refused', upstreamGot: false },
  { name: 'who waits for a body that never comes lets nothing through', processor: authorizer({ onRequestHeaders: () => ({ kind: 'await_body' }), onRequestBody: () => ({ kind: 'pass' }) }), request: known, status: 500, details: 'gatewright_extproc_no_verdict', upstreamGot: false },
  { name: 'after a pass the response may change', processor: authorizer({ onResponseHeaders: () => mutate({ append: cookies }) }), mode: { responseHeaders: true }, request: known, status: 200, headers: { 'set-cookie': allCookies } },
  { name: 'an unknown policy is 503', processor: authorizer({}), request: { metadata: { 'gatewright-policy': 'nobody-knows' } }, status: 503, details: 'gatewright_policy_unknown', upstreamGot: false },
  { name: 'no policy is 503', processor: authorizer({}), request: {}, status: 503, details: 'gatewright_policy_unknown', upstreamGot: false },
  broken('who authorises may not continue', () => ({ kind: 'continue' }), { details: 'gatewright_extproc_no_verdict' }),
  broken('who authorises may not mutate', () => ({ kind: 'mutate', set: [] }), { details: 'gatewright_extproc_no_verdict' }),
  { name: 'who does not authorise may not write a verdict', processor: onRequest({ kind: 'mutate', metadata: { 'gatewright.oidc': { verdict: 'policy-1' } } }), status: 500, details: 'gatewright_extproc_invalid_answer', upstreamGot: false },
  { name: 'who does not authorise may not pass', processor: onRequest({ kind: 'pass' } as unknown as Reply), status: 500, details: 'gatewright_extproc_invalid_answer', upstreamGot: false },

  // ---- whatever breaks is closed ----
  broken('a throw is 500', () => { throw new Error('secret'); }, { details: 'gatewright_extproc_threw' }),
  broken('a rejection is 500', () => Promise.reject(new Error('secret')), { details: 'gatewright_extproc_threw' }),
  broken('no answer in time is 500', never, { details: 'gatewright_extproc_deadline' }),
  broken('an answer after the deadline does not count', () => new Promise((resolve) => { setTimeout(resolve, 300, { kind: 'pass' }); }), { details: 'gatewright_extproc_deadline' }),
  broken('undefined is 500', () => undefined, { details: 'gatewright_extproc_no_answer' }),
  broken('something that is no reply is 500', () => ({ kind: 'allow' }), { details: 'gatewright_extproc_no_answer' }),
  broken('a header value with a line break is 500', () => ({ kind: 'pass', set: [['x-a', 'b\r\nx-admin: 1']] }), { details: 'gatewright_extproc_invalid_answer' }),
  broken('a header name that is none is 500', () => ({ kind: 'pass', set: [['x a', 'b']] }), { details: 'gatewright_extproc_invalid_answer' }),
  broken('a status that is none is 500', () => ({ kind: 'respond', status: 99, details: 'refused' }), { details: 'gatewright_extproc_invalid_answer' }),
  { name: 'a throw in a response phase is 500', processor: { name: named(), onResponseHeaders: () => { throw new Error('secret'); } }, mode: { responseHeaders: true }, upstream: { status: 200, body: ['secret'] }, status: 500, details: 'gatewright_extproc_threw', body: '' },

  // ---- limits ----
  { name: 'too many headers are 431', processor: { ...onRequest({ kind: 'continue' }), limits: { headers: 20 } }, request: { headers: Array.from({ length: 30 }, (_, i) => [`x-${i}`, '1'] as const) }, status: 431, details: 'gatewright_extproc_headers_too_large', upstreamGot: false },
  { name: 'headers that are too large are 431', processor: { ...onRequest({ kind: 'continue' }), limits: { headerBytes: 2000 } }, request: { headers: [['x-a', 'a'.repeat(2000)]] }, status: 431, details: 'gatewright_extproc_headers_too_large', upstreamGot: false },
  { name: 'a body that is too large is 413', processor: { name: named(), limits: { bodyBytes: 100 } }, mode: { requestBody: 'BUFFERED' }, request: post('a'.repeat(101)), status: 413, details: 'gatewright_extproc_body_too_large', upstreamGot: false },
  { name: 'headers and body at the limit pass', processor: { name: named(), limits: { bodyBytes: 100 } }, mode: { requestBody: 'BUFFERED' }, request: post('a'.repeat(100)), status: 200, upstreamGot: { body: 'a'.repeat(100) } },

  // ---- observability mode ----
  { name: 'who only watches changes nothing', processor: onRequest({ kind: 'respond', status: 403, details: 'refused' }), observability: true, status: 200, upstreamGot: {} },
  { name: 'who only watches may throw', processor: { name: named(), onRequestHeaders: () => { throw new Error('secret'); } }, observability: true, status: 200, upstreamGot: {} },
];

/** Services that do what no processor of ours can. All claim the name `rogue`. */
export interface RogueCase { readonly name: string; readonly service: Service; readonly guard: boolean; readonly mode?: HostOptions['mode']; readonly status: number; /** Undefined: as it happens. */ readonly reached?: boolean }

const question = { phase: 'request_headers', headers: undefined, body: undefined, bodyMode: 'NONE', endOfStream: true } as const;
const verdict = { 'gatewright.rogue': { verdict: KNOWN_POLICY } };
const rogue = (onMessage: (channel: Parameters<Service>[0]) => void): Service => (channel) => ({ receive: () => onMessage(channel), halfClosed: () => channel.end('ok'), gone: () => {} });

export const rogueCases: readonly RogueCase[] = [
  // This is what the guard is for: without it, the second line is what Envoy does.
  { name: 'a clean close before the verdict is stopped by the guard', service: rogue((channel) => channel.end('ok')), guard: true, status: 403, reached: false },
  { name: 'a clean close passes where no guard stands', service: rogue((channel) => channel.end('ok')), guard: false, status: 200, reached: true },
  { name: 'an answer without a verdict is stopped by the guard', service: rogue((channel) => channel.send(changed(question, { set: [['x-a', '1']] }))), guard: true, status: 403, reached: false },
  { name: 'a verdict for another policy is stopped by the guard', service: rogue((channel) => channel.send(changed(question, { metadata: { 'gatewright.rogue': { verdict: 'policy-2' } } }))), guard: true, status: 403, reached: false },
  { name: 'a verdict of another processor is stopped by the guard', service: rogue((channel) => channel.send(changed(question, { metadata: { 'gatewright.other': { verdict: KNOWN_POLICY } } }))), guard: true, status: 403, reached: false },
  { name: 'the right verdict passes', service: rogue((channel) => channel.send(changed(question, { metadata: verdict }))), guard: true, status: 200, reached: true },
  { name: 'two answers to one message are 500, even with the verdict', service: rogue((channel) => { for (let i = 0; i < 2; i++) channel.send(changed(question, { metadata: verdict })); }), guard: true, mode: { responseHeaders: true }, status: 500 },
  { name: 'an answer to another phase is 500', service: rogue((channel) => channel.send(changed({ ...question, phase: 'response_headers' }, { metadata: verdict }))), guard: true, status: 500, reached: false },
  { name: 'an error is 500', service: rogue((channel) => channel.end('internal')), guard: true, status: 500, reached: false },
  { name: 'silence is 504', service: rogue(() => {}), guard: true, status: 504, reached: false },
];
