// An upstream that answers 200 with the request it saw, as JSON.
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Seen { readonly method: string; readonly path: string; readonly headers: Record<string, string | string[]> }

export class Upstream {
  readonly #server: Server;
  readonly port: number;
  /** Requests answered so far. */
  count = 0;
  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }
  static async start(): Promise<Upstream> {
    let upstream: Upstream | undefined;
    const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      if (upstream) upstream.count++;
      const seen: Seen = { method: request.method ?? '', path: request.url ?? '', headers: request.headers as Seen['headers'] };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(seen));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (upstream = new Upstream(server));
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
