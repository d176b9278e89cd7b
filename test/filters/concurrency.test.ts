// connection-limit.wasm as an HTTP filter in the VM: the table over four workers, policies of routes and of the configuration, what closes, memory.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Clock, type Exchange, type Properties, SharedData, Vm } from 'proxy-wasm-as/vm';
import { canonicalJson } from '../../policy/canonical-json.ts';
import { carried } from '../cases/carried.ts';
import { type Asker, type Limits, cases } from '../cases/concurrency.ts';
import { scaled } from '../scale.ts';

const WASM = new URL('../../build/connection-limit.wasm', import.meta.url);
const DAY = 86_400_000;

function workers(requests: object, { count = 4, shared = new SharedData(), clock = new Clock() } = {}): Vm[] {
  const vms = Array.from({ length: count }, () => Vm.load(WASM, { pluginConfiguration: JSON.stringify({ requests }), shared, clock }));
  expect(vms.every(({ configured }) => configured)).toBe(true);
  return vms;
}
/** Metadata as the controller writes it. */
function metadata(policy: unknown, id?: string): Properties {
  const json = typeof policy === 'string' ? policy : canonicalJson(policy as never);
  return { xds: carried({ concurrency: id ?? createHash('sha256').update(json).digest('hex').slice(0, 32), concurrency_policy: json }) };
}
const policyOf = (limits: Limits, name = 'default/policy'): object => ({ name, limits });

/** Asks, and is not answered for a day. */
function ask(vm: Vm, { headers = {}, claims = {}, from = '127.0.0.1' }: Asker = {}, route: Properties = {}): Exchange {
  const state = Object.fromEntries(Object.entries(claims).map(([name, value]) => [`wasm.gatewright.claim.${name}`, value]));
  return vm.request(headers, { properties: { ...route, filter_state: state, source: { address: `${from}:4000` } }, response: { delayMs: DAY } });
}
const refusals = ({ metrics }: Vm, what: string, policy = 'default/policy'): Record<string, number> => Object.fromEntries([...metrics].flatMap(([name, value]) => {
  const [, limit] = new RegExp(`^gatewright_concurrency_${what}\\.limit\\.${policy}/(.+)\\.reason\\.value$`).exec(name) ?? [];
  return limit === undefined || value === 0 ? [] : [[limit, value]];
}));
const active = ({ metrics }: Vm): number => [...metrics].reduce((sum, [name, value]) => name.startsWith('gatewright_concurrency_active.') ? sum + value : sum, 0);

describe('the table, over four workers', () => {
  const sources = [
    ['routes', (): object => ({ source: 'route' }), metadata],
    ['rules', (policy: object): object => ({ rules: [{ match: { prefix: '/' }, policy }] }), (): Properties => ({})],
  ] as const;
  for (const [source, configuration, route] of sources) {
    test.each(cases)(`$name (${source})`, ({ limits, steps, refusals: wanted = {}, dry = {} }) => {
      const policy = policyOf(limits);
      const vms = workers(configuration(policy));
      const [first] = vms as [Vm];
      const exchanges = new Map<string, Exchange>();
      steps.forEach((step, i) => {
        if ('ask' in step) {
          const exchange = ask(vms[i % vms.length] as Vm, step.as, route(policy));
          exchanges.set(step.ask, exchange);
          expect([step.ask, exchange.outcome, exchange.response?.status ?? 0]).toEqual([step.ask, step.status === 0 ? 'continued' : 'responded', step.status]);
          if (step.status === 0) return;
          expect(exchange.details).toBe('gatewright_concurrency_limit');
          expect(exchange.response?.grpcStatus).toBe(step.grpcStatus);
          if (step.grpcStatus === undefined) expect(exchange.response?.body).toBe('concurrency limit exceeded');
        } else exchanges.get('answer' in step ? step.answer : step.leave)?.cancel();
      });
      expect(refusals(first, 'refused')).toEqual(wanted);
      expect(refusals(first, 'refused_dry_run')).toEqual(dry);
      for (const exchange of exchanges.values()) exchange.cancel();
      expect(active(first)).toBe(0);
      first.clock.advance(20_000);
      expect(vms.map(({ tickPeriod }) => tickPeriod)).toEqual([0, 0, 0, 0]);
    });
  }
});

test('a request counts until its answer has gone', () => {
  const [vm] = workers({ rules: [{ match: {}, policy: policyOf([{ name: 'one', value: 1 }]) }] }) as [Vm];
  const first = vm.request({}, { response: { delayMs: 100 } });
  expect(ask(vm).response?.status).toBe(429);
  vm.clock.advance(100);
  expect(first.ended).toBe(true);
  expect(ask(vm).outcome).toBe('continued');
});

