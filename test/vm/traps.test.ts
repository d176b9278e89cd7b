// A trap kills the VM; what becomes of requests then is the failure policy's. As Envoy 1.40.0 does it.
import { beforeAll, describe, expect, test } from 'vitest';
import { type FailurePolicy, SharedData, Vm, type VmOptions } from 'proxy-wasm-as/vm';
import { compile, fixture } from './fixture.ts';
import { told } from './told.ts';

let wasm: Uint8Array;
beforeAll(async () => { wasm = await fixture('script') });

const failed = { outcome: 'responded', ended: true, response: { status: 503, body: '', details: 'wasm_fail_stream' } } as const;
const passed = { outcome: 'continued', response: { status: 200 } } as const;

describe('the request in hand', () => {
  test.each<{ name: string; script: string; message: string }>([
    { name: 'unreachable', script: 'headers trap', message: 'Function: proxy_on_request_headers failed: Uncaught RuntimeError: unreachable' },
    { name: 'stack overflow', script: 'headers overflow', message: 'Function: proxy_on_request_headers failed: Uncaught RangeError: Maximum call stack size exceeded' },
    { name: 'in the body', script: 'body trap', message: 'Function: proxy_on_request_body failed: Uncaught RuntimeError: unreachable' },
    { name: 'in the response headers', script: 'rheaders trap', message: 'Function: proxy_on_response_headers failed: Uncaught RuntimeError: unreachable' },
  ])('$name: 503 wasm_fail_stream, and the VM is dead', ({ script, message }) => {
    const vm = Vm.load(wasm);
    expect(told(vm, script, {}, { body: 'x' }).exchange).toMatchObject(failed);
    expect(vm.dead).toBe(true);
    expect(vm.logs.at(-1)).toEqual({ level: 'critical', message });
    expect(vm.lastTrap?.message).toContain(message.split(': ').at(-1));
    expect(vm.liveStreams).toBe(0);
  });

  test('after the response headers have left it can only be reset', () => {
    const vm = Vm.load(wasm);
    expect(told(vm, 'rbody trap', {}, { response: { body: 'x' } }).exchange).toMatchObject({ outcome: 'reset', details: 'wasm_fail_stream', response: undefined });
  });

  test('in proxy_on_log it is too late to matter', () => {
    const vm = Vm.load(wasm);
    expect(told(vm, 'log trap').exchange).toMatchObject(passed);
    expect(vm.dead).toBe(true);
  });

  test('gRPC clients get status 14', () => {
    const { exchange } = told(Vm.load(wasm), 'headers trap', { 'content-type': 'application/grpc' });
    expect(exchange.response).toMatchObject({ status: 200, grpcStatus: 14, details: 'wasm_fail_stream' });
  });
});

describe('later requests', () => {
  test.each<{ policy: FailurePolicy; at0: object; at999: object; at1000: object; reloads: number }>([
    { policy: 'FAIL_CLOSED', at0: failed, at999: failed, at1000: failed, reloads: 0 },
    { policy: 'FAIL_OPEN', at0: passed, at999: passed, at1000: passed, reloads: 0 },
    { policy: 'FAIL_RELOAD', at0: failed, at999: failed, at1000: passed, reloads: 1 },
  ])('$policy', ({ policy, at0, at999, at1000, reloads }) => {
    const vm = Vm.load(wasm, { failurePolicy: policy });
    told(vm, 'headers trap');
    expect(vm.request()).toMatchObject(at0);
    vm.clock.advance(999);
    expect(vm.request()).toMatchObject(at999);
    vm.clock.advance(1);
    expect(vm.request()).toMatchObject(at1000);
    expect(vm.reloads).toBe(reloads);
    expect(vm.dead).toBe(reloads === 0);
    expect(vm.lastTrap?.message).toBe('unreachable');
  });

  test('pass a dead VM by without a callback under FAIL_OPEN', () => {
    const vm = Vm.load(wasm, { failurePolicy: 'FAIL_OPEN' });
    told(vm, 'headers trap');
    expect(told(vm, 'headers respond 403').lines).toEqual([]);
  });

  test('the back-off counts from the load of the VM, so an old one is replaced at once', () => {
    const vm = Vm.load(wasm);
    vm.clock.advance(5000);
    told(vm, 'headers trap');
    expect(vm.request()).toMatchObject(passed);
    told(vm, 'headers trap');
    expect(vm.request()).toMatchObject(failed);
    expect(vm.reloads).toBe(1);
  });

  test('the back-off can be set', () => {
    const vm = Vm.load(wasm, { reloadBackoff: 10 });
    told(vm, 'headers trap');
    vm.clock.advance(10);
    expect(vm.request()).toMatchObject(passed);
  });
});

test('a new instance starts over: configured again, ids from 2, no state, but shared data and metrics stay', () => {
  const vm = Vm.load(wasm, { shared: new SharedData(), pluginConfiguration: 'configure tick 100;configure metric 0 c' });
  told(vm, 'headers inc 0 5;headers sset k v 0;headers id');
  expect(told(vm, 'headers id').lines).toEqual(['headers id: 3']);
  told(vm, 'headers trap');
  vm.clock.advance(1000);
  expect(told(vm, 'headers id;headers sget k;headers inc 0 1').lines).toEqual([
    'configure tick: 0', 'configure metric: 0', 'headers id: 2', "headers sget: 0 'v' 1", 'headers inc: 0',
  ]);
  expect(vm.metrics.get('c')).toBe(6);
  expect(vm.configured).toBe(true);
  expect(vm.tickPeriod).toBe(100);
});

