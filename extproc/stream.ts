// One ext_proc stream: messages in, exactly one answer each, in order. Whatever goes wrong becomes an immediate response that closes the request.
// Knows no socket: the server and the test host both drive it.

import { type Failure, failures } from './failure.ts';
import type { HeaderList } from './header-list.ts';
import type { Observation, Observer } from './observer.ts';
import { type AnyProcessor, type BodyMessage, DEFAULT_DEADLINE, type HeadersMessage, type Limits, type Stream, type TrailersMessage, defaultLimits } from './processor.ts';
import type { AwaitBody, BodyMode, Json, Mode, Pass, Reply, RespondStreamed } from './reply.ts';
import { type Incoming, type Phase, readAttributes, readMessage, readMetadata } from './wire-request.ts';
import { InvalidReply, type Question, changed, continued, immediate, moreTime, streamedBody, streamedHeaders, streamedTrailers } from './wire-response.ts';
import type { World } from './world.ts';

/** The way to Envoy. */
export interface Channel {
  /** A gRPC frame. False when Envoy does not keep up. */
  send(frame: Buffer): boolean;
  /** Resolves when more may be sent, and when the other side is gone. */
  drained(): Promise<void>;
  /** No more messages for now, and again. */
  pause(): void;
  resume(): void;
  /** Ends the stream: with OK when all was answered, else with an error, which Envoy takes for a failure. */
  end(status: 'ok' | 'internal'): void;
}

/** Everything that an answer may be; what the types promise is checked, too: processors may be plain JavaScript. */
type Answer = Reply | Pass | AwaitBody;
/** Messages that wait while one is answered, in bytes, before Envoy is held back. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** By which Envoy's own deadline is later than the one a processor asks for. */
const MARGIN = 50;

export class ProcessorStream implements Stream<unknown> {
  readonly policy: unknown;
  readonly policyId: string;
  requestHeaders: HeaderList | undefined;
  responseHeaders: HeaderList | undefined;
  readonly #processor: AnyProcessor;
  readonly #initial: (name: string) => string | undefined;
  readonly #channel: Channel;
  readonly #world: World;
  readonly #observer: Observer;
  readonly #limits: Limits;
  readonly #waiting: Incoming[] = [];
  #waitingBytes = 0;
  /** The message that is being answered; undefined when none is. */
  #current: Incoming | undefined;
  #observation: Observation | undefined;
  #cancelDeadline: (() => void) | undefined;
  #extended = false;
  #requestBody: BodyMode = 'NONE';
  #responseBody: BodyMode = 'NONE';
  /** Of an authorising processor: has it let the request pass, or is it waiting for the body? */
  #decided: 'no' | 'awaiting' | 'yes' = 'no';
  /** Nothing more is answered. */
  #over = false;
  #closed = false;
  /** Envoy says that it sends no more. */
  #halfClosed = false;
  #abort: AbortController | undefined;
  #attributes: Map<string, Json> | undefined;
  #attributeEntries: Incoming['attributes'] = [];
  #metadata: Incoming['metadata'];

  constructor(processor: AnyProcessor, initial: (name: string) => string | undefined, channel: Channel, world: World, observer: Observer) {
    this.#processor = processor;
    this.#initial = initial;
    this.#channel = channel;
    this.#world = world;
    this.#observer = observer;
    this.#limits = processor.limits === undefined ? defaultLimits : { ...defaultLimits, ...processor.limits };
    this.policyId = processor.policies === undefined ? '' : initial('gatewright-policy') ?? '';
    this.policy = processor.policies?.get(this.policyId);
    observer.opened(processor.name);
  }

  // ---- what processors see ----

