// The compiled filter in the VM: the table by plugin configuration and by route metadata (delays exact on the VM's clock), where the policy
// comes from, what is counted, clients that leave.
import { describe, expect, test } from 'vitest';
import { type Properties, Vm } from 'proxy-wasm-as/vm';
import { type FaultCase, type FaultPolicyInput, cases, policies } from '../cases/fault.ts';
import { pluginConfiguration, routeMetadata } from '../envoy/fault-bootstrap.ts';

const WASM = new URL('../../build/fault.wasm', import.meta.url);
const load = (configuration: unknown = { source: 'route' }): Vm => Vm.load(WASM, { pluginConfiguration: JSON.stringify(configuration) });
const route = (name: string, policy: unknown = policies[name]): Properties => ({ xds: { route_name: name, route_metadata: routeMetadata(name, policy as FaultPolicyInput) as Properties } });

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
