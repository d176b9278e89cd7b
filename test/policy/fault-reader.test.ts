// The writer of fault policies (policy/fault.ts) and their reader (filters/fault/config.ts) cannot share source: data holds them together.
// What one side refuses the other refuses, whether it comes with a route or in the plugin configuration.
import { describe, expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { canonicalJson } from '../../policy/canonical-json.ts';
import { FaultPluginConfiguration, FaultPolicy } from '../../policy/fault.ts';
import { carried } from '../cases/carried.ts';
import { policies } from '../cases/fault.ts';
import { scaled } from '../scale.ts';
import { dice } from '../cases/mutations.ts';

const WASM = new URL('../../build/fault.wasm', import.meta.url);
const configured = (configuration: unknown): boolean => Vm.load(WASM, { pluginConfiguration: JSON.stringify(configuration) }).configured;
const fromPlugin = (policy: unknown): boolean => configured({ rules: [{ match: {}, policy }] });

const routes = Vm.load(WASM, { pluginConfiguration: '{"source":"route","stage":"AfterAuthorization"}' });
let ids = 0;
/** Does the filter read it from a route? It counts what it cannot read. */
function fromRoute(json: string): boolean {
  const unreadable = (): number => routes.metrics.get('gatewright_fault_policy_unreadable') ?? 0;
  const before = unreadable();
  routes.request({}, { properties: { xds: carried({ fault_after: String(ids++), fault_after_policy: json }) } }).cancel();
  expect(routes.dead).toBe(false);
  return unreadable() === before;
}

/** All sides take it, or all refuse it. */
function verdict(policy: unknown): boolean {
  const parsed = FaultPolicy.safeParse(policy);
  const json = JSON.stringify(policy);
  expect(fromRoute(json), `${json} ${parsed.success ? '' : parsed.error.issues[0]?.path.join('.')}: ${routes.logs.at(-1)?.message}`).toBe(parsed.success);
  expect(fromPlugin(policy), json).toBe(parsed.success);
  if (parsed.success) expect(fromRoute(canonicalJson(parsed.data as never)), `with defaults: ${json}`).toBe(true);
  return parsed.success;
}

const abort = { httpStatus: 503 };
const fault = (value: unknown): unknown => ({ faults: [value] });
const delay = (value: unknown): unknown => fault({ delay: value });
const header = (value: unknown): unknown => fault({ abort, match: { headers: [value] } });
const schedule = (value: unknown): unknown => fault({ abort, schedule: value });
const long = (size: number): string => 'x'.repeat(size);

describe('both sides take', () => {
  test.each(Object.entries(policies))('%s of the table', (_, policy) => expect(verdict(policy)).toBe(true));
  test.each<[string, unknown]>([
    ['every field there is', {
      name: 'shop', maxActiveFaults: 1_000_000,
      faults: [{
        name: long(63), seed: long(253), dryRun: true, sticky: { type: 'Claim', name: 'user.id' }, schedule: { start: '2026-01-01T00:00:00.123456Z', end: '2026-01-01T02:00:01+02:00', ramp: '1h2m3s4ms' },
        match: { headers: [{ name: 'A', type: 'Range', start: -9_007_199_254_740_991, end: 9_007_199_254_740_991, invert: true }], clusters: ['c'], downstreamNodes: ['n'], claims: [{ name: 'a', values: ['b', 'c'] }] },
        delay: { quantiles: [{ quantile: 0, delay: '0s' }, { quantile: 1, delay: '99999h' }], jitter: '1ms', max: '5s', percentage: 0.0001 },
        abort: { grpcStatus: 0, body: '', headers: [{ name: '!#$%&\'*+.^_`|~-', value: '' }], percentage: 100 },
        response: { delay: { normal: { mean: '1s', deviation: '1ms' } }, replace: { removeHeaders: ['a'], httpStatus: 200, body: 'x' } }, responseRateLimit: { limitKbps: 1_048_576, percentage: 0 },
      }],
    }],
    ['a replacement of nothing', fault({ response: { replace: {} } })],
    ['an empty match and an empty schedule', fault({ abort, match: {}, schedule: {} })],
    ['characters beyond the basic plane', fault({ abort: { httpStatus: 503, body: '😀'.repeat(32_768) }, name: '😀'.repeat(31) })],
    ['a leap day', schedule({ start: '2028-02-29T00:00:00Z' })],
    ['whole numbers written with a point', JSON.parse('{"faults":[{"abort":{"httpStatus":5.03e2,"percentage":1.0}}]}')],
    ['sixteen faults', { faults: Array.from({ length: 16 }, () => ({ abort })) }],
    ['quantiles that do not move', delay({ quantiles: [{ quantile: 0.1, delay: '1s' }, { quantile: 0.2, delay: '1s' }] })],
    ['a range of one', delay({ uniform: { min: '1s', max: '1s' } })],
  ])('%s', (_, policy) => expect(verdict(policy)).toBe(true));
});

describe('both sides refuse', () => {
  test.each<[string, unknown]>([
    ['no faults', { faults: [] }], ['seventeen faults', { faults: Array.from({ length: 17 }, () => ({ abort })) }], ['a fault that does nothing', fault({})], ['a name without a fault', { name: 'x' }],
    ['null', null], ['text', 'abort'], ['a list', []], ['an unknown field', { faults: [{ abort }], other: 1 }], ['an unknown field of a fault', fault({ abort, percentage: 5 })],
    ['an empty name', { faults: [{ abort }], name: '' }], ['a long name', { faults: [{ abort }], name: long(254) }], ['a fault with a long name', fault({ abort, name: long(64) })], ['a long seed', fault({ abort, seed: long(254) })],
    ['a limit of 0', { faults: [{ abort }], maxActiveFaults: 0 }], ['a limit beyond a million', { faults: [{ abort }], maxActiveFaults: 1_000_001 }], ['half a fault', { faults: [{ abort }], maxActiveFaults: 1.5 }],
    ['status 99', fault({ abort: { httpStatus: 99 } })], ['status 600', fault({ abort: { httpStatus: 600 } })], ['a status in text', fault({ abort: { httpStatus: '503' } })], ['a status with a fraction', fault({ abort: { httpStatus: 503.5 } })],
    ['gRPC status 17', fault({ abort: { grpcStatus: 17 } })], ['gRPC status -1', fault({ abort: { grpcStatus: -1 } })], ['two kinds of abort', fault({ abort: { httpStatus: 503, grpcStatus: 14 } })], ['no kind of abort', fault({ abort: { percentage: 5 } })],
    ['a reset that is false', fault({ abort: { reset: false } })], ['settings of a header abort', fault({ abort: { headerAbort: { x: 1 } } })], ['a long body', fault({ abort: { httpStatus: 503, body: long(65_537) } })],
    ['percentage 101', fault({ abort: { httpStatus: 503, percentage: 101 } })], ['a negative percentage', fault({ abort: { httpStatus: 503, percentage: -0.0001 } })], ['a percentage in text', fault({ abort: { httpStatus: 503, percentage: '50' } })],
    ['a header without a name', fault({ abort: { ...abort, headers: [{ value: 'x' }] } })], ['a pseudo header', fault({ abort: { ...abort, headers: [{ name: ':status', value: '200' }] } })], ['a header without a value', fault({ abort: { ...abort, headers: [{ name: 'a' }] } })],
    ['a line break in a header', fault({ abort: { ...abort, headers: [{ name: 'a', value: 'b\r\nc: d' }] } })], ['a NUL in a header', fault({ abort: { ...abort, headers: [{ name: 'a', value: 'b\0' }] } })],
    ['a long value', fault({ abort: { ...abort, headers: [{ name: 'a', value: long(4_097) }] } })], ['seventeen headers', fault({ abort: { ...abort, headers: Array.from({ length: 17 }, () => ({ name: 'a', value: 'b' })) } })],
    ['no delay', delay({})], ['two delays', delay({ fixedDelay: '1s', uniform: { min: '0s', max: '1s' } })], ['a delay of 0', delay({ fixedDelay: '0s' })], ['2 parsecs', delay({ fixedDelay: '2 parsecs' })], ['a delay with a fraction', delay({ fixedDelay: '1.5s' })], ['a delay in numbers', delay({ fixedDelay: 2 })],
    ['a jitter of 0', delay({ fixedDelay: '1s', jitter: '0ms' })], ['a most of 0', delay({ headerDelay: {}, max: '0s' })], ['a range upside down', delay({ uniform: { min: '2s', max: '1s' } })], ['a range without an end', delay({ uniform: { min: '2s' } })], ['a range to 0', delay({ uniform: { min: '0s', max: '0s' } })],
    ['a normal distribution without a deviation', delay({ normal: { mean: '1s' } })], ['one that does not deviate', delay({ normal: { mean: '1s', deviation: '0s' } })], ['pareto without a shape', delay({ pareto: { scale: '1s' } })], ['pareto without any shape', delay({ pareto: { scale: '1s', shape: 0 } })], ['pareto with shape 101', delay({ pareto: { scale: '1s', shape: 101 } })],
    ['one quantile', delay({ quantiles: [{ quantile: 0.5, delay: '1s' }] })], ['quantiles out of order', delay({ quantiles: [{ quantile: 0.5, delay: '1s' }, { quantile: 0.4, delay: '2s' }] })], ['quantiles that repeat', delay({ quantiles: [{ quantile: 0.5, delay: '1s' }, { quantile: 0.5, delay: '2s' }] })],
    ['delays out of order', delay({ quantiles: [{ quantile: 0.5, delay: '2s' }, { quantile: 0.6, delay: '1s' }] })], ['a quantile beyond 1', delay({ quantiles: [{ quantile: 0.5, delay: '1s' }, { quantile: 1.1, delay: '2s' }] })], ['33 quantiles', delay({ quantiles: Array.from({ length: 33 }, (_, i) => ({ quantile: i / 33, delay: '1s' })) })],
    ['a response that is not touched', fault({ response: {} })], ['a response delay by header', fault({ response: { delay: { headerDelay: {} } } })], ['a replacement with status 199', fault({ response: { replace: { httpStatus: 199 } } })], ['a header to remove that is none', fault({ response: { replace: { removeHeaders: ['a b'] } } })],
    ['no rate', fault({ responseRateLimit: {} })], ['a rate of 0', fault({ responseRateLimit: { limitKbps: 0 } })], ['a rate beyond a GiB', fault({ responseRateLimit: { limitKbps: 1_048_577 } })], ['two rates', fault({ responseRateLimit: { limitKbps: 1, headerLimit: {} } })],
    ['a match of a header without a name', header({ value: 'x' })], ['a match that has no value', header({ name: 'a' })], ['presence with a value', header({ name: 'a', type: 'Present', value: 'x' })], ['a range with a value', header({ name: 'a', type: 'Range', value: 'x', start: 1, end: 2 })], ['a range without an end', header({ name: 'a', type: 'Range', start: 1 })],
    ['ends without a range', header({ name: 'a', value: 'x', start: 1, end: 2 })], ['a range of fractions', header({ name: 'a', type: 'Range', start: 0.5, end: 2 })], ['a range beyond integers', header({ name: 'a', type: 'Range', start: 0, end: 9_007_199_254_740_992 })], ['an unknown match', header({ name: 'a', type: 'Regex', value: 'x' })],
    ['a match of 17 headers', fault({ abort, match: { headers: Array.from({ length: 17 }, () => ({ name: 'a', value: 'b' })) } })], ['an empty cluster', fault({ abort, match: { clusters: [''] } })], ['65 clusters', fault({ abort, match: { clusters: Array.from({ length: 65 }, () => 'a') } })], ['a claim without values', fault({ abort, match: { claims: [{ name: 'a', values: [] }] } })],
    ['a claim with an empty value', fault({ abort, match: { claims: [{ name: 'a', values: [''] }] } })], ['a claim with 129 values', fault({ abort, match: { claims: [{ name: 'a', values: Array.from({ length: 129 }, () => 'a') }] } })], ['17 claims', fault({ abort, match: { claims: Array.from({ length: 17 }, () => ({ name: 'a', values: ['b'] })) } })],
    ['an unknown key', fault({ abort, sticky: { type: 'Query', name: 'a' } })], ['a key without a name', fault({ abort, sticky: { type: 'Header' } })], ['an address with a name', fault({ abort, sticky: { type: 'SourceIP', name: 'a' } })], ['a key with a long name', fault({ abort, sticky: { type: 'Cookie', name: long(254) } })],
    ['a schedule upside down', schedule({ start: '2026-01-02T00:00:00Z', end: '2026-01-01T00:00:00Z' })], ['a schedule of no length', schedule({ start: '2026-01-01T01:00:00+01:00', end: '2026-01-01T00:00:00Z' })], ['a ramp without a start', schedule({ ramp: '1s' })], ['a ramp of 0', schedule({ start: '2026-01-01T00:00:00Z', ramp: '0s' })],
    ['a time without a zone', schedule({ start: '2026-01-01T00:00:00' })], ['a day that is none', schedule({ start: '2026-02-29T00:00:00Z' })], ['a leap second', schedule({ end: '2016-12-31T23:59:60Z' })], ['a time in small letters', schedule({ end: '2016-12-31t23:59:59z' })], ['a date alone', schedule({ end: '2016-12-31' })],
    ['a dry run in text', fault({ abort, dryRun: 'true' })], ['null for a field', fault({ abort, match: null })],
  ])('%s', (_, policy) => expect(verdict(policy)).toBe(false));
});

describe('the plugin configuration', () => {
  const policy = { faults: [{ abort }] };
  test.each<[string, unknown, boolean]>([
    ['source route', { source: 'route' }, true], ['a stage', { source: 'route', stage: 'AfterAuthorization' }, true], ['the other stage', { source: 'route', stage: 'BeforeAuthorization' }, true],
    ['rules', { rules: [] }, true], ['a rule', { rules: [{ match: { route: 'r', host: 'a.example', path: '/a', prefix: '/', methods: ['GET'] }, policy }] }, true],
    ['neither', {}, false], ['both', { source: 'route', rules: [] }, false], ['another source', { source: 'file' }, false], ['another stage', { source: 'route', stage: 'Later' }, false], ['a stage of rules', { rules: [], stage: 'AfterAuthorization' }, false],
    ['a rule without a match', { rules: [{ policy }] }, false], ['a rule without a policy', { rules: [{ match: {} }] }, false], ['a match with an unknown field', { rules: [{ match: { regex: '.*' }, policy }] }, false],
    ['a path that does not begin with a slash', { rules: [{ match: { path: 'a' }, policy }] }, false], ['an empty host', { rules: [{ match: { host: '' }, policy }] }, false], ['an empty method', { rules: [{ match: { methods: [''] }, policy }] }, false], ['a list', [], false], ['null', null, false],
  ])('%s', (_, configuration, good) => {
    expect(FaultPluginConfiguration.safeParse(configuration).success).toBe(good);
    expect(configured(configuration)).toBe(good);
  });

  test('says where it is at fault', () => {
    const vm = Vm.load(WASM, { pluginConfiguration: JSON.stringify({ rules: [{ match: {}, policy: { faults: [{ abort }, { delay: { fixedDelay: '2 parsecs' } }] } }] }) });
    expect(vm.logs.map(({ message }) => message)).toEqual(['gatewright.fault: configuration: rules[0].policy.faults[1].delay.fixedDelay: must be a duration such as 500ms, 10s or 1h30m']);
  });
});

describe('policies at random', () => {
  const roll = dice(11);
  const pick = <T>(values: readonly T[]): T => values[roll(values.length)] as T;
  /** Mostly one of these, and now and then one that does not belong there. */
  const leaf = <T>(good: readonly T[], bad: readonly unknown[]) => (): unknown => roll(40) === 0 ? pick(bad) : pick(good);
  const maybe = (object: Record<string, () => unknown>): Record<string, unknown> => Object.fromEntries(Object.entries(object).filter(() => roll(2) === 0).map(([name, make]) => [name, make()]));
  const all = (object: Record<string, () => unknown>): Record<string, unknown> => Object.fromEntries(Object.entries(object).filter(() => roll(40) > 0).map(([name, make]) => [name, make()]));
  const duration = leaf(['1s', '500ms', '1h30m', '99999h', '1m1m1m1m', '2s'], ['0s', '1m1m1m1m1m', '1.5s', '', 's', 5, null, '1us', '100000s', ' 1s']);
  const percentage = leaf([0, 0.1, 0.0001, 50, 99.99, 100], [-1, 100.0001, 101, '1', null, 1e9]);
  const status = leaf([200, 204, 404, 503, 599], [199, 600, 503.5, '503', 0, null]);
  const whole = leaf([-5, 0, 1, 7, 2 ** 53 - 1], [0.5, 2 ** 53, '1', null]);
  const name = leaf(['a', 'x-user', long(63)], ['', long(254), null, 7]);
  const token = leaf(['a', 'X-User', '!#$%'], ['', 'a b', ':path', long(254), 'é', null]);
  const value = leaf(['', 'a', 'é', '😀', long(4_096)], [long(4_097), '\0', '\n', 7, null]);
  const words = leaf(['', 'a', '😀'.repeat(2_000)], [null, 1, []]);
  const bool = leaf([true, false], [null, 0, 'true']);
  const empty = leaf([{}], [{ x: 1 }, null, []]);
  const list = (make: () => unknown) => (): unknown => roll(40) === 0 ? pick([null, 'x', {}, Array.from({ length: 130 }, make)]) : Array.from({ length: roll(3) }, make);
  const some = (make: () => unknown) => (): unknown => Array.from({ length: roll(40) === 0 ? 0 : 1 + roll(2) }, make);
  const headers = list(() => all({ name: token, value }));
  const latency = (): Record<string, unknown> => ({
    ...pick([
      () => all({ fixedDelay: duration }), () => all({ uniform: () => all({ min: () => '500ms', max: duration }) }), () => all({ normal: () => all({ mean: duration, deviation: duration }) }),
      () => all({ pareto: () => all({ scale: duration, shape: leaf([0.1, 1.5, 100], [0, 101, '1']) }) }), () => all({ headerDelay: empty }),
      () => all({ quantiles: () => all({ a: leaf([0, 0.1], [-1]), b: leaf([0.5, 1], [0.1, 2]) }) }), () => ({ quantiles: [all({ quantile: leaf([0, 0.1], [-1, 0.9]), delay: () => '1s' }), all({ quantile: leaf([0.5, 1], [2]), delay: () => '2s' })] }),
    ])(),
    ...maybe({ jitter: duration, max: duration, percentage }),
  });
  const match = (): unknown => maybe({
    headers: list(() => pick([() => all({ name, value }), () => all({ name, type: () => 'Present', invert: bool }), () => all({ name, type: () => 'Range', start: whole, end: whole }), () => all({ name, type: leaf(['Prefix', 'Suffix', 'Contains'], ['Regex', null]), value })])()),
    clusters: list(name), downstreamNodes: list(name), claims: list(() => all({ name, values: some(name) })),
  });
  const times = leaf(['2026-01-01T00:00:00Z', '2026-01-01T01:00:00.5+01:00', '2026-01-01T00:00:00.25Z'], ['2026-02-30T00:00:00Z', 'x', 5]);
  const abortion = (): unknown => ({ ...pick([() => all({ httpStatus: status }), () => all({ grpcStatus: leaf([0, 16], [17, -1]) }), () => all({ headerAbort: empty }), () => all({ reset: leaf([true], [false]) })])(), ...maybe({ body: words, headers, percentage }) });
  const good = (): unknown => structuredClone(pick(Object.values(policies).flatMap(({ faults }) => faults)));
  const one = (): unknown => roll(60) === 0 ? pick([null, [], 'x', 1, {}]) : {
    ...(roll(3) === 0 ? good() as object : { abort }),
    ...maybe({
      name: leaf(['a', long(63)], ['', long(64)]), seed: leaf(['', long(253)], [long(254)]), dryRun: bool, delay: latency, abort: abortion, match,
      sticky: () => pick([() => all({ type: () => 'SourceIP' }), () => all({ type: leaf(['Header', 'Cookie', 'Claim'], ['Query', null]), name })])(),
      schedule: () => maybe({ start: times, end: leaf(['2027-01-01T00:00:00Z'], ['2025-01-01T00:00:00Z', '2026-01-01T00:00:00Z']) }),
      response: () => all({ delay: () => all({ fixedDelay: duration }), replace: () => maybe({ httpStatus: status, headers, removeHeaders: list(token), body: words, percentage }) }),
      responseRateLimit: () => ({ ...pick([() => all({ limitKbps: leaf([1, 1_048_576], [0, 1_048_577, 1.5]) }), () => all({ headerLimit: empty })])(), ...maybe({ percentage }) }),
    }),
    ...(roll(60) === 0 && { [pick(['percentage', 'Delay', ''])]: 1 }),
  };

  test('are taken by both sides or by none', () => {
    let taken = 0;
    const rounds = scaled(50_000);
    for (let i = 0; i < rounds; i++) {
      if (verdict({ faults: some(one)(), ...(roll(6) === 0 && maybe({ maxActiveFaults: leaf([1, 1_000_000], [0, 1_000_001, 1.5, '1']), name })) })) taken++;
    }
    // Neither hardly any nor nearly all: else the dice would show little.
    expect(taken / rounds).toBeGreaterThan(0.2);
    expect(taken / rounds).toBeLessThan(0.8);
  }, 600_000);

  test('and bytes that are no JSON at all are refused', () => {
    const whole = JSON.stringify({ rules: [{ match: {}, policy: policies['everything'] }] });
    for (let i = 0; i < scaled(50_000); i++) {
      const bytes = Buffer.from(whole);
      for (let change = 0; change <= roll(3); change++) bytes[roll(bytes.length)] = roll(256);
      const vm = Vm.load(WASM, { pluginConfiguration: roll(2) === 0 ? bytes : bytes.subarray(0, roll(bytes.length)) });
      expect(vm.dead).toBe(false);
    }
  }, 600_000);
});
