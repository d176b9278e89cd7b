// Requests that stay in flight until the test lets them be answered: the client's side and the upstream's of one proxy.
import { type ClientRequest, type IncomingMessage, type Server, type ServerResponse, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An upstream that answers a request when it is told to; requests are known by their header `x-id`. */
export class HoldingUpstream {
  readonly #server: Server;
  readonly #held = new Map<string, ServerResponse>();
  readonly #arrivals = new Map<string, () => void>();
  readonly port: number;
  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(): Promise<HoldingUpstream> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const upstream = new HoldingUpstream(server);
    server.on('request', ({ headers }, response) => {
      const id = String(headers['x-id']);
      upstream.#held.set(id, response);
      upstream.#arrivals.get(id)?.();
    });
    return upstream;
  }

  arrival(id: string): Promise<void> { return new Promise((resolve) => this.#arrivals.set(id, resolve)); }
  answer(id: string): void { this.#held.get(id)?.end('ok'); }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export interface Refusal { readonly status: number; readonly body: string; readonly headers: IncomingMessage['headers'] }

/** One request. It arrives at the upstream, or it is refused. */
export class HeldRequest {
  readonly #request: ClientRequest;
  /** The answer, whoever gave it. */
  readonly answered: Promise<Refusal>;

  private constructor(outgoing: ClientRequest) {
    this.#request = outgoing;
    this.answered = new Promise((resolve) => {
      outgoing.on('error', () => {}).on('response', (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => { body += text; }).on('error', () => {}).on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
      });
    });
    outgoing.end();
  }

  /** The refusal, or undefined when it is in flight. */
  static async send(address: string, path: string, id: string, upstream: HoldingUpstream, headers: Readonly<Record<string, string>>, localAddress = '127.0.0.1'): Promise<{ request: HeldRequest; refusal: Refusal | undefined }> {
    const [hostname, port] = address.split(':');
    const arrival = upstream.arrival(id);
    const held = new HeldRequest(request({ hostname, port, path, localAddress, agent: false, headers: { host: 'www.example.com', 'x-id': id, ...headers } }));
    return { request: held, refusal: await Promise.race([arrival.then(() => undefined), held.answered]) };
  }

  leave(): void { this.#request.destroy(); }
}
