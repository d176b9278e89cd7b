// An upstream that answers what the request's x-answer header says (JSON), and counts.
import { type IncomingMessage, type Server, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FaultCase, UpstreamAnswer } from '../cases/fault.ts';

export class FaultUpstream {
  readonly #server: Server;
  readonly port: number;
  /** Requests that came, with the bodies they brought. */
  readonly seen: { readonly headers: IncomingMessage['headers']; readonly body: string }[] = [];
  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(): Promise<FaultUpstream> {
    let upstream: FaultUpstream | undefined;
    const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, outgoing) => {
      const { status = 200, headers = {}, body = 'hello' } = JSON.parse(String(incoming.headers['x-answer'] ?? '{}')) as UpstreamAnswer;
      let asked = '';
      incoming.setEncoding('utf8').on('data', (text: string) => { asked += text; }).on('end', () => {
        upstream?.seen.push({ headers: incoming.headers, body: asked });
        outgoing.writeHead(status, headers).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (upstream = new FaultUpstream(server));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** What a client sees; status 0: no answer at all. */
export interface Seen { readonly status: number; readonly body: string; readonly headers: IncomingMessage['headers']; readonly milliseconds: number }

/** Sends the request of a case on a connection of its own. */
export function send(address: string, { policy, method = 'GET', path = '', host = 'www.example.com', headers = {}, answer }: FaultCase): Promise<Seen> {
  const [hostname, port] = address.split(':');
  const start = performance.now();
  return new Promise((resolve) => {
    const none = (): void => resolve({ status: 0, body: '', headers: {}, milliseconds: performance.now() - start });
    const outgoing = request({ hostname, port, method, path: `/${policy}${path}`, headers: { host, ...(answer && { 'x-answer': JSON.stringify(answer) }), ...headers }, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => { body += text; }).on('error', none)
        .on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers, milliseconds: performance.now() - start }));
    });
    outgoing.on('error', none).end(method === 'POST' ? 'question' : undefined);
  });
}
