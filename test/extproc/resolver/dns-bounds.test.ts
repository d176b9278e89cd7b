// What clients ask for is bounded in every direction, and whoever is slow bounds himself.
import { describe, expect, test } from 'vitest';
import { DnsClient } from '../../../extproc/resolver/dns.ts';
import type { Ask, Family, Found } from '../../../extproc/resolver/nameservers.ts';
import { DnsSettings } from '../../../policy/resolver.ts';
import { scaled } from '../../scale.ts';
import { found, noHosts } from './answers.ts';
import { Clock, settle } from './clock.ts';
import { byHand, client } from './dns-client.ts';

const BOTH: readonly Family[] = [4, 6];

describe('bounds', () => {
  test('a thousand requests for one name are one question', async () => {
    const { ask, asked } = byHand();
    const { dns } = client(ask);
    const answers = Array.from({ length: 1_000 }, () => dns.lookup('a.test', [4]));
    await settle();
    expect(asked.length).toBe(1);
    await asked[0]?.answer(found(['93.184.216.34'], 4));
    expect((await Promise.all(answers)).every(({ kind }) => kind === 'addresses')).toBe(true);
    expect(dns.load).toEqual({ known: 1, unknown: 0, lookups: 0, waiting: 0 });
  });

  test('so many questions at a time; beyond them overloaded, at once', async () => {
    const { ask, asked } = byHand();
    const { dns } = client(ask, {}, { lookups: 3 });
    const waiting = ['a.a', 'b.b', 'c.c'].map((name) => dns.lookup(name, [4]));
    await settle();
    expect(await dns.lookup('d.d', [4])).toEqual({ kind: 'overloaded' });
    for (const each of asked) await each.answer({ kind: 'no_such_name' });
    await Promise.all(waiting);
    const after = dns.lookup('d.d', [4]);
    await settle();
    await asked[3]?.answer({ kind: 'no_such_name' });
    expect(await after).toEqual({ kind: 'no_such_name' });
  });

  test('a domain whose servers are slow does not stop the others', async () => {
    const { ask, asked } = byHand();
    const { dns } = client(ask, {}, { lookups: 10, lookupsPerDomain: 2 });
    void dns.lookup('1.slow.test', [4]);
    void dns.lookup('2.slow.test', [4]);
    await settle();
    expect(await dns.lookup('3.slow.test', [4])).toEqual({ kind: 'overloaded' });
    const other = dns.lookup('quick.example', [4]);
    await settle();
    await asked[2]?.answer(found(['93.184.216.34'], 4));
    expect(await other).toMatchObject({ kind: 'addresses' });
  });

  test.each([1, 16, 40])('%i domains whose servers say nothing leave room for one more, however much is asked of them', async (domains) => {
    const { dns, clock } = client((name, family) => name.startsWith('quick.') ? Promise.resolve(found(['93.184.216.34'], family)) : new Promise((resolve) => { clock.after(4_000, () => resolve({ kind: 'timeout' })); }));
    const kinds = new Set<string>();
    const ask = (name: string): void => { void dns.lookup(name, [4]).then(({ kind }) => { kinds.add(kind); }); };
    // Each round comes before the answers to the one before.
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 70; i++) for (let domain = 0; domain < domains; domain++) for (let again = 0; again < 20; again++) ask(`${round}-${i}.slow-${domain}.test`);
      await settle();
      expect(await dns.lookup(`quick.new-${round}.test`, [4])).toMatchObject({ kind: 'addresses' });
      await clock.pass(2_900);
    }
    await clock.pass(10_000);
    expect([...kinds].sort()).toEqual(['overloaded', 'timeout']);
    expect(dns.load).toMatchObject({ lookups: 0, waiting: 0 });
  });

  test('questions count until the servers have answered, whatever became of the requests', async () => {
    const { ask, asked } = byHand();
    const { dns, clock } = client(ask, { timeout: '1s' }, { lookups: 1 });
    const answer = dns.lookup('a.test', [4]);
    await clock.pass(1_000);
    expect(await answer).toEqual({ kind: 'timeout' });
    expect(await dns.lookup('b.test', [4])).toEqual({ kind: 'overloaded' });
    await asked[0]?.answer({ kind: 'timeout' });
    expect(dns.load.lookups).toBe(0);
  });

  test('so many requests wait; of one domain fewer, so that there is room for others', async () => {
    const { dns, clock } = client(() => new Promise(() => undefined), {}, { waiting: 6, waitingPerDomain: 4 });
    const answers = ['0.slow.test', '1.slow.test', '2.slow.test', 'other.example', 'third.example', 'fourth.example', 'fifth.example', 'sixth.example'].map((name) => dns.lookup(name, [4]));
    await clock.pass(10_000);
    expect((await Promise.all(answers)).map(({ kind }) => kind)).toEqual(['timeout', 'timeout', 'overloaded', ...Array<string>(4).fill('timeout'), 'overloaded']);
    expect(dns.load.waiting).toBe(0);
  });

  test('under overload a name from before keeps its addresses', async () => {
    let silent = false;
    const { dns, clock } = client((_, family) => silent ? new Promise(() => undefined) : Promise.resolve(found(['93.184.216.34'], family, 1_000)), {}, { lookups: 1 });
    await dns.lookup('a.test', [4]);
    silent = true;
    void dns.lookup('b.test', [4]);
    await clock.pass(1_001);
    expect(await dns.lookup('a.test', [4])).toMatchObject({ kind: 'addresses', stale: true });
  });

  test('memory: so many names, existing or not, and those in use stay', async () => {
    const ask: Ask = async (name, family) => name.startsWith('no') ? { kind: 'no_such_name' } : found(['93.184.216.34'], family, 3_600_000);
    let asked = 0;
    const { dns } = client(async (name, family) => { if (name === 'hot.test') asked++; return ask(name, family); }, {}, { names: 50 });
    for (let i = 0; i < scaled(100_000); i++) {
      await dns.lookup(`no${i}.test`, [4]);
      await dns.lookup(`yes${i}.test`, [4]);
      if (i % 10 === 0) await dns.lookup('hot.test', [4]);
    }
    expect(dns.load).toEqual({ known: 50, unknown: 50, lookups: 0, waiting: 0 });
    expect(asked).toBe(1);
  });
});

