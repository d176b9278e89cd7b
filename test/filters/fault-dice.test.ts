// Chances of the fault filter: that 50 per cent are 50 per cent, that distributions are what they are called, that what is sticky sticks.
import { createCipheriv } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { SharedData, Vm } from 'proxy-wasm-as/vm';
import type { FaultPolicyInput } from '../cases/fault.ts';
import { chiSquare, kolmogorovSmirnov, normalDistribution } from './goodness-of-fit.ts';

const WASM = new URL('../../build/fault.wasm', import.meta.url);
type Fault = FaultPolicyInput['faults'][number];
type Random = (size: number) => Uint8Array;

/** Good dice that fall alike in every run: a key stream of AES. */
function dice(seed: number): Random {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  return (size) => cipher.update(Buffer.alloc(size));
}
function load(fault: Fault, random: Random = dice(1)): Vm {
  return Vm.load(WASM, { pluginConfiguration: JSON.stringify({ rules: [{ match: {}, policy: { faults: [fault] } }] }), random });
}
const aborted = (vm: Vm, headers: Record<string, string> = {}): boolean => vm.request(headers).response?.status === 503;
const DICE = 100_000;

describe('percentages', () => {
  test.each([50, 1, 99.5, 33.3333])('%f per cent of 100,000 dice', (percentage) => {
    const vm = load({ abort: { httpStatus: 503, percentage } });
    let hits = 0;
    for (let i = 0; i < DICE; i++) if (aborted(vm)) hits++;
    expect(chiSquare([hits, DICE - hits], [percentage / 100, 1 - percentage / 100])).toBeLessThan(10.83);       // 1 in 1,000 by chance
  }, 60_000);

  /** Dice that fall on 0, 1, 2 … 255 of a million, over and over. */
  function counting(): Random {
    let next = 0n;
    return (size) => {
      const bytes = Buffer.alloc(size);
      for (let at = 0; at < size; at += 8) bytes.writeBigUInt64LE(((((next++ & 255n) << 44n) / 1_000_000n) + 1n) << 20n, at);
      return bytes;
    };
  }
  /** How many of 0 … 255 hit. */
  function hits(percentage: number): number {
    const vm = load({ abort: { httpStatus: 503, percentage } }, counting());
    for (let i = 0; i < 256; i++) aborted(vm);                                     // other things draw random numbers too, the first time
    return Array.from({ length: 256 }, () => aborted(vm)).filter(Boolean).length;
  }
  test.each([[0.0007, 7], [0.0001, 1], [0.00079, 7], [0.0003, 3], [0.0058, 58], [0.0113, 113], [0.00009, 0], [0, 0], [100, 256]])('%f per cent are %i of a million', (percentage, wanted) => {
    expect(hits(percentage)).toBe(wanted);
  });

  test('are kept exact for every step', () => {
    for (let step = 1; step <= 256; step++) expect(hits(step / 10_000), `${step / 10_000} %`).toBe(step);
  });

  test('hold when the host\'s random numbers are all zero', () => {
    const zeros: Random = (size) => new Uint8Array(size);
    expect(aborted(load({ abort: { httpStatus: 503, percentage: 0.0001 } }, zeros))).toBe(true);
    expect(aborted(load({ abort: { httpStatus: 503, percentage: 0 } }, zeros))).toBe(false);
    expect(delays(load({ delay: { normal: { mean: '7s', deviation: '1s' } } }, zeros), 1)).toEqual([7_000]);
  });

  test('delay and abort roll dice of their own', () => {
    const vm = load({ delay: { fixedDelay: '10ms', percentage: 30 }, abort: { httpStatus: 503, percentage: 40 } });
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 20_000; i++) {
      const exchange = vm.request();
      const held = exchange.outcome === 'held';
      if (held) vm.clock.advance(10);
      const index = (held ? 2 : 0) + (exchange.response?.status === 503 ? 1 : 0);
      counts[index] = (counts[index] ?? 0) + 1;
    }
    expect(chiSquare(counts, [0.7 * 0.6, 0.7 * 0.4, 0.3 * 0.6, 0.3 * 0.4])).toBeLessThan(16.27);
  });
});

