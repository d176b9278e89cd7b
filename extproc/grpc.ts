// gRPC over Node's HTTP/2, as much of it as Envoy uses. Not grpc-js: that costs twice the CPU a stream, and has no way to the options that keep
// HTTP/2 connections alive when Envoy resets every stream, as it does (DESIGN 10).

import { type ServerHttp2Stream, constants } from 'node:http2';
import type { Channel } from './stream.ts';

export const status = { ok: 0, invalidArgument: 3, notFound: 5, permissionDenied: 7, resourceExhausted: 8, unimplemented: 12, internal: 13, unavailable: 14 } as const;

const FRAME_HEADER = 5;
const responseHeaders = { ':status': 200, 'content-type': 'application/grpc' } as const;

/** One call: frames out, messages in. */
export class Call implements Channel {
  readonly #stream: ServerHttp2Stream;
  #code: number | undefined;
  #waiters: (() => void)[] = [];

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
    // A reset is how Envoy ends any stream. Node would make an error of it, with its stack in text, for each: a tenth of all CPU.
    Object.defineProperty(stream, 'rstCode', { value: constants.NGHTTP2_NO_ERROR });
  }

  /** `message` gets each one. A larger one ends the call. */
  read(maxBytes: number, message: (bytes: Buffer) => void): void {
    let parts: Buffer[] = [];
    let have = 0;
    let need = FRAME_HEADER;
    this.#stream.on('data', (chunk: Buffer) => {
      have += chunk.length;
      if (have < need) { parts.push(chunk); return; }
      let bytes = parts.length === 0 ? chunk : Buffer.concat([...parts, chunk]);
      need = FRAME_HEADER;
      while (bytes.length >= FRAME_HEADER) {
        const size = bytes.readUInt32BE(1);
        if (bytes[0] !== 0) { this.fail(status.unimplemented, 'compressed message'); return; }
        if (size > maxBytes) { this.fail(status.resourceExhausted, `message of ${size} bytes, of ${maxBytes} at most`); return; }
        need = FRAME_HEADER + size;
        if (bytes.length < need) break;
        message(bytes.subarray(FRAME_HEADER, need));
        bytes = bytes.subarray(need);
        need = FRAME_HEADER;
      }
      have = bytes.length;
      parts = have === 0 ? [] : [bytes];
    });
  }

  send(frame: Buffer): boolean {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed || stream.writableEnded) return false;
    if (!stream.headersSent) {
      stream.respond(responseHeaders, { waitForTrailers: true });
      stream.on('wantTrailers', () => {
        stream.sendTrailers({ 'grpc-status': String(this.#code ?? status.ok) });
        this.#leave();
      });
    }
    return stream.write(frame);
  }

  drained(): Promise<void> {
    if (this.#stream.destroyed || !this.#stream.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      if (this.#waiters.push(resolve) > 1) return;
      const wake = (): void => { for (const each of this.#waiters.splice(0)) each(); };
      this.#stream.once('drain', wake).once('close', wake);
    });
  }

  pause(): void { this.#stream.pause(); }
  resume(): void { this.#stream.resume(); }
  end(how: 'ok' | 'internal'): void { this.fail(status[how], ''); }

  /** Ends the call with this code; `message` is for people. */
  fail(code: number, message: string): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed || stream.writableEnded) return;
    this.#code = code;
    // What the other side may still want to say is of no use.
    stream.removeAllListeners('data').resume();
    if (stream.headersSent) stream.end();
    else {
      stream.respond({ ...responseHeaders, 'grpc-status': String(code), 'grpc-message': encodeURI(message) }, { endStream: true });
      this.#leave();
    }
  }

  /** Does not wait for the other side's end, once the status is on its way. */
  #leave(): void {
    setImmediate(() => { if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_NO_ERROR); });
  }
}
