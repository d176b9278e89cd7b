// Exact counts over workers (proxy-wasm-as/assembly/shared-counts.ts): what several VMs with one SharedData agree on, whatever becomes of each of them.
import { describe, expect, test } from 'vitest';
import { Clock, type Exchange, SharedData, Vm } from 'proxy-wasm-as/vm';
import { scaled } from '../scale.ts';
import { entries, take, taken, wasm, workers } from './counting-workers.ts';

const LEASE = 10_000;

const leases = (shared: SharedData): number => ((shared.get('gatewright.counts.leases')?.value.length ?? 8) - 8) / 16;
/** Takes of key `a` until one is refused. */
function room(vm: Vm, limit: number): number {
  const got: Exchange[] = [];
  for (;;) {
    const exchange = take(vm, 'a', limit);
    if (!taken(exchange)) break;
    got.push(exchange);
  }
  for (const exchange of got) exchange.cancel();
  return got.length;
}

describe('what is held', () => {
  test('is limited over all workers, each key by itself', () => {
    const vms = workers(3);
    const held = vms.map((vm) => take(vm, 'a', 3));
    expect(held.map(taken)).toEqual([true, true, true]);
    expect(vms.map((vm) => taken(take(vm, 'a', 3)))).toEqual([false, false, false]);
    expect(taken(take(vms[0], 'b', 1))).toBe(true);
    expect(taken(take(vms[1], 'a', 1, { 'x-scope': 'other' }))).toBe(true);
    held[0]?.cancel();
    expect(taken(take(vms[2], 'a', 3))).toBe(true);
    expect(taken(take(vms[0], 'a', 3))).toBe(false);
  });

  test('shows in the gauge, at once', () => {
    const [one, two] = workers(2) as [Vm, Vm];
    const held = [take(one), take(two, 'b'), take(two, 'b')];
    expect(one.metrics.get('counted')).toBe(2);
    for (const exchange of held) exchange.cancel();
    expect(two.metrics.get('counted')).toBe(0);
  });

  test('leaves nothing behind: 100,000 keys', { timeout: 600_000 }, () => {
    const [vm] = workers(1) as [Vm];
    const churn = (from: number, count: number): void => {
      for (let i = from; i < from + count; i += 500) {
        const held = Array.from({ length: 500 }, (_, j) => take(vm, `key-${i + j}`));
        expect(held.every(taken)).toBe(true);
        for (const exchange of held) exchange.cancel();
      }
    };
    churn(0, 5_000);
    const { pages } = vm;
    churn(5_000, scaled(100_000));
    expect(vm.pages).toBe(pages);
    expect(entries(vm.shared)).toBe(0);
    expect(vm.shared.keys.length).toBeLessThan(1_100);
    vm.clock.advance(4_000);
    expect(vm.tickPeriod).toBe(0);
    expect(leases(vm.shared)).toBe(0);
  });
});

/** Somebody else acts between a worker's reading and its writing. */
class Contended extends SharedData {
  between: ((key: string) => void) | undefined = undefined;
  override get(key: string): ReturnType<SharedData['get']> {
    const value = super.get(key);
    const { between } = this;
    this.between = undefined;
    between?.(key);
    return value;
  }
}

describe('two workers at once', () => {
  // Whatever one reads next (its lease, the entries), the other takes the last one meanwhile.
  test.each([0, 1, 2, 3])('never let one too many in (read %i)', (nth) => {
    const shared = new Contended();
    const [one, two] = workers(2, shared) as [Vm, Vm];
    const results: boolean[] = [];
    const meddle = (left: number) => (): void => {
      if (left === 0) results.push(taken(take(two)));
      else shared.between = meddle(left - 1);
    };
    shared.between = meddle(nth);
    results.push(taken(take(one)));
    shared.between = undefined;
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(one.metrics.get('counted')).toBe(1);
  });

  test('have different leases even when they begin together', () => {
    const shared = new Contended();
    const [one, two] = workers(2, shared) as [Vm, Vm];
    shared.between = () => { take(two, 'a', 9); };
    take(one, 'a', 9);
    expect(leases(shared)).toBe(2);
    expect(room(one, 9)).toBe(7);
  });

  test('who always loses the race refuses', () => {
    const shared = new Contended();
    const [vm] = workers(1, shared) as [Vm];
    const spoil = (key: string): void => {
      shared.set(key, shared.get(key)?.value ?? new Uint8Array());
      shared.between = spoil;
    };
    shared.between = spoil;
    expect(taken(take(vm))).toBe(false);
    shared.between = undefined;
    expect(taken(take(vm))).toBe(true);
  });

  test('who cannot give back does so at a later beat', () => {
    const shared = new Contended();
    const [one, two] = workers(2, shared) as [Vm, Vm];
    const held = take(one);
    const spoil = (key: string): void => {
      shared.set(key, shared.get(key)?.value ?? new Uint8Array());
      shared.between = spoil;
    };
    shared.between = spoil;
    held.cancel();
    one.clock.advance(3_000);                                         // past one beat, which loses too
    shared.between = undefined;
    expect(taken(take(two))).toBe(false);
    one.clock.advance(2_000);
    expect(taken(take(two))).toBe(true);
    expect(two.metrics.get('counted')).toBe(1);
  });
});

