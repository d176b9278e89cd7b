// The fault filter under load and under attack, in the VM: many waiting at once, clients that leave, VMs that die, limits over workers, memory.
import { describe, expect, test } from 'vitest';
import { Clock, type Exchange, SharedData, Vm, type VmOptions } from 'proxy-wasm-as/vm';
import { carried } from '../cases/carried.ts';
import type { FaultPolicyInput } from '../cases/fault.ts';
import { metadata } from '../envoy/fault-bootstrap.ts';
import { scaled } from '../scale.ts';
import { dice } from '../cases/mutations.ts';

const WASM = new URL('../../build/fault.wasm', import.meta.url);
type Fault = FaultPolicyInput['faults'][number];
const load = (policy: FaultPolicyInput, options: VmOptions = {}): Vm => Vm.load(WASM, { pluginConfiguration: JSON.stringify({ rules: [{ match: {}, policy }] }), ...options });
const one = (fault: Fault, more: Partial<FaultPolicyInput> = {}): FaultPolicyInput => ({ faults: [fault], ...more });
const active = (vm: Vm): number => vm.metrics.get('gatewright_fault_active') ?? -1;
const count = (vm: Vm, name: string): number => vm.metrics.get(`gatewright_fault_${name}`) ?? 0;
const ended = (exchanges: readonly Exchange[]): number => exchanges.filter((exchange) => exchange.ended).length;

/** Several workers of one Envoy. */
function workers(policy: FaultPolicyInput, number = 4, options: VmOptions = {}): { all: Vm[]; clock: Clock } {
  const shared = new SharedData(), clock = new Clock();
  return { all: Array.from({ length: number }, () => load(policy, { shared, clock, ...options })), clock };
}

describe('2 s are 2 s', () => {
  test.each<[string, Fault, number]>([
    ['delayed', { delay: { fixedDelay: '2s' } }, 200], ['delayed and aborted', { delay: { fixedDelay: '2s' }, abort: { httpStatus: 503 } }, 503], ['answered late', { response: { delay: { fixedDelay: '2s' } } }, 200],
  ])('for 1,000 requests at once, %s', (_, fault, status) => {
    const vm = load(one(fault));
    const exchanges = Array.from({ length: 1_000 }, () => vm.request());
    vm.clock.advance(1_999);
    expect(ended(exchanges)).toBe(0);
    vm.clock.advance(1);
    expect(ended(exchanges)).toBe(1_000);
    expect(new Set(exchanges.map(({ response }) => response?.status))).toEqual(new Set([status]));
    expect(vm.dead).toBe(false);
  });

  test('for each of 1,000 that come one by one', () => {
    const vm = load(one({ delay: { fixedDelay: '2s' } }));
    const late: number[] = [];
    for (let i = 0; i < 1_000; i++) {
      const start = vm.clock.now;
      vm.request({}, { response: () => { late.push(vm.clock.now - start); return {} } });
      vm.clock.advance(i % 7);
    }
    vm.clock.advance(2_000);
    expect(late).toEqual(Array.from({ length: 1_000 }, () => 2_000));
  });

  test('and a worker that was held up goes on with all of them', () => {
    const vm = load(one({ delay: { fixedDelay: '2s' } }));
    const exchanges = Array.from({ length: 1_000 }, () => vm.request());
    vm.clock.stall(5_000);
    vm.clock.advance(1);
    expect(ended(exchanges)).toBe(1_000);
  });
});

describe('nothing ticks', () => {
  test('before a fault', () => {
    const vm = load(one({ delay: { fixedDelay: '2s', percentage: 0 } }));
    for (let i = 0; i < 100; i++) vm.request();
    expect(vm.tickPeriod).toBe(0);
  });

  test('when what waited has gone on, but for one look at what is left', () => {
    const vm = load(one({ delay: { fixedDelay: '2s' } }));
    for (let i = 0; i < 100; i++) vm.request();
    vm.clock.advance(5_000);
    expect(vm.tickPeriod).toBe(0);
  });
});