/** How long so many requests are held, all begun at once. */
function delays(vm: Vm, count: number, headers: (i: number) => Record<string, string> = () => ({})): number[] {
  const start = vm.clock.now;
  const found: number[] = [];
  for (let i = 0; i < count; i++) vm.request(headers(i), { response: () => { found.push(vm.clock.now - start); return {} } });
  vm.clock.advance(3_600_000);
  expect(found).toHaveLength(count);
  return found;
}

describe('distributions', () => {
  const bound = (count: number): number => 1.95 / Math.sqrt(count);                                            // 1 in 1,000 by chance
  const share = (value: number, least: number, most: number): number => Math.min(1, Math.max(0, (value - least) / (most - least)));
  const kinds: readonly (readonly [string, NonNullable<Fault['delay']>, (milliseconds: number) => number])[] = [
    ['uniform', { uniform: { min: '10s', max: '50s' } }, (x) => share(x, 10_000, 50_000)],
    ['normal', { normal: { mean: '30s', deviation: '5s' } }, (x) => normalDistribution((x - 30_000) / 5_000)],
    ['pareto', { pareto: { scale: '1s', shape: 2 }, max: '1h' }, (x) => x < 1_000 ? 0 : 1 - (1_000 / x) ** 2],
    ['pareto with a heavy tail', { pareto: { scale: '100ms', shape: 1.2 }, max: '1h' }, (x) => x < 100 ? 0 : 1 - (100 / x) ** 1.2],
    ['quantiles', { quantiles: [{ quantile: 0, delay: '1s' }, { quantile: 0.5, delay: '2s' }, { quantile: 0.9, delay: '10s' }, { quantile: 1, delay: '40s' }] },
      (x) => x < 2_000 ? 0.5 * share(x, 1_000, 2_000) : x < 10_000 ? 0.5 + 0.4 * share(x, 2_000, 10_000) : 0.9 + 0.1 * share(x, 10_000, 40_000)],
    ['fixed with jitter', { fixedDelay: '30s', jitter: '10s' }, (x) => share(x, 20_000, 40_000)],
  ];
  test.each(kinds)('%s, 100,000 samples', (_, delay, distribution) => {
    const vm = load({ delay });
    const samples = Array.from({ length: 10 }, () => delays(vm, DICE / 10)).flat();
    // Milliseconds are rounded: the distribution is looked at in the middle between two.
    expect(kolmogorovSmirnov(samples, (x) => distribution(x + 0.5))).toBeLessThan(bound(DICE));
  }, 120_000);

  test('normal is cut off at 0, and what is 0 is no delay', () => {
    const vm = load({ delay: { normal: { mean: '1ms', deviation: '10s' } } });
    const found = delays(vm, 2_000);
    expect(Math.min(...found)).toBe(0);
    const [none, some] = [found.filter((x) => x === 0).length, vm.metrics.get('gatewright_fault_delays_injected') ?? 0];
    expect(none + some).toBe(2_000);
    expect(Math.abs(none - 1_000)).toBeLessThan(150);
  });

  test('jitter never goes below 0, and max is the most', () => {
    const found = delays(load({ delay: { uniform: { min: '0s', max: '1s' }, jitter: '5s', max: '3s' } }), 5_000);
    expect(Math.min(...found)).toBe(0);
    expect(Math.max(...found)).toBe(3_000);
  });

  test('max does not cut a fixed delay', () => {
    expect(delays(load({ delay: { fixedDelay: '2m', max: '1s' } }), 1)).toEqual([120_000]);
  });

  test('a delay beyond all time neither passes at once nor stops the VM', () => {
    const vm = load({ delay: { fixedDelay: '99999h99999h99999h99999h', jitter: '99999h' } });
    const exchange = vm.request();
    vm.clock.advance(1e9);
    expect(exchange.outcome).toBe('held');
    expect(vm.dead).toBe(false);
  });

  test('quantiles that do not reach 0 and 1 end at their points', () => {
    const found = delays(load({ delay: { quantiles: [{ quantile: 0.25, delay: '1s' }, { quantile: 0.75, delay: '2s' }] } }), 10_000);
    const [low, high] = [found.filter((x) => x === 1_000).length, found.filter((x) => x === 2_000).length];
    expect(chiSquare([low, high, 10_000 - low - high], [0.25, 0.25, 0.5])).toBeLessThan(13.82);
    expect([Math.min(...found), Math.max(...found)]).toEqual([1_000, 2_000]);
  });
});

