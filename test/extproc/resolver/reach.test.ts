import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { choose, inOrder } from '../../../extproc/resolver/choose.ts';
import { type Connect, Reach, type ReachLimits, connect, defaultReachLimits, targetOf } from '../../../extproc/resolver/reach.ts';
import { Clock, settle } from './clock.ts';

const V4 = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];
const V6 = ['2001:db8::1', '2001:db8::2'];

describe('the order', () => {
  test.each([
    { lookup: 'IPv4AndIPv6', order: ['2001:db8::1', '192.0.2.1', '2001:db8::2', '192.0.2.2', '192.0.2.3'] },
    { lookup: 'IPv4Preferred', order: V4 },
    { lookup: 'IPv6Preferred', order: V6 },
  ] as const)('$lookup', ({ lookup, order }) => {
    expect(inOrder([...V4, ...V6], lookup)).toEqual(order);
  });
  test('a preferred family without an address gives way to the other', () => {
    expect(inOrder(V6, 'IPv4Preferred')).toEqual(V6);
    expect(inOrder(V4, 'IPv6Preferred')).toEqual(V4);
  });
});

describe('the choice', () => {
  test.each([
    { fates: {}, targets: ['a'], choice: { kind: 'take', target: 'a', recheck: false } },
    { fates: { a: 'bad' }, targets: ['a'], choice: { kind: 'take', target: 'a', recheck: false } },
    { fates: {}, targets: ['a', 'b'], choice: { kind: 'try', targets: ['a', 'b'] } },
    { fates: { b: 'good' }, targets: ['a', 'b'], choice: { kind: 'take', target: 'b', recheck: false } },
    { fates: { a: 'good', b: 'good' }, targets: ['a', 'b'], choice: { kind: 'take', target: 'a', recheck: false } },
    { fates: { a: 'bad', b: 'was_good' }, targets: ['a', 'b', 'c'], choice: { kind: 'take', target: 'b', recheck: true } },
    { fates: { a: 'was_good', b: 'good' }, targets: ['a', 'b'], choice: { kind: 'take', target: 'b', recheck: false } },
    { fates: { a: 'bad' }, targets: ['a', 'b'], choice: { kind: 'try', targets: ['b'] } },
    { fates: { a: 'bad', b: 'bad' }, targets: ['a', 'b'], choice: { kind: 'none' } },
    { fates: { a: 'doubtful' }, targets: ['a', 'b'], choice: { kind: 'try', targets: ['b', 'a'] } },
    { fates: { a: 'doubtful', b: 'bad' }, targets: ['a', 'b'], choice: { kind: 'try', targets: ['a'] } },
    { fates: {}, targets: [], choice: { kind: 'none' } },
    { fates: {}, targets: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], choice: { kind: 'try', targets: ['a', 'b', 'c', 'd', 'e', 'f'] } },
  ] as const)('of $targets with $fates', ({ fates, targets, choice }) => {
    expect(choose(targets, (target) => (fates as Readonly<Record<string, 'good' | 'was_good' | 'doubtful' | 'bad'>>)[target] ?? 'unknown')).toEqual(choice);
  });
});

/** Addresses that accept, refuse, or say nothing, as the test has it at the time. */
function network(fates: Record<string, 'accepts' | 'refuses' | 'silent'>, limits: Partial<ReachLimits> = {}) {
  const clock = new Clock();
  const tried: { readonly address: string; readonly at: number; over: boolean }[] = [];
  const dialer: Connect = (address, _, signal) => new Promise((resolve) => {
    const attempt = { address, at: clock.monotonic(), over: false };
    tried.push(attempt);
    signal.addEventListener('abort', () => { attempt.over = true; resolve(false); });
    if (fates[address] === 'accepts') clock.after(10, () => resolve(true));
    if (fates[address] === 'refuses') clock.after(10, () => resolve(false));
  });
  return { clock, tried, reach: new Reach(clock, dialer, { ...defaultReachLimits, ...limits }) };
}
const A = '192.0.2.1', B = '192.0.2.2', C = '192.0.2.3';

