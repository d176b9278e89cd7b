// One HTTP stream through the one filter: the state machine of Envoy's filter manager, as far as one filter can see it.
import { MapType, Status, StreamType } from './abi.ts';
import { Body } from './body.ts';
import { Context, type Deferred, type LocalResponse } from './context.ts';
import type { Exchange, HttpResponse, OriginReply, Outcome, RequestOptions } from './exchange.ts';
import { Half } from './half.ts';
import { Headers, type HeadersInput } from './headers.ts';
import type { Host } from './host.ts';
import { deriveHttp } from './http-properties.ts';
import { httpResponse } from './http-response.ts';
import { localReply, type Reply, responseDetails } from './local-reply.ts';
import { originResponse, pieces } from './origin.ts';
import type { Properties, PropertyValue } from './properties.ts';

const failed: LocalResponse = { status: 503, details: 'wasm_fail_stream', body: new Uint8Array(0), headers: [], grpcStatus: 14 };

export class HttpStream extends Context implements Exchange {
  readonly request: Half;
  reply: Half | undefined = undefined;
  ended = false;
  details: string | undefined = undefined;
  response: HttpResponse | undefined = undefined;
  /** Status code as the guest sees it in response.code; known before the response has left. */
  code: number | undefined = undefined;
  /** In proxy_on_log every map can be read again. */
  logging = false;
  /** When the headers arrived, nanoseconds since the epoch. */
  readonly start: bigint;

  readonly #properties: readonly Properties[];
  readonly #origin: RequestOptions['response'];
  #local = false;
  #reset = false;
  #forwarded = false;
  /** The direction whose callback runs or has just returned; its status has not been looked at yet. */
  #showing: Half | undefined = undefined;
  /** That callback continued what an earlier one had stopped: its own status is Continue then, whatever it returns. */
  #released = false;
  /** A local response asked for in that callback. */
  #pending: LocalResponse | undefined = undefined;

  constructor(host: Host, headers: Headers, options: RequestOptions) {
    super(host, true);
    this.#properties = options.properties === undefined ? host.rootProperties : [options.properties, ...host.rootProperties];
    this.#origin = options.response;
    this.start = host.surroundings.clock.nanoseconds;
    const trailers = options.trailers === undefined ? undefined : new Headers(options.trailers);
    this.request = new Half(headers, pieces(options.body), trailers, options.endOfStream === false);
  }

  /** Creates the context in the guest and shows it the request. */
  begin(): void {
    this.host.call(this, this.host.exports.proxy_on_context_create, this.id, this.host.root.id);
    this.#advance();
  }

  /** Answers 503 `wasm_fail_stream` without asking the guest, as Envoy does for a dead VM. */
  fail(): void {
    this.#answer(failed);
  }

  get outcome(): Outcome {
    if (this.#reset) return 'reset';
    if (this.#local) return 'responded';
    return this.#forwarded && this.reply?.held !== true ? 'continued' : 'held';
  }

  get heldIn(): 'request' | 'response' | undefined {
    if (this.ended) return undefined;
    if (this.reply?.held === true) return 'response';
    return this.request.held && !this.#local ? 'request' : undefined;
  }

  get requestHeaders(): Headers {
    return this.request.headers;
  }

  get requestBody(): string {
    return Buffer.from(this.request.sent.bytes).toString('utf8');
  }

  get filterState(): Map<string, string> {
    return new Map([...(this.state ?? [])].map(([key, value]) => [key, Buffer.from(value).toString('utf8')]));
  }

  sendBody(body: string | Uint8Array, endOfStream = false): void {
    this.request.pending.push(...pieces(body));
    this.request.open = !endOfStream;
    this.#advance();
  }

  sendTrailers(trailers: HeadersInput): void {
    this.request.trailers = new Headers(trailers);
    this.request.open = false;
    this.#advance();
  }

  cancel(): void {
    if (this.ended) return;
    this.details = 'downstream_remote_disconnect';
    this.#reset = true;
    this.#end();
  }

  map(type: number): Headers | undefined {
    if (this.logging) {
      if (type === MapType.HttpRequestHeaders) return this.request.headers;
      if (type === MapType.HttpResponseHeaders) return this.reply?.headers;
      if (type === MapType.HttpResponseTrailers) return this.reply?.trailers;
    }
    return type >= 6 ? this.host.callMap(type) : this.writableMap(type);
  }

  writableMap(type: number): Headers | undefined {
    switch (type) {
      case MapType.HttpRequestHeaders: return this.request.seesHeaders ? this.request.headers : undefined;
      case MapType.HttpRequestTrailers: return this.request.seesTrailers ? this.request.trailers : undefined;
      case MapType.HttpResponseHeaders: return this.reply?.seesHeaders === true ? this.reply.headers : undefined;
      case MapType.HttpResponseTrailers: return this.reply?.seesTrailers === true ? this.reply.trailers : undefined;
      default: return undefined;
    }
  }

  protected streamBuffer(type: number): Body {
    const half = type === 0 ? this.request : type === 1 ? this.reply : undefined;
    return half?.seesBody === true ? half.body : new Body();
  }

  properties(): readonly Properties[] {
    return this.#properties;
  }

  derive(segments: readonly string[]): PropertyValue | undefined {
    return this.host.pluginProperty(segments) ?? deriveHttp(this, segments);
  }

  continueStream(type: number): Status {
    if (type === StreamType.Upstream) return Status.Unimplemented;
    this.host.defer(this, { kind: 'continue', stream: type });
    // Envoy drops its pointers to the request at once, whichever direction continues (context.cc, continueStream).
    this.request.blind();
    return Status.Ok;
  }

  closeStream(type: number): Status {
    this.host.defer(this, { kind: 'close', stream: type });
    return Status.Ok;
  }

  carryOut(action: Deferred): void {
    if (this.ended) return;
    if (action.kind === 'respond') this.#respond(action.local);
    else if (action.kind === 'close') this.#close(action.stream);
    else this.#continue(action.stream === StreamType.Response ? this.reply : this.request);
  }

  #close(stream: number): void {
    if (stream > StreamType.Response) return;
    this.details ??= 'wasm_close_stream';
    this.#reset = true;
    this.#end();
  }

  #continue(half: Half | undefined): void {
    // Nothing that was stopped: continuing inside the very callback that then stops does not help (seen in 1.40).
    if (half === undefined || !(half.stopped || half.stoppedAll)) return;
    if (half === this.#showing) {
      this.#released = true;
      return;
    }
    half.forward();
    this.#advance();
  }

