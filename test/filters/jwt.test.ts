// The compiled filter in the VM, its policy from route metadata: the table, the verdict for the guard, hostile input, memory.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type Properties, Vm } from 'proxy-wasm-as/vm';
import { foreignFunctions } from '../../proxy-wasm-as/vm/foreign.ts';
import { carried } from '../cases/carried.ts';
import { cases, goodClaims } from '../cases/jwt.ts';
import { base64url, keys, rawToken, token } from '../cases/tokens.ts';
import { dice, mutations } from '../cases/mutations.ts';
import { ourPolicies } from '../envoy/jwt-bootstrap.ts';
import { scaled } from '../scale.ts';

const WASM = new URL('../../build/jwt.wasm', import.meta.url);
const idOf = (policy: unknown): string => createHash('sha256').update(JSON.stringify(policy)).digest('hex').slice(0, 32);

/** A route that carries a policy, as the controller writes it. */
const route = (policy: unknown, id = idOf(policy)): Properties => ({
  xds: carried({ jwt: id, jwt_policy: JSON.stringify(policy) }),
});
const load = (): Vm => {
  const vm = Vm.load(WASM, { pluginConfiguration: '{"source":"route"}' });
  vm.clock.advance(Date.now() - vm.clock.now);
  return vm;
};
const bearer = (jwt: string): Record<string, string> => ({ authorization: `Bearer ${jwt}` });

describe('the table', () => {
  const vm = load();
  test.each(cases)('$policy: $name', ({ policy, request, status, body, challenge, details, upstream }) => {
    const path = `/${policy}/x${request.query === undefined ? '' : `?${request.query}`}`;
    // Envoy joins repeated Authorization headers with commas and trims values; the VM takes headers as they come to a filter.
    const headers = Object.fromEntries(Object.entries(request.headers ?? {}).map(([name, value]) => [name, name === 'authorization' ? [value].flat().join(',').trim() : value]));
    const exchange = vm.request({ ':path': path, 'x-forwarded-proto': 'http', ...headers }, { properties: route(ourPolicies[policy]) });
    expect(exchange.outcome).toBe(status === 200 ? 'continued' : 'responded');
    expect(exchange.response?.status).toBe(status);
    expect(exchange.response?.headers.get('www-authenticate')).toBe(challenge === undefined ? undefined : `Bearer realm="http://www.example.com/${policy}/x"${challenge}`);
    if (status !== 200) {
      expect(exchange.response?.body).toBe(body);
      expect(exchange.details).toBe(details);
    }
    expect(exchange.filterState.get('wasm.gatewright.jwt')).toBe(status === 200 ? idOf(ourPolicies[policy]) : undefined);
    for (const [name, value] of Object.entries(status === 200 ? upstream ?? {} : {})) {
      if (name !== 'authorization') expect(exchange.filterState.get(`wasm.gatewright.header.${name}`) ?? null).toBe(value);
    }
    expect(exchange.routeCacheCleared).toBe(0);
  });
});

