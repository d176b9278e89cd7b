// Guest memory is watched by page, the host keeps nothing of a request, and is quick.
import { beforeAll, expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { fixture } from './fixture.ts';
import { told } from './told.ts';

let leak: Uint8Array;
let script: Uint8Array;
beforeAll(async () => { [leak, script] = await Promise.all([fixture('leak'), fixture('script')]) });

const headers = { 'x-big': 'x'.repeat(512) };

test('a filter that frees what the host gave it stays at its first page', () => {
  const vm = Vm.load(leak, { pluginConfiguration: 'free' });
  const before = vm.pages;
  for (let i = 0; i < 200_000; i++) vm.request(headers);
  expect(vm.pages).toBe(before);
});

test('the same filter without heap.free grows, and the host follows its memory as it does', () => {
  const vm = Vm.load(leak);
  const before = vm.pages;
  for (let i = 0; i < 20_000; i++) vm.request(headers);
  expect(vm.pages).toBeGreaterThan(before + 100);
  expect(vm.dead).toBe(false);
});

test('no stream is left behind, whatever became of it', () => {
  const vm = Vm.load(script, { pluginConfiguration: 'tick effective;tick continue 0' });
  for (const text of ['', 'headers respond 403', 'headers close 0', 'rheaders respond 500', 'rbody close 1']) told(vm, text, {}, { response: { body: 'x' } });
  const { exchange } = told(vm, 'headers ret 1');
  told(vm, 'headers tick 10;headers hold');
  expect(vm.liveStreams).toBe(2);
  exchange.cancel();
  vm.clock.advance(10);
  expect(vm.liveStreams).toBe(0);
});

test('logs and calls are bounded', () => {
  const vm = Vm.load(script, { upstreams: { up: () => ({}) } });
  for (let i = 0; i < 25_000; i++) told(vm, `headers log 2 ${i};headers call up :method=GET&:path=/&:authority=h`);
  expect(vm.logs.length).toBeLessThanOrEqual(20_000);
  expect(vm.calls.length).toBeLessThanOrEqual(20_000);
  expect(vm.logs.at(-2)?.message).toBe('headers log: 0');
  expect(vm.calls.at(-1)?.token).toBe(100_000);
});
