// What has gone to the client, as a test reads it.
import type { HttpResponse } from './exchange.ts';
import type { Half } from './half.ts';
import { Headers } from './headers.ts';

/** Makes the visible response of what has passed the filter. */
export function httpResponse(half: Half, details: string): HttpResponse {
  const headers = new Headers();
  for (const [name, value] of half.headers) if (name !== ':status') headers.add(name, value);
  const bytes = half.sent.bytes;
  const grpcStatus = headers.get('grpc-status') ?? half.trailers?.get('grpc-status');
  return {
    status: Number(half.headers.get(':status') ?? 0),
    headers, bytes, details,
    trailers: half.trailers,
    body: bytes.length === 0 ? '' : Buffer.from(bytes).toString('utf8'),
    grpcStatus: grpcStatus === undefined ? undefined : Number(grpcStatus),
  };
}