describe('counts', () => {
  test('are shared by the routes of a policy, and not by policies', () => {
    const [one, two] = workers({ source: 'route' }) as [Vm, Vm];
    const a = metadata(policyOf([{ name: 'all', value: 2 }], 'default/a'));
    expect(ask(one, {}, a).outcome).toBe('continued');
    expect(ask(two, {}, a).outcome).toBe('continued');
    expect(ask(one, {}, a).response?.status).toBe(429);
    expect(ask(one, {}, metadata(policyOf([{ name: 'all', value: 2 }], 'default/b'))).outcome).toBe('continued');
  });

  test('outlive a change of the policy', () => {
    const [vm] = workers({ source: 'route' }) as [Vm];
    const limit = (value: number): Properties => metadata(policyOf([{ name: 'all', value }]));
    const first = ask(vm, {}, limit(1));
    expect(ask(vm, {}, limit(1)).response?.status).toBe(429);
    const second = ask(vm, {}, limit(2));
    expect(second.outcome).toBe('continued');
    expect(ask(vm, {}, limit(1)).response?.status).toBe(429);
    first.cancel();
    expect(ask(vm, {}, limit(1)).response?.status).toBe(429);
    second.cancel();
    expect(ask(vm, {}, limit(1)).outcome).toBe('continued');
  });

  test('of connections and of requests do not mix, in one VM or two', () => {
    const shared = new SharedData(), clock = new Clock();
    const [http] = workers({ rules: [{ match: {}, policy: { name: 'x', limits: [{ name: 'x', value: 1 }] } }] }, { shared, clock, count: 1 }) as [Vm];
    const network = Vm.load(WASM, { pluginConfiguration: JSON.stringify({ connections: { listener: '', limits: [] } }), shared, clock });
    expect(network.configured).toBe(false);                           // a listener has a name
    const limits = Vm.load(WASM, { pluginConfiguration: JSON.stringify({ connections: { listener: 'x', limits: [{ name: 'x', per: 'Gateway', value: 1 }] } }), shared, clock });
    expect([ask(http).outcome, limits.connection().outcome, ask(http).outcome, limits.connection().outcome]).toEqual(['continued', 'open', 'responded', 'closed']);
  });
});

test('sources are counted by their IPv4 address, and by /64 of IPv6: a client has a whole one', () => {
  const [vm] = workers({ rules: [{ match: {}, policy: policyOf([{ name: 'one', value: 1, key: { type: 'SourceIP' } }]) }] }) as [Vm];
  const outcomes = (...from: readonly string[]): string[] => from.map((address) => ask(vm, { from: address }).outcome);
  expect(outcomes('[2001:db8:0:1::1]', '[2001:db8:0:1::2]', '[2001:db8:0:1:ffff::]')).toEqual(['continued', 'responded', 'responded']);
  expect(outcomes('[2001:db8:0:2::1]', '[2001:db8::1]')).toEqual(['continued', 'continued']);
  expect(outcomes('192.0.2.1', '192.0.2.2', '[::ffff:192.0.2.1]')).toEqual(['continued', 'continued', 'responded']);
});

test.each(['Header', 'Cookie', 'Claim'] as const)('keys that only differ late are different keys (%s)', (type) => {
  const [vm] = workers({ rules: [{ match: {}, policy: policyOf([{ name: 'one', value: 1, key: { type, name: 'x-key' } }]) }] }) as [Vm];
  const long = (end: string): Asker => {
    const value = `${'k'.repeat(5_000)}${end}`;
    return type === 'Header' ? { headers: { 'x-key': value } } : type === 'Cookie' ? { headers: { cookie: `x-key=${value}` } } : { claims: { 'x-key': value } };
  };
  expect(['alice', 'bob', 'alice'].map((end) => ask(vm, long(end)).outcome)).toEqual(['continued', 'continued', 'responded']);
});

