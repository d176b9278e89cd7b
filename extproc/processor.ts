// What the author of a processor writes: one function a phase, each from the message to a Reply.

import type { HeaderList } from './header-list.ts';
import type { Policies } from './policies.ts';
import type { AwaitBody, BodyMode, Decision, Json, Reply } from './reply.ts';

export interface HeadersMessage {
  readonly headers: HeaderList;
  /** Neither body nor trailers follow. */
  readonly endOfStream: boolean;
}

export interface BodyMessage {
  /** The whole body (BUFFERED), its beginning (BUFFERED_PARTIAL) or one piece (STREAMED, FULL_DUPLEX_STREAMED). Valid until the answer is given. */
  readonly body: Uint8Array;
  readonly mode: BodyMode;
  /** Nothing follows, trailers neither. */
  readonly endOfStream: boolean;
}

export interface TrailersMessage { readonly trailers: HeaderList }

/** One request and its response: what is known besides the message. The same object in every phase, so a WeakMap can hold what a processor remembers. */
export interface Stream<P = undefined> {
  /** The one whose content id the route named. */
  readonly policy: P;
  /** Its content id; empty for a processor without policies. */
  readonly policyId: string;
  /** From phases that came before; undefined when Envoy does not send them. */
  readonly requestHeaders: HeaderList | undefined;
  readonly responseHeaders: HeaderList | undefined;
  /** gRPC initial metadata: what the route's configuration says; no client can set it. */
  initialMetadata(name: string): string | undefined;
  /** W3C trace context: from the gRPC metadata, else from the request's headers. When Envoy begins a trace, only the former has it. */
  readonly traceparent: string | undefined;
  /** A value of `request_attributes` or `response_attributes`: 'source.address', 'xds.route_name', … */
  attribute(name: string): Json | undefined;
  /** Dynamic metadata of a namespace that `metadata_options.forwarding_namespaces` lists. */
  metadata(namespace: string): Readonly<Record<string, Json>> | undefined;
  /** Aborted when the answer is of no use any more: Envoy is gone, or the deadline has passed. */
  readonly signal: AbortSignal;
  /** Once per message: asks Envoy for this much time from now on instead of the deadline. Needs `max_message_timeout`. */
  extend(milliseconds: number): void;
}

type Soon<T> = T | Promise<T>;

interface Phases<P> {
  /** Namespace of the verdict (`gatewright.<name>`), label of the metrics, and what `gatewright-processor` in the gRPC metadata chooses by. [a-z0-9_] */
  readonly name: string;
  /** Milliseconds for one answer, below Envoy's `message_timeout`, which is 200 unless set. */
  readonly deadline?: number;
  /** More than this is refused: 431 and 413. */
  readonly limits?: Partial<Limits>;
  onResponseHeaders?(message: HeadersMessage, stream: Stream<P>): Soon<Reply>;
  onResponseBody?(message: BodyMessage, stream: Stream<P>): Soon<Reply>;
  onResponseTrailers?(message: TrailersMessage, stream: Stream<P>): Soon<Reply>;
  /** Once, whatever the end was. */
  onClose?(stream: Stream<P>): void;
}

export interface Limits {
  readonly headers: number;
  readonly headerBytes: number;
  /** Of one message: all of it in BUFFERED mode. */
  readonly bodyBytes: number;
}
export const defaultLimits: Limits = { headers: 200, headerBytes: 128 * 1024, bodyBytes: 4 * 1024 * 1024 };

/** What 200 ms of Envoy's leave, with room for the way there and back. */
export const DEFAULT_DEADLINE = 150;

/** Changes requests and responses. A phase without a function is answered with `continue`. */
export interface Processor<P = undefined> extends Phases<P> {
  readonly authorizes?: false;
  readonly policies?: Policies<P>;
  onRequestHeaders?(message: HeadersMessage, stream: Stream<P>): Soon<Reply>;
  onRequestBody?(message: BodyMessage, stream: Stream<P>): Soon<Reply>;
  onRequestTrailers?(message: TrailersMessage, stream: Stream<P>): Soon<Reply>;
}

/** Decides who may pass. It can neither forget the verdict nor give it for another policy: `continue` is not among its answers, and the stream writes it. */
export interface Authorizer<P> extends Phases<P> {
  readonly authorizes: true;
  readonly policies: Policies<P>;
  onRequestHeaders(message: HeadersMessage, stream: Stream<P>): Soon<Decision | AwaitBody>;
  /** After `await_body`. */
  onRequestBody?(message: BodyMessage, stream: Stream<P>): Soon<Decision>;
}

/** A processor of either kind, as the server holds it. */
export type AnyProcessor = Processor<any> | Authorizer<any>;
