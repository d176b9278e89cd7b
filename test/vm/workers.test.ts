// Several VMs that share data are the workers of one Envoy.
import { beforeAll, expect, test } from 'vitest';
import { SharedData, Vm } from 'proxy-wasm-as/vm';
import { fixture } from './fixture.ts';
import { told } from './told.ts';

let wasm: Uint8Array;
beforeAll(async () => { wasm = await fixture('script') });

test('what one worker sets the other reads', () => {
  const shared = new SharedData();
  const [a, b] = [Vm.load(wasm, { shared }), Vm.load(wasm, { shared })];
  told(a, 'headers sset k v 0');
  expect(told(b, 'headers sget k').lines).toEqual(["headers sget: 0 'v' 1"]);
  expect(told(Vm.load(wasm), 'headers sget k').lines).toEqual(['headers sget: 1']);
});

test('compare-and-swap: the one who read first and wrote last must read again', () => {
  const shared = new SharedData();
  const [a, b] = [Vm.load(wasm, { shared }), Vm.load(wasm, { shared })];
  told(a, 'headers sset n 1 0');
  expect(told(a, 'headers sget n').lines).toEqual(["headers sget: 0 '1' 1"]);
  expect(told(b, 'headers sget n;headers sset n 2 1').lines).toEqual(["headers sget: 0 '1' 1", 'headers sset: 0']);
  expect(told(a, 'headers sset n 9 1;headers sget n;headers sset n 3 2').lines).toEqual(['headers sset: 8', "headers sget: 0 '2' 2", 'headers sset: 0']);
  expect(shared.text('n')).toBe('3');
});

test('a number that no value has inserts only when the key is absent', () => {
  const shared = new SharedData();
  const [a, b] = [Vm.load(wasm, { shared }), Vm.load(wasm, { shared })];
  expect(told(a, 'headers sset k first 4294967295').lines).toEqual(['headers sset: 0']);
  expect(told(b, 'headers sset k second 4294967295').lines).toEqual(['headers sset: 8']);
  expect(shared.text('k')).toBe('first');
});

test('a counter kept by compare-and-swap is exact over four workers', () => {
  const shared = new SharedData();
  const workers = Array.from({ length: 4 }, () => Vm.load(wasm, { shared }));
  for (let i = 0; i < 400; i++) told(workers[i % 4] as Vm, 'headers sinc n');
  expect(shared.text('n')).toBe('400');
  expect(shared.keys).toEqual(['n']);
});

test('data outlives the VM that wrote it', () => {
  const shared = new SharedData();
  const vm = Vm.load(wasm, { shared });
  told(vm, 'headers sset k v 0;headers trap');
  vm.clock.advance(1000);
  expect(told(vm, 'headers sget k').lines).toEqual(["headers sget: 0 'v' 1"]);
});
