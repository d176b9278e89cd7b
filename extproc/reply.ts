// What a processor may answer, in any phase. Plain data: wire.ts is the only file that knows the wire form.

/** Pairs, not a record: Set-Cookie repeats. Names in lower case. */
export type Headers = readonly (readonly [name: string, value: string])[];

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
/** Dynamic metadata by namespace. Envoy takes only the namespaces that `metadata_options.receiving_namespaces.untyped` lists. */
export type Metadata = Readonly<Record<string, Readonly<Record<string, Json>>>>;

export type BodyMode = 'NONE' | 'STREAMED' | 'BUFFERED' | 'BUFFERED_PARTIAL' | 'FULL_DUPLEX_STREAMED';

/** What Envoy sends from here on; what is not named is not sent. Needs `allow_mode_override`, and only an answer to headers may hold it. */
export interface Mode {
  readonly requestBody?: BodyMode;
  readonly requestTrailers?: boolean;
  readonly responseHeaders?: boolean;
  readonly responseBody?: BodyMode;
  readonly responseTrailers?: boolean;
}

/** Changes to the message that is answered. Envoy removes first, then sets, in this order: remove, set, addIfAbsent, append. */
export interface Changes {
  /** Replaces all values of that name, or adds it. */
  readonly set?: Headers;
  /** Only where the message has no header of that name. */
  readonly addIfAbsent?: Headers;
  /** One more value; those that are there stay. The only right way to write Set-Cookie. */
  readonly append?: Headers;
  readonly remove?: readonly string[];
  /** Replaces the body (or the piece of it that this message holds). In an answer to headers: instead of the body to come, which is then not sent. */
  readonly body?: string | Uint8Array;
  /** The route is chosen again, by the headers as changed. */
  readonly clearRouteCache?: boolean;
  readonly metadata?: Metadata;
  readonly mode?: Mode;
}

export interface Continue { readonly kind: 'continue' }
export interface Mutate extends Changes { readonly kind: 'mutate' }

/** Answers the client; the request goes no further. In a response phase: in place of the upstream's response, if that has not begun to flow. */
export interface Respond {
  readonly kind: 'respond';
  readonly status: number;
  readonly headers?: Headers;
  readonly body?: string | Uint8Array;
  /** For gRPC clients. */
  readonly grpcStatus?: number;
  /** A stable reason, [a-z0-9_]: %RESPONSE_CODE_DETAILS%, metric and log show it. */
  readonly details: string;
}

/** As `respond`, with a body that is not there yet. */
export interface RespondStreamed {
  readonly kind: 'respond_streamed';
  readonly status: number;
  readonly headers?: Headers;
  readonly body: AsyncIterable<string | Uint8Array>;
  readonly trailers?: Headers;
  readonly details: string;
}

export type Reply = Continue | Mutate | Respond | RespondStreamed;

/** An authorising processor lets the request pass. The stream adds the verdict for the guard: the id of the policy that was asked. */
export interface Pass extends Omit<Changes, 'mode'> {
  readonly kind: 'pass';
  readonly mode?: Omit<Mode, 'requestBody' | 'requestTrailers'>;
}
/** An authorising processor wants to see the whole body before it decides. Only where the headers do not end the stream. Needs `allow_mode_override`. */
export interface AwaitBody { readonly kind: 'await_body' }

/** What an authorising processor may answer to a request: no member lets one through without a verdict. */
export type Decision = Pass | Respond | RespondStreamed;
