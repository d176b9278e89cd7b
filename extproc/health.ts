// grpc.health.v1, with the service names of the Gateway API inference extension: liveness, readiness, and the ext_proc service itself.

import type { ServerHttp2Stream } from 'node:http2';
import { Call, status } from './grpc.ts';
import { BackwardWriter, Reader } from './protobuf.ts';

const SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3;
const CHECK = '/grpc.health.v1.Health/Check';
const WATCH = '/grpc.health.v1.Health/Watch';
const MAX_REQUEST_BYTES = 4096;
/** Those that are SERVING only while requests are welcome. `liveness` is as long as the process answers at all: a restart helps no one who drains. */
const WHILE_READY: ReadonlySet<string> = new Set(['', 'readiness', 'envoy.service.ext_proc.v3.ExternalProcessor']);

export class Health {
  #ready = true;
  readonly #watchers = new Map<Call, string>();

  get ready(): boolean { return this.#ready; }

  /** False: nobody is to send new requests here. */
  set ready(ready: boolean) {
    if (ready === this.#ready) return;
    this.#ready = ready;
    for (const [call, service] of this.#watchers) call.send(answer(this.#statusOf(service)));
  }

  static serves(path: unknown): boolean { return path === CHECK || path === WATCH; }

  accept(stream: ServerHttp2Stream, path: string): void {
    const call = new Call(stream);
    let asked = false;
    call.read(MAX_REQUEST_BYTES, (bytes) => {
      if (asked) return;
      asked = true;
      let service: string;
      try { service = serviceOf(bytes); } catch { call.fail(status.invalidArgument, 'not a HealthCheckRequest'); return; }
      const now = this.#statusOf(service);
      if (path === CHECK) {
        if (now === SERVICE_UNKNOWN) { call.fail(status.notFound, 'unknown service'); return; }
        call.send(answer(now));
        call.end('ok');
      } else {
        call.send(answer(now));
        this.#watchers.set(call, service);
      }
    });
    stream.on('close', () => this.#watchers.delete(call));
  }

  /** Streams that watch never end by themselves. */
  endWatches(): void { for (const call of this.#watchers.keys()) call.fail(status.unavailable, 'going away'); }

  #statusOf(service: string): number {
    if (service === 'liveness') return SERVING;
    if (!WHILE_READY.has(service)) return SERVICE_UNKNOWN;
    return this.#ready ? SERVING : NOT_SERVING;
  }
}

function serviceOf(bytes: Buffer): string {
  const reader = new Reader(bytes);
  let service = '';
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === 10) service = reader.text();
    else reader.passOver(tag);
  }
  return service;
}

function answer(serving: number): Buffer {
  const writer = new BackwardWriter().begin();
  writer.number(1, serving);
  writer.frameHeader();
  return writer.finish();
}
