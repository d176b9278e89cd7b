// A backend of the test that keeps every request until it is told to answer: what is at work at one time is then no matter of luck.
import { type Server as PlainServer, type ServerResponse, createServer } from 'node:http';
import { type Http2Server, type Http2ServerResponse, createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';

export class HoldingBackend {
  readonly #server: PlainServer | Http2Server;
  readonly #held = new Set<ServerResponse | Http2ServerResponse>();
  readonly #sockets = new Set<Socket>();
  /** False: requests are answered at once. */
  #holding = true;
  /** Connections made, and requests that came, so far. */
  connections = 0;
  requests = 0;

  private constructor(server: PlainServer | Http2Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket.on('close', () => this.#sockets.delete(socket)));
    });
    server.on('request', (_: unknown, response: ServerResponse | Http2ServerResponse) => {
      this.requests++;
      if (!this.#holding) { response.end('answered'); return; }
      this.#held.add(response);
      response.on('close', () => this.#held.delete(response));
    });
  }

  static async start(protocol: 'http1' | 'h2c' = 'http1'): Promise<HoldingBackend> {
    const server = protocol === 'h2c' ? createHttp2Server() : createServer({ keepAliveTimeout: 60_000 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new HoldingBackend(server);
  }

  get port(): number { return (this.#server.address() as AddressInfo).port; }
  /** Requests that wait here now. */
  get held(): number { return this.#held.size; }

  /** Answers all that it keeps; `next`: what it does with later ones. */
  release(next: 'hold' | 'answer'): void {
    this.#holding = next === 'hold';
    for (const response of this.#held) response.end('answered');
    this.#held.clear();
  }
  hold(): void { this.#holding = true; }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
