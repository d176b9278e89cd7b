import { describe, expect, test } from 'vitest';
import type { Family } from '../../../extproc/resolver/nameservers.ts';
import { found, table } from './answers.ts';
import { settle } from './clock.ts';
import { byHand, client } from './dns-client.ts';

const BOTH: readonly Family[] = [4, 6];
const both = { 'a.test': ['93.184.216.34', '2606:2800::1'] };

/** What a promise has come to by now. */
async function state<T>(promise: Promise<T>): Promise<T | 'pending'> {
  await settle();
  return Promise.race([promise, Promise.resolve('pending' as const)]);
}

describe('answers', () => {
  test('both families, asked at once', async () => {
    const { ask, asked } = byHand();
    const { dns } = client(ask);
    const answer = dns.lookup('a.test', BOTH);
    await settle();
    expect(asked.map(({ family }) => family)).toEqual([4, 6]);
    await asked[0]?.answer(found(both['a.test'], 4));
    await asked[1]?.answer(found(both['a.test'], 6));
    expect(await answer).toEqual({ kind: 'addresses', addresses: ['93.184.216.34', '2606:2800::1'], validForMs: 54_000, stale: false });
  });

  test('one family alone where only that is wanted', async () => {
    const ask = table(both);
    const { dns } = client(ask);
    expect(await dns.lookup('a.test', [4])).toMatchObject({ addresses: ['93.184.216.34'] });
    expect(await dns.lookup('a.test', [6])).toMatchObject({ addresses: ['2606:2800::1'] });
    expect(ask.asked).toEqual(['a.test/4', 'a.test/6']);
  });

  test('a family that is late is not waited for longer than 50 ms, and not lost', async () => {
    const { ask, asked } = byHand();
    const { dns, clock } = client(ask);
    const answer = dns.lookup('a.test', BOTH);
    await settle();
    await asked[0]?.answer(found(['93.184.216.34'], 4));
    await clock.pass(49);
    expect(await state(answer)).toBe('pending');
    await clock.pass(1);
    expect(await answer).toMatchObject({ addresses: ['93.184.216.34'], validForMs: 27_000 });
    await asked[1]?.answer(found(['2606:2800::1'], 6));
    expect(await dns.lookup('a.test', BOTH)).toMatchObject({ addresses: ['93.184.216.34', '2606:2800::1'] });
    expect(asked.length).toBe(2);
  });

  test('the TTL of a family runs from when its answer came, and no timer is left', async () => {
    const { ask, asked } = byHand();
    const { dns, clock } = client(ask);
    const answer = dns.lookup('a.test', BOTH);
    await settle();
    await asked[0]?.answer(found(['93.184.216.34'], 4, 10_000));
    await clock.pass(40);
    await asked[1]?.answer(found(['2606:2800::1'], 6, 60_000));
    expect(await answer).toMatchObject({ validForMs: 9_960 * 0.9 });
    await settle();
    expect(clock.timers).toBe(0);
  });

  test('a family that fails does not fail the other, and is asked for again within 30 s', async () => {
    const { dns } = client(async (_, family) => family === 4 ? found(['93.184.216.34'], 4, 3_600_000) : { kind: 'failed', code: 'ESERVFAIL' });
    expect(await dns.lookup('a.test', BOTH)).toMatchObject({ addresses: ['93.184.216.34'], validForMs: 27_000 });
  });

  test.each([
    { v4: { kind: 'no_such_name' }, v6: { kind: 'timeout' }, answer: { kind: 'no_such_name' } },
    { v4: { kind: 'no_address' }, v6: { kind: 'no_address' }, answer: { kind: 'no_address' } },
    { v4: { kind: 'no_address' }, v6: { kind: 'failed', code: 'ESERVFAIL' }, answer: { kind: 'failed', code: 'ESERVFAIL' } },
    { v4: { kind: 'timeout' }, v6: { kind: 'failed', code: 'ESERVFAIL' }, answer: { kind: 'timeout' } },
  ] as const)('$v4.kind and $v6.kind are $answer.kind', async ({ v4, v6, answer }) => {
    const { dns } = client(async (_, family) => family === 4 ? v4 : v6);
    expect(await dns.lookup('a.test', BOTH)).toEqual(answer);
  });

  test('duplicates once', async () => {
    const { dns } = client(async (_, family) => found(['93.184.216.34', '93.184.216.34'], family));
    expect(await dns.lookup('a.test', [4])).toMatchObject({ addresses: ['93.184.216.34'] });
  });

  test('localhost without a question, .invalid and .onion neither', async () => {
    const ask = table({});
    const { dns } = client(ask);
    expect(await dns.lookup('localhost', BOTH)).toMatchObject({ addresses: ['127.0.0.1', '::1'] });
    expect(await dns.lookup('a.localhost', [6])).toMatchObject({ addresses: ['::1'] });
    expect(await dns.lookup('a.invalid', BOTH)).toEqual({ kind: 'no_address' });
    expect(await dns.lookup('a.onion', BOTH)).toEqual({ kind: 'no_address' });
    expect(ask.asked).toEqual([]);
  });

  test('the hosts file before the servers', async () => {
    const ask = table(both);
    const { dns } = client(ask, {}, {}, { find: async (name) => name === 'a.test' ? ['10.0.0.1', 'fd00::1'] : undefined });
    expect(await dns.lookup('a.test', BOTH)).toMatchObject({ addresses: ['10.0.0.1', 'fd00::1'], validForMs: 5_000 });
    expect(await dns.lookup('a.test', [4])).toMatchObject({ addresses: ['10.0.0.1'] });
    expect(ask.asked).toEqual([]);
  });
});

