// What the dynamic resolver refuses is not reached, through the whole product: by no spelling, by no name server, without no verdict, and with no service.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ISSUER, goodClaims } from '../cases/jwt.ts';
import { attacks } from '../cases/resolver-attacks.ts';
import { jwks, token } from '../cases/tokens.ts';
import { Gatewright } from './gatewright.ts';
import { documents, httpRoute, securityPolicy, service } from './manifests.ts';
import { Hosts, backend, dynamicRoute, edge, get } from './resolver.ts';

let hosts: Hosts, gatewright: Gatewright;
/** Of a host that listens on every address of this machine. */
let port: number;

const provider = { name: 'example', issuer: ISSUER, localJWKS: { type: 'Inline', inline: JSON.stringify(jwks) } };
const on = (name: string): object => ({ kind: 'HTTPRoute', name });
const bearer = (claims: object = {}): string => `Authorization: Bearer ${token({ ...goodClaims, ...claims })}\r\n`;
/** A policy of a route, beside that of the Gateway, which says how names are looked up and what is reached where the route does not say. */
const own = (name: string, spec: object): object => hosts.policy({ addresses: undefined, ports: undefined, dns: undefined, ...spec }, on(name), name);
const policies = (more: object = {}): string => documents(
  hosts.policy({ names: { deny: ['denied.test', '*.denied.test'] }, ports: { allow: [{ port: 1, endPort: 65_535 }], deny: [{ port: 22 }] }, dns: { servers: [hosts.dns.address], hostsFile: '', timeout: '10s', minTtl: '1ms', negativeTtl: '1ms' } }),
  own('closed', { addresses: { allow: ['Public'] } }), own('second', { addresses: { allow: ['127.0.0.2'] } }), own('changing', more),
  own('everything', { names: { allow: ['*', 'denied.test', '*.denied.test'] }, addresses: { allow: ['Public', 'Private', 'Loopback'] }, ports: { allow: [{ port: 1, endPort: 65_535 }] }, dns: { servers: ['127.0.0.1:1'], hostsFile: `${hosts.folder}/hosts` } }),
);
const ask = async (path: string, host: string, headers = ''): Promise<number> => (await get(gatewright.address(), path, host, headers)).status;

beforeAll(async () => {
  hosts = await Hosts.start();
  port = await hosts.plain('canary.test');
  gatewright = await Gatewright.start({
    'edge.yaml': `${edge}\n---\n${documents(service())}`,
    'routes.yaml': documents(
      backend('plain', {}), ...['open', 'closed', 'second', 'slow', 'changing', 'protected', 'everything'].map((name) => dynamicRoute(name, 'plain')), httpRoute('elsewhere', undefined, { hostnames: [] }),
      securityPolicy('protected', { jwt: { providers: [provider] } }),
      // A claim leads from this route to that of the resolver.
      httpRoute('start', undefined, { hostnames: [] }), securityPolicy('start', { jwt: { providers: [{ ...provider, claimToHeaders: [{ header: 'x-route', claim: 'route' }], recomputeRoute: true }] } }),
      dynamicRoute('led', 'plain', { path: { type: 'PathPrefix', value: '/start' }, headers: [{ name: 'x-route', value: 'led' }] }),
    ),
    'policy.yaml': policies(),
  });
}, 60_000);
afterAll(async () => {
  await gatewright?.stop();
  await hosts?.stop();
});
beforeEach(() => {
  hosts.reached.length = 0;
  hosts.dns.asked.length = 0;
});

