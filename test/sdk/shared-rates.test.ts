// Exact rates over workers (proxy-wasm-as/assembly/shared-counts.ts).
import { describe, expect, test } from 'vitest';
import type { Vm } from 'proxy-wasm-as/vm';
import { scaled } from '../scale.ts';
import { entries, take, workers } from './counting-workers.ts';

describe('rates', () => {
  const hit = (vm: Vm, key = 'a', burst = 1, per = 100, more: Record<string, string> = {}): number | undefined => take(vm, key, burst, { 'x-per': String(per), ...more }).response?.status;

  test('let a burst pass, then one an interval, over all workers', () => {
    const [one, two] = workers(2) as [Vm, Vm];
    expect([hit(one, 'a', 3), hit(two, 'a', 3), hit(one, 'a', 3), hit(two, 'a', 3), hit(one, 'b', 3)]).toEqual([200, 200, 200, 429, 200]);
    one.clock.advance(99);
    expect(hit(one, 'a', 3)).toBe(429);
    one.clock.advance(1);
    expect([hit(two, 'a', 3), hit(one, 'a', 3)]).toEqual([200, 429]);
    one.clock.advance(10_000);
    expect([1, 2, 3, 4].map(() => hit(one, 'a', 3))).toEqual([200, 200, 200, 429]);
  });

  test('keep their long-run rate exactly', () => {
    const vms = workers(4) as [Vm, Vm, Vm, Vm];
    let passed = 0;
    for (let i = 0; i < 10_000; i++) {
      if (hit(vms[i % 4] as Vm, 'a', 5, 70) === 200) passed++;
      vms[0].clock.advance(1);
    }
    expect(passed).toBe(5 + Math.floor(9_999 / 70));
  });

  test('are given back', () => {
    const [one, two] = workers(2) as [Vm, Vm];
    expect([hit(one, 'a', 2), hit(one, 'a', 2), hit(two, 'a', 2)]).toEqual([200, 200, 429]);
    hit(two, 'a', 2, 100, { 'x-return': '1' });
    expect([hit(one, 'a', 2), hit(two, 'a', 2)]).toEqual([200, 429]);
    hit(two, 'nobody', 2, 100, { 'x-return': '1' });
    expect([hit(one, 'nobody', 1), hit(one, 'nobody', 1)]).toEqual([200, 429]);
  });

  test('leave no more behind than fits, whatever keys clients invent', { timeout: 600_000 }, () => {
    const [vm] = workers(1) as [Vm];
    for (let i = 0; i < scaled(1_000_000); i++) hit(vm, `key-${i}`, 1, 86_400_000);
    expect(entries(vm.shared)).toBeLessThanOrEqual(1024 * 512);
    expect(entries(vm.shared)).toBeGreaterThan(scaled(500_000));
  });

  test('are forgotten when their time has passed', () => {
    const [vm] = workers(1) as [Vm];
    for (let i = 0; i < 5_000; i++) hit(vm, `key-${i}`, 1, 100);
    expect(entries(vm.shared)).toBe(5_000);
    vm.clock.advance(1_000);
    for (let i = 5_000; i < 20_000; i++) {
      hit(vm, `key-${i}`, 1, 1);
      vm.clock.advance(1);
    }
    expect(entries(vm.shared)).toBeLessThan(1_100);
  });

  test('are not reset by a clock that is set', () => {
    const [vm] = workers(1) as [Vm];
    const first = hit(vm);
    vm.clock.step(3_600_000);
    expect([first, hit(vm)]).toEqual([200, 429]);
  });

  test('that take an age do not overflow', () => {
    const [vm] = workers(1) as [Vm];
    const ages = 4 * 99_999 * 3_600_000;
    expect([1, 2, 3].map(() => hit(vm, 'a', 1_000_000, ages))).toEqual([200, 200, 200]);
  });
});
