// A gRPC client with nothing between test and wire.
import { type ClientHttp2Session, type ClientSessionOptions, type SecureClientSessionOptions, connect } from 'node:http2';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

export interface GrpcAnswer { readonly messages: readonly Buffer[]; readonly status: string | undefined; readonly message: string | undefined }

export const framed = (bytes: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};

/** Resolves when connected and settled; rejects when the other side does not want us. */
export function session(url: string, options: ClientSessionOptions | SecureClientSessionOptions = {}): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const made = connect(url, options);
    made.once('error', reject).once('close', () => reject(new Error('closed'))).once('remoteSettings', () => resolve(made));
  });
}

/** Resolves when TLS does not come about. Node's HTTP/2 client says nothing when it is turned away after its own part of the handshake. */
export function turnedAway(port: number, options: ConnectionOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ALPNProtocols: ['h2'], ...options });
    socket.once('error', () => resolve()).once('close', () => resolve()).once('data', () => reject(new Error('let in')));
  });
}

/** One stream, open until `end`. */
export class GrpcCall {
  readonly #stream;
  readonly #answer = { messages: [] as Buffer[], status: undefined as string | undefined, message: undefined as string | undefined };
  readonly closed: Promise<void>;
  #woken: () => void = () => {};
  constructor(client: ClientHttp2Session, path: string, metadata: Readonly<Record<string, string>> = {}) {
    this.#stream = client.request({ ':path': path, ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers', ...metadata });
    let rest = Buffer.alloc(0);
    const note = (headers: Readonly<Record<string, unknown>>): void => {
      if (headers['grpc-status'] === undefined) return;
      this.#answer.status = String(headers['grpc-status']);
      this.#answer.message = headers['grpc-message'] === undefined ? undefined : decodeURIComponent(String(headers['grpc-message']));
    };
    this.closed = new Promise((resolve) => { this.#stream.on('close', () => { resolve(); this.#woken(); }); });
    this.#stream.on('error', () => {}).on('response', note).on('trailers', note).on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
        const size = rest.readUInt32BE(1);
        this.#answer.messages.push(rest.subarray(5, 5 + size));
        rest = rest.subarray(5 + size);
      }
      this.#woken();
    });
  }
  say(bytes: Uint8Array): this { this.#stream.write(framed(bytes)); return this; }
  sayRaw(bytes: Uint8Array): this { this.#stream.write(bytes); return this; }
  /** The n-th message; undefined when the stream ends before. */
  async message(n = 0): Promise<Buffer | undefined> {
    while (this.#answer.messages[n] === undefined && !this.#stream.closed) await new Promise<void>((resolve) => { this.#woken = resolve; });
    return this.#answer.messages[n];
  }
  async end(): Promise<GrpcAnswer> {
    this.#stream.end();
    await this.closed;
    return this.#answer;
  }
}
