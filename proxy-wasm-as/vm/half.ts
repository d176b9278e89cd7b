// One direction of an HTTP exchange: what has arrived, what the filter holds back, what has gone on.
import { Body, concat } from './body.ts';
import type { Headers } from './headers.ts';

/** Which piece is next to be shown to the filter. */
export type Piece = 'headers' | 'body' | 'trailers' | 'none';

/** What a headers callback returns (data-plane.md E.1): 2 has no meaning of its own in Envoy, anything from 3 stops everything. */
const HeadersStatus = { Continue: 0, StopIteration: 1, NoMeaning: 2 } as const;

const BodyStatus = { Continue: 0, StopIterationAndBuffer: 1, StopIterationAndWatermark: 2 } as const;

export class Half {
  readonly headers: Headers;
  /** Body pieces not yet shown to the filter. */
  readonly pending: Uint8Array[];
  trailers: Headers | undefined;
  /** More may still arrive. */
  open: boolean;
  /** Body as the filter sees it: what it had us buffer, and the piece now shown. */
  readonly body = new Body(undefined, true);
  /** Body that waits out of the filter's sight: after StopIterationAndWatermark it sees only what comes next. */
  readonly waiting = new Body();
  /** Body that has gone on. */
  readonly sent = new Body();
  /** Pieces shown so far. */
  shownHeaders = false;
  shownTrailers = false;
  /** Headers have gone on; they can no longer be changed. */
  sentHeaders = false;
  /** The filter stopped everything at the headers: nothing more is shown until it continues. */
  stoppedAll = false;
  /** The filter stopped what it was shown, but sees what comes next. */
  stopped = false;
  /** The filter may look at the headers, body or trailers (Envoy keeps the pointers until Continue). */
  seesHeaders = false;
  seesBody = false;
  seesTrailers = false;

  constructor(headers: Headers, chunks: readonly Uint8Array[], trailers: Headers | undefined, open: boolean) {
    this.headers = headers;
    this.pending = [...chunks];
    this.trailers = trailers;
    this.open = open;
  }

  /** The piece to show now; none when the filter stopped everything or nothing has arrived. */
  next(): Piece {
    if (this.stoppedAll) return 'none';
    if (!this.shownHeaders) return 'headers';
    if (this.pending.length > 0) return 'body';
    if (this.trailers !== undefined && !this.shownTrailers) return 'trailers';
    return 'none';
  }

  /** The piece about to be shown is the last. */
  get isLast(): boolean {
    return !this.open && this.pending.length <= (this.shownHeaders ? 1 : 0) && this.trailers === undefined;
  }

  /** Everything has arrived, was shown and went on. */
  get finished(): boolean {
    return this.sentHeaders && !this.open && !this.stopped && !this.stoppedAll && this.next() === 'none';
  }

  /** The filter keeps it from going on. */
  get held(): boolean {
    return this.stoppedAll || (this.stopped && !this.open && this.next() === 'none');
  }

  /** Acts on the status of the headers callback; negative ones stand for "answered". */
  afterHeaders(status: number, mayStopHeadersOnly: boolean): void {
    if (status === HeadersStatus.Continue || status === HeadersStatus.NoMeaning) {
      this.sentHeaders = true;
      this.seesHeaders = false;
    } else if (status === HeadersStatus.StopIteration && mayStopHeadersOnly) {
      this.stopped = true;
    } else {
      this.stoppedAll = true;
    }
  }

  /** Acts on the status of the body callback. What Envoy does not know counts as "no buffer": what was shown is dropped. */
  afterBody(status: number): void {
    if (status === BodyStatus.Continue) {
      this.seesBody = false;
      this.forward();
      return;
    }
    this.stopped = true;
    if (status === BodyStatus.StopIterationAndBuffer) {
      this.body.bytes = concat(this.waiting.bytes, this.body.bytes);
      this.waiting.bytes = new Uint8Array(0);
      return;
    }
    if (status === BodyStatus.StopIterationAndWatermark) this.waiting.append(this.body.bytes);
    this.body.bytes = new Uint8Array(0);
  }

  afterTrailers(status: number): void {
    if (status !== 0) {
      this.stopped = true;
      return;
    }
    this.seesTrailers = false;
    this.forward();
  }

  /** Sends on whatever the filter kept back. */
  forward(): void {
    this.stopped = false;
    this.stoppedAll = false;
    this.sentHeaders = true;
    if (this.waiting.bytes.length > 0) {
      this.sent.append(this.waiting.bytes);
      this.waiting.bytes = new Uint8Array(0);
    }
    if (this.body.bytes.length > 0) {
      this.sent.append(this.body.bytes);
      this.body.bytes = new Uint8Array(0);
    }
  }

  /** Forgets the pointers the filter had. */
  blind(): void {
    this.seesHeaders = false;
    this.seesBody = false;
    this.seesTrailers = false;
  }
}
