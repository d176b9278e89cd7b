import { describe, expect, test } from 'vitest';
import { DnsClient } from '../../../extproc/resolver/dns.ts';
import { REFUSAL_REASONS } from '../../../extproc/resolver/decide.ts';
import type { Ask } from '../../../extproc/resolver/nameservers.ts';
import { ownAddresses } from '../../../extproc/resolver/own-addresses.ts';
import { Reach } from '../../../extproc/resolver/reach.ts';
import { Resolver } from '../../../extproc/resolver/resolver.ts';
import { ResolverRoute } from '../../../policy/resolver.ts';
import { attacks } from '../../cases/resolver-attacks.ts';
import { scaled } from '../../scale.ts';
import { found, noHosts, table } from './answers.ts';
import { Clock } from './clock.ts';

interface Setup { readonly policy?: unknown; readonly tls?: boolean; readonly ask?: Ask; readonly accepts?: (address: string) => boolean }
const NAMES = { 'a.test': ['93.184.216.34'], 'two.test': ['93.184.216.34', '93.184.216.35'], 'six.test': ['2606:2800::1'], 'xn--bcher-kva.test': ['93.184.216.36'] };

function setUp({ policy = {}, tls = true, ask = table(NAMES), accepts = () => true }: Setup = {}) {
  const clock = new Clock();
  const reach = new Reach(clock, async (address) => accepts(address));
  const resolver = new Resolver({ world: clock, own: () => new Set(), reach, dns: (settings) => new DnsClient(settings, clock, ask, noHosts, { names: 100, lookups: 1, lookupsPerDomain: 1, waiting: 10, waitingPerDomain: 10 }) });
  const route = resolver.compile(ResolverRoute.parse({ policy, tls }));
  return { clock, resolver, resolve: (host: string) => resolver.resolve(host, route) };
}

describe('a request goes to', () => {
  test.each([
    { host: 'a.test', tls: true, dial: '93.184.216.34:443', authority: 'a.test', validForMs: 54_000 },
    { host: 'a.test', tls: false, dial: '93.184.216.34:80', authority: 'a.test', validForMs: 54_000 },
    { host: 'a.test:80', tls: true, dial: '93.184.216.34:80', authority: 'a.test:80', validForMs: 54_000 },
    { host: 'A.Test', tls: true, dial: '93.184.216.34:443', authority: 'a.test', validForMs: 0 },
    { host: 'a.test.', tls: true, dial: '93.184.216.34:443', authority: 'a.test', validForMs: 0 },
    { host: 'bücher.test', tls: true, dial: '93.184.216.36:443', authority: 'xn--bcher-kva.test', validForMs: 0 },
    { host: 'six.test', tls: true, dial: '[2606:2800::1]:443', authority: 'six.test', validForMs: 54_000 },
    { host: '[2606:2800:0::1]:80', tls: true, dial: '[2606:2800::1]:80', authority: '[2606:2800::1]:80', validForMs: 0 },
    { host: '93.184.216.34', tls: true, dial: '93.184.216.34:443', authority: '93.184.216.34', validForMs: 60_000 },
    { host: 'two.test', tls: true, dial: '93.184.216.34:443', authority: 'two.test', validForMs: 30_000 },
  ])('$host (TLS: $tls): $dial as $authority, for $validForMs ms', async ({ host, tls, ...target }) => {
    expect(await setUp({ tls }).resolve(host)).toEqual({ kind: 'target', ...target });
  });

  test('the address that answers, and to the other once that one fails', async () => {
    const { resolve, resolver } = setUp({ accepts: (address) => address !== '93.184.216.34' });
    expect(await resolve('two.test')).toMatchObject({ dial: '93.184.216.35:443' });
    resolver.failed('93.184.216.35:443');
    expect(await resolve('two.test')).toMatchObject({ dial: '93.184.216.35:443' });   // the only one that takes connections: it may have failed for another name
  });

  test('only addresses of the family that the policy wants', async () => {
    expect(await setUp({ policy: { lookupFamily: 'IPv6' } }).resolve('93.184.216.34')).toMatchObject({ reason: 'gatewright_resolver_no_address' });
    expect(await setUp({ policy: { lookupFamily: 'IPv4' } }).resolve('six.test')).toMatchObject({ reason: 'gatewright_resolver_no_address' });
  });
});

