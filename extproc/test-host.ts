// Plays Envoy in one process: drives a processor message by message through the real wire form, applies what it answers, and asks the guard at the end.
// Believed exactly as far as the same cases pass in Envoy (test/cases/extproc.ts). Uses the generated schema: a check on our own encoding.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type HttpBody, type HttpHeaders, type ProcessingRequest, ProcessingRequestSchema, type ProcessingResponse, ProcessingResponseSchema } from '../proto/envoy/service/ext_proc/v3/external_processor_pb.js';
import { Registry } from 'prom-client';
import { Observer } from './observer.ts';
import type { AnyProcessor } from './processor.ts';
import type { BodyMode, Headers, Json } from './reply.ts';
import { type Channel, ProcessorStream } from './stream.ts';
import { type World, realWorld } from './world.ts';

export interface HostRequest {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: Headers;
  /** Piece by piece. */
  readonly body?: readonly string[];
  readonly trailers?: Headers;
  /** gRPC initial metadata of the stream: `gatewright-policy`, `traceparent`, … */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly attributes?: Readonly<Record<string, Json>>;
}

export interface HostResponse { readonly status: number; readonly headers?: Headers; readonly body?: readonly string[]; readonly trailers?: Headers }

export interface HostAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  readonly trailers: Headers;
  /** %RESPONSE_CODE_DETAILS% */
  readonly details: string;
  /** What the upstream got; undefined when nothing reached it. */
  readonly upstream: { readonly headers: Headers; readonly body: string; readonly trailers: Headers } | undefined;
  readonly metadata: Readonly<Record<string, Json>>;
}

export interface HostOptions {
  /** `processing_mode`. Request headers are always sent. */
  readonly mode?: { readonly requestBody?: BodyMode; readonly requestTrailers?: boolean; readonly responseHeaders?: boolean; readonly responseBody?: BodyMode; readonly responseTrailers?: boolean };
  /** A guard behind the processor demands the verdict of this one, for the policy that the metadata names. */
  readonly guard?: string;
  readonly observability?: boolean;
  /** `message_timeout`, milliseconds. */
  readonly messageTimeout?: number;
  /** Or what it comes to, once the request is there. */
  readonly upstream?: HostResponse | (() => Promise<HostResponse>);
  readonly world?: World;
}

/** The other end of a stream, for services that misbehave as no processor can. */
export interface Peer { receive(bytes: Buffer): void; halfClosed(): void; gone(): void }
export type Service = (channel: Channel, metadata: (name: string) => string | undefined) => Peer;

type Modes = Required<NonNullable<HostOptions['mode']>>;
type Direction = 'request' | 'response';
type Pairs = [string, string][];
interface Message { headers: Pairs; body: Buffer[]; trailers: Pairs }

const bodyModes: readonly BodyMode[] = ['NONE', 'STREAMED', 'BUFFERED', 'BUFFERED_PARTIAL', 'FULL_DUPLEX_STREAMED'];
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (raw: Uint8Array): string => new TextDecoder().decode(raw);

export class TestHost {
  readonly #service: Service;
  readonly #options: HostOptions;

  constructor(processor: AnyProcessor | Service, options: HostOptions = {}) {
    const world = options.world ?? realWorld;
    const observer = new Observer({ log: { warn: () => {} }, registry: new Registry() }, world);
    observer.stop();
    this.#service = typeof processor === 'function' ? processor : (channel, metadata) => new ProcessorStream(processor, metadata, channel, world, observer);
    this.#options = options;
  }

