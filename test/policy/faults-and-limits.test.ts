// As reader-and-writer.test.ts, for faults and limits: what the goldens write is read by the compiled filters, as route metadata and as plugin configuration, and
// what the schemas refuse is refused.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { parse } from 'yaml';
import type { Ir } from '../../controller-glue/ir.ts';
import { canonicalJson } from '../../policy/canonical-json.ts';
import { ConcurrencyPolicy, ConnectionLimitPluginConfiguration } from '../../policy/connection-limit.ts';
import { FaultPluginConfiguration, FaultPolicy } from '../../policy/fault.ts';
import { carried } from '../cases/carried.ts';

const module = (name: string): URL => new URL(`../../build/${name}.wasm`, import.meta.url);
const root = join(import.meta.dirname, '../golden');
const gateways = readdirSync(root).flatMap((sentence) => (parse(readFileSync(join(root, sentence, 'ir.yaml'), 'utf8')) as Ir).gateways.map((gateway) => ({ sentence, gateway })));
const routes = gateways.flatMap(({ sentence, gateway }) => gateway.routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap((host) => host.routes.map((route) => ({ sentence, route })))));

/** Each content once. */
function distinct<Item extends { readonly name: string; readonly policy: object }>(items: readonly Item[]): Item[] { return [...new Map(items.map((item) => [canonicalJson(item.policy), item])).values()]; }
const faults = distinct(routes.flatMap(({ sentence, route: { name, fault, faultAfter } }) => [
  ...(fault === undefined ? [] : [{ name: `${sentence}: ${name}`, key: 'fault', stage: 'BeforeAuthorization', policy: fault.policy as object }]),
  ...(faultAfter === undefined ? [] : [{ name: `${sentence}: ${name}, after`, key: 'fault_after', stage: 'AfterAuthorization', policy: faultAfter.policy as object }]),
]));
const concurrencies = distinct(routes.flatMap(({ sentence, route: { name, concurrency } }) => (concurrency === undefined ? [] : [{ name: `${sentence}: ${name}`, policy: concurrency.policy as object }])));
const connections = distinct(gateways.flatMap(({ sentence, gateway }) => gateway.listeners.flatMap(({ chains }) => chains.filter(({ limits }) => limits.length > 0)
  .map(({ name, limits }) => ({ name: `${sentence}: ${name}`, policy: { listener: name, limits } })))));

/** A request on a route with this metadata: what the filter says about the policy there. */
const onRoute = (vm: Vm, key: string, policy: unknown) => {
  const metadata = { [key]: 'id', [`${key}_policy`]: canonicalJson(policy as never) };
  return vm.request({}, { properties: { xds: carried(metadata) } });
};
const faultFromRoute = (policy: unknown, key = 'fault', stage = 'BeforeAuthorization'): boolean => {
  const vm = Vm.load(module('fault'), { pluginConfiguration: JSON.stringify({ source: 'route', stage }) });
  onRoute(vm, key, policy);
  return (vm.metrics.get('gatewright_fault_policy_unreadable') ?? 0) === 0;
};
const faultFromPlugin = (policy: unknown): boolean => Vm.load(module('fault'), { pluginConfiguration: JSON.stringify({ rules: [{ match: { prefix: '/' }, policy }] }) }).configured;
const requestsFromRoute = (policy: unknown): boolean =>
  onRoute(Vm.load(module('connection-limit'), { pluginConfiguration: '{"requests":{"source":"route"}}' }), 'concurrency', policy).response?.details !== 'gatewright_concurrency_policy_unreadable';
const requestsFromPlugin = (policy: unknown): boolean =>
  Vm.load(module('connection-limit'), { pluginConfiguration: JSON.stringify({ requests: { rules: [{ match: { prefix: '/' }, policy }] } }) }).configured;
const connectionsFromPlugin = (policy: unknown): boolean => Vm.load(module('connection-limit'), { pluginConfiguration: JSON.stringify({ connections: policy }) }).configured;

test('the goldens write something of each', () => expect(Math.min(faults.length, concurrencies.length, connections.length)).toBeGreaterThan(2));