describe('a VM that dies', () => {
  test('gives back what it held once its lease is over, and the gauge with it', () => {
    const [one, two] = workers(2) as [Vm, Vm];
    take(one, 'a', 2);
    take(one, 'b', 2);
    const held = take(two, 'a', 2);
    one.request({ 'x-trap': '1' });
    expect(one.dead).toBe(true);
    two.clock.advance(LEASE - 1);
    expect(room(two, 2)).toBe(0);
    expect(two.metrics.get('counted')).toBe(3);
    two.clock.advance(4_000);
    expect(room(two, 2)).toBe(1);
    expect(two.metrics.get('counted')).toBe(1);
    expect(entries(two.shared)).toBe(1);
    expect(leases(two.shared)).toBe(1);
    held.cancel();
    expect(two.metrics.get('counted')).toBe(0);
  });

  test('is nobody its successor is taken for', () => {
    const [vm] = workers(1) as [Vm];
    take(vm, 'a', 2);
    vm.request({ 'x-trap': '1' });
    vm.clock.advance(1_000);
    expect(room(vm, 2)).toBe(1);
    vm.clock.advance(LEASE);
    expect(room(vm, 2)).toBe(2);
    expect(vm.reloads).toBe(1);
    expect(vm.metrics.get('counted')).toBe(0);
  });

  test('gives back a gauge that nobody else knows', () => {
    const [dying] = workers(1) as [Vm];
    take(dying);
    dying.request({ 'x-trap': '1' });
    const { shared, clock } = dying;
    clock.advance(12_000);
    const other = Vm.load(new URL('../../build/connection-limit.wasm', import.meta.url), { shared, clock, pluginConfiguration: '{"connections":{"listener":"l","limits":[{"name":"a","value":1}]}}' });
    expect(shared.metrics.values.get('counted')).toBe(1);
    expect(other.connection().outcome).toBe('open');
    expect(shared.metrics.values.get('counted')).toBe(0);
  });

  test('again and again leaves no leases behind', () => {
    const [vm] = workers(1) as [Vm];
    for (let i = 0; i < 100; i++) {
      take(vm, `key-${i}`, 1);
      vm.request({ 'x-trap': '1' });
      vm.clock.advance(1_000);
    }
    expect(leases(vm.shared)).toBeLessThan(12);
    expect(entries(vm.shared)).toBeLessThan(12);
  });
});

describe('a configuration update', () => {
  test('keeps the counts, whichever root holds them', () => {
    const [vm, other] = workers(2) as [Vm, Vm];
    const old = take(vm, 'a', 3);
    vm.update('second');
    const fresh = take(vm, 'a', 3);
    expect(vm.liveRoots).toBe(2);
    expect(room(other, 3)).toBe(1);
    vm.clock.advance(3 * LEASE);
    expect(room(other, 3)).toBe(1);
    old.cancel();
    expect(vm.liveRoots).toBe(1);
    vm.clock.advance(3 * LEASE);
    expect(room(other, 3)).toBe(2);
    fresh.cancel();
    expect(room(vm, 3)).toBe(3);
    vm.clock.advance(4_000);
    expect([vm.tickPeriod, leases(vm.shared)]).toEqual([0, 0]);
  });

  test('under which nothing new comes keeps what the old root holds', () => {
    const [vm, other] = workers(2) as [Vm, Vm];
    take(vm);
    vm.update('second');
    vm.clock.advance(3 * LEASE);
    expect(room(other, 1)).toBe(0);
  });
});