describe('a route with a request timeout', () => {
  const never: Promise<never> = new Promise(() => undefined);
  const timed = (ask: Ask, connects: Promise<boolean>, requestTimeout = '500ms') => {
    const clock = new Clock();
    const resolver = new Resolver({ world: clock, own: () => new Set(), reach: new Reach(clock, () => connects), dns: (settings) => new DnsClient(settings, clock, ask, noHosts) });
    return { clock, resolve: (host: string) => resolver.resolve(host, resolver.compile(ResolverRoute.parse({ policy: {}, tls: true, requestTimeout }))) };
  };

  test.each([
    ['name servers that say nothing', () => timed(() => never, never), 'gatewright_resolver_dns_timeout'],
    ['hosts that do not answer', () => timed(table(NAMES), never), 'gatewright_resolver_unreachable'],
    ['both together', () => timed(async (...asked) => { await new Promise((resolve) => { both.clock.after(300, () => resolve(undefined)); }); return table(NAMES)(...asked); }, never), 'gatewright_resolver_unreachable'],
  ])('does not wait longer for %s', async (_, made, reason) => {
    both = made();
    let answer: unknown;
    void both.resolve('two.test').then((result) => { answer = result; });
    await both.clock.pass(499);
    expect(answer).toBeUndefined();
    await both.clock.pass(2);
    expect(answer).toMatchObject({ kind: 'refused', reason });
  });
  let both: ReturnType<typeof timed>;

  test('is answered as soon as the address is there, and leaves no timer behind', async () => {
    const { clock, resolve } = timed(table(NAMES), Promise.resolve(true));
    expect(await resolve('a.test')).toMatchObject({ kind: 'target' });
    expect(clock.timers).toBe(0);
  });
});

test('what listens here is not reached at the gateway\'s own ports, whatever the policy opens', async () => {
  const clock = new Clock();
  const resolver = new Resolver({ world: clock, own: () => new Set(['93.184.216.34']), ownPorts: () => new Set([19_000]), reach: new Reach(clock, async () => true), dns: (settings) => new DnsClient(settings, clock, table({ 'l.test': ['127.0.0.1'] }), noHosts) });
  const route = resolver.compile(ResolverRoute.parse({ policy: { addresses: { allow: ['Public', 'Loopback', '93.184.216.34', '64:ff9b::/96', '2606:2800::1'] }, ports: { allow: [{ port: 1, endPort: 65_535 }] } }, tls: false }));
  for (const host of ['127.0.0.1', 'l.test', '[::1]', '93.184.216.34', '127.255.0.1']) {
    expect(await resolver.resolve(`${host}:19000`, route), host).toMatchObject({ reason: 'gatewright_resolver_address_refused', detail: 'Own' });
    expect(await resolver.resolve(`${host}:19001`, route), host).toMatchObject({ kind: 'target' });
  }
  expect(await resolver.resolve('[2606:2800::1]:19000', route)).toMatchObject({ kind: 'target' });
});

