// Serves processors to Envoy: gRPC on a Unix socket that nobody else can reach, or on TCP with certificates on both sides. There is no third way.

import { chmod, mkdir, rm, stat } from 'node:fs/promises';
import { type Http2SecureServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream, createSecureServer, createServer } from 'node:http2';
import { type AddressInfo, type Server, type Socket, createServer as createListener } from 'node:net';
import { dirname } from 'node:path';
import type { SecureContextOptions } from 'node:tls';
import { Call, status } from './grpc.ts';
import { Health } from './health.ts';
import { Observer, type ObserverOptions } from './observer.ts';
import { type PolicyIntake, accept as acceptPolicies, isForIntake } from './policy-intake.ts';
import { type AnyProcessor, defaultLimits } from './processor.ts';
import { ProcessorStream, failure } from './stream.ts';
import { METHOD } from './wire-request.ts';
import type { World } from './world.ts';

export interface Certificates {
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
  /** Whoever holds a certificate of these may ask. */
  readonly ca: string | Buffer;
}

export type Address =
  | { readonly kind: 'unix'; /** Absolute; its folder is made with mode 0700. */ readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly certificates: Certificates };

export interface ServerOptions extends ObserverOptions {
  /** One, or several that the gRPC metadata `gatewright-processor` chooses between. */
  readonly processors: readonly AnyProcessor[];
  readonly world: World;
}

/** sockaddr_un.sun_path less the final zero. */
const MAX_SOCKET_PATH_BYTES = 107;
/** What a message has besides headers or a body: attributes, forwarded metadata. */
const MESSAGE_ROOM = 256 * 1024;

/** RFC 9113, 6.8: GOAWAY, no error, and a last stream that is none: "the server … SHOULD send an initial GOAWAY frame with the last stream identifier set to 2^31-1". */
const SHUTDOWN_NOTICE = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
/** Before the end of the patience, over TLS: what comes until then still has so many milliseconds for its answer. */
const LAST_ANSWERS = 1000;

const http2Options = {
  // Envoy ends every ext_proc stream with a reset, thousands a second. Node's guard against reset floods would close the connection after some 1,000
  // and fail all requests on it. Whoever can connect here is our Envoy.
  streamResetBurst: 1e9,
  streamResetRate: 1e9,
  // In MB; Node's 10 are those of a few bodies. What bounds memory is streams × window.
  maxSessionMemory: 1024,
  settings: { maxConcurrentStreams: 10_000, initialWindowSize: 256 * 1024 },
};

/** An Envoy that vanished without a word is noticed. */
export const listenerOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 };

export class ExtProcServer {
  readonly health = new Health();
  readonly observer: Observer;
  readonly #processors: ReadonlyMap<string, AnyProcessor>;
  readonly #only: AnyProcessor | undefined;
  readonly #world: World;
  /** With the socket of each that is not a TLS one. */
  readonly #sessions = new Map<ServerHttp2Session, Socket | undefined>();
  /** Those whose TLS is not there yet among them. */
  readonly #sockets = new Set<Socket>();
  /** The socket of the session that Node is about to make of it. */
  #arriving: Socket | undefined;
  readonly #maxMessageBytes: number;
  #server: Http2Server | Http2SecureServer | undefined;
  #listener: Server | undefined;
  #socketPath: string | undefined;
  #intake: PolicyIntake | undefined;
  /** By when all is to be over, in monotonic milliseconds; undefined: it goes on. */
  #over: number | undefined;

  constructor({ processors, world, ...seen }: ServerOptions) {
    if (processors.length === 0) throw new Error('no processor to serve');
    this.#processors = new Map(processors.map((processor) => [processor.name, processor]));
    if (this.#processors.size < processors.length) throw new Error('two processors of one name');
    for (const name of this.#processors.keys()) if (!/^[a-z0-9_]+$/.test(name)) throw new Error(`a processor's name is [a-z0-9_]: ${name}`);
    this.#only = processors.length === 1 ? processors[0] : undefined;
    this.#world = world;
    this.#maxMessageBytes = MESSAGE_ROOM + Math.max(...processors.map(({ limits }) => 2 * Math.max(limits?.bodyBytes ?? defaultLimits.bodyBytes, limits?.headerBytes ?? defaultLimits.headerBytes)));
    this.observer = new Observer(seen, world);
  }

  /** Takes connections from `address`. Resolves with the port (0 on a socket). Throws when others could reach it. */
  async listen(address: Address): Promise<number> {
    if (address.kind === 'tcp' && address.certificates === undefined) throw new Error('TCP without certificates on both sides is refused');
    this.prepare(address.kind === 'tcp' ? address.certificates : undefined);
    if (address.kind === 'unix') await makePrivate(address.path);
    // Not the HTTP/2 server itself: Node closes every session of it when it is to listen no more.
    const listener = this.#listener = createListener(listenerOptions, (socket) => this.adopt(socket));
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      if (address.kind === 'unix') listener.listen(address.path, resolve);
      else listener.listen(address.port, address.host, resolve);
    });
    if (address.kind === 'tcp') return (listener.address() as AddressInfo).port;
    await chmod(address.path, 0o600);
    this.#socketPath = address.path;
    return 0;
  }