test('servers that lie, stall, flap and fall over: no rejection, and nothing is left behind', async () => {
  let seed = 7;
  const next = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const clock = new Clock();
  const dns = new DnsClient(DnsSettings.parse({ staleFor: '5s' }), clock, (_, family) => {
    const answers: readonly Found[] = [
      found(Array.from({ length: next(16) }, () => `93.184.${next(256)}.${next(256)}`), family, next(5_000)), { kind: 'no_such_name' }, { kind: 'no_address' }, { kind: 'timeout' }, { kind: 'failed', code: 'EBADRESP' },
    ];
    return new Promise((resolve) => { clock.after(next(4_000), () => resolve(answers[next(answers.length)] ?? { kind: 'timeout' })); });
  }, noHosts, { names: 20, lookups: 10, lookupsPerDomain: 10, waiting: 50, waitingPerDomain: 50 });
  const answers: Promise<unknown>[] = [];
  for (let i = 0; i < scaled(20_000); i++) {
    answers.push(dns.lookup(`n${next(60)}.test`, BOTH));
    if (next(3) === 0) await clock.pass(next(500));
    expect(dns.load.lookups).toBeLessThanOrEqual(10);
    expect(dns.load.waiting).toBeLessThanOrEqual(50);
  }
  await clock.pass(60_000);
  await Promise.all(answers);
  expect(dns.load.lookups + dns.load.waiting).toBe(0);
  expect(clock.timers).toBe(0);
});
