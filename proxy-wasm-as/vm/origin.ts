// The upstream behind the filter, as scripted by the test.
import type { OriginReply, RequestOptions } from './exchange.ts';
import { Half } from './half.ts';
import { Headers } from './headers.ts';

/** The pieces a body arrives in; none for no body. */
export function pieces(body: RequestOptions['body']): Uint8Array[] {
  if (body === undefined) return [];
  const list = Array.isArray(body) ? (body as readonly (string | Uint8Array)[]) : [body as string | Uint8Array];
  return list.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece));
}

/** A scripted answer as it arrives at the filter; 200 without a body by default. */
export function originResponse(origin: OriginReply | undefined): Half {
  const headers = new Headers();
  headers.add(':status', String(origin?.status ?? 200));
  if (origin?.headers !== undefined) for (const [name, value] of new Headers(origin.headers)) headers.add(name, value);
  const trailers = origin?.trailers === undefined ? undefined : new Headers(origin.trailers);
  return new Half(headers, pieces(origin?.body), trailers, false);
}
