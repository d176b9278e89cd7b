// A gateway behind NAT does not know its public address. Asked for it, it meets its own request, and that is the end of it. Another gateway is none of its own.
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Gatewright } from './gatewright.ts';
import { documents, gateway, gatewayClass } from './manifests.ts';
import { Hosts, backend, dynamicRoute, enabled, get } from './resolver.ts';

/** What stands between the world and a gateway: whatever comes to it goes to a listener, which knows nothing of it. */
class Nat {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  connections = 0;
  requests = 0;

  private constructor(server: Server) { this.#server = server; }

  static async start(to: () => string, address = '127.0.0.1'): Promise<Nat> {
    const nat = new Nat(createServer());
    nat.#server.on('connection', (client) => {
      nat.connections++;
      const [host = '', port] = to().split(':');
      const behind = connect({ host, port: Number(port) });
      for (const socket of [client, behind]) nat.#sockets.add(socket.on('error', () => undefined).on('close', () => { client.destroy(); behind.destroy(); }));
      client.on('data', (chunk: Buffer) => { nat.requests += chunk.toString('latin1').split(/^GET /m).length - 1; });
      client.pipe(behind).pipe(client);
    }).listen(0, address);
    await once(nat.#server, 'listening');
    return nat;
  }

  get port(): number { return (this.#server.address() as AddressInfo).port; }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

let hosts: Hosts, gatewright: Gatewright, nat: Nat, second: Nat, port: number;

beforeAll(async () => {
  hosts = await Hosts.start();
  port = await hosts.plain('host.test');
  nat = await Nat.start(() => gatewright.address('http', 'eg'));
  second = await Nat.start(() => gatewright.address('http', 'other'));
  hosts.names['public.test'] = ['127.0.0.1'];
  const other = { parentRefs: [{ name: 'other' }] };
  gatewright = await Gatewright.start({
    'edge.yaml': documents(gatewayClass, enabled, gateway(), gateway([{ name: 'http', protocol: 'HTTP', port: 81 }], 'other')),
    'routes.yaml': documents(
      backend('any', {}), dynamicRoute('loop', 'any', { path: { type: 'PathPrefix', value: '/' } }),
      dynamicRoute('other', 'any', { path: { type: 'PathPrefix', value: '/' } }, other),
    ),
    // The first reaches what is at 127.0.0.1, the other what is at 127.0.0.2: one name leads from one to the other and on.
    'policy.yaml': documents(hosts.policy({ addresses: { allow: ['127.0.0.1'] }, dns: { servers: [hosts.dns.address], hostsFile: '', minTtl: '60s' } }), hosts.policy({ addresses: { allow: ['127.0.0.2'] } }, { kind: 'Gateway', name: 'other' }, 'other')),
  }, { args: ['--concurrency', '2'] });
}, 60_000);
afterAll(async () => {
  await gatewright?.stop();
  for (const each of [nat, second]) each?.stop();
  await hosts?.stop();
});
beforeEach(() => {
  hosts.reached.length = 0;
  hosts.loops.length = 0;
  for (const each of [nat, second]) Object.assign(each, { connections: 0, requests: 0 });
});

const ask = (host: string, headers = ''): Promise<{ status: number; body: string }> => get(gatewright.address('http', 'eg'), '/', host, headers);

describe('a request for the gateway itself', () => {
  test.each([['a name of its own', 'public.test'], ['its address', '127.0.0.1'], ['another spelling of its name', 'PUBLIC.test.']])('by %s comes back once and gets 508', async (_, host) => {
    expect(await ask(`${host}:${nat.port}`)).toEqual({ status: 508, body: 'loop detected\n' });
    expect(nat.requests).toBe(1);
    expect(nat.connections).toBeLessThanOrEqual(1);
  });

  test('also where the gateway remembers the way, whichever worker has the request, and however often', async () => {
    for (let i = 0; i < 40; i++) expect((await ask(`public.test:${nat.port}`)).status).toBe(508);
    expect(nat.requests).toBe(40);
    expect(await gatewright.stat('wasmcustom.gatewright_resolver_known')).toBeGreaterThan(0);
    expect(await gatewright.stat('wasmcustom.gatewright_resolver_loops')).toBeGreaterThanOrEqual(40);
  });

  test('also where other parties have been on the way, in one line or in several', async () => {
    expect((await ask(`public.test:${nat.port}`, 'CDN-Loop: cdn.test; v="1, 2"\r\nCDN-Loop: other-cdn, third.test\r\n')).status).toBe(508);
    expect(nat.requests).toBe(1);
  });
});

describe('is no other for a client that would have the name taken out on the way', () => {
  const edge = (): string => gatewright.address('http', 'eg');
  const upgrade = 'Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n';
  test.each([['Connection: close, cdn-loop\r\n'], [`Connection: Upgrade, cdn-loop\r\n${upgrade}`], [`Connection: cdn-loop\r\nConnection: Upgrade\r\n${upgrade}`]])('%j', async (headers) => {
    const socket = connect({ host: '127.0.0.1', port: Number(edge().split(':')[1]) });
    const answer = await new Promise<string>((resolve, reject) => {
      socket.on('error', reject).setEncoding('latin1').once('data', resolve).setTimeout(20_000, () => reject(new Error(`no answer; ${nat.requests} requests`)));
      socket.write(`GET / HTTP/1.1\r\nHost: public.test:${nat.port}\r\n${headers}\r\n`);
    });
    socket.destroy();
    expect(answer).toMatch(/^HTTP\/1\.1 508 /);
    expect(nat.requests).toBe(1);
  });
});

describe('a host is told by whom it is asked', () => {
  const OWN = /^gatewright-[0-9a-f]{16}$/;
  const told = async (headers = ''): Promise<string> => {
    hosts.loops.length = 0;
    expect((await ask(`host.test:${port}`, headers)).status).toBe(200);
    return String(hosts.loops[0]);
  };

  test('in CDN-Loop, always by the same name, behind those who were there before', async () => {
    const name = await told();
    expect(name).toMatch(OWN);
    expect(await told('CDN-Loop: cdn.test; v="1, 2"\r\nCDN-Loop: other-cdn, third.test\r\n')).toBe(`cdn.test; v="1, 2",other-cdn, third.test,${name}`);
    for (let i = 0; i < 20; i++) expect(await told()).toBe(name);
  });

  test('a client that goes by that name is refused, and nobody else for it', async () => {
    const name = await told();
    hosts.reached.length = 0;
    expect((await ask(`host.test:${port}`, `CDN-Loop: cdn.test, ${name.toUpperCase()}\r\n`)).status).toBe(508);
    expect(hosts.reached).toEqual([]);
    expect(await told()).toBe(name);
  });

  test('nobody where what he sends would swallow the name', async () => {
    expect((await ask(`host.test:${port}`, 'CDN-Loop: cdn.test;a="b\r\n')).status).toBe(400);
    expect(hosts.reached).toEqual([]);
  });

  test('through two gateways, each by a name of its own', async () => {
    // At the one address there is the other gateway, at the other address the host.
    const far = await hosts.plain('chain.test', '127.0.0.2', second.port);
    hosts.names['chain.test'] = ['127.0.0.1', '127.0.0.2'];
    expect((await ask(`chain.test:${far}`)).status).toBe(200);
    expect(second.requests).toBe(1);
    const [first, then, ...more] = String(hosts.loops[0]).split(',');
    expect([first, then]).toEqual([expect.stringMatching(OWN), expect.stringMatching(OWN)]);
    expect(first).not.toBe(then);
    expect(more).toEqual([]);
  });

  test('by the name it had before its Envoy died', async () => {
    const name = await told();
    const before = gatewright.ready.admin;
    for (const pid of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
      const stat = (() => { try { return readFileSync(`/proc/${pid}/stat`, 'utf8'); } catch { return ''; } })();
      if (/\((envoy|wrk:worker_0)\)/.test(stat) && stat.replace(/^.*\) /, '').split(' ')[1] === String(gatewright.pid)) process.kill(Number(pid), 'SIGKILL');
    }
    await gatewright.until(() => gatewright.ready.admin !== before, 60_000);
    await gatewright.until(async () => (await ask(`host.test:${port}`).catch(() => ({ status: 0 }))).status === 200, 60_000);
    expect(name).toMatch(OWN);
    expect(await told()).toBe(name);
  }, 130_000);
});
