// Policies of routes that are as large as a document may be, changed again and again: whoever may write one must not fill the memory of the VM that all share.
import { expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';

const WASM = new URL('../../build/fault.wasm', import.meta.url);
const MEBIBYTE = 2 ** 20 / 65_536;   // in pages

test('of large policies few are kept, of small ones many', () => {
  const vm = Vm.load(WASM, { pluginConfiguration: '{"source":"route"}' });
  let read = 0;
  const ask = (id: string, policy: string): void => {
    const gatewright = { fault: id, get fault_policy() { read++; return policy; } };
    expect(vm.request({}, { properties: { xds: { route_metadata: { filter_metadata: { gatewright } } } } }).outcome).toBe('continued');
  };
  const body = 'x'.repeat(65_536);
  const large = JSON.stringify({ faults: Array.from({ length: 15 }, () => ({ abort: { httpStatus: 503, body, percentage: 0 }, response: { replace: { body, percentage: 0 } } })) });
  const small = JSON.stringify({ faults: [{ abort: { httpStatus: 503, percentage: 0 } }] });
  for (let i = 0; i < 1_000; i++) ask(`small-${i}`, small);
  read = 0;
  for (let i = 0; i < 1_000; i++) ask(`small-${i}`, small);
  expect(read).toBe(0);
  for (let i = 0; i < 200; i++) ask(`large-${i}`, large);
  expect(vm.dead).toBe(false);
  expect(vm.pages / MEBIBYTE).toBeLessThan(384);
});
