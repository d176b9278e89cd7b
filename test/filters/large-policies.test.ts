// Policies of routes that are as large as a document may be, changed again and again: whoever may write one must not fill the memory of the VM that all share.
import { expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { jwks } from '../cases/tokens.ts';

const WASM = new URL('../../build/fault.wasm', import.meta.url);
const MEBIBYTE = 2 ** 20 / 65_536;   // in pages; memory doubles when it is full, so what is measured is twice what is needed, or not

test('of large policies few are kept, of small ones many', () => {
  const vm = Vm.load(WASM, { pluginConfiguration: '{"source":"route"}' });
  let read = 0;
  const ask = (id: string, policy: string): void => {
    const virtualHost = { get [`fault_policy.${id}`]() { read++; return policy; } };
    expect(vm.request({}, { properties: { xds: { route_metadata: { filter_metadata: { gatewright: { fault: id } } }, virtual_host_metadata: { filter_metadata: { gatewright: virtualHost } } } } }).outcome).toBe('continued');
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
  expect(vm.pages / MEBIBYTE).toBeLessThan(512);
});

test('of large key sets few are kept, of small ones many', () => {
  const vm = Vm.load(new URL('../../build/jwt.wasm', import.meta.url), { pluginConfiguration: '{"source":"route"}' });
  let read = 0;
  // A policy is read once an id, and asks for its key set then.
  const ask = (kind: string, i: number, turn: number, keySet: string): void => {
    const policy = JSON.stringify({ providers: [{ name: 'p', keys: { keySet: `${kind}-${i}` }, from: { headers: [{ name: 'authorization', prefix: 'Bearer ' }] } }] });
    const virtualHost = { [`jwt_policy.${kind}-${i}-${turn}`]: policy, get [`keyset.${kind}-${i}`]() { read++; return keySet; } };
    const { response } = vm.request({}, { properties: { xds: { route_metadata: { filter_metadata: { gatewright: { jwt: `${kind}-${i}-${turn}` } } }, virtual_host_metadata: { filter_metadata: { gatewright: virtualHost } } } } });
    expect(response?.status).toBe(401);
  };
  const keySet = (kid: string): string => JSON.stringify({ keys: [{ ...jwks.keys[0], kid }] });
  const small = keySet('k'), large = keySet('k'.repeat(2 ** 20));
  for (let i = 0; i < 1_000; i++) ask('small', i, 0, small);
  read = 0;
  for (let i = 0; i < 1_000; i++) ask('small', i, 1, small);
  expect(read).toBe(0);
  for (let i = 0; i < 400; i++) ask('large', i, 0, large);
  expect(vm.dead).toBe(false);
  expect(vm.pages / MEBIBYTE).toBeLessThan(384);
});