describe('a client that leaves', () => {
  test.each<[string, Fault, boolean]>([
    ['in the delay', { delay: { fixedDelay: '59s' }, abort: { httpStatus: 503 } }, false], ['in the delay of the response', { response: { delay: { fixedDelay: '59s' } } }, false],
    ['in a slow body', { responseRateLimit: { limitKbps: 1 } }, true],
  ])('%s leaves nothing behind', (_, fault, body) => {
    const vm = load(one(fault, { maxActiveFaults: 10_000 }));
    const exchanges = Array.from({ length: 1_000 }, () => vm.request({}, { response: { body: body ? 'x'.repeat(60_000) : [] } }));
    expect([active(vm), vm.liveStreams]).toEqual([1_000, 1_000]);
    for (const exchange of exchanges) exchange.cancel();
    expect([active(vm), vm.liveStreams]).toEqual([0, 0]);
    vm.clock.advance(5_000);
    expect(vm.tickPeriod, 'something waits for them still').toBe(0);
    expect(count(vm, 'aborts_injected')).toBe(0);
  });

  test('does not keep the others waiting', () => {
    const vm = load(one({ delay: { fixedDelay: '2s' } }));
    const [first, second, third] = [vm.request(), vm.request(), vm.request()];
    first.cancel();
    vm.clock.advance(500);
    const late = vm.request();
    second.cancel();
    vm.clock.advance(1_500);
    expect([third.ended, late.ended]).toEqual([true, false]);
    vm.clock.advance(500);
    expect(late.ended).toBe(true);
  });
});

describe('maxActiveFaults', () => {
  const policy = (more: Partial<FaultPolicyInput> = {}): FaultPolicyInput => one({ delay: { fixedDelay: '2s' } }, { maxActiveFaults: 5, ...more });

  test('is exact over four workers, and what is beyond passes untouched', () => {
    const { all: [vm, ...others], clock } = workers(policy({ name: 'shop' })) as { all: [Vm, ...Vm[]]; clock: Clock };
    const all = [vm, ...others];
    for (let round = 0; round < 20; round++) {
      const exchanges = Array.from({ length: 40 }, (_, i) => (all[i % 4] as Vm).request());
      expect(exchanges.filter(({ outcome }) => outcome === 'held')).toHaveLength(5);
      expect(active(vm)).toBe(5);
      clock.advance(2_000);
      expect(ended(exchanges)).toBe(40);
      expect(active(vm)).toBe(0);
    }
    expect(count(vm, 'overflow')).toBe(20 * 35);
    expect(count(vm, 'delays_injected')).toBe(20 * 5);
  });

  test('counts an abort only while it lasts, and a slow body until its end', () => {
    const vm = load(one({ responseRateLimit: { limitKbps: 1 }, abort: { headerAbort: {} } }, { maxActiveFaults: 1 }));
    for (let i = 0; i < 5; i++) expect(vm.request({ 'x-envoy-fault-abort-request': '503' }).response?.status).toBe(503);
    const slow = vm.request({}, { response: { body: 'x'.repeat(1_024) } });
    expect(slow.outcome).toBe('held');
    expect(vm.request({ 'x-envoy-fault-abort-request': '503' }).response?.status).toBe(200);
    vm.clock.advance(1_000);
    expect(slow.ended).toBe(true);
    expect(vm.request({ 'x-envoy-fault-abort-request': '503' }).response?.status).toBe(503);
  });

  test('counts each policy for itself, and one that changes under the name it keeps', () => {
    const shared = new SharedData(), clock = new Clock();
    const fromRoutes = Vm.load(WASM, { pluginConfiguration: '{"source":"route"}', shared, clock });
    const ask = (id: string, policy: FaultPolicyInput): string => fromRoutes.request({}, { properties: { xds: metadata(id, policy) } }).outcome;
    const fill = (id: string, policy: FaultPolicyInput): string[] => Array.from({ length: 6 }, () => ask(id, policy));
    const full = ['held', 'held', 'held', 'held', 'held', 'continued'];
    expect(fill('a', policy())).toEqual(full);
    expect(fill('b', policy())).toEqual(full);
    expect(fill('c', policy({ name: 'shop' }))).toEqual(full);
    expect(ask('d', policy({ name: 'shop', faults: [{ delay: { fixedDelay: '3s' } }] }))).toBe('continued');
    expect(ask('e', policy({ name: 'other' }))).toBe('held');
  });

  test('a VM that dies gives its count back', () => {
    const { all: [vm, other], clock } = workers(policy(), 2) as { all: [Vm, Vm]; clock: Clock };
    const held = Array.from({ length: 5 }, () => vm.request());
    expect(other.request().outcome).toBe('continued');
    kill(vm);
    expect(other.request().outcome).toBe('continued');
    clock.advance(12_000);
    expect(other.request().outcome).toBe('held');
    expect(active(other)).toBe(1);
    for (const exchange of held) exchange.cancel();
    expect(active(other)).toBe(1);
  });

  test('a reloaded VM begins with what the others hold', () => {
    const { all: [vm, other], clock } = workers(policy({ maxActiveFaults: 3, faults: [{ delay: { fixedDelay: '1h' } }] }), 2) as { all: [Vm, Vm]; clock: Clock };
    const [first, second] = [other.request(), vm.request()];
    expect([first.outcome, second.outcome]).toEqual(['held', 'held']);
    kill(vm);
    clock.advance(12_000);
    expect([vm.request().outcome, vm.request().outcome, vm.request().outcome]).toEqual(['held', 'held', 'continued']);
    expect(vm.reloads).toBe(1);
  });
});

