// The compiled filter in the VM: the table by plugin configuration and by route metadata (delays exact on the VM's clock), where the policy
// comes from, what is counted, clients that leave.
import { describe, expect, test } from 'vitest';
import { type Properties, Vm } from 'proxy-wasm-as/vm';
import { carried } from '../cases/carried.ts';
import { type FaultCase, type FaultPolicyInput, cases, policies } from '../cases/fault.ts';
import { metadata as metadataOf, pluginConfiguration } from '../envoy/fault-bootstrap.ts';

const WASM = new URL('../../build/fault.wasm', import.meta.url);
const load = (configuration: unknown = { source: 'route' }): Vm => Vm.load(WASM, { pluginConfiguration: JSON.stringify(configuration) });
const route = (name: string, policy: unknown = policies[name]): Properties => ({ xds: { route_name: name, ...metadataOf(name, policy as FaultPolicyInput) } });

/** Runs one case and looks at the moment before its end, and at the end. */
function run(vm: Vm, { policy, method = 'GET', path = '', host = 'www.example.com', headers = {}, answer, status, body = '', found = {}, details, takes = 0 }: FaultCase, properties: Properties = {}): void {
  const { body: content = 'hello', ...rest } = answer ?? {};
  // Envoy trims values; the VM takes headers as they come to a filter.
  const sent = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? value.trim() : value]));
  const exchange = vm.request({ ':method': method, ':path': `/${policy}${path}`, ':authority': host, ...sent }, {
    properties, ...(method === 'POST' && { body: 'question' }), response: { ...rest, body: method === 'HEAD' ? [] : content === '' ? [] : content },
  });
  if (takes > 0) {
    vm.clock.advance(takes - 1);
    expect(exchange.ended, 'too early').toBe(false);
    vm.clock.advance(1);
  }
  expect(exchange.ended).toBe(true);
  expect(exchange.outcome).toBe(status === 0 ? 'reset' : details === undefined ? 'continued' : 'responded');
  if (status === 0) return;
  expect(exchange.response).toMatchObject({ status, body, details: details ?? 'via_upstream' });
  for (const [name, value] of Object.entries(found)) expect(exchange.response?.headers.get(name) ?? null, name).toBe(value);
  if (details === undefined && method === 'POST') expect(exchange.requestBody).toBe('question');
}

describe('the table, by plugin configuration', () => {
  const vm = load(pluginConfiguration);
  test.each(cases)('$policy: $name', (one) => run(vm, one));
  test('leaves nothing behind', () => {
    vm.clock.advance(10_000);
    expect(vm).toMatchObject({ dead: false, liveStreams: 0, tickPeriod: 0 });
    expect(vm.metrics.get('gatewright_fault_active')).toBe(0);
    expect(vm.logs).toEqual([]);
  });
});

describe('the table, by route metadata', () => {
  const vm = load();
  test.each(cases)('$policy: $name', (one) => run(vm, one, route(one.policy)));
});

describe('a slow body', () => {
  test('goes on piece by piece, each when its time has come, and takes its trailers with it at the end', () => {
    const vm = load({ rules: [{ match: {}, policy: { faults: [{ responseRateLimit: { limitKbps: 1 } }] } }] });
    const sent: number[] = [];
    const exchange = vm.request({}, { response: { body: ['a'.repeat(512), 'b'.repeat(256), 'c'.repeat(256)], trailers: { 'grpc-status': '0' } } });
    for (let at = 0; !exchange.ended && at < 2_000; at += 250) {
      vm.clock.advance(250);
      sent.push(exchange.response?.bytes.length ?? 0);
    }
    expect(sent).toEqual([0, 0, 0, 1_024]);                           // all came at once, and waits as one
    expect(exchange.response?.trailers?.get('grpc-status')).toBe('0');
  });

  test('never keeps back what comes more slowly than it may go', () => {
    const vm = load({ rules: [{ match: {}, policy: { faults: [{ responseRateLimit: { limitKbps: 1 } }] } }] });
    const exchange = vm.request({}, { response: { body: 'x'.repeat(100), delayMs: 5_000 } });
    vm.clock.advance(5_097);
    expect(exchange.ended).toBe(false);
    vm.clock.advance(1);
    expect(exchange.response?.body).toHaveLength(100);
  });
});