describe('no attack reaches a host', () => {
  test('that is there all the same, for a policy that opens loopback', async () => {
    expect(await ask('/open', `canary.test:${port}`)).toBe(200);
    expect(await ask('/open', `127.0.0.1:${port}`)).toBe(200);
  });

  const withPort = (text: string): string => /:0\d*$|[\0\r\n]/.test(text) || text.startsWith('::') ? text : `${text.replace(/:[1-9][0-9]*$/, '')}:${port}`;
  // Whose own addresses those of the table are is said by this machine: see below.
  test.each(attacks.filter(({ detail }) => detail !== 'Own'))('$host ($resolves)', async ({ host, resolves }) => {
    if (resolves !== undefined) hosts.names[host.replace(/:[0-9]+$/, '').toLowerCase()] = resolves;
    expect([400, 403, 502]).toContain(await ask('/closed', withPort(host)));
    expect(hosts.reached).toEqual([]);
  });

  test.each(Object.values(networkInterfaces()).flatMap((each) => each ?? []).filter(({ address }) => !address.includes('%') && !address.startsWith('fe80')).map(({ address, family }) => (family === 'IPv6' ? `[${address}]` : address)))('this machine\'s own %s', async (address) => {
    expect(await ask('/closed', `${address}:${port}`)).toBe(403);
    expect(hosts.reached).toEqual([]);
  });

  test('the gateway itself, where the policy opens all of loopback', async () => {
    for (const own of [gatewright.address(), new URL(gatewright.ready.admin).host, new URL(gatewright.ready.metrics).host]) {
      hosts.names['myself.test'] = ['127.0.0.1'];
      expect((await get(gatewright.address(), '/open', own)).body).toBe('address refused\n');
      expect((await get(gatewright.address(), '/open', `myself.test:${own.split(':')[1]}`)).body).toBe('address refused\n');
    }
  });

  test('a name that flips is dialled where it may be and nowhere else', async () => {
    const zone = hosts.dns.zone;
    let turn = 0;
    hosts.dns.zone = ({ type }) => (type === 'A' ? { records: [{ type: 'A', ttl: 0, value: turn++ % 2 === 0 ? '127.0.0.2' : '127.0.0.1' }] } : {});
    const seen = new Map<number, number>();
    const at = new Set<string>();
    try {
      for (let i = 0; i < 60; i++) {
        const { status, body } = await get(gatewright.address(), '/second', `rebind.test:${port}`);
        seen.set(status, (seen.get(status) ?? 0) + 1);
        if (status === 200) at.add((JSON.parse(body) as { at: string }).at);
      }
    } finally { hosts.dns.zone = zone; }
    expect([...seen.keys()].sort()).toEqual([200, 403]);
    expect([...at]).toEqual(['127.0.0.2']);
  });

  test.each([
    ['x-envoy-original-dst-host', (address: string) => `x-envoy-original-dst-host: ${address}\r\n`],
    ['x-forwarded-host', (address: string) => `x-forwarded-host: ${address}\r\nforwarded: host=${address}\r\n`],
    ['the names of our metadata', (address: string) => `gatewright.resolver: ${address}\r\naddress: ${address}\r\ngatewright-policy: x\r\n`],
    ['a second Host', (address: string) => `Host: ${address}\r\n`],
  ])('nor does a client choose an address by %s', async (_, header) => {
    await ask('/closed', 'no-such-name.test', header(`127.0.0.1:${port}`));
    expect(hosts.reached).toEqual([]);
  });
});

describe('what the Gateway\'s policy forbids, a route\'s own policy that allows everything does not allow', () => {
  test('names and ports', async () => {
    for (const name of ['canary.test', 'denied.test', 'sub.denied.test']) hosts.names[name] = ['127.0.0.1'];
    expect(await get(gatewright.address(), '/everything', `denied.test:${port}`)).toEqual({ status: 403, body: 'host refused\n' });
    expect(await get(gatewright.address(), '/everything', `SUB.Denied.test.:${port}`)).toEqual({ status: 403, body: 'host refused\n' });
    expect(await get(gatewright.address(), '/everything', 'canary.test:22')).toEqual({ status: 403, body: 'port refused\n' });
    expect(hosts.reached).toEqual([]);
    expect(await ask('/everything', `canary.test:${port}`)).toBe(200);
  });
  test('nor are other name servers asked than the Gateway\'s, nor the route\'s own file read; its author is told', async () => {
    writeFileSync(join(hosts.folder, 'hosts'), '127.0.0.1 written.test\n');
    hosts.names['named.test'] = ['127.0.0.1'];
    expect(await ask('/everything', `named.test:${port}`)).toBe(200);
    expect(await ask('/everything', `written.test:${port}`)).toBe(502);
    expect(await gatewright.page('problems')).toContain('is not used on HTTPRoute default/everything: ResolverPolicy default/test, of its Gateway, says how names are looked up there');
  });
});

describe('authorization comes first', () => {
  test('who shows no token makes nobody look up a name', async () => {
    expect(await ask('/protected', `canary.test:${port}`)).toBe(401);
    expect(hosts.dns.asked).toEqual([]);
    expect(await ask('/protected', `canary.test:${port}`, bearer())).toBe(200);
    expect(hosts.dns.asked.length).toBeGreaterThan(0);
  });
  test('a claim that leads to a route of the resolver ends there: nothing has been decided for it', async () => {
    expect(await ask('/start', `canary.test:${port}`, bearer({ route: 'led' }))).toBe(403);
    expect(hosts.reached).toEqual([]);
    expect(await ask('/start', `canary.test:${port}`, bearer())).toBe(200);
  });
});

test('a policy that changes touches no listener, and no request is lost or let through for it', async () => {
  const before = await gatewright.stat('listener_manager.listener_modified');
  const statuses = new Set<number>();
  let over = false;
  const load = Array.from({ length: 8 }, async () => { while (!over) statuses.add(await ask('/changing', `canary.test:${port}`)); });
  // Each is one that nobody has seen before.
  for (let i = 0; i < 8; i++) await gatewright.replace('policy.yaml', policies({ names: { deny: [`other-${i}.test`] } }));
  expect([...statuses]).toEqual([200]);
  await gatewright.replace('policy.yaml', policies({ names: { deny: ['canary.test'] } }));
  expect(await ask('/changing', `canary.test:${port}`)).toBe(403);
  await gatewright.replace('policy.yaml', policies());
  expect(await ask('/changing', `canary.test:${port}`)).toBe(200);
  over = true;
  await Promise.all(load);
  expect([...statuses].sort()).toEqual([200, 403]);
  expect(await gatewright.stat('listener_manager.listener_modified')).toBe(before);
  expect(await gatewright.stat('listener_manager.total_listeners_draining')).toBe(0);
});