describe('a VM that holds', () => {
  test('keeps its count for hours', () => {
    const [one, two] = workers(2) as [Vm, Vm];
    const held = take(one);
    for (let i = 0; i < 12; i++) {
      one.clock.advance(600_000);
      expect(taken(take(two))).toBe(false);
    }
    held.cancel();
    expect(taken(take(two))).toBe(true);
  });

  test('keeps its count when the clock is set', () => {
    const [one, two] = workers(2) as [Vm, Vm];
    const held = take(one);
    for (const step of [-3_600_000, 7_200_000]) {
      one.clock.step(step);
      one.clock.advance(3 * LEASE);
      expect(taken(take(two))).toBe(false);
    }
    held.cancel();
    expect(taken(take(two))).toBe(true);
  });

  test('and stalls counts again when it is back', () => {
    const shared = new SharedData(), mine = new Clock(), theirs = new Clock();
    const [stalled] = workers(1, shared, mine) as [Vm];
    const [other] = workers(1, shared, theirs) as [Vm];
    take(stalled, 'a', 3);
    take(stalled, 'a', 3);
    take(other, 'a', 3);
    mine.stall(15_000);
    theirs.advance(15_000);
    expect(room(other, 3)).toBe(2);
    expect(stalled.metrics.get('counted')).toBe(1);
    mine.advance(0);
    expect(room(other, 3)).toBe(0);
    expect(stalled.metrics.get('counted')).toBe(3);
  });

  test('and stalls counts again before it decides anything', () => {
    const shared = new SharedData(), mine = new Clock(), theirs = new Clock();
    const [stalled] = workers(1, shared, mine) as [Vm];
    const [other] = workers(1, shared, theirs) as [Vm];
    take(stalled, 'a', 2);
    mine.stall(15_000);
    theirs.advance(15_000);
    expect(taken(take(other, 'a', 2))).toBe(true);
    expect(taken(take(stalled, 'a', 2))).toBe(false);
    expect(taken(take(stalled, 'a', 3))).toBe(true);
  });

  test('and stalls as it renews its lease, too long, counts again', () => {
    const shared = new Contended(), mine = new Clock(), theirs = new Clock();
    const [stalled] = workers(1, shared, mine) as [Vm];
    const [other] = workers(1, shared, theirs) as [Vm];
    mine.advance(500);
    theirs.advance(500);
    take(stalled, 'a', 2);                                            // until 10.5 s
    take(other, 'b', 1);                                              // heard of every two seconds
    mine.stall(9_900);
    theirs.advance(9_900);
    shared.between = () => {
      mine.stall(200);
      theirs.advance(200);
      expect(taken(take(other, 'a', 1))).toBe(true);
    };
    expect(taken(take(stalled, 'a', 2))).toBe(false);
    expect(taken(take(other, 'a', 2))).toBe(false);
  });

  test('and is busy does not depend on its ticks', () => {
    const shared = new SharedData(), mine = new Clock(), theirs = new Clock();
    const [busy] = workers(1, shared, mine) as [Vm];
    const [other] = workers(1, shared, theirs) as [Vm];
    take(busy, 'a', 1);
    for (let second = 0; second < 60; second++) {
      mine.stall(1_000);
      theirs.advance(1_000);
      expect(taken(take(other, 'a', 1))).toBe(false);
      take(busy, 'b', 1).cancel();
    }
  });

  test('nothing does not tick', () => {
    const [vm] = workers(1) as [Vm];
    expect(vm.tickPeriod).toBe(0);
    const held = take(vm);
    expect(vm.tickPeriod).toBeGreaterThan(0);
    held.cancel();
    vm.clock.advance(2_000);
    expect(vm.tickPeriod).toBe(0);
  });
});

describe('the hash of keys', () => {
  test('is the same for all workers, and another in another Envoy', () => {
    const [one, two] = workers(2) as [Vm, Vm];
    const elsewhere = Vm.load(wasm, { random: (size) => new Uint8Array(size).fill(7) });
    take(one);
    take(elsewhere);
    const bucket = (vm: Vm): string | undefined => vm.shared.keys.find((key) => /^gatewright\.counts\.\d+$/.test(key));
    expect(taken(take(two))).toBe(false);
    expect(bucket(one)).not.toBe(bucket(elsewhere));
    expect(one.shared.get('gatewright.counts.secret')?.value).toHaveLength(16);
  });

  test('needs no dice to work', () => {
    const shared = new SharedData();
    const vms = [1, 2].map(() => Vm.load(wasm, { shared, random: (size) => new Uint8Array(size) }));
    expect(vms.map((vm) => taken(take(vm)))).toEqual([true, false]);
  });
});
