// jwt.wasm on the claims of a login session: where they come from, what is asked of them, what becomes of those that cannot be read.
import { describe, expect, test } from 'vitest';
import { type Exchange, type Properties, Vm } from 'proxy-wasm-as/vm';
import { carried } from '../cases/carried.ts';
import { jwks, keys, nowSeconds, token } from '../cases/tokens.ts';
import { scaled } from '../scale.ts';

const WASM = new URL('../../build/jwt.wasm', import.meta.url);
const load = (): Vm => {
  const vm = Vm.load(WASM, { pluginConfiguration: '{"source":"route"}' });
  vm.clock.advance(Date.now() - vm.clock.now);
  return vm;
};

const session = { name: 'login', keys: { session: true }, from: {} };
const bearer = { name: 'bearer', issuer: 'https://issuer.example', keys: { jwks }, from: { headers: [{ name: 'authorization', prefix: 'Bearer ' }] } };
const ask = { name: 'r', action: 'Allow', jwt: { provider: 'login', scopes: ['read'], claims: [{ claim: ['realm', 'roles'], type: 'StringArray', values: ['admin'] }] } };
const claims = { sub: 'alice', scope: 'openid read', realm: { roles: ['user', 'admin'] } };

/** What the session filter said, what the service said, and the headers of the request. */
interface Said { readonly passed?: string; readonly asked?: string; readonly headers?: Record<string, string> }

function send(vm: Vm, policy: object, { passed, asked, headers = {} }: Said): Exchange {
  const properties: Properties = {
    xds: carried({ jwt: JSON.stringify(policy), jwt_policy: JSON.stringify(policy) }),
    ...(passed === undefined ? {} : { filter_state: { 'wasm.gatewright.oidc.claims': passed } }),
    ...(asked === undefined ? {} : { metadata: { filter_metadata: { 'gatewright.oidc': { claims: asked } } } }),
  };
  return vm.request(headers, { properties });
}
const status = (policy: object, said: Said): number | undefined => send(load(), policy, said).response?.status;

const alice = JSON.stringify(claims);
const authorized = { providers: [session], authorization: { rules: [ask] } };

describe('the claims of a session', () => {
  test.each<[string, Said, number]>([
    ['from the session filter', { passed: alice }, 200],
    ['from the service, which was asked', { passed: '', asked: alice }, 200],
    ['from the service, where there is no session filter', { asked: alice }, 200],
    ['from the filter alone, where both say something', { passed: alice, asked: '{}' }, 200],
    ['from neither', { passed: '', asked: '' }, 401],
    ['from nobody', {}, 401],
    ['that do not suffice: no role', { passed: JSON.stringify({ ...claims, realm: { roles: ['user'] } }) }, 403],
    ['that do not suffice: no scope', { passed: JSON.stringify({ ...claims, scope: 'openid' }) }, 403],
    ['that do not suffice: none at all', { passed: '{}' }, 403],
    ['of an ID token that ran out long ago, of any issuer', { passed: JSON.stringify({ ...claims, exp: 1, nbf: 1e12, iss: 'anybody', aud: 'x' }) }, 200],
    ['of odd types where tokens have texts', { passed: JSON.stringify({ ...claims, exp: 'x', iss: 5, aud: {}, jti: [], kid: 1 }) }, 200],
  ])('%s', (_, said, expected) => expect(status(authorized, said)).toBe(expected));

  test.each([
    'not JSON', '[]', '"alice"', 'null', '5', '{', `${alice} `.repeat(2), '{"a":1,"a":2}', '['.repeat(10_000), '{"a":'.repeat(10_000), `{"sub":"${'x'.repeat(70_000)}"}`, '{"sub":"\\ud800"}', '{"sub":1e999}',
  ])('that are %s are none, and no trap', (text) => {
    const vm = load();
    for (const said of [{ passed: text.slice(0, 80_000) }, { passed: '', asked: text }]) {
      const { response } = send(vm, authorized, said);
      expect(response).toMatchObject({ status: 401, body: 'Jwt is missing' });
    }
    expect(send(vm, { ...authorized, missing: 'Allow', authorization: undefined }, { passed: text }).response?.status).toBe(200);
    expect(vm.dead).toBe(false);
    expect(send(vm, authorized, { passed: alice }).response?.status).toBe(200);
  });

  test('go into headers and to later filters, as those of any token', () => {
    const { filterState } = send(load(), { providers: [{ ...session, claimToHeaders: [{ header: 'x-sub', claim: ['sub'] }] }], publishClaims: [['realm', 'roles'], ['sub']] }, { passed: alice });
    expect(filterState.get('wasm.gatewright.header.x-sub')).toBe('alice');
    expect(filterState.get('wasm.gatewright.claim.sub')).toBe('alice');
    expect(Buffer.from(filterState.get('wasm.gatewright.claim.realm.roles') ?? '', 'base64').toString()).toBe('["user","admin"]');
  });

  test('are one request\'s own', () => {
    const vm = load();
    expect(send(vm, authorized, { passed: alice }).response?.status).toBe(200);
    expect(send(vm, authorized, {}).response?.status).toBe(401);
    expect(send(vm, authorized, { passed: '{}' }).response?.status).toBe(403);
  });

  test('cannot be written by a client', () => {
    const names = ['wasm.gatewright.oidc.claims', 'gatewright.oidc.claims', 'gatewright.oidc', 'claims', 'authorization'];
    expect(status(authorized, { headers: Object.fromEntries(names.map((name) => [name, alice])) })).toBe(401);
  });
});

