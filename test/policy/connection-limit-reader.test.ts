// The schema of connection-limit.wasm's configuration (policy/connection-limit.ts) and its reader (filters/connection-limit/config.ts) cannot share
// source: data holds them together. What the one refuses the other refuses, in written documents and in thousands of broken ones.
import { describe, expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { ConnectionLimitPluginConfiguration } from '../../policy/connection-limit.ts';
import { scaled } from '../scale.ts';

const WASM = new URL('../../build/connection-limit.wasm', import.meta.url);

/** One VM reads all: a refused configuration changes nothing. */
const vm = Vm.load(WASM, { pluginConfiguration: '{"requests":{"source":"route"}}' });
const reads = (document: unknown): boolean => vm.update(JSON.stringify(document));
const accepts = (document: unknown): boolean => ConnectionLimitPluginConfiguration.safeParse(JSON.parse(JSON.stringify(document))).success;
function both(document: unknown, good: boolean): void {
  const problem = (): string => vm.logs.at(-1)?.message ?? '';
  expect([accepts(document), reads(document)], `${JSON.stringify(document)}: ${problem()}`).toEqual([good, good]);
}

const connections = (limit: object, more: object = {}): object => ({ connections: { listener: 'default/eg/80/http', limits: [limit], ...more } });
const requests = (limit: object, match: object = {}): object => ({ requests: { rules: [{ match, policy: { name: 'default/policy', limits: [limit] } }] } });
const limit = { name: 'a', value: 1 };
const whole = {
  name: 'default/policy.v2/per-client', per: 'SourceIP', ipv4PrefixLength: 24, ipv6PrefixLength: 56, value: 100, rate: { connections: 10, per: '1m30s', burst: 20 }, closeDelay: '500ms',
  sources: ['10.0.0.0/8', '2001:db8::/32', '::ffff:10.0.0.0/104'], allow: ['10.1.2.3/32'], dryRun: true,
};
const wholeRequest = { name: 'a', key: { type: 'Header', name: 'x-user' }, value: 10, claims: [{ name: 'plan', values: ['free'] }], httpStatus: 503, dryRun: false };

describe('both sides read', () => {
  test.each<[string, object]>([
    ['no limits', { connections: { listener: 'l', limits: [] } }],
    ['a limit of every field', connections(whole)],
    ['what stays as the schema writes it', ConnectionLimitPluginConfiguration.parse(connections(whole))],
    ['each thing to count by', { connections: { listener: 'l', limits: ['Listener', 'Gateway', 'SourceIP', 'ServerName', 'ClientCertificate'].map((per, i) => ({ name: `l${i}`, per, value: 1 })) } }],
    ['a rate alone', connections({ name: 'a', rate: { connections: 1 } })],
    ['seventeen limits', { connections: { listener: 'l', limits: Array.from({ length: 17 }, (_, i) => ({ name: `l${i}`, value: 1 })) } }],
    ['policies of routes', { requests: { source: 'route' } }],
    ['no rules', { requests: { rules: [] } }],
    ['a limit on requests of every field', requests(wholeRequest)],
    ['what stays of it as the schema writes it', ConnectionLimitPluginConfiguration.parse(requests(wholeRequest))],
    ['each key', { requests: { rules: [{ match: { route: 'r', host: 'a', path: '/', prefix: '/', methods: ['GET'] }, policy: { name: 'x', limits: [
      { name: 'a', value: 1, key: { type: 'SourceIP' } }, { name: 'b', value: 1, key: { type: 'Cookie', name: 'c' } }, { name: 'c', value: 1, key: { type: 'Claim', name: 'a.b' } },
    ] } }] } }],
  ])('%s', (_, document) => both(document, true));

  test.each(['10.0.0.0/8', '10.1.2.3/0', '255.255.255.255/32', '::/0', '::1/128', '2001:DB8::/32', '1:2:3:4:5:6:7:8/1', '1:2:3:4:5:6:7::/1', '::2:3:4:5:6:7:8/1', '::ffff:1.2.3.4/104', '1:2:3:4:5:6:1.2.3.4/9', '64:ff9b::1.2.3.4/96'])('the network %s', (network) => {
    both(connections({ ...limit, sources: [network] }), true);
  });
  test.each(['a', 'a-b', '0', 'a'.repeat(63), 'default/policy/a', 'd-/p.q-./x', 'a'.repeat(381), '-/./0'])('the name %s', (name) => both(connections({ ...limit, name }), true));
});

describe('both sides refuse', () => {
  test.each<[string, unknown]>([
    ['nothing', {}], ['null', null], ['a list', []], ['text', 'x'],
    ['both kinds', { connections: { listener: 'l', limits: [] }, requests: { source: 'route' } }],
    ['an unknown field', { requests: { source: 'route' }, other: 1 }],
    ['a listener without a name', { connections: { limits: [] } }], ['an empty name', { connections: { listener: '', limits: [] } }], ['a long name', { connections: { listener: 'l'.repeat(601), limits: [] } }],
    ['connections without limits', { connections: { listener: 'l' } }],
    ['an unknown field of connections', connections(limit, { mode: 'x' })],
    ['eighteen limits', { connections: { listener: 'l', limits: Array.from({ length: 18 }, (_, i) => ({ name: `l${i}`, value: 1 })) } }],
    ['one name twice', { connections: { listener: 'l', limits: [limit, limit] } }],
    ['neither value nor rate', connections({ name: 'a' })],
    ['a limit without a name', connections({ value: 1 })],
    ['an unknown field of a limit', connections({ ...limit, max: 1 })],
    ['an unknown field of a rate', connections({ name: 'a', rate: { connections: 1, every: '1s' } })],
    ['a rate of none', connections({ name: 'a', rate: {} })],
    ['a rate that is null', connections({ name: 'a', value: 1, rate: null })],
    ['something else to count by', connections({ ...limit, per: 'sourceIP' })],
    ['129 networks', connections({ ...limit, sources: Array.from({ length: 129 }, () => '10.0.0.0/8') })],
    ['source and rules', { requests: { source: 'route', rules: [] } }], ['neither', { requests: {} }], ['another source', { requests: { source: 'rules' } }],
    ['a rule without a match', { requests: { rules: [{ policy: { name: 'x', limits: [limit] } }] } }],
    ['a rule without a policy', { requests: { rules: [{ match: {} }] } }],
    ['a policy without a name', { requests: { rules: [{ match: {}, policy: { limits: [limit] } }] } }],
    ['a policy without limits', { requests: { rules: [{ match: {}, policy: { name: 'x', limits: [] } }] } }],
    ['seventeen limits on requests', { requests: { rules: [{ match: {}, policy: { name: 'x', limits: Array.from({ length: 17 }, (_, i) => ({ name: `l${i}`, value: 1 })) } }] } }],
    ['a limit on requests without a value', requests({ name: 'a' })],
    ['a limit on requests of an object’s name', requests({ ...limit, name: 'a/b/c' })],
    ['another status', requests({ ...limit, httpStatus: 500 })],
    ['a key without a type', requests({ ...limit, key: { name: 'x' } })], ['a key without a name', requests({ ...limit, key: { type: 'Header' } })], ['a source with a name', requests({ ...limit, key: { type: 'SourceIP', name: 'x' } })],
    ['a long name of a key', requests({ ...limit, key: { type: 'Header', name: 'x'.repeat(254) } })],
    ['a claim without values', requests({ ...limit, claims: [{ name: 'x', values: [] }] })], ['an empty value', requests({ ...limit, claims: [{ name: 'x', values: [''] }] })],
    ['129 values', requests({ ...limit, claims: [{ name: 'x', values: Array.from({ length: 129 }, () => 'v') }] })],
    ['seventeen claims', requests({ ...limit, claims: Array.from({ length: 17 }, () => ({ name: 'x', values: ['v'] })) })],
    ['a long name of a claim', requests({ ...limit, claims: [{ name: 'x'.repeat(254), values: ['v'] }] })],
    ['an unknown field of a match', requests(limit, { url: '/' })], ['a path without a slash', requests(limit, { path: 'x' })], ['a prefix without a slash', requests(limit, { prefix: '' })],
    ['an empty route', requests(limit, { route: '' })], ['a long host', requests(limit, { host: 'h'.repeat(254) })], ['an empty method', requests(limit, { methods: [''] })],
  ])('%s', (_, document) => both(document, false));

  test.each([0, -1, 1.5, 1_000_001, '1', null, true])('the value %j', (value) => {
    both(connections({ name: 'a', value }), false);
    both(requests({ name: 'a', value }), false);
    both(connections({ name: 'a', rate: { connections: value } }), false);
    both(connections({ name: 'a', rate: { connections: 1, burst: value } }), false);
  });
  test.each([0, 33, '24'])('IPv4 prefix length %j', (ipv4PrefixLength) => both(connections({ ...limit, ipv4PrefixLength }), false));
  test.each([0, 129, null])('IPv6 prefix length %j', (ipv6PrefixLength) => both(connections({ ...limit, ipv6PrefixLength }), false));
  test.each(['', '0s', '0h0m', '1', '1d', '1.5s', '-1s', '100000s', '1s1s1s1s1s', 's', '1 s', 5, null])('duration %j', (duration) => {
    both(connections({ ...limit, closeDelay: duration }), false);
    both(connections({ name: 'a', rate: { connections: 1, per: duration } }), false);
  });
  test.each([
    '', '10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/-1', '10.0.0/8', '10.0.0.0.0/8', '10.0.0.256/8', '010.0.0.0/8', '10.0.0.0 /8', '10.0.0.a/8', '10..0.0/8', '/8', '10.0.0.0/8/8',
    '::/129', '::/', ':/0', ':::/0', '1::2::3/0', '1:2:3:4:5:6:7/0', '1:2:3:4:5:6:7:8:9/0', '1:2:3:4:5:6:7:8::/0', '::1:2:3:4:5:6:7:8/0', '12345::/0', 'g::/0', '1:/0', ':1/0', '1:2:3:4:5:6:7:/0', '::1.2.3/0', '::1.2.3.4:5/0', '1:2:3:4:5:6:7:1.2.3.4/0', '::1.2.3.256/0', 'fe80::1%eth0/64', '[::]/0', 'localhost/8',
  ])('the network %j', (network) => {
    both(connections({ ...limit, sources: [network] }), false);
    both(connections({ ...limit, allow: [network] }), false);
  });
  test.each(['', 'A', 'a_b', '-a', 'a-', 'a.b', 'a/b', '/b/c', 'a//c', 'a/b/', 'a/b/c/d', 'a/B/c', 'a.b/c/d', 'a/b/-c', 'é', 'a'.repeat(382), 'a/b/c\n', ' a'])('the name %j', (name) => both(connections({ ...limit, name }), false));
});

test('both sides say the same of documents with something broken in them, and nothing of it traps', { timeout: 600_000 }, () => {
  const pieces: readonly unknown[] = [null, true, false, 0, 1, -1, 1.5, 1e9, 429, '', 'x', '1s', '0s', 'SourceIP', '10.0.0.0/8', '::/0', 'a/b/c', [], {}, ['x'], [limit], { name: 'x' }, { type: 'Claim', name: 'x' }, { connections: 1 }];
  let seed = 7;
  const dice = (sides: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * sides);
  };
  const names = ['name', 'value', 'rate', 'per', 'limits', 'key', 'type', 'rules', 'source', 'listener', 'match', 'extra'];
  function broken(value: unknown): unknown {
    if (dice(12) === 0) return pieces[dice(pieces.length)];
    if (Array.isArray(value)) {
      const list = value.map(broken);
      if (dice(8) === 0) list.splice(dice(list.length + 1), dice(2), pieces[dice(pieces.length)]);
      return list;
    }
    if (value === null || typeof value !== 'object') return value;
    const entries = Object.entries(value).filter(() => dice(14) > 0).map(([name, each]) => [name, broken(each)]);
    if (dice(12) === 0) entries.push([names[dice(names.length)] ?? '', pieces[dice(pieces.length)]]);
    return Object.fromEntries(entries);
  }
  const roots: readonly unknown[] = [connections(whole), requests(wholeRequest, { route: 'r', methods: ['GET'] }), { connections: { listener: 'l', limits: [whole, limit] } }, { requests: { source: 'route' } }];
  let good = 0;
  for (let i = 0; i < scaled(200_000); i++) {
    const document = broken(roots[i % roots.length]);
    const fine = accepts(document);
    if (fine) good++;
    if (reads(document) !== fine) both(document, fine);
  }
  expect(good).toBeGreaterThan(scaled(200_000) / 50);
  expect(vm.lastTrap).toBeUndefined();
});

test('no bytes at all trap it', () => {
  const text = JSON.stringify(connections(whole));
  for (let i = 0; i < text.length; i++) {
    vm.update(text.slice(0, i));
    vm.update(text.slice(0, i) + String.fromCharCode(i % 128) + text.slice(i + 1));
  }
  expect(vm.lastTrap).toBeUndefined();
  expect(vm.pages).toBeLessThan(64);
});