describe('happy eyeballs', () => {
  test('one address alone is taken without a try: latency only where there is a choice', async () => {
    const { reach, tried } = network({ [A]: 'refuses' });
    expect(await reach.target([A], 443, true)).toEqual({ kind: 'target', target: '192.0.2.1:443', validForMs: Infinity });
    expect(tried).toEqual([]);
  });

  test('the first that accepts, and at once the next when one refuses', async () => {
    const { reach, clock, tried } = network({ [A]: 'refuses', [B]: 'accepts', [C]: 'accepts' });
    const chosen = reach.target([A, B, C], 443, true);
    await clock.pass(20);
    expect(await chosen).toEqual({ kind: 'target', target: '192.0.2.2:443', validForMs: 30_000 });
    expect(tried.map(({ address, at }) => [address, at])).toEqual([[A, 0], [B, 10]]);
    expect(clock.timers).toBe(0);
  });

  test('the next after 250 ms of silence; the loser is called off', async () => {
    const { reach, clock, tried } = network({ [A]: 'silent', [B]: 'accepts' });
    const chosen = reach.target([A, B], 443, true);
    await clock.pass(260);
    expect(await chosen).toMatchObject({ target: '192.0.2.2:443' });
    expect(tried).toEqual([{ address: A, at: 0, over: true }, { address: B, at: 250, over: true }]);
    expect(clock.timers).toBe(0);
  });

  test('unreachable when none accepts, and for ten seconds without another try', async () => {
    const { reach, clock, tried } = network({ [A]: 'refuses', [B]: 'silent' });
    const chosen = reach.target([A, B], 443, true);
    await clock.pass(2_300);
    expect(await chosen).toEqual({ kind: 'unreachable' });
    await clock.pass(7_000);
    expect(await reach.target([A, B], 443, true)).toEqual({ kind: 'unreachable' });
    expect(tried.length).toBe(2);
    await clock.pass(3_100);
    void reach.target([A, B], 443, true);
    expect(tried.length).toBeGreaterThan(2);
  });

  test('a hundred requests at once are one race', async () => {
    const { reach, clock, tried } = network({ [A]: 'accepts', [B]: 'accepts' });
    const chosen = Array.from({ length: 100 }, () => reach.target([A, B], 443, true));
    await clock.pass(20);
    expect(new Set((await Promise.all(chosen)).map((each) => each.kind === 'target' && each.target))).toEqual(new Set(['192.0.2.1:443']));
    expect(tried.length).toBe(1);
  });

  test('what accepted is taken without a try for 30 s; then it is tried again while requests go on', async () => {
    const fates: Record<string, 'accepts' | 'refuses'> = { [A]: 'accepts', [B]: 'accepts' };
    const { reach, clock, tried } = network(fates);
    void reach.target([A, B], 443, true);
    await clock.pass(29_000);
    expect(await reach.target([A, B], 443, true)).toMatchObject({ target: '192.0.2.1:443' });
    expect(tried.length).toBe(1);
    fates[A] = 'refuses';
    await clock.pass(2_000);
    expect(await reach.target([A, B], 443, true)).toEqual({ kind: 'target', target: '192.0.2.1:443', validForMs: 0 });
    await clock.pass(30);
    expect(await reach.target([A, B], 443, true)).toMatchObject({ target: '192.0.2.2:443' });
  });

  test('ports of one address have fates of their own', async () => {
    const { reach, clock, tried } = network({ [A]: 'accepts', [B]: 'accepts' });
    void reach.target([A, B], 443, true);
    await clock.pass(20);
    void reach.target([A, B], 80, true);
    await settle();
    expect(tried.length).toBe(2);
  });

  test('where Envoy could not connect, the next address; also without tries of our own', async () => {
    const { reach } = network({});
    expect(await reach.target([A, B], 443, false)).toMatchObject({ target: '192.0.2.1:443' });
    reach.failed('192.0.2.1:443');
    expect(await reach.target([A, B], 443, false)).toMatchObject({ target: '192.0.2.2:443' });
    expect(await reach.target([A], 443, false)).toMatchObject({ target: '192.0.2.1:443' });
  });

  test('a host whose every address failed for Envoy is tried again: it may have been for other names, which any client can lead there', async () => {
    const { reach, clock, tried } = network({ [A]: 'accepts', [B]: 'accepts' });
    void reach.target([A, B], 443, true);
    await clock.pass(20);
    for (const each of [A, B]) reach.failed(`${each}:443`);
    const chosen = reach.target([A, B], 443, true);
    await clock.pass(20);
    expect(await chosen).toMatchObject({ target: '192.0.2.1:443' });
    expect(tried.length).toBe(2);
    for (const each of [A, B]) reach.failed(`${each}:443`);
    expect(await reach.target([A, B], 443, false)).toMatchObject({ target: '192.0.2.1:443' });
    expect(tried.length).toBe(2);
  });

  test('bounded: memory, and races; beyond them the first address, untried', async () => {
    const { reach, clock } = network({}, { targets: 10, races: 2 });
    for (let i = 0; i < 100; i++) reach.failed(`192.0.2.1:${i}`);
    expect(reach.load.targets).toBe(10);
    void reach.target([A, B], 1_001, true);
    void reach.target([A, B], 1_002, true);
    expect(await reach.target([A, B], 1_003, true)).toEqual({ kind: 'target', target: '192.0.2.1:1003', validForMs: 0 });
    await clock.pass(5_000);
    expect(reach.load.races).toBe(0);
    expect(clock.timers).toBe(0);
  });
});

describe('a real connection', () => {
  test('is accepted, refused, or called off', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await connect('127.0.0.1', port, new AbortController().signal)).toBe(true);
    expect(await connect('127.0.0.1', port, AbortSignal.abort())).toBe(false);
    server.close();
    await once(server, 'close');
    expect(await connect('127.0.0.1', port, new AbortController().signal)).toBe(false);
  });
});

test('targets as Envoy reads them', () => {
  expect(targetOf('192.0.2.1', 80)).toBe('192.0.2.1:80');
  expect(targetOf('2001:db8::1', 80)).toBe('[2001:db8::1]:80');
});