describe('the policy', () => {
  test.each([
    ['a route without a policy', {}],
    ['an id without a policy', { xds: { route_metadata: { filter_metadata: { gatewright: { jwt: 'a' } } } } }],
    ['a policy that is not JSON', { xds: carried({ jwt: 'a', jwt_policy: '{' }) }],
    ['an unknown field', route({ ...ourPolicies['plain'], optional: true })],
    ['a provider without usable keys', route({ providers: [{ name: 'a', keys: { jwks: { keys: [{ kty: 'RSA', n: 'AQAB', e: 'AQAB' }] } }, from: { params: ['t'] } }] })],
    ['a key set that is not there', route({ providers: [{ name: 'a', keys: { keySet: 'nowhere' }, from: { params: ['t'] } }] })],
    ['a rule for a provider that is not there', route({ ...ourPolicies['plain'], authorization: { rules: [{ name: 'r', action: 'Allow', jwt: { provider: 'b' } }] } })],
    ['a list for a policy', route([])],
  ])('%s closes the route', (_, properties) => {
    const vm = load();
    const exchange = vm.request(bearer(token(goodClaims)), { properties });
    expect(exchange.response?.status).toBe(500);
    expect(exchange.details).toBe('gatewright_jwt_policy_unreadable');
    expect(vm.logs.some(({ level, message }) => level === 'error' && message.startsWith('gatewright.jwt: '))).toBe(true);
    expect(vm.dead).toBe(false);
  });

  test('that the controller could not translate says why in the details', () => {
    const vm = load();
    const exchange = vm.request(bearer(token(goodClaims)), { properties: { xds: { route_metadata: { filter_metadata: { gatewright: { reason: 'gatewright_policy_invalid' } } } } } });
    expect(exchange.response).toMatchObject({ status: 500, body: '', details: 'gatewright_policy_invalid' });
    expect(vm.logs).toEqual([]);
  });

  test('is read once for an id, and anew for another', () => {
    const vm = load();
    const strict = { ...ourPolicies['plain'], authorization: { rules: [] } };
    expect(vm.request(bearer(token(goodClaims)), { properties: route(ourPolicies['plain'], 'a') }).response?.status).toBe(200);
    expect(vm.request(bearer(token(goodClaims)), { properties: route(strict, 'b') }).response?.status).toBe(403);
    expect(vm.request(bearer(token(goodClaims)), { properties: route('unread, since the id is known', 'a') }).response?.status).toBe(200);
  });

  test('finds shared key sets at the virtual host', () => {
    const vm = load();
    const policy = { providers: [{ name: 'example', keys: { keySet: 'k1' }, from: { headers: [{ name: 'authorization', prefix: 'Bearer ' }] } }] };
    const { route_metadata, virtual_host_metadata: { filter_metadata: { gatewright } } } = carried({ jwt: 'id', jwt_policy: JSON.stringify(policy) });
    const properties = { xds: { route_metadata, virtual_host_metadata: { filter_metadata: { gatewright: { ...gatewright, 'keyset.k1': JSON.stringify({ keys: [keys.ES256.jwk] }) } } } } };
    expect(vm.request(bearer(token(goodClaims, keys.ES256)), { properties }).response?.status).toBe(200);
    expect(vm.request(bearer(token(goodClaims, keys.RS256)), { properties }).response?.status).toBe(401);
  });

  test('keeps a bounded number of policies', () => {
    const vm = load();
    for (let i = 0; i < 12_000; i++) vm.request({}, { properties: route(ourPolicies['optional'], `id-${i}`) });
    const after = vm.pages;
    for (let i = 0; i < scaled(100_000) + 12_000; i++) vm.request({}, { properties: route(ourPolicies['optional'], `other-${i}`) });
    expect(vm.pages).toBeLessThanOrEqual(after * 1.3);
    expect(vm.dead).toBe(false);
  }, 120_000);
});

describe('the plugin configuration', () => {
  test.each(['', '{', '[]', '{}', '{"source":"rules"}', '{"source":"route","rules":[]}', '{"rules":{}}', '{"rules":[{"match":{},"policy":{"x":1}}]}', '{"rules":[{"match":{"pth":"/"},"policy":{}}]}', '{"rules":[{"match":{"host":5},"policy":{}}]}', '{"rules":[{"match":{"prefix":null},"policy":{}}]}'])('%j is refused', (pluginConfiguration) => {
    const vm = Vm.load(WASM, { pluginConfiguration });
    expect(vm.configured).toBe(false);
    expect(vm.logs.at(-1)?.message).toMatch(/^gatewright\.jwt: configuration: ./);
    expect(vm.dead).toBe(false);
  });

  test('matches by host, route, path, prefix and method; what nothing matches passes', () => {
    const policy = ourPolicies['plain'];
    const rules = [{ match: { host: 'a.example' }, policy }, { match: { route: 'r1' }, policy }, { match: { path: '/exact' }, policy }, { match: { prefix: '/pre/' }, policy }, { match: { methods: ['DELETE'] }, policy }];
    const vm = Vm.load(WASM, { pluginConfiguration: JSON.stringify({ rules }) });
    const status = (headers: Record<string, string>, name = ''): number | undefined => vm.request({ ':authority': 'b.example', ...headers }, { properties: { xds: { route_name: name } } }).response?.status;
    expect(status({})).toBe(200);
    expect(status({ ':authority': 'A.example:8080' })).toBe(401);
    expect(status({}, 'r1')).toBe(401);
    expect(status({ ':path': '/exact?x=1' })).toBe(401);
    expect(status({ ':path': '/exactly' })).toBe(200);
    expect(status({ ':path': '/pre' })).toBe(401);
    expect(status({ ':path': '/pre/x' })).toBe(401);
    expect(status({ ':path': '/prefix' })).toBe(200);
    expect(status({ ':method': 'DELETE' })).toBe(401);
    expect(status({ ':authority': 'a.example.' })).toBe(401);
    // In an Envoy that others configure nobody may have normalised the path.
    for (const path of ['//exact', '/./exact', '/x/../exact', '/%65xact', '/exact#x', '/%2e/exact', '\\exact', '/pre%2fx', '/pre/../pre/x', '//pre//x', '/a/b/../../pre/x', '/../pre']) expect([path, status({ ':path': path })]).toEqual([path, 401]);
    for (const path of ['/exact/', '/x/exact', '/pre/../x', '/%2565xact']) expect([path, status({ ':path': path })]).toEqual([path, 200]);
  });
});