test('a dead VM has no ticks, no http answers, and its held requests stay held until the client leaves', () => {
  const vm = Vm.load(wasm, { failurePolicy: 'FAIL_CLOSED', pluginConfiguration: 'configure tick 100', upstreams: { up: () => ({}) } });
  const { exchange } = told(vm, 'headers ret 1;headers call up :method=GET&:path=/&:authority=h');
  told(vm, 'headers trap');
  const before = vm.logs.length;
  vm.clock.advance(1000);
  expect(vm.logs.length).toBe(before);
  expect(vm.clock.untilNext).toBeUndefined();
  expect(exchange.outcome).toBe('held');
  exchange.cancel();
  expect(exchange.ended).toBe(true);
  expect(vm.logs.length).toBe(before);
});

test.each<{ policy: FailurePolicy; outcome: object }>([
  { policy: 'FAIL_CLOSED', outcome: failed },
  { policy: 'FAIL_OPEN', outcome: passed },
])('a response that comes after the VM has died: $policy', ({ policy, outcome }) => {
  const vm = Vm.load(wasm, { failurePolicy: policy });
  const exchange = vm.request({}, { response: { delayMs: 10 } });
  told(vm, 'headers trap');
  vm.clock.advance(10);
  expect(exchange).toMatchObject(outcome);
});

test('a trap in a tick kills the VM without a request', () => {
  const vm = Vm.load(wasm, { pluginConfiguration: 'configure tick 10;tick trap' });
  vm.clock.advance(10);
  expect(vm.dead).toBe(true);
  expect(vm.request()).toMatchObject(failed);
});

test.each<{ name: string; options: VmOptions; configured: boolean; dead: boolean }>([
  { name: 'accepted', options: { pluginConfiguration: 'x' }, configured: true, dead: false },
  { name: 'refused', options: { pluginConfiguration: 'configure print 1 why;configure ret 0' }, configured: false, dead: false },
  { name: 'refused although it sent a local response', options: { pluginConfiguration: 'configure respond 403;configure ret 0' }, configured: false, dead: false },
  { name: 'trapped', options: { pluginConfiguration: 'configure trap' }, configured: false, dead: true },
  { name: 'refused by proxy_on_vm_start', options: { vmConfiguration: 'start print 1 why;start ret 0' }, configured: false, dead: false },
])('a configuration that is $name', ({ options, configured, dead }) => {
  const vm = Vm.load(wasm, options);
  expect({ configured: vm.configured, dead: vm.dead }).toEqual({ configured, dead });
  if (dead) expect(vm.lastTrap?.message).toBe('unreachable');
});

test('the reason for a refusal is in the logs', () => {
  const vm = Vm.load(wasm, { pluginConfiguration: 'configure print 2 bad%20rule;configure ret 0' });
  expect(vm.logs).toContainEqual({ level: 'error', message: 'bad rule' });
});

/** Holds every request at its headers, and lets all go with the first tick. */
const herd = `
  @external("env", "proxy_set_effective_context") declare function effective(id: u32): u32;
  @external("env", "proxy_continue_stream") declare function go(stream: u32): u32;
  @external("env", "proxy_set_tick_period_milliseconds") declare function tick(period: u32): u32;
  let first: u32 = 0, last: u32 = 0;
  export function proxy_abi_version_0_2_1(): void {}
  export function proxy_on_memory_allocate(size: usize): usize { return heap.alloc(size); }
  export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 {
    if (first == 0) first = id;
    last = id;
    tick(10);
    return 1;
  }
  export function proxy_on_response_headers(id: u32, count: u32, end: u32): u32 { return 0; }
  export function proxy_on_tick(root: u32): void {
    tick(0);
    for (let id = first; id <= last; id++) if (effective(id) == 0) go(0);
  }
  function abort(a: string | null, b: string | null, c: u32, d: u32): void { unreachable(); }
`;
test('more streams let go in one callback than the stack has room for are a trap: each goes on within the one before', async () => {
  const module = await compile('module', herd);
  const release = (count: number): { vm: Vm; ended: number } => {
    const vm = Vm.load(module);
    const exchanges = Array.from({ length: count }, () => vm.request());
    vm.clock.advance(10);
    return { vm, ended: exchanges.filter(({ ended }) => ended).length };
  };
  expect(release(200)).toMatchObject({ ended: 200, vm: { dead: false } });
  const { vm, ended } = release(1_000);
  expect(vm.dead).toBe(true);
  expect(vm.logs.at(-1)?.message).toBe('Function: proxy_on_response_headers failed: Uncaught RangeError: Maximum call stack size exceeded');
  expect(ended).toBeLessThan(400);
});

test('shutdown asks proxy_on_done, and waits for proxy_done when it says no', () => {
  const vm = Vm.load(wasm, { pluginConfiguration: 'configure tick 10;done ret 0;tick done;tick done' });
  vm.shutdown();
  expect(vm.logs.map(({ message }) => message).slice(1)).toEqual(['done ret: 0']);
  vm.clock.advance(100);
  expect(vm.logs.map(({ message }) => message).slice(2)).toEqual(['tick done: 0', 'tick done: 1']);
});