/** Ends a VM as a trap does: the next property it asks for kills it. */
function kill(vm: Vm): void {
  const deadly = new Proxy({}, { getOwnPropertyDescriptor: () => { throw new WebAssembly.RuntimeError('killed') } });
  vm.request({}, { properties: deadly });
  expect(vm.lastTrap?.message).toBe('killed');
}

describe('memory', () => {
  const policy: FaultPolicyInput = {
    faults: [
      { delay: { headerDelay: {} }, abort: { headerAbort: {} }, responseRateLimit: { headerLimit: {} } },
      { match: { headers: [{ name: 'x-user', type: 'Contains', value: 'slow' }] }, sticky: { type: 'Cookie', name: 'session' }, delay: { pareto: { scale: '10ms', shape: 1.5 }, percentage: 30 } },
      { response: { delay: { uniform: { min: '1ms', max: '20ms' }, percentage: 20 }, replace: { httpStatus: 502, body: 'x'.repeat(500), percentage: 10 } } },
    ],
    maxActiveFaults: 500,
  };
  test('stays as it is over 100,000 requests of every kind', () => {
    const vm = load(policy);
    const kinds: (() => Exchange)[] = [
      () => vm.request(), () => vm.request({ 'x-envoy-fault-abort-request': '503' }), () => vm.request({ 'x-envoy-fault-delay-request': '7' }),
      () => vm.request({ 'x-user': 'a slow one', cookie: `a=1; session=${'k'.repeat(3_000)}` }), () => vm.request({ 'x-envoy-fault-throughput-response': '100' }, { response: { body: 'x'.repeat(1_000) } }),
      () => vm.request({ 'x-user': ['a', 'slow'], 'x-filler': 'x'.repeat(5_000) }), () => { const left = vm.request({ 'x-envoy-fault-delay-request': '1000' }); left.cancel(); return left },
    ];
    const run = (from: number, requests: number): void => {
      for (let i = from; i < from + requests; i++) {
        kinds[i % kinds.length]?.();
        if (i % 50 === 0) vm.clock.advance(10);
      }
    };
    run(0, 20_000);
    const { pages } = vm;
    run(20_000, scaled(100_000));
    expect(vm.pages).toBe(pages);
    vm.clock.advance(60_000);
    expect([vm.liveStreams, active(vm), vm.tickPeriod]).toEqual([0, 0, 0]);
  }, 600_000);

  test('stays as it is however many policies come and go', () => {
    const vm = Vm.load(WASM, { pluginConfiguration: '{"source":"route"}' });
    const ask = (i: number): void => { vm.request({}, { properties: { xds: { route_name: `route-${i}`, ...metadata(String(i), one({ name: `n${i}`, abort: { httpStatus: 503 } })) } } }) };
    for (let i = 0; i < 12_000; i++) ask(i);
    const { pages } = vm;
    for (let i = 12_000; i < 12_000 + scaled(100_000); i++) ask(i);
    expect(vm.pages).toBeLessThanOrEqual(pages * 1.3);
    expect([...vm.metrics.keys()].length).toBeLessThan(4_200);
    expect(count(vm, 'aborts_injected')).toBeGreaterThan(7_000);             // of routes beyond those that are told apart
  }, 600_000);

  test('is given back of a response that is as slow as it is long', () => {
    const vm = load(one({ responseRateLimit: { limitKbps: 1_000 } }));
    const run = (requests: number): void => { for (let i = 0; i < requests; i++) vm.request({}, { response: { body: Array.from({ length: 20 }, () => Buffer.alloc(50_000)) } }) && vm.clock.advance(1_000); };
    run(50);
    const { pages } = vm;
    run(scaled(2_000));
    expect(vm.pages).toBe(pages);
  }, 600_000);
});

