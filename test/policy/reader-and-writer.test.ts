// The writer of a policy (policy/, controller-glue/) and its reader (filters/jwt/config.ts) cannot share source: data holds them together.
// Every policy of the goldens must be read by the compiled filter, as route metadata and as plugin configuration, and nothing else may be.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { parse } from 'yaml';
import type { Ir } from '../../controller-glue/ir.ts';
import { canonicalJson } from '../../policy/canonical-json.ts';
import { JwtPluginConfiguration, JwtPolicy } from '../../policy/jwt.ts';
import { carried } from '../cases/carried.ts';
import { jwks } from '../cases/tokens.ts';

const WASM = new URL('../../build/jwt.wasm', import.meta.url);
const root = join(import.meta.dirname, '../golden');
const written = readdirSync(root).flatMap((sentence) => {
  const { gateways } = parse(readFileSync(join(root, sentence, 'ir.yaml'), 'utf8')) as Ir;
  return gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ keySets, routes }) =>
    routes.flatMap(({ name, jwt }) => jwt === undefined ? [] : [{ name: `${sentence}: ${name}`, keySets, ...jwt }]))));
});

/** Does the filter read it? A request without a token gets 401, 403 or 200 then, and 500 where it does not. */
const fromRoute = (policy: unknown, keySets: Record<string, string> = {}): boolean => {
  const vm = Vm.load(WASM, { pluginConfiguration: '{"source":"route"}' });
  const { route_metadata, virtual_host_metadata: { filter_metadata: { gatewright } } } = carried({ jwt: 'id', jwt_policy: canonicalJson(policy as never) });
  const leaves = Object.fromEntries(Object.entries(keySets).map(([id, json]) => [`keyset.${id}`, json]));
  const properties = { xds: { route_metadata, virtual_host_metadata: { filter_metadata: { gatewright: { ...gatewright, ...leaves } } } } };
  return vm.request({}, { properties }).response?.status !== 500;
};
const fromPlugin = (policy: unknown, keySets: Record<string, string> = {}): boolean => {
  const configuration = { rules: [{ match: { prefix: '/' }, policy }], keySets: Object.fromEntries(Object.entries(keySets).map(([id, json]) => [id, JSON.parse(json)])) };
  return Vm.load(WASM, { pluginConfiguration: JSON.stringify(configuration) }).configured;
};

describe('what the goldens write', () => {
  test('is something', () => expect(written.length).toBeGreaterThan(10));
  test.each(written)('$name is read from a route', ({ policy, keySets }) => expect(fromRoute(policy, keySets)).toBe(true));
  test.each(written)('$name is read from a plugin configuration', ({ policy, keySets }) => expect(fromPlugin(policy, keySets)).toBe(true));
  test.each(written)('$name is what policy/jwt.ts describes', ({ policy }) => expect(JwtPolicy.parse(policy)).toEqual(policy));
});

const keys = { jwks };
const from = { headers: [{ name: 'authorization', prefix: 'Bearer ' }] };
const provider = { name: 'a', keys, from };
describe('both sides refuse', () => {
  test.each<[string, unknown]>([
    ['an unknown field', { providers: [], other: 1 }],
    ['an unknown field of a provider', { providers: [{ ...provider, jwksUri: 'x' }] }],
    ['an unknown source of tokens', { providers: [{ ...provider, from: { header: [] } }] }],
    ['a provider without a name', { providers: [{ keys, from }] }],
    ['a provider without keys', { providers: [{ name: 'a', from }] }],
    ['a provider with keys and a session', { providers: [{ name: 'a', keys: { ...keys, session: true }, from: {} }] }],
    ['a session that is not', { providers: [{ name: 'a', keys: { session: false }, from: {} }] }],
    ['a session to be found in a header', { providers: [{ name: 'a', keys: { session: true }, from }] }],
    ['a provider with two kinds of keys', { providers: [{ ...provider, keys: { ...keys, keySet: 'x' } }] }],
    ['an action that is none', { authorization: { rules: [{ name: 'r', action: 'Maybe' }] } }],
    ['a rule without an action', { authorization: { rules: [{ name: 'r' }] } }],
    ['a default action that is none', { authorization: { defaultAction: 'allow' } }],
    ['a claim without values', { providers: [provider], authorization: { rules: [{ name: 'r', action: 'Allow', jwt: { provider: 'a', claims: [{ claim: ['x'], values: [] }] } }] } }],
    ['a claim without a path', { providers: [provider], authorization: { rules: [{ name: 'r', action: 'Allow', jwt: { provider: 'a', claims: [{ claim: [], values: ['x'] }] } }] } }],
    ['a list of numbers for scopes', { providers: [provider], authorization: { rules: [{ name: 'r', action: 'Allow', jwt: { provider: 'a', scopes: [1] } }] } }],
    ['a word that is not FilterState or Request', { claimHeaders: 'Both' }],
    ['milliseconds below 1', { providers: [{ ...provider, keys: { remote: { cluster: 'c', authority: 'a', path: '/', timeoutMs: 0 } } }] }],
    ['text for a policy', 'open'],
    ['null', null],
  ])('%s', (_, policy) => {
    expect(JwtPolicy.safeParse(policy).success).toBe(false);
    expect(fromRoute(policy)).toBe(false);
    expect(fromPlugin(policy)).toBe(false);
  });
});

describe('the plugin configuration', () => {
  test.each<[string, unknown, boolean]>([
    ['source route', { source: 'route' }, true],
    ['no cache', { source: 'route', tokenCache: false }, true],
    ['rules', { rules: [] }, true],
    ['neither', {}, false],
    ['both', { source: 'route', rules: [] }, false],
    ['another source', { source: 'file' }, false],
    ['a cache that is a number', { source: 'route', tokenCache: 1 }, false],
    ['a match with an unknown field', { rules: [{ match: { path_prefix: '/' }, policy: {} }] }, false],
  ])('%s', (_, configuration, good) => {
    expect(JwtPluginConfiguration.safeParse(configuration).success).toBe(good);
    expect(Vm.load(WASM, { pluginConfiguration: JSON.stringify(configuration) }).configured).toBe(good);
  });
});
