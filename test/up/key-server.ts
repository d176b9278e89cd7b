// An issuer's key server: https with a certificate of the test, answers as it is told, counts what it is asked.
import type { ServerResponse } from 'node:http';
import { type Server, createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Pair } from '../../examples/certificate.ts';

export type Answer = (response: ServerResponse) => void;

export const json = (body: unknown): Answer => (response) => { response.setHeader('content-type', 'application/json').end(JSON.stringify(body)); };

export class KeyServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #answers: Map<string, Answer>;
  /** Requests so far, by path. */
  readonly asked = new Map<string, number>();
  /** Handshakes that the client broke off: it did not like the certificate. */
  handshakesBrokenOff = 0;

  private constructor({ certificate, key }: Pair, answers: Readonly<Record<string, Answer>>) {
    this.#answers = new Map(Object.entries(answers));
    this.#server = createServer({ cert: certificate, key }, ({ url = '' }, response) => {
      this.asked.set(url, this.count(url) + 1);
      const answer = this.#answers.get(url);
      if (answer === undefined) response.writeHead(404).end();
      else answer(response);
    });
    this.#server.on('tlsClientError', () => { this.handshakesBrokenOff++; });
    this.#server.on('connection', (socket: Socket) => { this.#sockets.add(socket.once('close', () => this.#sockets.delete(socket))); });
  }

  static async start(pair: Pair, answers: Readonly<Record<string, Answer>>, port = 0): Promise<KeyServer> {
    const server = new KeyServer(pair, answers);
    await new Promise<void>((resolve, reject) => server.#server.once('error', reject).listen(port, '127.0.0.1', resolve));
    return server;
  }

  get port(): number { return (this.#server.address() as AddressInfo).port; }
  count(path: string): number { return this.asked.get(path) ?? 0; }
  get total(): number { return [...this.asked.values()].reduce((sum, count) => sum + count, 0); }
  answer(path: string, answer: Answer): void { this.#answers.set(path, answer); }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