describe('the policy of a route', () => {
  const unreadable = (vm: Vm): number => vm.metrics.get('gatewright_fault_policy_unreadable') ?? 0;
  const metadata = (leaves: Record<string, string>): Properties => ({ xds: carried(leaves) });

  test.each<[string, Properties]>([
    ['that is missing', {}], ['of which only the id is there', metadata({ fault: 'a' })], ['that is not JSON', metadata({ fault: 'a', fault_policy: '{' })], ['that is none', metadata({ fault: 'a', fault_policy: '{"faults":[]}' })],
    ['that is too large', metadata({ fault: 'a', fault_policy: ' '.repeat(4 * 1024 * 1024 + 1) })], ['of the other stage', metadata({ fault_after: 'a', fault_after_policy: JSON.stringify(policies['abort']) })],
  ])('%s lets the request pass, counts it, and is told once', (_, properties) => {
    const vm = load();
    for (let i = 1; i <= 3; i++) {
      expect(vm.request({}, { properties }).response?.status).toBe(200);
      expect(unreadable(vm)).toBe(i);
    }
    expect(vm.logs).toHaveLength(1);
    expect(vm.logs[0]).toMatchObject({ level: 'error', message: expect.stringMatching(/^gatewright\.fault: ./) });
  });

  test('is told for each id', () => {
    const vm = load();
    for (const id of ['a', 'b', 'a', 'b']) vm.request({}, { properties: metadata({ fault: id }) });
    expect(vm.logs).toHaveLength(2);
  });

  test('is read once for an id, and anew for another', () => {
    const vm = load();
    const status = (id: string, httpStatus: number): number | undefined => vm.request({}, { properties: metadata({ fault: id, fault_policy: JSON.stringify({ faults: [{ abort: { httpStatus } }] }) }) }).response?.status;
    expect([status('a', 501), status('b', 502), status('a', 599), status('aa', 503), status('b', 599)]).toEqual([501, 502, 501, 503, 502]);
  });

  test.each<[string, string]>([['BeforeAuthorization', 'fault'], ['AfterAuthorization', 'fault_after']])('of the stage %s stands under %s', (stage, key) => {
    const vm = load({ source: 'route', stage });
    const one = JSON.stringify({ faults: [{ abort: { httpStatus: 503 } }] }), other = JSON.stringify({ faults: [{ abort: { httpStatus: 418 } }] });
    expect(vm.request({}, { properties: metadata({ fault: 'a', fault_policy: other, fault_after: 'b', fault_after_policy: other, [key]: 'c', [`${key}_policy`]: one }) }).response?.status).toBe(503);
  });

  test('matches claims that were published, all of them', () => {
    const vm = load({ rules: [{ match: {}, policy: { faults: [{ abort: { httpStatus: 503 }, match: { claims: [{ name: 'tier', values: ['free', 'trial'] }, { name: 'org.id', values: ['7'] }] } }] } }] });
    const status = (claims: Record<string, string>): number | undefined => vm.request({}, { properties: { filter_state: Object.fromEntries(Object.entries(claims).map(([name, value]) => [`wasm.gatewright.claim.${name}`, value])) } }).response?.status;
    expect(status({ tier: 'trial', 'org.id': '7' })).toBe(503);
    expect(status({ tier: 'paid', 'org.id': '7' })).toBe(200);
    expect(status({ tier: 'free' })).toBe(200);
  });
});

describe('the rules of a plugin configuration', () => {
  test('the first match decides, and what nothing matches passes', () => {
    const abort = (httpStatus: number): FaultPolicyInput => ({ faults: [{ abort: { httpStatus } }] });
    const vm = load({ rules: [
      { match: { host: 'a.example' }, policy: abort(501) }, { match: { path: '/exact' }, policy: abort(502) }, { match: { prefix: '/pre/' }, policy: abort(503) }, { match: { methods: ['DELETE'] }, policy: abort(504) }, { match: { route: 'r1' }, policy: abort(505) },
    ] });
    const status = (headers: Record<string, string>, properties: Properties = {}): number | undefined => vm.request(headers, { properties }).response?.status;
    expect(status({ ':authority': 'A.example:8080', ':path': '/exact' })).toBe(501);
    expect(status({ ':path': '/exact?q=1' })).toBe(502);
    expect(status({ ':path': '/pre/x' })).toBe(503);
    expect(status({ ':path': '/prefix' })).toBe(200);
    expect(status({ ':method': 'DELETE' })).toBe(504);
    expect(status({}, { xds: { route_name: 'r1' } })).toBe(505);
  });
});

describe('metrics', () => {
  const counted = (vm: Vm): Record<string, number> => Object.fromEntries([...vm.metrics].filter(([name, value]) => value > 0 && name !== 'gatewright_fault_active'));
  const everything: FaultPolicyInput['faults'][number] = {
    delay: { fixedDelay: '10ms' }, response: { delay: { fixedDelay: '10ms' }, replace: { httpStatus: 418 } }, responseRateLimit: { limitKbps: 1_000 }, abort: { headerAbort: {} },
  };

  test('count what was done, for each route by its name', () => {
    const vm = load({ rules: [{ match: {}, policy: { faults: [everything] } }] });
    for (const name of ['httproute/default/shop/rule/0', 'a b:c|d', '']) vm.request({}, { properties: { xds: { route_name: name } } });
    vm.request({ 'x-envoy-fault-abort-request': '500' }, { properties: { xds: { route_name: 'a b:c|d' } } });
    vm.clock.advance(1_000);
    expect(counted(vm)).toEqual(Object.fromEntries(['.route.httproute/default/shop/rule/0', '.route.a_b_c_d', ''].flatMap((route) => [
      ...['delays', 'rate_limits'].map((what) => [`gatewright_fault_${what}_injected${route}`, route === '.route.a_b_c_d' ? 2 : 1]), ...['response_delays', 'replacements'].map((what) => [`gatewright_fault_${what}_injected${route}`, 1]),
    ]).concat([['gatewright_fault_aborts_injected.route.a_b_c_d', 1]])));
  });

  test('count a dry run as such, and a reset as a reset', () => {
    const vm = load({ rules: [{ match: {}, policy: { faults: [{ dryRun: true, ...everything, abort: { reset: true } }, { abort: { reset: true } }] } }] });
    expect(vm.request().outcome).toBe('reset');
    expect(counted(vm)).toEqual({ ...Object.fromEntries(['delays', 'rate_limits', 'response_delays', 'replacements', 'resets'].map((what) => [`gatewright_fault_${what}_dry_run`, 1])), gatewright_fault_resets_injected: 1 });
  });

  test('are not even made where nothing is injected', () => {
    const vm = load({ rules: [{ match: {}, policy: { faults: [{ abort: { httpStatus: 503, percentage: 0 } }] } }] });
    for (let i = 0; i < 10; i++) vm.request();
    expect([...vm.metrics.keys()]).toEqual(['gatewright_fault_active', 'gatewright_fault_policy_unreadable']);
  });
});