describe('faults', () => {
  test.each(faults)('$name is read from a route', ({ policy, key, stage }) => expect(faultFromRoute(policy, key, stage)).toBe(true));
  test.each(faults)('$name is read from a plugin configuration', ({ policy }) => expect(faultFromPlugin(policy)).toBe(true));
  test.each(faults)('$name is what policy/fault.ts describes', ({ policy }) => {
    expect(FaultPolicy.parse(policy)).toEqual(policy);
    expect(FaultPluginConfiguration.safeParse({ rules: [{ match: { prefix: '/' }, policy }] }).success).toBe(true);
  });

  const abort = { httpStatus: 503 };
  test.each<[string, unknown]>([
    ['an unknown field', { faults: [{ abort }], other: 1 }],
    ['an unknown field of a fault', { faults: [{ abort, percentage: 1 }] }],
    ['an unknown field of an effect', { faults: [{ abort: { ...abort, status: 1 } }] }],
    ['no faults', { faults: [] }],
    ['a fault that does nothing', { faults: [{ name: 'none' }] }],
    ['both codes', { faults: [{ abort: { httpStatus: 503, grpcStatus: 14 } }] }],
    ['a status of 99', { faults: [{ abort: { httpStatus: 99 } }] }],
    ['a percentage of 101', { faults: [{ abort: { ...abort, percentage: 101 } }] }],
    ['parsecs', { faults: [{ delay: { fixedDelay: '2 parsecs' } }] }],
    ['a delay of nothing', { faults: [{ delay: { fixedDelay: '0s' } }] }],
    ['two delays in one', { faults: [{ delay: { fixedDelay: '1s', headerDelay: {} } }] }],
    ['a distribution that goes down', { faults: [{ delay: { uniform: { min: '2s', max: '1s' } } }] }],
    ['a match that is none', { faults: [{ match: { headers: [{ name: 'x', type: 'Like', value: 'y' }] }, abort }] }],
    ['a match without a value', { faults: [{ match: { headers: [{ name: 'x' }] }, abort }] }],
    ['a key without a name', { faults: [{ sticky: { type: 'Header' }, abort }] }],
    ['a day that is none', { faults: [{ schedule: { start: '2026-02-30T00:00:00Z' }, abort }] }],
    ['no active faults', { faults: [{ abort }], maxActiveFaults: 0 }],
    ['text for a policy', 'slow'],
    ['null', null],
  ])('are refused on both sides: %s', (_, policy) => {
    expect(FaultPolicy.safeParse(policy).success).toBe(false);
    expect(faultFromRoute(policy)).toBe(false);
    expect(faultFromPlugin(policy)).toBe(false);
  });
});

describe('limits on requests', () => {
  test.each(concurrencies)('$name is read from a route', ({ policy }) => expect(requestsFromRoute(policy)).toBe(true));
  test.each(concurrencies)('$name is read from a plugin configuration', ({ policy }) => expect(requestsFromPlugin(policy)).toBe(true));
  test.each(concurrencies)('$name is what policy/connection-limit.ts describes', ({ policy }) => expect(ConcurrencyPolicy.parse(policy)).toEqual(policy));

  const limit = { name: 'all', value: 1 };
  test.each<[string, unknown]>([
    ['an unknown field', { name: 'n', limits: [limit], other: 1 }],
    ['an unknown field of a limit', { name: 'n', limits: [{ ...limit, rate: 1 }] }],
    ['no name', { limits: [limit] }],
    ['no limits', { name: 'n', limits: [] }],
    ['a limit of 0', { name: 'n', limits: [{ ...limit, value: 0 }] }],
    ['two of one name', { name: 'n', limits: [limit, limit] }],
    ['a status that is neither 429 nor 503', { name: 'n', limits: [{ ...limit, httpStatus: 500 }] }],
    ['an address with a name', { name: 'n', limits: [{ ...limit, key: { type: 'SourceIP', name: 'x' } }] }],
    ['null', null],
  ])('are refused on both sides: %s', (_, policy) => {
    expect(ConcurrencyPolicy.safeParse(policy).success).toBe(false);
    expect(requestsFromRoute(policy)).toBe(false);
    expect(requestsFromPlugin(policy)).toBe(false);
  });
});

describe('limits on connections', () => {
  test.each(connections)('$name is read from a plugin configuration', ({ policy }) => {
    expect(ConnectionLimitPluginConfiguration.parse({ connections: policy })).toEqual({ connections: policy });
    expect(connectionsFromPlugin(policy)).toBe(true);
  });

  const limit = { name: 'all', value: 1 };
  test.each<[string, unknown]>([
    ['an unknown field', { listener: 'l', limits: [], other: 1 }],
    ['no listener', { limits: [limit] }],
    ['a limit of nothing', { listener: 'l', limits: [{ name: 'all' }] }],
    ['a limit of 0', { listener: 'l', limits: [{ ...limit, value: 0 }] }],
    ['a kind of count that is none', { listener: 'l', limits: [{ ...limit, per: 'Country' }] }],
    ['a range that is none', { listener: 'l', limits: [{ ...limit, sources: ['10.0.0.0/33'] }] }],
    ['two of one name', { listener: 'l', limits: [limit, limit] }],
  ])('are refused on both sides: %s', (_, policy) => {
    expect(ConnectionLimitPluginConfiguration.safeParse({ connections: policy }).success).toBe(false);
    expect(connectionsFromPlugin(policy)).toBe(false);
  });
});