describe('the verdict for the guard', () => {
  const verdict = ({ filterState }: Exchange): string | undefined => filterState.get('wasm.gatewright.concurrency');

  test('is the id of the policy whose limits let the request in', () => {
    const [vm] = workers({ source: 'route' }) as [Vm];
    const route = metadata(policyOf([{ name: 'one', value: 1 }]), 'id-of-it');
    const [admitted, refused] = [ask(vm, {}, route), ask(vm, {}, route)];
    expect([admitted.outcome, verdict(admitted)]).toEqual(['continued', 'id-of-it']);
    expect([refused.outcome, verdict(refused)]).toEqual(['responded', undefined]);
  });

  test('is there where no limit is about the request, and where a dry run would refuse', () => {
    const [vm] = workers({ source: 'route' }) as [Vm];
    const route = metadata(policyOf([{ name: 'key', value: 1, key: { type: 'Header', name: 'x-key' } }, { name: 'dry', value: 1, dryRun: true }]), 'id-of-it');
    expect([ask(vm, {}, route), ask(vm, {}, route)].map(verdict)).toEqual(['id-of-it', 'id-of-it']);
  });

  test('is nowhere where the plugin configuration brings the policy', () => {
    const [vm] = workers({ rules: [{ match: {}, policy: policyOf([{ name: 'one', value: 1 }]) }] }) as [Vm];
    expect(verdict(ask(vm))).toBeUndefined();
  });
});

describe('the policy', () => {
  test.each<[string, Properties, string]>([
    ['a route without a policy', {}, 'the route carries no policy'],
    ['an id without a policy', { xds: { route_metadata: { filter_metadata: { gatewright: { concurrency: 'a' } } } } }, 'the virtual host carries no policy of the route\'s id'],
    ['a policy that is not JSON', metadata('{', 'a'), 'the policy is not JSON'],
    ['an unknown field', metadata({ ...policyOf([{ name: 'a', value: 1 }]), max: 1 }), 'policy.max: unknown field'],
    ['no limit', metadata(policyOf([])), 'policy.limits: must have from 1 to 16'],
    ['a value of none', metadata(policyOf([{ name: 'a', value: 0 }])), 'policy.limits[0].value: must be a number from 1 to 1000000'],
  ])('%s closes the route', (_, route, problem) => {
    const [vm] = workers({ source: 'route' }, { count: 1 }) as [Vm];
    const exchange = ask(vm, {}, route);
    expect(exchange.response).toMatchObject({ status: 500, details: 'gatewright_concurrency_policy_unreadable' });
    expect(vm.logs).toEqual([{ level: 'error', message: `gatewright.concurrency: ${problem}` }]);
    expect(vm.dead).toBe(false);
  });

  test('is that of the first rule that matches; without one a request is free', () => {
    const [vm] = workers({ rules: [{ match: { path: '/a' }, policy: policyOf([{ name: 'one', value: 1 }], 'a') }, { match: { prefix: '/a' }, policy: policyOf([{ name: 'one', value: 1 }], 'b') }] }) as [Vm];
    const at = (path: string): string => vm.request({ ':path': path }, { response: { delayMs: DAY } }).outcome;
    expect(['/a', '/a', '/a/b', '/a/c', '/b', '/b'].map(at)).toEqual(['continued', 'responded', 'continued', 'responded', 'continued', 'continued']);
  });
});

describe('a worker that dies', () => {
  test('gives back what it had in flight', () => {
    const [dying, other] = workers({ rules: [{ match: {}, policy: policyOf([{ name: 'one', value: 2 }]) }] }, { count: 2 }) as [Vm, Vm];
    ask(dying);
    const mine = ask(other);
    const { shared } = dying;
    const get = shared.get.bind(shared);
    shared.get = () => { throw new WebAssembly.RuntimeError('the host broke off'); };
    expect(ask(dying).response?.status).toBe(503);
    shared.get = get;
    other.clock.advance(12_000);
    expect([ask(other).outcome, ask(other).outcome]).toEqual(['continued', 'responded']);
    expect(mine.outcome).toBe('continued');
    expect(active(other)).toBe(2);
  });
});

test('memory stays as it is, whatever keys clients invent', { timeout: 600_000 }, () => {
  const policy = policyOf([{ name: 'one', value: 1, key: { type: 'Header', name: 'x-key' } }, { name: 'two', value: 1_000 }]);
  const [vm] = workers({ source: 'route' }, { count: 1 }) as [Vm];
  const run = (from: number, count: number): void => {
    for (let i = from; i < from + count; i += 100) {
      const exchanges = Array.from({ length: 100 }, (_, j) => ask(vm, { headers: { 'x-key': `${i + j}.`.padEnd(2_000, 'k') } }, metadata(policy)));
      expect(exchanges.every(({ outcome }) => outcome === 'continued')).toBe(true);
      for (const exchange of exchanges) exchange.cancel();
    }
  };
  const warm = 12_000 + scaled(60_000);                              // the collector takes its time to find its size
  run(0, warm);
  const { pages } = vm;
  run(warm, scaled(200_000));
  expect(vm.pages).toBe(pages);
  expect(active(vm)).toBe(0);
});
