// What a test sees of one HTTP request.
import type { Headers, HeadersInput } from './headers.ts';
import type { Properties } from './properties.ts';

/** What the filter did with a request so far. */
export type Outcome =
  /** The request went on to the upstream, whose answer came back (or is still on its way). */
  | 'continued'
  /** A local response: the filter's own, or the 503 of a dead VM. */
  | 'responded'
  /** The filter holds the request or the response, or the client has not sent all of it. */
  | 'held'
  /** The stream was reset: by the filter (proxy_close_stream) or by the client (`cancel`). */
  | 'reset';

/** What the client got. */
export interface HttpResponse {
  readonly status: number;
  /** Without `:status`. */
  readonly headers: Headers;
  readonly trailers: Headers | undefined;
  readonly body: string;
  readonly bytes: Uint8Array;
  /** `%RESPONSE_CODE_DETAILS%`: `via_upstream`, or what the filter gave. */
  readonly details: string;
  /** The number in grpc-status, or undefined. */
  readonly grpcStatus: number | undefined;
}

/** The upstream's scripted answer. It arrives at once, or `delayMs` later by the VM's clock. */
export interface OriginReply {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: HeadersInput;
  /** One body, or the pieces it arrives in. */
  readonly body?: string | Uint8Array | readonly (string | Uint8Array)[];
  readonly trailers?: HeadersInput;
  readonly delayMs?: number;
}

/** Options of one request. */
export interface RequestOptions {
  /** Over the VM's own properties, path by path. */
  readonly properties?: Properties;
  /** One body, or the pieces it arrives in. */
  readonly body?: string | Uint8Array | readonly (string | Uint8Array)[];
  readonly trailers?: HeadersInput;
  /** False: more will come by `sendBody` and `sendTrailers`. Default true. */
  readonly endOfStream?: boolean;
  /** What the upstream answers; given the request it saw, when a function. Default 200 without a body. */
  readonly response?: OriginReply | ((request: { headers: Headers; body: string }) => OriginReply);
}

/** One request through the filter. It changes as the clock moves. */
export interface Exchange {
  readonly outcome: Outcome;
  /** Which direction the filter holds; undefined when it holds neither. */
  readonly heldIn: 'request' | 'response' | undefined;
  /** The stream is over: proxy_on_log, _done and _delete have run. */
  readonly ended: boolean;
  /** What the client got; undefined while there is none, and for a reset. */
  readonly response: HttpResponse | undefined;
  /** `%RESPONSE_CODE_DETAILS%`, also of a reset. */
  readonly details: string | undefined;
  /** As the upstream sees them, once the request has continued. */
  readonly requestHeaders: Headers;
  /** As the upstream sees it. */
  readonly requestBody: string;
  /** Filter state as Envoy names it: `wasm.<key>` from proxy_set_property, plain from set_envoy_filter_state. */
  readonly filterState: Map<string, string>;
  /** How often the guest made Envoy choose the route again (a change of request headers does). */
  readonly routeCacheCleared: number;
  /** The context id the guest knows it by. */
  readonly id: number;
  /** More of the request body, after `endOfStream: false`. */
  sendBody(body: string | Uint8Array, endOfStream?: boolean): void;
  /** The end of the request, with trailers. */
  sendTrailers(trailers: HeadersInput): void;
  /** The client leaves. */
  cancel(): void;
}