describe('what is remembered', () => {
  test('an answer, for as long as its least TTL says', async () => {
    const ask = table(both, 10_000);
    const { dns, clock } = client(ask);
    await dns.lookup('a.test', [4]);
    await clock.pass(8_999);
    expect(await dns.lookup('a.test', [4])).toMatchObject({ validForMs: 1 });
    expect(ask.asked.length).toBe(1);
    await clock.pass(1_002);
    await dns.lookup('a.test', [4]);
    expect(ask.asked.length).toBe(2);
  });

  test.each([
    { ttlMs: 0, settings: {}, ms: 1_000, why: 'a TTL of 0 is a second' },
    { ttlMs: 100, settings: { minTtl: '5s' }, ms: 5_000, why: 'minTtl' },
    { ttlMs: 86_400_000, settings: {}, ms: 3_600_000, why: 'a day is an hour' },
    { ttlMs: 86_400_000, settings: { maxTtl: '1m' }, ms: 60_000, why: 'maxTtl' },
  ])('$why', async ({ ttlMs, settings, ms }) => {
    const ask = table(both, ttlMs);
    const { dns, clock } = client(ask, settings);
    await dns.lookup('a.test', [4]);
    await clock.pass(ms - 1);
    await dns.lookup('a.test', [4]);
    const before = ask.asked.length;
    expect(before).toBeLessThanOrEqual(2);   // the second in advance
    await clock.pass(ms);
    await dns.lookup('a.test', [4]);
    expect(ask.asked.length).toBe(before + 1);
  });

  test('that a name does not exist, for negativeTtl', async () => {
    const ask = table({});
    const { dns, clock } = client(ask, { negativeTtl: '10s' });
    await dns.lookup('no.test', BOTH);
    await clock.pass(9_999);
    expect(await dns.lookup('no.test', BOTH)).toEqual({ kind: 'no_such_name' });
    expect(ask.asked.length).toBe(2);
    await clock.pass(1);
    await dns.lookup('no.test', BOTH);
    expect(ask.asked.length).toBe(4);
  });

  test('a failure, for a second', async () => {
    let asked = 0;
    const { dns, clock } = client(async () => { asked++; return { kind: 'failed', code: 'ESERVFAIL' }; });
    await dns.lookup('a.test', [4]);
    await clock.pass(999);
    expect(await dns.lookup('a.test', [4])).toEqual({ kind: 'failed', code: 'ESERVFAIL' });
    expect(asked).toBe(1);
    await clock.pass(1);
    await dns.lookup('a.test', [4]);
    expect(asked).toBe(2);
  });

  test('a name that is gone is gone: no old addresses', async () => {
    const names: Record<string, readonly string[]> = { 'a.test': ['93.184.216.34'] };
    const { dns, clock } = client((name, family) => table(names, 1_000)(name, family));
    await dns.lookup('a.test', [4]);
    delete names['a.test'];
    await clock.pass(1_000);
    expect(await dns.lookup('a.test', [4])).toEqual({ kind: 'no_such_name' });
  });

  test('a name in use is asked for again before it expires, once, and nobody waits', async () => {
    const { ask, asked } = byHand();
    const { dns, clock } = client(ask);
    const first = dns.lookup('a.test', [4]);
    await settle();
    await asked[0]?.answer(found(['93.184.216.34'], 4, 10_000));
    await first;
    await clock.pass(8_999);
    await dns.lookup('a.test', [4]);
    expect(asked.length).toBe(1);
    await clock.pass(1);
    for (let i = 0; i < 3; i++) expect(await dns.lookup('a.test', [4])).toMatchObject({ addresses: ['93.184.216.34'], validForMs: 1_000 });
    expect(asked.length).toBe(2);
    await asked[1]?.answer(found(['93.184.216.35'], 4, 10_000));
    expect(await dns.lookup('a.test', [4])).toMatchObject({ addresses: ['93.184.216.35'], validForMs: 9_000 });
  });

  test('a name that nobody asks for is not asked for again', async () => {
    const ask = table(both, 1_000);
    const { dns, clock } = client(ask);
    await dns.lookup('a.test', [4]);
    await clock.pass(1_000_000);
    expect(ask.asked.length).toBe(1);
    expect(clock.timers).toBe(0);
  });
});