  async request(request: HostRequest = {}): Promise<HostAnswer> {
    const exchange = new Exchange(this.#service, this.#options, request);
    try { return await exchange.run(); } finally { exchange.close(); }
  }
}

/** Ends the exchange: the client gets this. */
class LocalReply extends Error {
  readonly answer: Pick<HostAnswer, 'status' | 'headers' | 'body' | 'trailers' | 'details'>;
  constructor(status: number, details: string, headers: Headers = [], body = '', trailers: Headers = []) {
    super(details);
    this.answer = { status, details, headers, body, trailers };
  }
}

class Exchange {
  readonly #options: HostOptions;
  readonly #request: HostRequest;
  readonly #peer: Peer;
  readonly #modes: Modes;
  readonly #metadata: Record<string, Json> = {};
  readonly #answers: ProcessingResponse[] = [];
  #first = true;
  #ended: 'ok' | 'internal' | undefined;
  #wake: () => void = () => {};
  #upstream: HostAnswer['upstream'];

  constructor(service: Service, options: HostOptions, request: HostRequest) {
    this.#options = options;
    this.#request = request;
    this.#modes = { requestBody: 'NONE', requestTrailers: false, responseHeaders: false, responseBody: 'NONE', responseTrailers: false, ...options.mode };
    const channel: Channel = {
      send: (frame) => { this.#answers.push(fromBinary(ProcessingResponseSchema, frame.subarray(5))); this.#wake(); return true; },
      drained: async () => {}, pause: () => {}, resume: () => {},
      end: (status) => { this.#ended ??= status; this.#wake(); },
    };
    this.#peer = service(channel, (name) => request.metadata?.[name]);
  }

  close(): void { this.#peer.gone(); }

  async run(): Promise<HostAnswer> {
    const { method = 'GET', path = '/', host = 'www.example.com', headers = [], body = [], trailers = [] } = this.#request;
    const request: Message = { headers: [[':scheme', 'http'], [':method', method], [':authority', host], [':path', path], ...headers.map(([name, value]): [string, string] => [name, value])], body: body.map((piece) => Buffer.from(piece)), trailers: [...trailers] as Pairs };
    try {
      await this.#direction('request', request, true);
      const verdict = this.#metadata[`gatewright.${this.#options.guard}`] as { verdict?: Json } | undefined;
      if (this.#options.guard !== undefined && (verdict?.verdict ?? '') !== (this.#request.metadata?.['gatewright-policy'] ?? null)) throw new LocalReply(403, 'rbac_access_denied_matched_policy[none]');
      this.#upstream = { headers: request.headers, body: Buffer.concat(request.body).toString(), trailers: request.trailers };
      const { upstream = { status: 200 } } = this.#options;
      const from = typeof upstream === 'function' ? await upstream() : upstream;
      const response: Message = { headers: [[':status', String(from.status)], ...(from.headers ?? [])] as Pairs, body: (from.body ?? []).map((piece) => Buffer.from(piece)), trailers: [...(from.trailers ?? [])] as Pairs };
      await this.#direction('response', response, this.#modes.responseHeaders);
      const status = Number(response.headers.find(([name]) => name === ':status')?.[1]);
      return { status, headers: response.headers.filter(([name]) => !name.startsWith(':')), body: Buffer.concat(response.body).toString(), trailers: response.trailers, details: 'via_upstream', upstream: this.#upstream, metadata: this.#metadata };
    } catch (error) {
      if (!(error instanceof LocalReply)) throw error;
      return { ...error.answer, upstream: this.#upstream, metadata: this.#metadata };
    }
  }

  async #direction(direction: Direction, message: Message, sendHeaders: boolean): Promise<void> {
    const mode = (): BodyMode => direction === 'request' ? this.#modes.requestBody : this.#modes.responseBody;
    const trailersMode = (): boolean => direction === 'request' ? this.#modes.requestTrailers : this.#modes.responseTrailers;
    const last = message.trailers.length === 0;
    if (sendHeaders) {
      const answer = await this.#ask(`${direction}Headers`, { headers: map(message.headers), endOfStream: last && message.body.length === 0 });
      if (apply(commonOf(answer), message) === 'replaced') return;
    }
    if (message.body.length > 0 && mode() !== 'NONE') {
      const duplex = mode() === 'FULL_DUPLEX_STREAMED';
      const pieces = mode() === 'BUFFERED' || mode() === 'BUFFERED_PARTIAL' ? [Buffer.concat(message.body)] : message.body;
      const buffered = pieces !== message.body;
      const done: Buffer[] = [];
      for (const [i, piece] of pieces.entries()) {
        const answer = await this.#ask(`${direction}Body`, { body: piece, endOfStream: last && i === pieces.length - 1 });
        const common = commonOf(answer);
        const mutation = common?.bodyMutation?.mutation;
        if (duplex !== (mutation?.case === 'streamedResponse') && (duplex || mutation?.case !== undefined) && answer !== undefined) throw spurious();
        if (buffered) apply({ headerMutation: common?.headerMutation }, message);
        done.push(mutation?.case === 'streamedResponse' ? Buffer.from(mutation.value.body) : mutation?.case === 'body' ? Buffer.from(mutation.value) : mutation?.case === 'clearBody' ? Buffer.alloc(0) : piece);
      }
      message.body = done;
    }
    if (message.trailers.length > 0 && trailersMode()) {
      const answer = await this.#ask(`${direction}Trailers`, { trailers: map(message.trailers) });
      const value = answer?.response.value;
      if (value !== undefined && 'headerMutation' in value) mutate(value.headerMutation, message.trailers);
    }
  }

  /** Undefined: the processor is not asked any more, or its answer does not count. */
  async #ask(phase: Exclude<ProcessingRequest['request']['case'], undefined>, value: object): Promise<ProcessingResponse | undefined> {
    if (this.#ended === 'ok') return undefined;
    const { attributes } = this.#request;
    const message = create(ProcessingRequestSchema, {
      request: { case: phase, value } as never, observabilityMode: this.#options.observability ?? false,
      ...(attributes && { attributes: { 'envoy.filters.http.ext_proc': attributes as never } }),
      ...(this.#first && { protocolConfig: { requestBodyMode: bodyModes.indexOf(this.#modes.requestBody), responseBodyMode: bodyModes.indexOf(this.#modes.responseBody) } }),
    });
    this.#first = false;
    this.#peer.receive(Buffer.from(toBinary(ProcessingRequestSchema, message)));
    if (this.#options.observability) return undefined;
    const answer = await this.#next();
    if (answer === undefined) return undefined;
    if (answer.response.case !== phase) throw spurious();
    for (const [namespace, value] of Object.entries(answer.dynamicMetadata ?? {})) this.#metadata[namespace] = { ...this.#metadata[namespace] as object, ...value as object };
    if (answer.modeOverride !== undefined && phase.endsWith('Headers')) {
      const { requestBodyMode, requestTrailerMode, responseHeaderMode, responseBodyMode, responseTrailerMode } = answer.modeOverride;
      Object.assign(this.#modes, { requestBody: bodyModes[requestBodyMode], requestTrailers: requestTrailerMode === 1, responseHeaders: responseHeaderMode !== 2, responseBody: bodyModes[responseBodyMode], responseTrailers: responseTrailerMode === 1 });
    }
    await new Promise(setImmediate);
    if (this.#answers.length > 0) throw spurious(); // more answers than questions
    return answer;
  }

  async #next(): Promise<ProcessingResponse | undefined> {
    let patience = this.#options.messageTimeout ?? 200;
    for (;;) {
      const answer = this.#answers.shift() ?? await this.#arrival(patience);
      if (answer === undefined) return undefined;
      if (answer.overrideMessageTimeout !== undefined) { patience = Number(answer.overrideMessageTimeout.seconds) * 1000 + answer.overrideMessageTimeout.nanos / 1e6; continue; }
      if (answer.response.case === 'immediateResponse') {
        const { status, headers, body, details, grpcStatus } = answer.response.value;
        const pairs: Pairs = [];
        mutate(headers, pairs);
        if (grpcStatus !== undefined && this.#request.headers?.some(([name, value]) => name === 'content-type' && value.startsWith('application/grpc'))) throw new LocalReply(200, details, [...pairs, ['grpc-status', String(grpcStatus.status)]]);
        throw new LocalReply(status?.code ?? 200, details, pairs, text(body));
      }
      if (answer.response.case === 'streamedImmediateResponse') throw await this.#streamed(answer);
      return answer;
    }
  }

  async #streamed(first: ProcessingResponse): Promise<LocalReply> {
    const headers: Pairs = [];
    const trailers: Pairs = [];
    let body = '';
    for (let answer: ProcessingResponse | undefined = first; ; answer = this.#answers.shift() ?? await this.#arrival(60_000)) {
      if (answer?.response.case !== 'streamedImmediateResponse') return new LocalReply(500, 'ext_proc_error');
      const part: HttpHeaders | HttpBody | { headers: { key: string; rawValue: Uint8Array }[] } | undefined = answer.response.value.response.value as never;
      const kind = answer.response.value.response.case;
      if (kind === 'headersResponse') for (const { key, rawValue } of (part as HttpHeaders).headers?.headers ?? []) headers.push([key, text(rawValue)]);
      if (kind === 'bodyResponse') body += text((part as HttpBody).body);
      if (kind === 'trailersResponse') for (const { key, rawValue } of (part as { headers: { key: string; rawValue: Uint8Array }[] }).headers) trailers.push([key, text(rawValue)]);
      if (kind === 'trailersResponse' || (part as HttpBody).endOfStream) return new LocalReply(Number(headers.find(([name]) => name === ':status')?.[1]), '', headers.filter(([name]) => !name.startsWith(':')), body, trailers);
    }
  }

  /** Undefined after a clean end; 504 after `patience`. */
  async #arrival(patience: number): Promise<ProcessingResponse | undefined> {
    const world = this.#options.world ?? realWorld;
    let late = false;
    const cancel = world.after(patience, () => { late = true; this.#wake(); });
    try {
      for (;;) {
        const answer = this.#answers.shift();
        if (answer !== undefined) return answer;
        if (this.#ended === 'ok') return undefined;
        if (this.#ended === 'internal') throw new LocalReply(500, 'ext_proc_error_gRPC_error_13');
        if (late) throw new LocalReply(504, 'ext_proc_error_per-message_timeout_exceeded');
        await new Promise<void>((resolve) => { this.#wake = resolve; });
      }
    } finally { cancel(); }
  }
}

const spurious = (): LocalReply => new LocalReply(500, 'ext_proc_error_spurious_message');
const map = (pairs: Headers): object => ({ headers: pairs.map(([key, value]) => ({ key, rawValue: bytes(value) })) });

type Common = Extract<ProcessingResponse['response'], { case: 'requestHeaders' }>['value']['response'];
type Mutation = NonNullable<Common>['headerMutation'];

function commonOf(answer: ProcessingResponse | undefined): Common {
  const value = answer?.response.value;
  return value !== undefined && 'response' in value && !('case' in (value.response ?? {})) ? value.response as Common : undefined;
}

function apply(common: Pick<NonNullable<Common>, 'headerMutation'> & Partial<NonNullable<Common>> | undefined, message: Message): 'replaced' | undefined {
  mutate(common?.headerMutation, message.headers);
  if (common?.status !== 1) return undefined;
  message.body = common.bodyMutation?.mutation.case === 'body' ? [Buffer.from(common.bodyMutation.mutation.value)] : [];
  return 'replaced';
}

/** As Envoy 1.40 does it: `append` counts, `append_action` does not, and a value is in `raw_value` alone. */
function mutate(mutation: Mutation, headers: Pairs): void {
  const drop = (name: string): void => { for (let i = headers.length - 1; i >= 0; i--) if (headers[i]?.[0] === name) headers.splice(i, 1); };
  for (const name of mutation?.removeHeaders ?? []) if (!name.startsWith(':') && name !== 'host') drop(name);
  for (const { header, append } of mutation?.setHeaders ?? []) {
    if (header === undefined || /^(host|:authority|:scheme|:method|x-envoy-.*)$/.test(header.key)) continue; // mutation_rules' defaults
    if (append !== true) drop(header.key);
    headers.push([header.key, text(header.rawValue)]);
  }
}
