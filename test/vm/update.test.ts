// A configuration update: another root context in the same VM, as in Envoy 1.40.0.
import { beforeAll, expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { fixture } from './fixture.ts';

let wasm: Uint8Array;
beforeAll(async () => { wasm = await fixture('script') });

test('the old root lives as long as its streams, and then ends', () => {
  const vm = Vm.load(wasm, { pluginConfiguration: 'trace on' });
  const old = vm.connection();
  expect(vm.update('trace on')).toBe(true);
  expect(vm.liveRoots).toBe(2);
  const fresh = vm.connection();
  const before = vm.logs.length;
  old.close();
  expect(vm.logs.slice(before).map(({ message }) => message)).toEqual(['downclose 2 0', 'done 0 0', 'log 0 0', 'delete 0 0', 'done 0 0', 'delete 0 0']);
  expect(vm.liveRoots).toBe(1);
  expect(fresh.outcome).toBe('open');
});

test('without streams it ends at once, and its tick with it', () => {
  const vm = Vm.load(wasm, { pluginConfiguration: 'configure tick 10;tick print 1 tick' });
  expect(vm.tickPeriod).toBe(10);
  vm.update('configure log 2 new');
  expect([vm.liveRoots, vm.tickPeriod]).toEqual([1, 0]);
  const before = vm.logs.length;
  vm.clock.advance(100);
  expect(vm.logs).toHaveLength(before);
});

test('a refused one changes nothing', () => {
  const vm = Vm.load(wasm, { pluginConfiguration: 'configure tick 10' });
  expect(vm.update('configure ret 0')).toBe(false);
  expect([vm.configured, vm.liveRoots, vm.tickPeriod]).toEqual([true, 1, 10]);
});

test('a VM that is loaded again gets the configuration it had last', () => {
  const vm = Vm.load(wasm, { pluginConfiguration: 'configure log 2 first' });
  vm.update('configure log 2 second;new trap');
  vm.connection();
  vm.clock.advance(1_000);
  vm.connection();
  expect(vm.logs.filter(({ level }) => level === 'info').map(({ message }) => message).filter((message) => !message.startsWith('configure'))).toEqual(['first', 'second', 'second']);
});