  /** In a callback of the stream the answer waits for the callback's end; of several, Envoy takes the first and the last one's details. */
  #respond(local: LocalResponse): void {
    if (this.#showing === undefined) this.#answer(local);
    else this.#pending = this.#pending === undefined ? local : { ...this.#pending, details: local.details };
  }

  /** Shows the guest what there is to show, in both directions, until it stops or everything is done. */
  #advance(): void {
    while (!this.ended && this.#local === false && this.request.next() !== 'none') this.#show(this.request);
    if (!this.ended && !this.#local && !this.#forwarded && this.request.finished) this.#callOrigin();
    while (!this.ended && this.reply !== undefined && this.reply.next() !== 'none') this.#show(this.reply);
    if (!this.ended && this.reply?.finished === true) this.#complete(this.reply);
  }

  /** Shows one piece and acts on what the guest returns. */
  #show(half: Half): void {
    const { exports } = this.host;
    const isRequest = half === this.request;
    const piece = half.next();
    const end = half.isLast ? 1 : 0;
    const bypassed = this.host.bypassed;
    this.#showing = half;
    this.#released = false;
    if (piece === 'headers') {
      half.shownHeaders = true;
      half.seesHeaders = true;
      const callback = isRequest ? exports.proxy_on_request_headers : exports.proxy_on_response_headers;
      const status = this.host.call(this, callback, this.id, half.headers.size, end);
      if (this.#overtaken(half, bypassed)) return;
      half.afterHeaders(status, this.host.surroundings.allowOnHeadersStopIteration);
    } else if (piece === 'body') {
      half.body.append(half.pending.shift() as Uint8Array);
      half.seesBody = true;
      const callback = isRequest ? exports.proxy_on_request_body : exports.proxy_on_response_body;
      const status = this.host.call(this, callback, this.id, half.body.bytes.length, end);
      if (this.#overtaken(half, bypassed)) return;
      half.afterBody(this.#released ? 0 : status);
    } else {
      half.shownTrailers = true;
      half.seesTrailers = true;
      const callback = isRequest ? exports.proxy_on_request_trailers : exports.proxy_on_response_trailers;
      const status = this.host.call(this, callback, this.id, half.trailers?.size ?? 0);
      if (this.#overtaken(half, bypassed)) return;
      half.afterTrailers(this.#released ? 0 : status);
    }
  }

  /** The callback's status no longer counts: the VM died, or the stream ended or was answered. */
  #overtaken(half: Half, bypassed: boolean): boolean {
    const local = this.host.trap === undefined || bypassed ? this.#pending : failed;
    this.#showing = undefined;
    this.#pending = undefined;
    if (local !== undefined) this.#answer(local);
    return local !== undefined || this.ended || (half === this.request && this.#local);
  }

  #callOrigin(): void {
    this.#forwarded = true;
    const origin = typeof this.#origin === 'function' ? this.#origin({ headers: this.requestHeaders, body: this.requestBody }) : this.#origin;
    if (origin?.delayMs === undefined) this.#receive(origin);
    else this.host.surroundings.clock.after(origin.delayMs, () => this.#receive(origin));
  }

  #receive(origin: OriginReply | undefined): void {
    if (this.ended || this.reply !== undefined) return;
    this.details = 'via_upstream';
    this.code = origin?.status ?? 200;
    this.reply = originResponse(origin);
    this.#advance();
  }

  /**
   * A local response. Before there is any response it passes the guest's response callbacks; in them it replaces the
   * response at once; after the headers have left the stream can only be reset.
   */
  #answer(local: LocalResponse): void {
    if (this.ended) return;
    this.details = responseDetails(local.details);
    if (this.reply?.sentHeaders === true) {
      this.#reset = true;
      this.#end();
      return;
    }
    this.#local = true;
    const reply = localReply(local, this.request.headers);
    this.code = Number(reply.headers.get(':status'));
    if (this.reply !== undefined || this.host.trap !== undefined) {
      this.#replace(reply);
    } else {
      this.reply = new Half(reply.headers, reply.body.length > 0 ? [reply.body] : [], undefined, false);
      this.#advance();
    }
  }

  #replace(reply: Reply): void {
    const half = new Half(reply.headers, [], undefined, false);
    half.shownHeaders = true;
    half.body.bytes = reply.body;
    half.forward();
    this.reply = half;
    this.#complete(half);
  }

  #complete(half: Half): void {
    this.response = httpResponse(half, this.details ?? '');
    this.#end();
  }

  /** Envoy's order for HTTP: log, done, delete (data-plane.md E.1). */
  #end(): void {
    this.ended = true;
    const { exports } = this.host;
    this.logging = true;
    this.host.call(this, exports.proxy_on_log, this.id);
    this.logging = false;
    this.host.call(this, exports.proxy_on_done, this.id);
    this.host.call(this, exports.proxy_on_delete, this.id);
    this.host.release(this);
  }
}
