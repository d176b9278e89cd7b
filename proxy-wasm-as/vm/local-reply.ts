// What Envoy makes of a local response: content headers for a body, the gRPC form for a gRPC request.
import type { LocalResponse } from './context.ts';
import { Headers } from './headers.ts';

/** A response before it leaves, `:status` among its headers. */
export interface Reply {
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly trailers: Headers | undefined;
}

/** Status a gRPC client is told for an HTTP one (envoy, source/common/grpc/utility.cc); anything else is 2, Unknown. */
const grpcStatuses: Readonly<Record<number, number>> = { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 };

/** True for `application/grpc` and `application/grpc+proto`, not for `application/grpc-web`. */
export function isGrpc(request: Headers): boolean {
  return /^application\/grpc(\+|$)/.test(request.get('content-type') ?? '');
}

/** The reply to a request; `:status` 200 with grpc-status and grpc-message when the request is gRPC (Utility::prepareLocalReply). */
export function localReply(local: LocalResponse, request: Headers): Reply {
  const headers = new Headers();
  headers.add(':status', String(local.status));
  const isHead = request.get(':method') === 'HEAD';
  if (isGrpc(request)) {
    addAll(headers, local.headers);
    headers.set(':status', '200');
    headers.set('content-type', 'application/grpc');
    if (!headers.has('grpc-status')) headers.set('grpc-status', String(local.grpcStatus ?? grpcStatuses[local.status] ?? 2));
    if (local.body.length > 0 && !isHead) headers.set('grpc-message', percentEncode(local.body));
    headers.remove('content-length');
    return { headers, body: new Uint8Array(0), trailers: undefined };
  }
  addAll(headers, local.headers);
  if (local.body.length > 0) {
    headers.set('content-length', String(local.body.length));
    if (!headers.has('content-type')) headers.set('content-type', 'text/plain');
  } else {
    headers.remove('content-length');
    headers.remove('content-type');
  }
  return { headers, body: isHead ? new Uint8Array(0) : local.body, trailers: undefined };
}

/** `%RESPONSE_CODE_DETAILS%` of a local response: no white space. */
export function responseDetails(details: string): string {
  return details.replace(/\s/g, '_');
}

function addAll(headers: Headers, flat: readonly string[]): void {
  for (let i = 0; i + 1 < flat.length; i += 2) headers.add(flat[i] as string, flat[i + 1] as string);
}

/** grpc-message: bytes outside printable ASCII, and `%`, as %XX. */
function percentEncode(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    text += byte < 0x20 || byte > 0x7e || byte === 0x25 ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}` : String.fromCharCode(byte);
  }
  return text;
}