describe('sticky dice', () => {
  const users = Array.from({ length: 2_000 }, (_, i) => `user-${i}`);
  const fates = (vm: Vm, header = 'x-user'): string => users.map((user) => aborted(vm, { [header]: user }) ? '1' : '0').join('');
  const sticky = (more: Partial<Fault> = {}): Fault => ({ abort: { httpStatus: 503, percentage: 50 }, sticky: { type: 'Header', name: 'X-User' }, ...more });
  const share = (text: string): number => [...text].filter((one) => one === '1').length;

  test('the same key meets the same fate: again, on other workers, after a restart, with other random numbers', () => {
    const shared = new SharedData();
    const first = fates(load(sticky()));
    for (const vm of [load(sticky(), dice(2)), Vm.load(WASM, { shared, pluginConfiguration: JSON.stringify({ rules: [{ match: {}, policy: { faults: [sticky()] } }] }) })]) {
      expect(fates(vm)).toBe(first);
      expect(fates(vm)).toBe(first);
    }
  });

  test('fates are those of every version before', () => {
    expect(fates(load(sticky())).slice(0, 40)).toBe('0101010011111111010010000010101010000010');
  });

  test.each([50, 10, 1])('%i per cent of the keys', (percentage) => {
    const hits = share(fates(load(sticky({ abort: { httpStatus: 503, percentage } }))));
    expect(chiSquare([hits, users.length - hits], [percentage / 100, 1 - percentage / 100])).toBeLessThan(10.83);
  });

  test('who is hit at 10 per cent is hit at 50, too', () => {
    const [few, many] = [10, 50].map((percentage) => fates(load(sticky({ abort: { httpStatus: 503, percentage } }))));
    expect([...few ?? ''].every((one, i) => one === '0' || many?.[i] === '1')).toBe(true);
  });

  test.each<[string, Partial<Fault>]>([['another seed', { seed: 'other' }], ['another name', { name: 'other' }]])('%s, another fate', (_, more) => {
    const [one, other] = [fates(load(sticky())), fates(load(sticky(more)))];
    const table = ['00', '01', '10', '11'].map((pair) => users.filter((_, i) => `${one[i]}${other[i]}` === pair).length);
    expect(chiSquare(table, [0.25, 0.25, 0.25, 0.25])).toBeLessThan(16.27);
  });

  test('the effects of one fault have fates of their own', () => {
    const vm = load({ sticky: { type: 'Header', name: 'x-user' }, delay: { fixedDelay: '10ms', percentage: 50 }, response: { replace: { httpStatus: 418, percentage: 50 } } });
    const table = [0, 0, 0, 0];
    for (const user of users) {
      const exchange = vm.request({ 'x-user': user });
      const held = exchange.outcome === 'held';
      if (held) vm.clock.advance(10);
      const index = (held ? 2 : 0) + (exchange.response?.status === 418 ? 1 : 0);
      table[index] = (table[index] ?? 0) + 1;
    }
    expect(chiSquare(table, [0.25, 0.25, 0.25, 0.25])).toBeLessThan(16.27);
  });

  test('the delay sticks too, and is spread as it should be over the keys', () => {
    const fault: Fault = { sticky: { type: 'Header', name: 'x-user' }, delay: { normal: { mean: '30s', deviation: '5s' }, jitter: '1ms' } };
    const of = (random: Random): Map<string, number> => {
      const vm = load(fault, random);
      const start = vm.clock.now;
      const found = new Map<string, number>();
      for (const user of users) vm.request({ 'x-user': user }, { response: () => { found.set(user, vm.clock.now - start); return {} } });
      vm.clock.advance(3_600_000);
      return found;
    };
    const [one, other] = [of(dice(1)), of(dice(2))];
    expect([...one].sort()).toEqual([...other].sort());
    expect(kolmogorovSmirnov([...one.values()], (x) => normalDistribution((x + 0.5 - 30_000) / 5_000))).toBeLessThan(1.95 / Math.sqrt(users.length));
  });

  test('a request without the key rolls as usual', () => {
    const vm = load(sticky());
    const hits = Array.from({ length: 2_000 }, () => aborted(vm)).filter(Boolean).length;
    expect(chiSquare([hits, 2_000 - hits], [0.5, 0.5])).toBeLessThan(10.83);
  });

  test.each<[string, NonNullable<Fault['sticky']>, (user: string) => [Record<string, string>, object]]>([
    ['a cookie', { type: 'Cookie', name: 'session' }, (user) => [{ cookie: `a=1; session=${user}; b=2` }, {}]],
    ['a claim', { type: 'Claim', name: 'user.id' }, (user) => [{}, { filter_state: { 'wasm.gatewright.claim.user.id': user } }]],
    ['the address', { type: 'SourceIP' }, (user) => [{}, { source: { address: `10.0.${Number(user.slice(5)) >> 8}.${Number(user.slice(5)) & 255}:${Math.floor(Number(user.slice(5)) * 7 % 60_000)}` } }]],
  ])('%s can be the key', (_, key, request) => {
    const run = (random: Random): string => {
      const vm = load(sticky({ sticky: key }), random);
      return users.slice(0, 500).map((user) => { const [headers, properties] = request(user); return vm.request(headers, { properties: properties as never }).response?.status === 503 ? '1' : '0' }).join('');
    };
    const one = run(dice(1));
    expect(run(dice(2))).toBe(one);
    expect(Math.abs(share(one) - 250)).toBeLessThan(50);
  });
});