describe('a request is refused', () => {
  const silent: Ask = () => new Promise(() => undefined);
  const refusals: readonly (Setup & { readonly host: string; readonly status: number; readonly reason: string; readonly meanwhile?: string })[] = [
    { host: '0x7f.1', status: 403, reason: 'gatewright_resolver_bad_authority' },
    { host: 'a.test', policy: { names: { allow: ['b.test'] } }, status: 403, reason: 'gatewright_resolver_name_refused' },
    { host: 'a.test:22', status: 403, reason: 'gatewright_resolver_port_refused' },
    { host: '10.0.0.1', status: 403, reason: 'gatewright_resolver_address_refused' },
    { host: 'no.test', status: 502, reason: 'gatewright_resolver_no_such_name' },
    { host: 'none.test', ask: async (_, family) => found([], family), status: 502, reason: 'gatewright_resolver_no_address' },
    { host: 'a.test', ask: async () => ({ kind: 'failed', code: 'ESERVFAIL' }), status: 502, reason: 'gatewright_resolver_dns_failed' },
    { host: 'a.test', ask: silent, status: 504, reason: 'gatewright_resolver_dns_timeout' },
    { host: 'two.test', accepts: () => false, status: 502, reason: 'gatewright_resolver_unreachable' },
    { host: 'a.test', ask: silent, meanwhile: 'b.test', status: 503, reason: 'gatewright_resolver_overloaded' },
  ];
  test.each(refusals)('$host: $status $reason', async ({ host, status, reason, meanwhile, ...setup }) => {
    const { resolve, clock } = setUp(setup);
    if (meanwhile !== undefined) void resolve(meanwhile);
    const result = resolve(host);
    await clock.pass(3_000);
    expect(await result).toMatchObject({ kind: 'refused', status, reason });
  });

  test('for each reason there is', () => {
    expect(refusals.map(({ reason }) => reason).toSorted()).toEqual(REFUSAL_REASONS.toSorted());
  });

  test('before a name is looked up, where the name or the port is enough', async () => {
    const ask = table(NAMES);
    const { resolve } = setUp({ ask, policy: { names: { deny: ['a.test'] } } });
    await resolve('a.test');
    await resolve('two.test:22');
    await resolve('93.184.216.34');
    expect(ask.asked).toEqual([]);
  });
});

test('policies that say the same of DNS share what is remembered; others do not', async () => {
  const asked: string[] = [];
  const clock = new Clock();
  const resolver = new Resolver({ world: clock, own: () => new Set(), dns: (settings) => new DnsClient(settings, clock, async (name, family) => { asked.push(`${settings.servers[0]} ${name}`); return found(['93.184.216.34'], family); }, noHosts) });
  const route = (server: string, names: unknown) => resolver.compile(ResolverRoute.parse({ policy: { names, lookupFamily: 'IPv4', dns: { servers: [server] } }, tls: true }));
  const routes = [route('10.0.0.1', {}), route('10.0.0.1', { deny: ['b.test'] }), route('10.0.0.2', {})];
  for (const each of routes) await resolver.resolve('a.test', each);
  expect(asked).toEqual(['10.0.0.1 a.test', '10.0.0.2 a.test']);
});

test('own addresses: those of all interfaces without loopback, and what is added', () => {
  let now = 0;
  let address = '151.101.1.6';
  const own = ownAddresses(() => now, ['2A04:4E42::0006', 'nonsense'], () => ({ eth0: [{ address }, { address: 'fe80::1%eth0' }], lo: [{ address: '127.0.0.1' }, { address: '::1' }] }) as never);
  expect([...own()]).toEqual(['151.101.1.6', 'fe80::1', '2a04:4e42::6']);
  address = '151.101.1.7';
  now = 10_000;
  expect(own().has('151.101.1.7')).toBe(true);
});

test('whatever a client writes as host, the answer is an answer', async () => {
  const seeds = attacks.map(({ host }) => host);
  let seed = 3;
  const next = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const { resolve } = setUp({ policy: { ports: { allow: [{ port: 1, endPort: 65_535 }] } } });
  let targets = 0;
  for (let i = 0; i < scaled(100_000); i++) {
    const [a = '', b = ''] = [seeds[next(seeds.length)], seeds[next(seeds.length)]];
    const text = [a.slice(0, next(a.length + 1)), next(3) === 0 ? String.fromCharCode(next(0x1_0000)) : '', b.slice(next(b.length + 1))].join('');
    const result = await resolve(text);
    if (result.kind === 'target') targets++;
    else expect([403, 502, 503, 504]).toContain(result.status);
  }
  expect(targets).toBeLessThan(scaled(100_000));
});
