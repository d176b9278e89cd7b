// Nothing that changes elsewhere cuts a stream: policies, routes, clusters and key sets come and go without a listener being touched or drained.
import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer, request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ISSUER, goodClaims } from '../cases/jwt.ts';
import { type TestKey, keys, token } from '../cases/tokens.ts';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { documents, endpoint, gateway, gatewayClass, httpRoute, securityPolicy } from './manifests.ts';

/** Sends "0 1 2 …", a number every 20 ms, on each open response, until it is told to end them; echoes on upgraded connections. */
class Ticker {
  readonly #server: Server;
  readonly #open = new Set<ServerResponse>();
  readonly #upgraded = new Set<Socket>();
  readonly #timer: NodeJS.Timeout;
  #last = -1;

  private constructor() {
    this.#server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'x-first': String(this.#last + 1) }).flushHeaders();
      this.#open.add(response);
      response.once('close', () => this.#open.delete(response));
    });
    this.#server.on('upgrade', (_, socket: Socket) => {
      this.#upgraded.add(socket);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      socket.pipe(socket);
    });
    this.#timer = setInterval(() => {
      this.#last++;
      for (const response of this.#open) response.write(`${this.#last} `);
    }, 20);
  }
  static async start(): Promise<Ticker> {
    const ticker = new Ticker();
    await once(ticker.#server.listen(0, '127.0.0.1'), 'listening');
    return ticker;
  }
  get port(): number { return (this.#server.address() as AddressInfo).port; }
  endAll(): void { for (const response of this.#open) response.end('end'); }
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const socket of this.#upgraded) socket.destroy();
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

/** What a client of a stream has so far; `ended` resolves with whether it ended as it should. */
interface Stream { text: string; readonly first: number; readonly ended: Promise<boolean> }

async function openHttp1(address: string): Promise<Stream> {
  const [hostname, port] = address.split(':');
  const [response] = await once(request({ hostname, port, path: '/stream', headers: { host: 'www.example.com' }, agent: false }).end(), 'response') as [IncomingMessage];
  const stream = { text: '', first: Number(response.headers['x-first']), ended: once(response, 'close').then(() => response.complete) };
  response.setEncoding('utf8').on('data', (text: string) => { stream.text += text; }).on('error', () => {});
  return stream;
}

async function openHttp2(address: string): Promise<Stream & { readonly goneAway: () => boolean }> {
  const session = connectHttp2(`http://${address}`);
  let goneAway = false;
  session.on('goaway', () => { goneAway = true; }).on('error', () => {});
  const incoming = session.request({ ':path': '/stream', ':authority': 'www.example.com' });
  const [headers] = await once(incoming, 'response');
  const stream = { text: '', first: Number(headers['x-first']), goneAway: () => goneAway, ended: once(incoming, 'close').then(() => { session.destroy(); return incoming.rstCode === 0; }) };
  incoming.setEncoding('utf8').on('data', (text: string) => { stream.text += text; }).on('error', () => {});
  return stream;
}

/** A WebSocket after its upgrade is bytes both ways. */
async function openWebSocket(address: string): Promise<{ readonly socket: Socket; echo(text: string): Promise<string> }> {
  const [hostname, port] = address.split(':');
  const headers = { host: 'www.example.com', connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' };
  const [, socket] = await once(request({ hostname, port, path: '/stream', headers, agent: false }).end(), 'upgrade') as [IncomingMessage, Socket];
  return { socket, echo: async (text) => { socket.write(text); return String((await once(socket, 'data', { signal: AbortSignal.timeout(3_000) }))[0]); } };
}

const counted = (from: number, text: string): string => Array.from({ length: text.split(' ').length - 1 }, (_, i) => `${from + i} `).join('');

const keySets: readonly TestKey[] = [keys.RS256, keys.ES256, keys.ES384];
const names = (step: number): string => keySets[step % keySets.length]?.alg ?? '';
const inline = (key: TestKey | undefined): string => JSON.stringify({ keys: [key?.jwk] });
/** The kinds of change, by file: what each says at its nth writing, and the request that tells whether it is in force. */
const kinds: Readonly<Record<string, (n: number, port: number) => { readonly text: string; readonly path: string; readonly key?: TestKey; readonly gone: number }>> = {
  // Its own provider, as large as any; the issuer changes.
  'policy.yaml': (n) => ({
    path: '/guarded', gone: 200,
    text: documents(securityPolicy('guarded', { jwt: { providers: [{ name: 'a', issuer: n % 2 === 0 ? ISSUER : `https://${n}.example`, localJWKS: { type: 'Inline', inline: inline(keys.RS256) } }] } })),
    key: keys.RS256,
  }),
  'route.yaml': (n) => ({ text: documents(httpRoute('extra', [{ path: { value: `/extra-${n}` } }])), path: `/extra-${n}`, gone: 404 }),
  'cluster.yaml': (n, port) => ({ text: documents(...endpoint(port, 'service').map((each) => JSON.parse(JSON.stringify(each).replace('"127.0.0.1"', `"127.0.0.${n + 1}"`))), httpRoute('service', undefined, { backend: 'service' })), path: '/service', gone: 404 }),
  'keys.yaml': (n) => ({ text: documents({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'keys' }, data: { jwks: inline(keySets[n % keySets.length]) } }), path: '/keyed', key: keys[names(n) as 'RS256'], gone: 500 }),
};

let ticker: Ticker;
let other: Server;
let gatewright: Gatewright;
beforeAll(async () => {
  ticker = await Ticker.start();
  other = createServer((_, response) => { response.end('ok'); });
  await once(other.listen(0), 'listening');
  gatewright = await Gatewright.start({
    'base.yaml': documents(
      gatewayClass, gateway(), ...endpoint(ticker.port, 'ticker'), ...endpoint((other.address() as AddressInfo).port), httpRoute('stream', undefined, { backend: 'ticker' }), httpRoute('guarded'), httpRoute('keyed'),
      securityPolicy('keyed', { jwt: { providers: [{ name: 'k', issuer: ISSUER, localJWKS: { type: 'ValueRef', valueRef: { group: '', kind: 'ConfigMap', name: 'keys' } } }] } }),
    ),
  }, { echo: false });
});
afterAll(async () => {
  await gatewright?.stop();
  await ticker?.stop();
  other?.closeAllConnections();
  other?.close();
});

const status = async (path: string, key?: TestKey): Promise<number> =>
  (await ask(gatewright.address(), path, { headers: key === undefined ? {} : { authorization: `Bearer ${token(goodClaims, key)}` } })).status;
const listeners = async (): Promise<Record<string, number>> => {
  const stats = ['listener_modified', 'listener_added', 'listener_removed', 'listener_in_place_updated', 'total_listeners_draining', 'total_filter_chains_draining', 'total_listeners_active'];
  return Object.fromEntries(await Promise.all(stats.map(async (name) => [name, await gatewright.stat(`listener_manager.${name}`)] as const)));
};

describe('streams that are open while 20 things change elsewhere', () => {
  test('go on, and end as they should', async () => {
    const before = await listeners();
    expect(before).toMatchObject({ listener_added: 1, total_listeners_active: 1 });
    const address = gatewright.address();
    const [http1, http2, webSocket] = await Promise.all([openHttp1(address), openHttp2(address), openWebSocket(address)]);
    const port = (other.address() as AddressInfo).port;
    const all = Object.entries(kinds);

    for (let n = 0; n < 4; n++) {
      for (const [file, at] of all) {
        const { text, path, key } = at(n, port);
        const was = await status(path, key);
        await gatewright.replace(file, text);
        // Issuers of odd steps are others than the token's: 401 is the sign of that change.
        await gatewright.until(async () => await status(path, key) === (file === 'policy.yaml' && n % 2 === 1 ? 401 : 200));
        expect([n, file, was]).toEqual([n, file, { 'policy.yaml': n === 0 ? 200 : n % 2 === 1 ? 200 : 401, 'route.yaml': 404, 'cluster.yaml': n === 0 ? 404 : 200, 'keys.yaml': n === 0 ? 500 : 401 }[file]]);
      }
      expect(await webSocket.echo(`after ${n}`)).toBe(`after ${n}`);
    }
    await Promise.all(all.map(async ([file, at]) => {
      await gatewright.remove(file);
      await gatewright.until(async () => await status(at(3, port).path) === at(3, port).gone);
    }));

    expect(await listeners()).toEqual({ ...before, listener_modified: 0, listener_removed: 0, listener_in_place_updated: 0, total_listeners_draining: 0, total_filter_chains_draining: 0 });
    const received = http1.text.length;
    await gatewright.until(() => http1.text.length > received);
    expect(http2.goneAway()).toBe(false);
    expect(await webSocket.echo('still here')).toBe('still here');
    webSocket.socket.end();
    ticker.endAll();
    for (const stream of [http1, http2]) {
      expect(await stream.ended).toBe(true);
      expect(stream.text.split(' ').length).toBeGreaterThan(50);
      expect(stream.text).toBe(`${counted(stream.first, stream.text)}end`);
    }
  });

  // So that the silence above is that of the product and not of the statistics.
  test('a listener that is added beside it is counted, and cuts no stream either', async () => {
    const stream = await openHttp1(gatewright.address());
    await gatewright.replace('base.yaml', documents(gatewayClass, gateway([{ name: 'http', protocol: 'HTTP', port: 80 }, { name: 'another', protocol: 'HTTP', port: 82 }]), ...endpoint(ticker.port, 'ticker'), httpRoute('stream', undefined, { backend: 'ticker' })));
    expect(await listeners()).toMatchObject({ listener_added: 2, listener_modified: 0 });
    ticker.endAll();
    expect(await stream.ended).toBe(true);
  });
});
