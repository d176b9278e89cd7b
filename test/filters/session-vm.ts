// session.wasm in the VM, with assertions as the service signs them.
import { generateKeyPairSync } from 'node:crypto';
import { expect } from 'vitest';
import { type Exchange, type Properties, Vm } from 'proxy-wasm-as/vm';
import type { AssertionClaims, SessionPolicy } from '../../policy/session.ts';
import { carried } from '../cases/carried.ts';
import { type TestKey, keys, token } from '../cases/tokens.ts';

export const WASM = new URL('../../build/session.wasm', import.meta.url);
export const COOKIE = '__Host-gatewright-assertion-scope12345';
export const policy: SessionPolicy = { scope: 'scope12345', cookie: COOKIE, paths: ['/callback', '/logout'], removeHeaders: ['x-user', 'x-forwarded-access-token'] };
export const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
export const ring = { keys: [keys.ES256.jwk] };
export const configuration = { source: 'route', keys: ring };

export const route = (id = 'p1', of: unknown = policy): Properties => {
  const metadata = carried({ oidc: id });
  return { xds: { ...metadata, virtual_host_metadata: { filter_metadata: { gatewright: { [`session_policy.${id}`]: JSON.stringify(of) } } } } };
};
export const load = (pluginConfiguration: unknown = configuration, options = {}): Vm => {
  const vm = Vm.load(WASM, { pluginConfiguration: JSON.stringify(pluginConfiguration), ...options });
  expect(vm.configured).toBe(true);
  return vm;
};

export const seconds = (vm: Vm): number => Math.floor(vm.clock.now / 1000);
export const claimsOf = (vm: Vm, over: object = {}): AssertionClaims => ({
  aud: 'scope12345', pid: 'p1', iat: seconds(vm), exp: seconds(vm) + 60, set: [['x-user', 'alice'], ['authorization', 'Bearer abc']], claims: { sub: 'alice', groups: ['a', 'b'] }, ...over,
});
export const sign = (claims: object, key: TestKey = keys.ES256, header = {}): string => token({ ...claims }, key, { typ: 'session+jwt', ...header });
export const assertion = (vm: Vm, over: object = {}): string => sign(claimsOf(vm, over));

export const send = (vm: Vm, cookies: string | readonly string[], headers: Readonly<Record<string, string | readonly string[]>> = {}, properties = route()): Exchange =>
  vm.request({ cookie: cookies, ...headers }, { properties });
export const ours = (value: string): string => `${COOKIE}=${value}`;

export const written = ({ filterState }: Exchange): object => ({ verdict: filterState.get('wasm.gatewright.oidc'), skip: filterState.get('wasm.gatewright.oidc.skip'), claims: filterState.get('wasm.gatewright.oidc.claims') });
export const asks = { verdict: '', skip: '', claims: '' };
export const passes = { verdict: 'p1', skip: 'yes', claims: '{"sub":"alice","groups":["a","b"]}' };

/** The request as it came, with all that the filter may say of it. */
export function expectAsked(exchange: Exchange): void {
  expect(exchange.outcome).toBe('continued');
  expect(written(exchange)).toEqual(asks);
  expect(exchange.requestHeaders.get('authorization')).toBeUndefined();
}