describe('what the client gets', () => {
  test('a gRPC request gets a gRPC answer', () => {
    const { response } = load().request({ 'content-type': 'application/grpc' }, { properties: route(ourPolicies['plain']) });
    expect(response?.status).toBe(200);
    expect(response?.grpcStatus).toBe(16);
    expect(response?.headers.get('grpc-message')).toBe('Jwt is missing');
    expect(response?.headers.get('www-authenticate')).toMatch(/^Bearer realm=/);
  });

  test('the realm is cut at 256 characters and cannot be broken out of', () => {
    const vm = load();
    const realm = (path: string): string | undefined => vm.request({ ':path': path, 'x-forwarded-proto': 'https' }, { properties: route(ourPolicies['plain']) }).response?.headers.get('www-authenticate');
    expect(realm(`/${'a'.repeat(1000)}`)).toBe(`Bearer realm="https://www.example.com/${'a'.repeat(255)}"`);
    const long = vm.request({ ':authority': 'h'.repeat(50_000) }, { properties: route(ourPolicies['plain']) }).response?.headers.get('www-authenticate');
    expect(long).toBe(`Bearer realm="http://${'h'.repeat(260)}/"`);
    expect(realm('/a"b\\c')).toBe('Bearer realm="https://www.example.com/a%22b%5Cc"');
  });

  test('a claim that would end a header is left out', () => {
    const exchange = load().request(bearer(token({ ...goodClaims, sub: 'a\r\nx-admin: true' })), { properties: route(ourPolicies['headers']) });
    expect(exchange.response?.status).toBe(200);
    expect(exchange.filterState.has('wasm.gatewright.header.x-sub')).toBe(false);
  });

  test('claimHeaders Request sets them here, and Envoy chooses the route anew', () => {
    const exchange = load().request({ ...bearer(token(goodClaims)), 'x-sub': 'root', 'x-nothing': 'root' }, { properties: route({ ...ourPolicies['headers'], claimHeaders: 'Request' }) });
    expect(exchange.requestHeaders.get('x-sub')).toBe('alice');
    expect(exchange.requestHeaders.get('x-nothing')).toBeUndefined();
    expect(exchange.routeCacheCleared).toBeGreaterThan(0);
  });
});

describe('hostile input', () => {
  const vm = load();
  const properties = route(ourPolicies['headers']);
  const status = (jwt: string): number | undefined => vm.request(bearer(jwt), { properties }).response?.status;
  const header = '{"alg":"RS256","kid":"rs256"}';

  test.each([
    ['a token of 1 MiB', `${base64url(header)}.${'A'.repeat(1 << 20)}.AA`],
    ['a million brackets', rawToken(header, '['.repeat(1_000_000))],
    ['as many brackets as a token may hold', rawToken(header, '['.repeat(45_000))],
    ['as many members as a token may hold', rawToken(header, `{${Array.from({ length: 5_000 }, (_, i) => `"${i}":0`).join()}}`)],
    ['as many empty objects', rawToken(header, `[${'{},'.repeat(15_000)}{}]`)],
    ['a very long number', rawToken(header, `{"exp":${'9'.repeat(40_000)}}`)],
    ['a very long name', rawToken(header, `{"${'n'.repeat(40_000)}":1}`)],
    ['only dots', '.'.repeat(60_000)],
    ['only escapes', rawToken(header, `{"iss":"${'\\u0000'.repeat(7_000)}"}`)],
    ['bytes that are not UTF-8', rawToken(header, Buffer.from([0x7b, 0x22, 0xf8, 0x88, 0x80, 0x80, 0x80, 0x22, 0x3a, 0x31, 0x7d]))],
  ])('%s is refused', (_, jwt) => {
    expect([401, 403]).toContain(status(jwt));
    expect(vm.dead).toBe(false);
  });

  test('no mutation of a good token is accepted, and none stops the VM', () => {
    const good = token({ ...goodClaims, user: { roles: ['a'] } });
    for (const mutated of mutations(good, scaled(200_000), 'ABCxyz019-_.=+/ %"\\{}[]:,\u00e9')) {
      // What cannot begin a token is skipped behind the scheme, by Envoy too.
      if (mutated.replace(/^[^A-Za-z0-9_.-]+/, '') !== good) expect([401, 403], mutated).toContain(status(mutated));
    }
    expect(status(good)).toBe(200);
    expect(vm.dead).toBe(false);
  }, 300_000);

  test('random JSON in a signed payload never stops the VM', () => {
    const roll = dice(7);
    const scraps = ['{', '}', '[', ']', '"', ':', ',', '1', '-', '0.5e', 'true', 'null', '"iss"', '"aud":["api"]', '\\u12', '\\', ' ', '\u0000', '\ud83d\ude00', '1e400'];
    for (let i = 0; i < scaled(20_000); i++) status(rawToken(header, Array.from({ length: roll(30) }, () => scraps[roll(scraps.length)]).join(''), keys.RS256));
    expect(vm.dead).toBe(false);
  }, 300_000);
});