  /** Ready for `adopt`, without an address of its own. Without certificates: for the connections of a Unix socket. Without an intake nobody brings policies. */
  prepare(certificates: Certificates | undefined, intake?: PolicyIntake): void {
    this.#intake = intake;
    const server = certificates === undefined ? createServer(http2Options) : createSecureServer({ ...http2Options, ...tls(certificates), requestCert: true, rejectUnauthorized: true, allowHTTP1: false });
    if (certificates === undefined) server.prependListener('connection', (socket: Socket) => { this.#arriving = socket; });
    server.on('session', (session: ServerHttp2Session) => this.#join(session));
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => this.#accept(stream, headers));
    // A peer that vanishes, or shows no certificate of ours, is no trouble of ours.
    server.on('sessionError', () => {});
    this.#server = server;
  }

  /** Serves a connection that another process has accepted. */
  adopt(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#server?.emit('connection', socket);
  }

  /** Connections from now on are made with these. */
  renew(certificates: Certificates): void {
    if (this.#server !== undefined && 'setSecureContext' in this.#server) this.#server.setSecureContext(tls(certificates));
  }

  get connections(): number { return this.#sessions.size; }

  /**
   * Ends without failing a request: not ready any more, no new connections, Envoy is told to open no more streams here, and those that are open are
   * finished. What is left after `patience` milliseconds is cut.
   */
  async drain(patience: number): Promise<void> {
    const over = this.#over = this.#world.monotonic() + patience;
    this.health.ready = false;
    const closed = this.#emptied();
    for (const [session, socket] of this.#sessions) this.#sendAway(session, socket, over);
    const giveUp = this.#world.after(patience, () => { for (const session of this.#sessions.keys()) session.destroy(); });
    await closed;
    giveUp();
    await this.#leave();
  }

  /** Ends at once. Requests under way are closed by Envoy with 500. */
  async stop(): Promise<void> {
    this.#over = this.#world.monotonic();
    const closed = this.#emptied();
    for (const session of this.#sessions.keys()) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await this.#leave();
  }

  /** Takes no more connections, and resolves when those that are here are gone. */
  async #emptied(): Promise<void> {
    this.#listener?.close();
    while (this.#sessions.size > 0) await Promise.all([...this.#sessions.keys()].map((session) => new Promise<void>((resolve) => { session.once('close', resolve); })));
  }

  async #leave(): Promise<void> {
    this.observer.stop();
    if (this.#socketPath !== undefined) await rm(this.#socketPath, { force: true });
  }

  #join(session: ServerHttp2Session): void {
    const socket = this.#arriving;
    this.#arriving = undefined;
    this.#sessions.set(session, socket);
    session.on('error', () => {}); // 'close' follows
    session.once('close', () => this.#sessions.delete(session));
    if (this.#over !== undefined) this.#sendAway(session, socket, this.#over);
  }

  /**
   * A GOAWAY that names no last stream yet, then a ping. When its answer is here, Envoy has read the GOAWAY, and every stream that it had opened before has
   * come in: only then is the door shut. After `session.goaway()` nghttp2 would drop those streams without a word, so the notice is written here. TLS does
   * not allow that: there all are let in until the patience is nearly over, so that Envoy can be told by health checks or EDS to stay away, and leave by itself.
   */
  #sendAway(session: ServerHttp2Session, socket: Socket | undefined, over: number): void {
    if (session.destroyed) return;
    const shut = (): void => {
      this.health.endWatches();
      if (!session.closed) session.close();
    };
    if (socket === undefined) {
      const cancel = this.#world.after(Math.max(0, over - LAST_ANSWERS - this.#world.monotonic()), shut);
      session.once('close', cancel);
      return;
    }
    socket.write(SHUTDOWN_NOTICE);
    if (!session.ping(shut)) shut();
  }

  #accept(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => {}); // 'close' follows
    const path = headers[':path'];
    if (Health.serves(path)) { this.health.accept(stream, path as string); return; }
    if (this.#intake !== undefined && isForIntake(path)) { acceptPolicies(stream, path as string, this.#intake); return; }
    const call = new Call(stream);
    if (path !== METHOD) { call.fail(status.unimplemented, 'unknown method'); return; }
    const metadata = (name: string): string | undefined => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(',') : value;
    };
    const processor = this.#choose(metadata('gatewright-processor'));
    if (processor === undefined) {
      call.read(this.#maxMessageBytes, () => call.send(failure('gatewright_processor_unknown')));
      stream.on('end', () => call.end('ok'));
      return;
    }
    const exchange = new ProcessorStream(processor, metadata, call, this.#world, this.observer);
    call.read(this.#maxMessageBytes, (bytes) => exchange.receive(bytes));
    stream.on('end', () => exchange.halfClosed());
    stream.on('close', () => exchange.gone());
  }

  #choose(name: string | undefined): AnyProcessor | undefined {
    return name === undefined ? this.#only : this.#processors.get(name);
  }
}

function tls({ key, cert, ca }: Certificates): SecureContextOptions {
  return { key, cert, ca, minVersion: 'TLSv1.2' }; // Envoy offers no more than 1.2 to upstreams unless told
}

/** The folder of a socket: ours alone, and without the socket of a run that was killed. */
export async function makePrivate(path: string): Promise<void> {
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) throw new Error(`${path}: ${bytes} bytes; the path of a Unix socket has at most ${MAX_SOCKET_PATH_BYTES}`);
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (((await stat(folder)).mode & 0o077) !== 0) throw new Error(`${folder} is open to other users; the ext_proc socket needs a folder of mode 0700`);
  await rm(path, { force: true });
}
