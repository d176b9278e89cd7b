// One exchange through a real proxy with everything to see: bodies in pieces, repeated headers, trailers; and what the upstream got of it.
import { type IncomingMessage, type Server, createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Pairs = readonly (readonly [name: string, value: string])[];
export interface Got { readonly headers: Pairs; readonly body: string; readonly trailers: Pairs }
export interface Given { readonly status: number; readonly headers?: Pairs; readonly body?: readonly string[]; readonly trailers?: Pairs }

// Node's header strings are bytes, one a character.
const toBytes = (text: string): string => Buffer.from(text).toString('latin1');
const toText = (bytes: string): string => Buffer.from(bytes, 'latin1').toString();
const pairs = (raw: readonly string[]): Pairs => raw.flatMap((name, i) => i % 2 === 0 ? [[name.toLowerCase(), toText(raw[i + 1] ?? '')] as const] : []);

async function read(message: IncomingMessage): Promise<Got> {
  let body = '';
  for await (const piece of message.setEncoding('utf8')) body += piece;
  return { headers: pairs(message.rawHeaders), body, trailers: pairs(message.rawTrailers) };
}

/** An upstream that answers each path as told, and remembers what came. */
export class Recorder {
  readonly #server: Server;
  readonly got = new Map<string, Got>();
  readonly answers = new Map<string, Given>();
  private constructor() {
    this.#server = createServer(async (incoming, outgoing) => {
      const path = incoming.url ?? '';
      this.got.set(path, await read(incoming));
      const { status, headers = [], body = [], trailers = [] } = this.answers.get(path) ?? { status: 200 };
      outgoing.writeHead(status, [...headers, ...(trailers.length > 0 ? [['trailer', trailers.map(([name]) => name).join(',')] as const] : [])].flat());
      for (const piece of body) {
        outgoing.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      outgoing.addTrailers(trailers.map(([name, value]): [string, string] => [name, value]));
      outgoing.end();
    });
  }
  static async start(): Promise<Recorder> {
    const recorder = new Recorder();
    await new Promise<void>((resolve) => recorder.#server.listen(0, '127.0.0.1', resolve));
    return recorder;
  }
  get port(): number { return (this.#server.address() as AddressInfo).port; }
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export interface Asked { readonly method?: string; readonly headers?: Pairs; readonly body?: readonly string[]; readonly trailers?: Pairs }

export function exchange(address: string, path: string, { method = 'GET', headers = [], body = [], trailers = [] }: Asked = {}): Promise<Got & { readonly status: number }> {
  const [hostname, port] = address.split(':');
  const length: Pairs = body.length > 0 ? [['transfer-encoding', 'chunked'], ...(trailers.length > 0 ? [['te', 'trailers'], ['trailer', trailers.map(([name]) => name).join(',')]] as const : [])] : [];
  const raw = [['host', 'www.example.com'] as const, ...headers, ...length].flatMap(([name, value]) => [name, toBytes(value)]);
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ hostname, port, path, method, headers: raw, agent: false }, (incoming) => {
      read(incoming).then((got) => resolve({ status: incoming.statusCode ?? 0, ...got }), reject);
    }).on('error', reject);
    void (async () => {
      for (const piece of body) {
        outgoing.write(piece);
        await new Promise((passed) => setTimeout(passed, 5));
      }
      if (trailers.length > 0) outgoing.addTrailers(trailers.map(([name, value]): [string, string] => [name, value]));
      outgoing.end();
    })();
  });
}
