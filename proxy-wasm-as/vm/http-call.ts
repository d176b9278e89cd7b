// The guest's own http calls, answered by scripts of the test.
import { Body } from './body.ts';
import type { RootContext } from './context.ts';
import { Headers, type HeadersInput } from './headers.ts';
import type { Host } from './host.ts';

/** One call the guest made. */
export interface HttpCall {
  readonly cluster: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly trailers: Headers;
  /** Milliseconds; 0 waits for ever. */
  readonly timeout: number;
  readonly token: number;
}

/** A scripted answer. It arrives `delayMs` (default 0) after the call, when the clock moves. */
export interface UpstreamReply {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: HeadersInput;
  readonly body?: string | Uint8Array;
  readonly trailers?: HeadersInput;
  readonly delayMs?: number;
}

/**
 * What a cluster does with a call: answer, or
 *   timeout   never answer: Envoy answers 504 "upstream request timeout" when the call's own timeout is over (0: never)
 *   refused   not accept the connection: Envoy answers 503 "upstream connect error …"
 *   reset     break off inside its response: the callback comes with 0 headers, and proxy_get_status says "reset"
 */
export type Upstream = (call: HttpCall) => UpstreamReply | 'timeout' | 'refused' | 'reset';

/** How many calls are kept for assertions; the oldest go first. */
const KEPT_CALLS = 10_000;

/** What Envoy's router answers in the upstream's place, as seen in 1.40. */
const timedOut = ownReply(504, 'upstream request timeout');
const refused = ownReply(503, 'upstream connect error or disconnect/reset before headers. reset reason: remote connection failure');

function ownReply(status: number, body: string): UpstreamReply {
  return { status, headers: { 'content-length': String(body.length), 'content-type': 'text/plain' }, body };
}

/** WasmResult::BrokenConnection, which proxy_get_status shows after a failed call. */
const BROKEN_CONNECTION = 11;

/** Starts a call and answers its token; undefined (BadArgument) for an unknown cluster or a missing pseudo header. */
export function dispatch(host: Host, cluster: string, headers: Headers, body: Uint8Array, trailers: Headers, timeout: number): number | undefined {
  const { upstreams, calls, clock } = host.surroundings;
  const { root } = host.context();
  const upstream = Object.hasOwn(upstreams, cluster) ? upstreams[cluster] : undefined;
  if (upstream === undefined || timeout < 0) return undefined;
  if (!headers.has(':method') || !headers.has(':path') || !headers.has(':authority')) return undefined;
  if (body.length > 0) headers.set('content-length', String(body.length));
  const token = (host.callToken += 4);
  const call: HttpCall = { cluster, headers, body, trailers, timeout, token };
  if (calls.length >= KEPT_CALLS * 2) calls.splice(0, KEPT_CALLS);
  calls.push(call);

  const reply = upstream(call);
  if (reply === 'reset') clock.after(0, () => fail(root, token));
  else if (reply === 'refused') clock.after(0, () => deliver(root, token, refused));
  else if (reply === 'timeout' || (timeout > 0 && (reply.delayMs ?? 0) > timeout)) {
    if (timeout > 0) clock.after(timeout, () => deliver(root, token, timedOut));
  } else clock.after(reply.delayMs ?? 0, () => deliver(root, token, reply));
  return token;
}

function deliver(root: RootContext, token: number, reply: UpstreamReply): void {
  const { host } = root;
  const headers = new Headers();
  headers.add(':status', String(reply.status ?? 200));
  for (const [name, value] of new Headers(reply.headers)) headers.add(name, value);
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : (reply.body ?? new Uint8Array(0));
  const trailers = reply.trailers === undefined ? undefined : new Headers(reply.trailers);
  host.callReply = { headers, trailers, body: new Body(body) };
  host.call(root, host.exports.proxy_on_http_call_response, root.id, token, headers.size, body.length, trailers?.size ?? 0);
  host.callReply = undefined;
}

function fail(root: RootContext, token: number): void {
  const { host } = root;
  host.callStatus = [BROKEN_CONNECTION, 'reset'];
  host.call(root, host.exports.proxy_on_http_call_response, root.id, token, 0, 0, 0);
  host.callStatus = [BROKEN_CONNECTION, ''];
}