describe('while the servers are down', () => {
  const outage = async () => {
    let up = true;
    let asked = 0;
    const made = client(async (_, family) => { asked++; return up ? found(['93.184.216.34'], family, 10_000) : { kind: 'failed', code: 'ECONNREFUSED' }; }, { staleFor: '1m' });
    await made.dns.lookup('a.test', [4]);
    up = false;
    return { ...made, asked: () => asked, mend: () => { up = true; } };
  };

  test('the last addresses stay good for staleFor, and no longer', async () => {
    const { dns, clock } = await outage();
    await clock.pass(69_999);
    expect(await dns.lookup('a.test', [4])).toEqual({ kind: 'addresses', addresses: ['93.184.216.34'], validForMs: 5_000, stale: true });
    await clock.pass(1);
    expect(await dns.lookup('a.test', [4])).toEqual({ kind: 'failed', code: 'ECONNREFUSED' });
  });

  test('they are asked again every five seconds, not by every request', async () => {
    const { dns, clock, asked } = await outage();
    await clock.pass(10_000);
    const before = asked();
    for (let i = 0; i < 100; i++) { await dns.lookup('a.test', [4]); await clock.pass(100); }
    expect(asked() - before).toBe(2);
  });

  test('and once they are back, all is fresh', async () => {
    const { dns, clock, mend } = await outage();
    await clock.pass(10_000);
    await dns.lookup('a.test', [4]);
    mend();
    await clock.pass(5_000);
    expect(await dns.lookup('a.test', [4])).toMatchObject({ stale: false });
  });

  test('nobody waits longer than 1.8 s where there are addresses from before', async () => {
    let silent = false;
    const { dns, clock } = client((_, family) => silent ? new Promise(() => undefined) : Promise.resolve(found(['93.184.216.34'], family, 1_000)));
    await dns.lookup('a.test', [4]);
    silent = true;
    await clock.pass(1_000);
    const answer = dns.lookup('a.test', [4]);
    await clock.pass(1_799);
    expect(await state(answer)).toBe('pending');
    await clock.pass(1);
    expect(await answer).toEqual({ kind: 'addresses', addresses: ['93.184.216.34'], validForMs: 0, stale: true });
  });

  test('a first request gets its answer at the timeout', async () => {
    const { dns, clock } = client(() => new Promise(() => undefined), { timeout: '2s' });
    const answer = dns.lookup('a.test', BOTH);
    await clock.pass(1_999);
    expect(await state(answer)).toBe('pending');
    await clock.pass(1);
    expect(await answer).toEqual({ kind: 'timeout' });
  });

  test('an answer after the timeout is still one', async () => {
    const { ask, asked } = byHand();
    const { dns, clock } = client(ask, { timeout: '2s' });
    const answer = dns.lookup('a.test', [4]);
    await clock.pass(2_000);
    expect(await answer).toEqual({ kind: 'timeout' });
    await asked[0]?.answer(found(['93.184.216.34'], 4));
    expect(await dns.lookup('a.test', [4])).toMatchObject({ kind: 'addresses' });
  });

  test('and the timeout is forgotten with it', async () => {
    const { ask, asked } = byHand();
    const { dns, clock } = client(ask, { timeout: '2s', staleFor: '0s' });
    void dns.lookup('a.test', [4]);
    await clock.pass(2_000);
    await asked[0]?.answer(found(['93.184.216.34'], 4, 1_000));
    await clock.pass(1_000);
    const again = dns.lookup('a.test', [4]);
    await settle();
    await asked[1]?.answer(found(['93.184.216.35'], 4));
    expect(await again).toMatchObject({ addresses: ['93.184.216.35'] });
  });
});