describe('schedules', () => {
  const during = (schedule: NonNullable<Fault['schedule']>, at: string): number => {
    const vm = load({ abort: { httpStatus: 503 }, schedule });
    vm.clock.advance(Date.parse(at) - vm.clock.now);
    return Array.from({ length: 1_000 }, () => aborted(vm)).filter(Boolean).length / 1_000;
  };
  const schedule = { start: '2026-03-01T12:00:00+01:00', end: '2026-03-01T13:00:00.5Z' };
  test.each([
    ['2026-03-01T10:59:59.999Z', 0], ['2026-03-01T11:00:00Z', 1], ['2026-03-01T13:00:00.499Z', 1], ['2026-03-01T13:00:00.500Z', 0], ['2027-01-01T00:00:00Z', 0],
  ])('at %s', (at, share) => expect(during(schedule, at)).toBe(share));

  test.each([['2026-03-01T11:00:00Z', 0], ['2026-03-01T11:15:00Z', 0.25], ['2026-03-01T11:45:00Z', 0.75], ['2026-03-01T12:00:00Z', 1], ['2026-03-01T12:30:00Z', 1]])('on the ramp at %s', (at, share) => {
    expect(during({ ...schedule, ramp: '1h' }, at)).toBeCloseTo(share, 1);
  });

  test('the ramp is exact: a quarter of the way, a quarter of the percentage', () => {
    const vm = load({ abort: { httpStatus: 503, percentage: 40 }, schedule: { ...schedule, ramp: '1h' } });
    vm.clock.advance(Date.parse('2026-03-01T11:15:00Z') - vm.clock.now);
    let hits = 0;
    for (let i = 0; i < 20_000; i++) if (aborted(vm)) hits++;
    expect(chiSquare([hits, 20_000 - hits], [0.1, 0.9])).toBeLessThan(10.83);
  });
});