/** Processes of the service. */
const workers = (of = gatewright): number[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((pid) => {
  const page = (name: string): string => { try { return readFileSync(`/proc/${pid}/${name}`, 'utf8'); } catch { return ''; } };
  return page('cmdline').includes('extproc-worker') && page('status').includes(`PPid:\t${of.pid}\n`);
}).map(Number);

describe('without the service', () => {
  test('that dies its successor is asked what it was asked, and the next; others do not notice', async () => {
    const { zone } = hosts.dns;
    hosts.dns.zone = (question) => (question.name.startsWith('silent') ? { silent: true } : zone(question));
    const [worker] = workers();
    expect(worker).toBeDefined();
    const waiting = ask('/slow', `silent.test:${port}`);
    await gatewright.until(() => hosts.dns.asked.some(({ name }) => name === 'silent.test'));
    hosts.dns.zone = zone;
    process.kill(worker ?? 0, 'SIGKILL');
    expect(await ask('/elsewhere', 'www.example.com')).toBe(200);
    // There is no such name: nobody but the successor can have said so.
    expect(await waiting).toBe(502);
    await gatewright.until(async () => (await ask('/open', `canary.test:${port}`)) === 200);
    expect(workers()).not.toContain(worker);
    expect(await ask('/closed', `canary.test:${port}`)).toBe(403);
  });
  test('a service that hangs lets nothing through, and holds nothing up that does not need it', async () => {
    const [worker] = workers();
    process.kill(worker ?? 0, 'SIGSTOP');
    try {
      hosts.reached.length = 0;
      const waiting = ask('/open', `canary.test:${port}`);
      for (let i = 0; i < 20; i++) expect(await ask('/elsewhere', 'www.example.com')).toBe(200);
      expect(hosts.reached).toEqual([]);
      process.kill(worker ?? 0, 'SIGCONT');
      expect(await waiting).toBe(200);
    } finally { process.kill(worker ?? 0, 'SIGCONT'); }
  });
  test('there is none where no route needs it', async () => {
    expect(workers().length).toBe(1);
    await gatewright.replace('routes.yaml', documents(backend('plain', {}), httpRoute('elsewhere', undefined, { hostnames: [] })));
    await gatewright.until(() => workers().length === 0);
    expect(await ask('/elsewhere', 'www.example.com')).toBe(200);
    await gatewright.replace('routes.yaml', documents(backend('plain', {}), dynamicRoute('open', 'plain')));
    expect(await ask('/open', `canary.test:${port}`)).toBe(200);
    expect(workers().length).toBe(1);
  });
});

const alone = { 'edge.yaml': edge, 'routes.yaml': documents(backend('plain', {}), dynamicRoute('open', 'plain')) };

test('a Backend that Envoy refuses is closed and told so, and the others are served', async () => {
  const one = await Gatewright.start({ ...alone, 'policy.yaml': documents(hosts.policy()) });
  try {
    await one.replace('more.yaml', documents(backend('odd', { tls: { wellKnownCACertificates: 'System', ciphers: ['NO-SUCH-CIPHER'] } }), dynamicRoute('odd')));
    expect((await get(one.address(), '/odd', `canary.test:${port}`)).status).toBe(500);
    expect((await get(one.address(), '/open', `canary.test:${port}`)).status).toBe(200);
    expect(JSON.stringify(await one.status('Backend', 'odd'))).toContain('NO-SUCH-CIPHER');
    expect(JSON.stringify(await one.status('Backend', 'plain'))).toContain('The Backend was accepted');
  } finally { await one.stop(); }
});

test('with two workers Envoy asks two processes, and one that dies takes nothing along', async () => {
  const one = await Gatewright.start({ ...alone, 'policy.yaml': documents(hosts.policy()) }, { args: ['--concurrency', '2'] });
  try {
    const pids = workers(one);
    expect(pids.length).toBe(2);
    for (let i = 0; i < 20; i++) expect((await get(one.address(), '/open', `canary.test:${port}`)).status).toBe(200);
    process.kill(pids[0] ?? 0, 'SIGTERM');
    for (let i = 0; i < 40; i++) expect((await get(one.address(), '/open', `canary.test:${port}`)).status).toBe(200);
    await one.until(() => workers(one).length === 2 && !workers(one).includes(pids[0] ?? 0));
  } finally { await one.stop(); }
});

test.each([400, 700, 900, 1_100, 1_300, 1_600, 2_000])('nothing of it stays behind when up is told to end after %i ms', async (delay) => {
  const one = Gatewright.spawn(alone);
  await sleep(delay);
  const there = workers(one);
  await one.stop();
  for (const pid of there) expect(existsSync(`/proc/${pid}`)).toBe(false);
});