  initialMetadata(name: string): string | undefined { return this.#initial(name); }

  get traceparent(): string | undefined { return this.#initial('traceparent') ?? this.requestHeaders?.get('traceparent'); }

  attribute(name: string): Json | undefined {
    if (this.#attributeEntries.length > 0) {
      readAttributes(this.#attributeEntries, (this.#attributes ??= new Map()));
      this.#attributeEntries = [];
    }
    return this.#attributes?.get(name);
  }

  metadata(namespace: string): Readonly<Record<string, Json>> | undefined {
    return this.#metadata === undefined ? undefined : readMetadata(this.#metadata).get(namespace);
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#over) this.#abort.abort();
    return this.#abort.signal;
  }

  extend(milliseconds: number): void {
    if (this.#over || this.#extended || this.#current === undefined || this.#current.observability) return;
    this.#extended = true;
    this.#channel.send(moreTime(milliseconds + MARGIN));
    this.#startDeadline(milliseconds);
  }

  // ---- what Envoy does ----

  receive(bytes: Buffer): void {
    if (this.#over) return;
    let message: Incoming;
    try { message = readMessage(bytes); } catch { this.#fail('gatewright_extproc_malformed_message', undefined); return; }
    if (this.#current === undefined) { this.#take(message); return; }
    this.#waiting.push(message);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#channel.pause();
  }

  /** Envoy has sent all it wanted to. What it still waits for, it gets. */
  halfClosed(): void {
    this.#halfClosed = true;
    this.#endWhenDone();
  }

  /** Envoy, or the way to it, is gone: a reset is Envoy's usual end. */
  gone(): void {
    this.#finish();
    if (this.#closed) return;
    this.#closed = true;
    this.#observer.closed(this.#processor.name);
    try { this.#processor.onClose?.(this); } catch (error) { this.#observer.failed(this, this.#processor.name, 'close', 'gatewright_extproc_threw', error); }
  }

  // ---- one message ----

  #take(message: Incoming): void {
    for (let next: Incoming | undefined = message; next !== undefined; next = this.#nextWaiting()) {
      this.#current = next;
      this.#extended = false;
      const failure = this.#absorb(next);
      if (failure !== undefined) { this.#fail(failure, next.phase); return; }
      this.#observation = this.#observer.began(this, this.#processor.name, next.phase as Phase);
      let answer: unknown;
      try { answer = this.#ask(next); } catch (error) { this.#fail('gatewright_extproc_threw', next.phase, error); return; }
      if (isPromise(answer)) { this.#wait(next, answer); return; }
      if (!this.#answer(next, answer)) return;
    }
    this.#endWhenDone();
  }

  #nextWaiting(): Incoming | undefined {
    this.#current = undefined;
    const next = this.#waiting.shift();
    if (next !== undefined && this.#waiting.length === 0 && this.#waitingBytes > 0) {
      if (this.#waitingBytes > MAX_WAITING_BYTES) this.#channel.resume();
      this.#waitingBytes = 0;
    }
    return next;
  }

  /** What the message says about the stream. A reason when it may not be answered by the processor. */
  #absorb(message: Incoming): Failure | undefined {
    const { phase, headers, body, modes } = message;
    if (modes !== undefined) { this.#requestBody = modes.request; this.#responseBody = modes.response; }
    if (message.attributes.length > 0) this.#attributeEntries = [...this.#attributeEntries, ...message.attributes];
    if (message.metadata !== undefined) this.#metadata = message.metadata;
    if (phase === undefined) return 'gatewright_extproc_malformed_message';
    if (headers !== undefined && (headers.size > this.#limits.headers || message.headerBytes > this.#limits.headerBytes)) return 'gatewright_extproc_headers_too_large';
    if (body !== undefined && body.length > this.#limits.bodyBytes) return 'gatewright_extproc_body_too_large';
    if (phase === 'request_headers') this.requestHeaders = headers;
    if (phase === 'response_headers') this.responseHeaders = headers;
    if (this.#processor.policies !== undefined && this.policy === undefined) return 'gatewright_policy_unknown';
    if (this.#processor.authorizes === true && !message.observability && !this.#mayAsk(phase)) return 'gatewright_extproc_no_verdict';
    return undefined;
  }

  /** An authorising processor is asked in this order: request headers, the body if it waits for it, then the response if it has let the request pass. */
  #mayAsk(phase: Phase): boolean {
    if (phase === 'request_headers') return this.#decided === 'no';
    return phase === 'request_body' ? this.#decided !== 'no' : this.#decided === 'yes';
  }

  #ask(message: Incoming): unknown {
    const processor = this.#processor;
    switch (message.phase) {
      case 'request_headers': return processor.onRequestHeaders === undefined ? CONTINUE : processor.onRequestHeaders(message as HeadersMessage, this);
      case 'response_headers': return processor.onResponseHeaders === undefined ? CONTINUE : processor.onResponseHeaders(message as HeadersMessage, this);
      case 'request_body': {
        // A body that comes after the verdict, where the route sends bodies, is not another request to decide on.
        if (processor.authorizes === true && this.#decided === 'yes') return CONTINUE;
        return processor.onRequestBody === undefined ? CONTINUE : processor.onRequestBody(this.#bodyMessage(message, this.#requestBody), this);
      }
      case 'response_body': return processor.onResponseBody === undefined ? CONTINUE : processor.onResponseBody(this.#bodyMessage(message, this.#responseBody), this);
      case 'request_trailers': return processor.authorizes === true || processor.onRequestTrailers === undefined ? CONTINUE : processor.onRequestTrailers(trailersMessage(message), this);
      case 'response_trailers': return processor.onResponseTrailers === undefined ? CONTINUE : processor.onResponseTrailers(trailersMessage(message), this);
      default: return undefined;
    }
  }

  #bodyMessage({ body, endOfStream }: Incoming, mode: BodyMode): BodyMessage { return { body: body ?? empty, mode, endOfStream }; }

  #wait(message: Incoming, answer: PromiseLike<unknown>): void {
    if (!this.#extended) this.#startDeadline(this.#processor.deadline ?? DEFAULT_DEADLINE);
    const current = (): boolean => !this.#over && this.#current === message;
    answer.then((settled) => {
      if (!current()) { this.#observer.late(this.#processor.name); return; }
      if (!this.#answer(message, settled)) return;
      const next = this.#nextWaiting();
      if (next === undefined) this.#endWhenDone();
      else this.#take(next);
    }, (error: unknown) => {
      if (!current()) { this.#observer.late(this.#processor.name); return; }
      this.#fail('gatewright_extproc_threw', message.phase, error);
    });
  }

  #startDeadline(milliseconds: number): void {
    this.#stopDeadline();
    this.#cancelDeadline = this.#world.after(milliseconds, () => this.#fail('gatewright_extproc_deadline', this.#current?.phase));
  }

  #stopDeadline(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
  }

  // ---- one answer ----

  /** Sends it. False when it was the last one. */
  #answer(message: Incoming, given: unknown): boolean {
    this.#stopDeadline();
    const kind = kindOf(given);
    const phase = message.phase as Phase;
    if (kind === undefined) { this.#fail('gatewright_extproc_no_answer', phase); return false; }
    const answer = given as Answer;
    try {
      const frame = message.observability ? undefined : this.#encode(message, phase, answer);
      if (frame !== undefined) this.#channel.send(frame);
    } catch (error) {
      this.#fail(error instanceof NoVerdict ? 'gatewright_extproc_no_verdict' : 'gatewright_extproc_invalid_answer', phase, error);
      return false;
    }
    this.#observation?.ended(kind, 'details' in answer ? answer.details : '');
    this.#observation = undefined;
    if ((kind !== 'respond' && kind !== 'respond_streamed') || message.observability) return true;
    if (kind === 'respond_streamed') void this.#streamBody(answer as RespondStreamed);
    else this.#finish();
    return false;
  }

  #encode(message: Incoming, phase: Phase, answer: Answer): Buffer {
    const direction = phase.startsWith('request') ? 'request' : 'response';
    const question: Question = {
      phase, body: message.body, endOfStream: message.endOfStream,
      headers: phase.endsWith('trailers') ? message.headers : direction === 'request' ? this.requestHeaders : this.responseHeaders,
      bodyMode: direction === 'request' ? this.#requestBody : this.#responseBody,
    };
    switch (answer.kind) {
      case 'respond': return immediate(answer);
      case 'respond_streamed': return streamedHeaders(answer);
      case 'continue': case 'mutate': {
        if (this.#processor.authorizes === true && this.#decided !== 'yes') throw new NoVerdict();
        if (answer.kind === 'continue') return continued(question);
        if (Object.entries(answer.metadata ?? {}).some(([namespace, values]) => namespace.startsWith('gatewright.') && 'verdict' in values)) throw new InvalidReply('a verdict that is not a pass');
        this.#follow(answer.mode);
        return changed(question, answer);
      }
      case 'pass': {
        if (this.#processor.authorizes !== true || this.#decided === 'yes') throw new InvalidReply('pass, and nobody is to decide');
        this.#decided = 'yes';
        const namespace = `gatewright.${this.#processor.name}`;
        this.#follow(answer.mode);
        return changed(question, answer, { ...answer.metadata, [namespace]: { ...answer.metadata?.[namespace], verdict: this.policyId } });
      }
      case 'await_body': {
        if (this.#processor.authorizes !== true || this.#processor.onRequestBody === undefined || phase !== 'request_headers') throw new InvalidReply('await_body, and nobody waits');
        if (message.endOfStream) throw new NoVerdict();
        this.#decided = 'awaiting';
        const mode: Mode = { requestBody: 'BUFFERED' };
        this.#follow(mode);
        return changed(question, { mode });
      }
    }
  }

  #follow(mode: Mode | undefined): void {
    if (mode === undefined) return;
    this.#requestBody = mode.requestBody ?? 'NONE';
    this.#responseBody = mode.responseBody ?? 'NONE';
  }

  async #streamBody({ body, trailers }: RespondStreamed): Promise<void> {
    const channel = this.#channel;
    const signal = this.signal;
    try {
      for await (const piece of body) {
        if (signal.aborted) return;
        if (piece.length > 0 && !channel.send(streamedBody(piece, false))) await channel.drained();
      }
      if (signal.aborted) return;
      channel.send(trailers === undefined ? streamedBody('', true) : streamedTrailers(trailers));
      this.#finish();
    } catch (error) {
      if (signal.aborted) return;
      this.#observer.failed(this, this.#processor.name, 'streamed_body', 'gatewright_extproc_threw', error);
      channel.end('internal');
      this.#finish();
    }
  }

  /** The request is closed, and this was the last answer. */
  #fail(reason: Failure, phase: Phase | undefined, error?: unknown): void {
    if (this.#over) return;
    const observing = this.#current?.observability === true;
    this.#observation?.ended('failed', reason);
    this.#observation = undefined;
    this.#observer.failed(this, this.#processor.name, phase ?? 'none', reason, error);
    if (!observing) this.#channel.send(failure(reason));
    this.#finish();
  }

  #finish(): void {
    this.#over = true;
    this.#stopDeadline();
    this.#abort?.abort();
    this.#waiting.length = 0;
    this.#observation?.ended('abandoned', '');
    this.#observation = undefined;
    this.#endWhenDone();
  }

  /** Never before the last message has its answer: a clean end means "let it pass" to Envoy. */
  #endWhenDone(): void {
    if (this.#halfClosed && (this.#over || this.#current === undefined)) this.#channel.end('ok');
  }
}

const CONTINUE: Reply = { kind: 'continue' };
const empty = Buffer.alloc(0);

class NoVerdict extends Error { override readonly name = 'NoVerdict'; }

const encodedFailures = new Map<Failure, Buffer>();
/** The answer to a request that no processor has decided on. */
export function failure(reason: Failure): Buffer {
  const known = encodedFailures.get(reason) ?? immediate({ kind: 'respond', status: failures[reason], details: reason });
  encodedFailures.set(reason, known);
  return known;
}

function trailersMessage({ headers }: Incoming): TrailersMessage { return { trailers: headers as HeaderList }; }

const kinds: ReadonlySet<unknown> = new Set<Answer['kind']>(['continue', 'mutate', 'respond', 'respond_streamed', 'pass', 'await_body']);
function kindOf(answer: unknown): Answer['kind'] | undefined {
  const kind = typeof answer === 'object' && answer !== null ? (answer as Partial<Answer>).kind : undefined;
  return kinds.has(kind) ? kind : undefined;
}

function isPromise(answer: unknown): answer is PromiseLike<unknown> {
  return typeof answer === 'object' && answer !== null && typeof (answer as { then?: unknown }).then === 'function';
}