describe('hostile requests', () => {
  const HEADERS = ['x-envoy-fault-delay-request', 'x-envoy-fault-delay-request-percentage', 'x-envoy-fault-abort-request', 'x-envoy-fault-abort-grpc-request', 'x-envoy-fault-abort-request-percentage', 'x-envoy-fault-throughput-response', 'x-envoy-fault-throughput-response-percentage', 'x-user', 'cookie', 'content-type', ':path', ':authority', 'x-envoy-downstream-service-node'];
  const VALUES = ['', ' ', '-', '+', '-1', '0', '1', '200', '599', '99999999999999999999999', '9223372036854775807', '-9223372036854775808', '1e400', 'NaN', '\u0000', '1\u00002', '\ud83d\ude00', 'x'.repeat(60_000), '9'.repeat(60_000), ' '.repeat(60_000), ','.repeat(10_000), '%'.repeat(1_000), '"', '=;'.repeat(5_000), 'session=', 'application/grpc'];

  test('never stop the VM, and never hold a request longer than the policy allows', () => {
    const roll = dice(5);
    const vm = load({
      faults: [
        { delay: { headerDelay: {}, max: '10s' }, abort: { headerAbort: {}, percentage: 50 }, responseRateLimit: { headerLimit: {}, percentage: 50 } },
        { match: { headers: [{ name: 'x-user', type: 'Range', start: -5, end: 5 }, { name: 'x-user', type: 'Suffix', value: '1', invert: true }], downstreamNodes: ['a'] }, sticky: { type: 'Cookie', name: 'session' }, abort: { httpStatus: 418 } },
        { match: { headers: [{ name: ':path', type: 'Prefix', value: 'x' }] }, sticky: { type: 'Header', name: 'x-user' }, delay: { normal: { mean: '1s', deviation: '1s' } } },
      ],
    });
    const exchanges: Exchange[] = [];
    for (let i = 0; i < scaled(200_000); i++) {
      const headers = Object.fromEntries(Array.from({ length: 1 + roll(6) }, () => [HEADERS[roll(HEADERS.length)] ?? '', roll(5) === 0 ? [VALUES[roll(VALUES.length)] ?? '', VALUES[roll(VALUES.length)] ?? ''] : VALUES[roll(VALUES.length)] ?? '']));
      exchanges.push(vm.request(headers, { response: { body: 'x'.repeat(roll(2_000)), headers: { ':status': '200', etag: 'x' } } }));
      if (roll(20) === 0) vm.clock.advance(roll(3_000));
    }
    vm.clock.advance(10_000 + 100_000);
    expect(ended(exchanges)).toBe(exchanges.length);
    expect(vm).toMatchObject({ dead: false, liveStreams: 0 });
    expect(active(vm)).toBe(0);
  }, 600_000);

  test('properties of any kind do not stop it either', () => {
    const vm = Vm.load(WASM, { pluginConfiguration: '{"source":"route"}' });
    for (const value of ['', '\u0000', 'x'.repeat(100_000), '{', '[]', '{"faults":[]}', '{"faults":[{}]}', 1, true, null]) {
      for (const leaves of [{ fault: value }, { fault: 'id', fault_policy: value }, { fault: value, fault_policy: value }]) {
        const properties = { xds: { route_name: value, cluster_name: value, ...carried(leaves) } };
        expect(vm.request({}, { properties: properties as never }).response?.status).toBe(200);
      }
    }
    expect(vm.dead).toBe(false);
  });
});
