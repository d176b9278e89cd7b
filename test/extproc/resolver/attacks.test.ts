import { describe, expect, test } from 'vitest';
import { Reach } from '../../../extproc/resolver/reach.ts';
import { Resolver } from '../../../extproc/resolver/resolver.ts';
import { DnsClient } from '../../../extproc/resolver/dns.ts';
import type { Ask } from '../../../extproc/resolver/nameservers.ts';
import { ResolverPolicy } from '../../../policy/resolver.ts';
import { OWN, attacks } from '../../cases/resolver-attacks.ts';
import { found, noHosts, table } from './answers.ts';
import { Clock } from './clock.ts';

const anyPort = ResolverPolicy.parse({ ports: { allow: [{ port: 1, endPort: 65_535 }] } });

/** A resolver on its own clock, and every address it tried to connect to. */
function resolver(ask: Ask, policy = anyPort) {
  const clock = new Clock();
  const dialled: string[] = [];
  const reach = new Reach(clock, async (address) => { dialled.push(address); return true; });
  const made = new Resolver({ world: clock, own: () => new Set(OWN), reach, dns: (settings) => new DnsClient(settings, clock, ask, noHosts) });
  return { clock, dialled, resolve: async (host: string) => made.resolve(host, made.compile({ policy, tls: false })) };
}

test('the corpus is one: at least 60 hosts, no host twice', () => {
  expect(attacks.length).toBeGreaterThanOrEqual(60);
  expect(new Set(attacks.map(({ host }) => host)).size).toBe(attacks.length);
});

test('what stands in the table of Envoy Gateway is what its patterns do', () => {
  const guard = /^(127\.0\.0\.1|localhost|localhost\.localdomain|ip6-localhost|ip6-loopback|::1|\[::1\])(:[0-9]+)?$/;
  expect(attacks.filter(({ host, eg }) => guard.test(host) !== (eg === 'refuses'))).toEqual([]);
  expect(attacks.filter(({ eg }) => eg === 'passes').length).toBeGreaterThan(60);
});

describe('is refused, and nothing is dialled', () => {
  test.each(attacks)('$host ($resolves): $reason $detail', async ({ host, resolves, reason, detail }) => {
    const name = host.replace(/:[0-9]+$/, '').toLowerCase();
    const { resolve, dialled } = resolver(table(resolves === undefined ? {} : { [name]: resolves }));
    expect(await resolve(host)).toMatchObject({ kind: 'refused', reason, detail });
    expect(dialled).toEqual([]);
  });
});

test('bad addresses among good ones are lost, in whatever order they come', async () => {
  for (const addresses of [['169.254.169.254', '93.184.216.34'], ['93.184.216.34', '10.0.0.1', '::1', '::ffff:93.184.216.34']]) {
    const { resolve, dialled } = resolver(table({ 'mixed.test': addresses }));
    expect(await resolve('mixed.test')).toMatchObject({ kind: 'target', dial: '93.184.216.34:80' });
    expect(dialled).toEqual([]);   // one was left: there was nothing to choose
  }
});

describe('rebinding', () => {
  test('a name that flips between a public and a metadata address is dialled at the public one, or not at all', async () => {
    let lookups = 0;
    const { resolve, clock } = resolver(async (_, family) => found([lookups++ % 4 < 2 ? '93.184.216.34' : '169.254.169.254'], family, 0));
    const dials = new Set<string>();
    const refusals = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const result = await resolve('rebind.test');
      if (result.kind === 'target') dials.add(result.dial);
      else refusals.add(result.reason);
      await clock.pass(1_000);
    }
    expect([...dials]).toEqual(['93.184.216.34:80']);
    expect([...refusals]).toEqual(['gatewright_resolver_address_refused']);
    expect(lookups).toBeGreaterThan(100);
  });

  test('a good answer is not extended by a bad one that follows it', async () => {
    let addresses = ['93.184.216.34'];
    const { resolve, clock } = resolver(async (_, family) => found(addresses, family, 2_000));
    expect(await resolve('rebind.test')).toMatchObject({ kind: 'target' });
    addresses = ['127.0.0.1'];
    await clock.pass(2_001);
    expect(await resolve('rebind.test')).toMatchObject({ reason: 'gatewright_resolver_address_refused' });
  });
});

test('a client is not told what a name resolved to', async () => {
  const { resolve } = resolver(table({ 'a.test': ['10.0.0.1'], 'b.test': ['127.0.0.1'] }));
  const [a, b] = [await resolve('a.test'), await resolve('b.test')];
  expect(a).toMatchObject({ status: 403, body: 'address refused' });
  expect(b).toMatchObject({ status: 403, body: 'address refused' });
});