describe('the cache of verified tokens', () => {
  const count = (pluginConfiguration: string): { vm: Vm; verified: () => number } => {
    let calls = 0;
    const vm = Vm.load(WASM, { pluginConfiguration, foreignFunctions: { verify_signature: (argument, context) => { calls++; return foreignFunctions['verify_signature']?.(argument, context) ?? new Uint8Array(); } } });
    vm.clock.advance(Date.now() - vm.clock.now);
    return { vm, verified: () => calls };
  };
  const properties = route(ourPolicies['plain']);
  const good = token(goodClaims);

  test('verifies a token once, and every other token by itself', () => {
    const { vm, verified } = count('{"source":"route"}');
    for (let i = 0; i < 5; i++) expect(vm.request(bearer(good), { properties }).response?.status).toBe(200);
    expect(verified()).toBe(1);
    // The signature of one token under the payload of another.
    const [first, , third] = good.split('.');
    const forged = `${first}.${base64url(JSON.stringify({ ...goodClaims, sub: 'mallory' }))}.${third}`;
    expect(vm.request(bearer(forged), { properties }).response?.body).toBe('Jwt verification fails');
    expect(vm.request(bearer(forged), { properties }).response?.body).toBe('Jwt verification fails');
    expect(verified()).toBe(3);
  });

  test('never outlives exp', () => {
    const { vm, verified } = count('{"source":"route"}');
    const short = token({ ...goodClaims, exp: Math.floor(vm.clock.now / 1000) + 10 });
    expect(vm.request(bearer(short), { properties }).response?.status).toBe(200);
    vm.clock.advance(72_000);
    expect(vm.request(bearer(short), { properties }).response?.body).toBe('Jwt is expired');
    expect(verified()).toBe(1);
  });

  test('knows key sets apart: what one verified another has to verify itself', () => {
    const { vm, verified } = count('{"source":"route"}');
    const [provider] = (ourPolicies['plain'] as { providers: object[] }).providers;
    const withKeys = (jwks: object): Properties => route({ providers: [{ ...provider, keys: { jwks } }] });
    expect(vm.request(bearer(good), { properties: withKeys({ keys: [keys.RS256.jwk] }) }).response?.status).toBe(200);
    expect(vm.request(bearer(good), { properties: withKeys({ keys: [keys.stranger.jwk] }) }).response?.body).toBe('Jwt verification fails');
    expect(verified()).toBe(2);
  });

  test('is off with tokenCache false', () => {
    const { vm, verified } = count('{"source":"route","tokenCache":false}');
    for (let i = 0; i < 3; i++) vm.request(bearer(good), { properties });
    expect(verified()).toBe(3);
  });

  test('is bounded', () => {
    const { vm } = count('{"source":"route"}');
    const tokens = Array.from({ length: 700 }, (_, i) => token({ ...goodClaims, sub: `user-${i}` }, keys.ES256));
    // What a stranger sends in between may not make what is kept any larger.
    const junk = `${base64url('{"alg":"RS256"}')}.${base64url(`{"x":[${'1,'.repeat(20_000)}1]}`)}.AA`;
    const round = (): void => {
      for (const one of tokens) {
        expect(vm.request(bearer(one), { properties }).response?.status).toBe(200);
        vm.request(bearer(junk), { properties });
      }
    };
    for (let rounds = 0; rounds < 2; rounds++) round();
    // 8 MiB: AssemblyScript grows its memory by doubling. Kept with the junk's size, the first 512 tokens alone would take 500 MiB.
    expect(vm.pages).toBeLessThanOrEqual(128);
  });
});

test('memory stays flat over a million requests', () => {
  const vm = load();
  const properties = route(ourPolicies['claims']);
  const tokens = [token({ ...goodClaims, scope: 'foo bar', user: { name: 'John Doe', roles: ['admin'] } }), token(goodClaims), 'abc', token({ ...goodClaims, exp: 1 })];
  const run = (n: number): void => { for (let i = 0; i < n; i++) vm.request(bearer(tokens[i % tokens.length] ?? ''), { properties }); };
  run(5_000);
  const before = vm.pages;
  run(scaled(1_000_000));
  expect(vm.pages).toBe(before);                     // fails when memory.ts does not unpin what the host wrote
  expect(vm.liveStreams).toBe(0);
}, 600_000);
