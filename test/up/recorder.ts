// A backend of the test: answers 200 to everything and remembers exactly what it was sent.
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Recorded { readonly method: string; readonly target: string; readonly headers: Readonly<Record<string, string | string[] | undefined>> }

export class Recorder {
  readonly #server: Server;
  readonly seen: Recorded[] = [];

  private constructor(server: Server) { this.#server = server; }

  static async start(): Promise<Recorder> {
    const server = createServer({ keepAliveTimeout: 60_000, insecureHTTPParser: true });
    const recorder = new Recorder(server);
    server.on('request', ({ method = '', url = '', headers }, response) => {
      recorder.seen.push({ method, target: url, headers });
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ method, target: url, headers }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return recorder;
  }

  get port(): number { return (this.#server.address() as AddressInfo).port; }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