describe('beside tokens of another provider', () => {
  const policy = { providers: [session, bearer] };
  const good = { authorization: `Bearer ${token({ iss: 'https://issuer.example', sub: 'bob', exp: nowSeconds() + 600 }, keys.ES256)}` };
  const bad = { authorization: 'Bearer x.y.z' };
  const cases: [string, Said, number][] = [
    ['a session alone', { passed: alice }, 200], ['a token alone', { headers: good }, 200], ['a bad token alone', { headers: bad }, 401], ['neither', {}, 401],
    ['a session and a good token', { passed: alice, headers: good }, 200],
    // As with two providers of tokens: one that accepts will do.
    ['a session and a bad token', { passed: alice, headers: bad }, 200],
    ['a session that cannot be read, and a good token', { passed: '{', headers: good }, 200], ['a session that cannot be read, and a bad token', { passed: '{', headers: bad }, 401],
  ];
  test.each(cases)('%s', (_, said, expected) => expect(status(policy, said)).toBe(expected));
  test.each(cases)('%s, the other provider first', (_, said, expected) => expect(status({ providers: [bearer, session] }, said)).toBe(expected));

  test('a rule for sessions is not met by a token, nor the other way round', () => {
    const forSessions = { ...policy, authorization: { rules: [{ name: 'r', action: 'Allow', jwt: { provider: 'login' } }] } };
    expect(status(forSessions, { passed: alice })).toBe(200);
    expect(status(forSessions, { headers: good })).toBe(403);
    const forTokens = { ...policy, authorization: { rules: [{ name: 'r', action: 'Allow', jwt: { provider: 'bearer' } }] } };
    expect(status(forTokens, { passed: alice })).toBe(403);
    expect(status(forTokens, { headers: good })).toBe(200);
  });

  test('a session is never taken for a token that was verified before', () => {
    const vm = load();
    for (let i = 0; i < 3; i++) {
      expect(send(vm, policy, { headers: good }).response?.status).toBe(200);
      expect(send(vm, authorized, { passed: alice }).response?.status).toBe(200);
      const { filterState } = send(vm, { providers: [{ ...bearer, claimToHeaders: [{ header: 'x-sub', claim: ['sub'] }] }] }, { passed: alice, headers: good });
      expect(filterState.get('wasm.gatewright.header.x-sub')).toBe('bob');
    }
  });
});

test('memory stays as it is', () => {
  const vm = load();
  const flood = (count: number): void => { for (let i = 0; i < count; i++) send(vm, authorized, { passed: JSON.stringify({ ...claims, sub: 'x'.repeat(i % 3_000) }) }); };
  flood(3_000);
  const { pages } = vm;
  flood(scaled(100_000) + 3_000);
  expect(vm.pages).toBeLessThanOrEqual(pages * 1.3);
  expect(vm.liveStreams).toBe(0);
});
