// session.wasm in the VM: what passes without asking and what never does, hostile input, memory.
import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type Exchange, type HeadersInput, type Properties, Vm } from 'proxy-wasm-as/vm';
import { carried } from '../cases/carried.ts';
import { base64url, keys, rawToken } from '../cases/tokens.ts';
import { mutations } from '../cases/mutations.ts';
import { scaled } from '../scale.ts';
import { COOKIE, WASM, asks, assertion, claimsOf, configuration, expectAsked, load, ours, passes, policy, ring, route, seconds, send, sign, stranger, written } from './session-vm.ts';

describe('a request of a live session', () => {
  test('passes, with the session\'s headers and claims', () => {
    const vm = load();
    const exchange = send(vm, ours(assertion(vm)), { authorization: 'Basic Zm9v', 'x-user': ['root', 'admin'] });
    expect(exchange.outcome).toBe('continued');
    expect(written(exchange)).toEqual(passes);
    expect(exchange.requestHeaders.all('x-user')).toEqual(['alice']);
    expect(exchange.requestHeaders.all('authorization')).toEqual(['Bearer abc']);
    expect([vm.metrics.get('gatewright_session_live'), vm.metrics.get('gatewright_session_asked')]).toEqual([1, 0]);
  });

  test('again and again by one verification', () => {
    let verified = 0;
    const vm = load(configuration, { foreignFunctions: { verify_signature: () => { verified++; return Buffer.from([8, 1]); } } });
    const cookie = ours(assertion(vm));
    for (let i = 0; i < 5; i++) expect(written(send(vm, cookie))).toEqual(passes);
    expect(verified).toBe(1);
  });

  test.each<[string, (cookie: string) => string | readonly string[], string | undefined]>([
    ['the only one', (cookie) => cookie, undefined],
    ['with all others of ours, of this policy and of any', (cookie) => `gatewright-session-x=1; ${cookie}; __Secure-gatewright-login-y=2; __Host-gatewright-session-scope12345.1=3`, undefined],
    ['among others', (cookie) => `a=1; ${cookie}; b="2; c"`, 'a=1; b="2; c"'],
    ['that is all there is to it but blanks', (cookie) => ` ; ;${cookie};; `, undefined],
    ['beside others that only look alike', (cookie) => `x-gatewright-session=1;${cookie};__host-gatewright-x=2;a=gatewright-b`, 'x-gatewright-session=1; __host-gatewright-x=2; a=gatewright-b'],
    ['with blanks around name and value', (cookie) => `a=1 ;\t${cookie.replace('=', ' = ')}\t;b`, 'a=1; b'],
    ['without a value for ours', (cookie) => `gatewright-x; ${cookie}; y`, 'y'],
    ['in crumbs, a header each (HTTP/2)', (cookie) => ['a=1', cookie, 'gatewright-x=2', 'b=2'], 'a=1; b=2'],
    ['in two lines', (cookie) => [`a=1; ${cookie}`, 'b=2; gatewright-y=1'], 'a=1; b=2'],
  ])('cookies, %s: none of ours reaches the upstream', (_, cookies, left) => {
    const vm = load();
    const exchange = send(vm, cookies(ours(assertion(vm))));
    expect(written(exchange)).toEqual(passes);
    expect(exchange.requestHeaders.all('cookie')).toEqual(left === undefined ? [] : [left]);
  });

  test('by its exact bytes: with the signature of one that was verified, another is none', () => {
    const vm = load();
    const good = assertion(vm);
    expect(written(send(vm, ours(good)))).toEqual(passes);
    const [header, , signature] = good.split('.');
    expectAsked(send(vm, ours(`${header}.${base64url(JSON.stringify(claimsOf(vm, { claims: { sub: 'root' } })))}.${signature}`)));
    expectAsked(send(vm, ours(`${base64url('{"alg":"none"}')}.${good.split('.')[1]}.${signature}`)));
    expect(written(send(vm, ours(good)))).toEqual(passes);
  });

  test('of a WebSocket passes as well', () => {
    const vm = load();
    const exchange = send(vm, ours(assertion(vm)), { connection: 'Upgrade', upgrade: 'websocket' });
    expect(written(exchange)).toEqual(passes);
    expect(exchange.requestHeaders.get('upgrade')).toBe('websocket');
  });

  test('until the millisecond it is over, though it was verified before', () => {
    const vm = load();
    vm.clock.advance(1000 - vm.clock.now % 1000);
    const cookie = ours(assertion(vm, { exp: seconds(vm) + 1 }));
    vm.clock.advance(999);
    expect(written(send(vm, cookie))).toEqual(passes);
    vm.clock.advance(1);
    expectAsked(send(vm, cookie));
  });

  test('from a service whose clock is a minute ahead, and no more', () => {
    const vm = load();
    vm.clock.advance(1000 - vm.clock.now % 1000);
    const cookie = ours(assertion(vm, { iat: seconds(vm) + 61, exp: seconds(vm) + 600 }));
    vm.clock.advance(999);
    expectAsked(send(vm, cookie));
    vm.clock.advance(1);
    expect(written(send(vm, cookie))).toEqual(passes);
  });

  test('by its own policy, on routes of that policy alone, though it was verified before', () => {
    const vm = load();
    const cookie = ours(assertion(vm));
    expect(written(send(vm, cookie))).toEqual(passes);
    expectAsked(send(vm, cookie, {}, route('p2')));
    expectAsked(send(vm, cookie, {}, route('p3', { ...policy, scope: 'another' })));
    expect(written(send(vm, cookie))).toEqual(passes);
  });

  test('by keys that are still in the ring', () => {
    const vm = load();
    const cookie = ours(assertion(vm));
    expect(written(send(vm, cookie))).toEqual(passes);
    expect(vm.update(JSON.stringify({ ...configuration, keys: { keys: [] } }))).toBe(true);
    expectAsked(send(vm, cookie));
  });
});

describe('a route without a login, beside one', () => {
  const beside: Properties = { xds: carried({}) };
  test.each<[cookies: string | readonly string[], left: readonly string[]]>([
    ['a=1; __Host-gatewright-session-x=1~x; b=2', ['a=1; b=2']], ['gatewright-assertion-scope12345=x', []], [['a=1', '__Secure-gatewright-login-y=2'], ['a=1']], [['a=1;;b', 'c'], ['a=1;;b', 'c']], ['=; a', ['=; a']],
  ])('gives its upstream no session: of %j it is left %j, and all else as it is', (cookies, left) => {
    const vm = load();
    const exchange = send(vm, cookies, { 'x-user': 'mine' }, beside);
    expect([exchange.outcome, exchange.requestHeaders.all('cookie'), exchange.requestHeaders.all('x-user')]).toEqual(['continued', left, ['mine']]);
    expect([vm.metrics.get('gatewright_session_live'), vm.metrics.get('gatewright_session_asked'), vm.logs]).toEqual([0, 0, []]);
  });

  test('lets nobody pass there', () => {
    const vm = load();
    expect(written(send(vm, ours(assertion(vm)), {}, beside))).toEqual(asks);
  });
});

describe('the service is asked', () => {
  const live = (vm: Vm): string => ours(assertion(vm));
  test.each<[string, (vm: Vm) => string | readonly string[]]>([
    ['without a cookie', () => 'a=1'],
    ['with an empty one', () => ours('')],
    ['with one of another name', (vm) => `gatewright-assertion-scope12345=${assertion(vm)}`],
    ['with two, though both are the same', (vm) => `${live(vm)}; ${live(vm)}`],
    ['with two in two lines', (vm) => [live(vm), live(vm)]],
    ['with a good one and a bad one', (vm) => `${ours('x')}; ${live(vm)}`],
    ['with a good one and an empty one', (vm) => `${live(vm)}; ${COOKIE}=`],
    ['with a quoted one', (vm) => ours(`"${assertion(vm)}"`)],
    ['with one whose signature is of somebody else\'s key', (vm) => ours(sign(claimsOf(vm), { ...keys.ES256, privateKey: stranger }))],
    ['with one that was changed', (vm) => ours(assertion(vm).split('.').map((part, i) => i === 1 ? base64url(JSON.stringify(claimsOf(vm, { claims: { sub: 'root' } }))) : part).join('.'))],
    ['with one by alg none', (vm) => ours(`${base64url('{"alg":"none","kid":"es256","typ":"session+jwt"}')}.${base64url(JSON.stringify(claimsOf(vm)))}.`)],
    ['with one by alg none, that has a signature', (vm) => ours(rawToken('{"alg":"none","kid":"es256","typ":"session+jwt"}', JSON.stringify(claimsOf(vm)), keys.ES256))],
    ['with one by HS256 and the public key', (vm) => ours(hmacSigned(claimsOf(vm)))],
    ['with one of another key\'s kid', (vm) => ours(sign(claimsOf(vm), keys.ES256, { kid: 'unknown' }))],
    ['with something else that our keys sign', (vm) => ours(sign(claimsOf(vm), keys.ES256, { typ: 'JWT' }))],
    ['with one that does not say what it is', (vm) => ours(sign(claimsOf(vm), keys.ES256, { typ: undefined }))],
    ['with one that names headers, and in no text', (vm) => ours(assertion(vm, { forward: 5 }))],
    ['with one without a kid', (vm) => ours(rawToken('{"alg":"ES256","typ":"session+jwt"}', JSON.stringify(claimsOf(vm)), keys.ES256))],
    ['with one with an empty kid', (vm) => ours(sign(claimsOf(vm), keys.ES256, { kid: '' }))],
    ['with one whose kid is a number', (vm) => ours(sign(claimsOf(vm), keys.ES256, { kid: 1 }))],
    ['with one with an extension', (vm) => ours(sign(claimsOf(vm), keys.ES256, { crit: ['b64'], b64: false }))],
    ['with one for another scope', (vm) => ours(assertion(vm, { aud: 'another' }))],
    ['with one for a list of scopes', (vm) => ours(assertion(vm, { aud: ['scope12345'] }))],
    ['with one by another policy', (vm) => ours(assertion(vm, { pid: 'p2' }))],
    ['with one that is over', (vm) => ours(assertion(vm, { exp: seconds(vm) }))],
    ['with one without a scope', (vm) => ours(assertion(vm, { aud: undefined }))],
    ['with one without a policy', (vm) => ours(assertion(vm, { pid: undefined }))],
    ['with one without an end', (vm) => ours(assertion(vm, { exp: undefined }))],
    ['with one whose end is text', (vm) => ours(assertion(vm, { exp: '9999999999' }))],
    ['with one without a beginning', (vm) => ours(assertion(vm, { iat: undefined }))],
    ['with one without claims', (vm) => ours(assertion(vm, { claims: undefined }))],
    ['with one whose claims are a list', (vm) => ours(assertion(vm, { claims: [] }))],
    ['with one without headers', (vm) => ours(assertion(vm, { set: undefined }))],
    ['with one whose headers are an object', (vm) => ours(assertion(vm, { set: { 'x-user': 'alice' } }))],
    ['with one whose payload is no JSON', () => ours(rawToken('{"alg":"ES256","kid":"es256","typ":"session+jwt"}', 'not JSON', keys.ES256))],
    ['with one whose payload is a list', () => ours(rawToken('{"alg":"ES256","kid":"es256","typ":"session+jwt"}', '[]', keys.ES256))],
    ['with one whose payload says something twice', (vm) => ours(rawToken('{"alg":"ES256","kid":"es256","typ":"session+jwt"}', JSON.stringify(claimsOf(vm)).replace('{', '{"pid":"p1",'), keys.ES256))],
    ['with one whose payload is deep', () => ours(rawToken('{"alg":"ES256","kid":"es256","typ":"session+jwt"}', '['.repeat(2_000), keys.ES256))],
    ['with one that no browser keeps', (vm) => ours(assertion(vm, { claims: { sub: 'x'.repeat(4_000) } }))],
    ['with one of 64 kB', (vm) => ours(assertion(vm, { claims: { sub: 'x'.repeat(48_000) } }))],
    ['with four parts', (vm) => ours(`${assertion(vm)}.AA`)],
    ['with padding', (vm) => ours(`${assertion(vm)}==`)],
  ])('%s', (_, cookies) => {
    const vm = load();
    expectAsked(send(vm, cookies(vm)));
    expect(vm.metrics.get('gatewright_session_asked')).toBe(1);
    expect(written(send(vm, live(vm)))).toEqual(passes);
  });

  test('with one by ES384, though the key were in the ring', () => {
    const vm = Vm.load(WASM, { pluginConfiguration: JSON.stringify(configuration), foreignFunctions: { verify_signature: () => Buffer.from([8, 1]) } });
    for (const alg of ['ES384', 'ES512', 'RS256', 'PS256', 'EdDSA', 'es256', 'HS256']) expectAsked(send(vm, ours(sign(claimsOf(vm), keys.ES256, { alg }))));
    expect(written(send(vm, live(vm)))).toEqual(passes);
  });

  test.each<[string, unknown]>([
    ['that says where the message ends', ['content-length', '3']], ['that frames', ['transfer-encoding', 'chunked']], ['that says what to keep', ['connection', 'x-user']],
    ['of the host', ['host', 'inner']], ['of the authority', [':authority', 'inner']], ['of the path', [':path', '/admin']], ['of Cookie', ['cookie', 'a=1']], ['of an upgrade', ['upgrade', 'h2c']],
    ['of Envoy', ['x-envoy-original-dst-host', '169.254.169.254:80']], ['with capitals', ['X-User', 'a']], ['without a name', ['', 'a']], ['with a blank in it', ['x user', 'a']],
    ['with a line feed', ['x-user', 'a\r\nx-admin: 1']], ['with a NUL', ['x-user', 'a\0b']], ['that is no text', ['x-user', 5]], ['without a value', ['x-user']], ['of three parts', ['x-user', 'a', 'b']], ['that is no pair', 'x-user'],
  ])('rather than set a header %s', (_, pair) => {
    const vm = load();
    const exchange = send(vm, ours(assertion(vm, { set: [['x-user', 'alice'], pair] })));
    expectAsked(exchange);
    expect(exchange.requestHeaders.get('x-user')).toBeUndefined();
  });

  test.each(['/callback', '/callback?code=a&state=b', '/logout', '/logout#x', '/logout?', '//logout', '/./logout', '/x/../logout', '/%6cogout', '/%6Cogout?x', '\\logout', '/x/%2e%2e/logout'])('at %s, where it answers itself', (path) => {
    const vm = load();
    expectAsked(send(vm, live(vm), { ':path': path }));
  });
  test.each(['/', '/logout/', '/logouts', '/x/logout', '/Logout', '/?/logout', '/?next=/logout', '/logou', '/logout%3f'])('but not at %s', (path) => {
    const vm = load();
    expect(written(send(vm, live(vm), { ':path': path }))).toEqual(passes);
  });

  test('without any change of cookies: the service reads them, and takes its own off', () => {
    const vm = load();
    const exchange = send(vm, ['a=1; gatewright-session-x=1', ours('bad')]);
    expectAsked(exchange);
    expect(exchange.requestHeaders.all('cookie')).toEqual(['a=1; gatewright-session-x=1', ours('bad')]);
    expect(exchange.routeCacheCleared).toBe(0);
  });
});

describe('what only a session may set goes first', () => {
  const forged = { 'x-user': ['root', 'toor'], 'x_user': 'root', 'X-Forwarded_Access-Token': 'forged', 'x-users': 'stays', 'x-use': 'stays', 'x.user': 'stays' };
  const expectGone = ({ requestHeaders }: Exchange, user: string[]): void => {
    expect(requestHeaders.all('x-user')).toEqual(user);
    for (const name of ['x_user', 'x-forwarded_access-token', 'x-forwarded-access-token']) expect(requestHeaders.get(name)).toBeUndefined();
    for (const name of ['x-users', 'x-use', 'x.user']) expect(requestHeaders.get(name)).toBe('stays');
  };
  test('of a request that passes', () => {
    const vm = load();
    expectGone(send(vm, ours(assertion(vm)), forged), ['alice']);
  });
  test('of one that does not', () => expectGone(send(load(), 'a=1', forged), []));
  test('of one for the service itself', () => expectGone(send(load(), 'a=1', { ...forged, ':path': '/callback' }), []));
  test('and of one that the session says nothing of', () => {
    const vm = load();
    expectGone(send(vm, ours(assertion(vm, { set: [] })), forged), []);
  });
});

describe('the policy', () => {
  test.each<[string, Properties]>([
    ['an id without a policy', { xds: { route_metadata: { filter_metadata: { gatewright: { oidc: 'p1' } } } } }],
    ['one that is not JSON', { xds: { ...carried({ oidc: 'p1' }), virtual_host_metadata: { filter_metadata: { gatewright: { 'session_policy.p1': '{' } } } } }],
    ['an unknown field', route('p1', { ...policy, skipAll: true })],
    ['no scope', route('p1', { ...policy, scope: '' })],
    ['no cookie', route('p1', { ...policy, cookie: undefined })],
    ['no paths', route('p1', { ...policy, paths: undefined })],
    ['a path that is none', route('p1', { ...policy, paths: ['logout'] })],
    ['nine paths', route('p1', { ...policy, paths: Array.from({ length: 9 }, (_, i) => `/${i}`) })],
    ['no headers', route('p1', { ...policy, removeHeaders: undefined })],
    ['a header in capitals', route('p1', { ...policy, removeHeaders: ['X-User'] })],
    ['65 headers', route('p1', { ...policy, removeHeaders: Array.from({ length: 65 }, (_, i) => `x-${i}`) })],
    ['a list', route('p1', [])],
  ])('%s: nothing passes without asking', (_, properties) => {
    const vm = load();
    expectAsked(send(vm, ours(assertion(vm)), {}, properties));
    expect(vm.logs.at(-1)?.message).toMatch(/^gatewright\.session: ./);
    expect(vm.dead).toBe(false);
  });

  test('may stand in the plugin configuration', () => {
    const vm = load({ policy, id: 'p1', keys: ring });
    expect(written(send(vm, ours(assertion(vm)), {}, {}))).toEqual(passes);
    expectAsked(send(vm, ours(assertion(vm, { pid: 'p2' })), {}, {}));
  });

  test('is kept, a bounded number of them', () => {
    const vm = load();
    for (let i = 0; i < 12_000; i++) send(vm, 'a=1', {}, route(`id-${i}`));
    const after = vm.pages;
    for (let i = 0; i < scaled(100_000) + 12_000; i++) send(vm, 'a=1', {}, route(`other-${i}`));
    expect(vm.pages).toBeLessThanOrEqual(after * 1.3);
  }, 120_000);
});

describe('the plugin configuration', () => {
  const { d: _, ...unnamed } = { ...keys.ES256.jwk, kid: undefined, d: undefined };
  test.each([
    {}, [], { source: 'rules', keys: ring }, { source: 'route' }, { source: 'route', keys: {} }, { source: 'route', keys: ring, policy }, { source: 'route', keys: { ...ring, x: 1 } },
    { source: 'route', keys: { keys: [keys.RS256.jwk] } }, { source: 'route', keys: { keys: [keys.ES384.jwk] } }, { source: 'route', keys: { keys: [unnamed] } },
    { source: 'route', keys: { keys: [{ ...keys.ES256.jwk, x: '' }] } }, { source: 'route', keys: { keys: [{ ...keys.ES256.jwk, use: 'enc' }] } }, { source: 'route', keys: { keys: [5] } },
    { policy, keys: ring }, { id: 'p1', keys: ring }, { policy, id: 'p1' }, { policy, id: '', keys: ring }, { policy: { ...policy, x: 1 }, id: 'p1', keys: ring },
  ])('%j is refused', (pluginConfiguration) => {
    const vm = Vm.load(WASM, { pluginConfiguration: JSON.stringify(pluginConfiguration) });
    expect(vm.configured).toBe(false);
    expect(vm.logs.at(-1)?.message).toMatch(/^gatewright\.session: configuration: ./);
    expect(vm.dead).toBe(false);
  });
  test('may have no key yet', () => {
    const vm = load({ source: 'route', keys: { keys: [] } });
    expectAsked(send(vm, ours(assertion(vm))));
  });
});

describe('under hostile clients', () => {
  test('200 kB of cookies, of one or of very many', () => {
    const vm = load();
    const cookie = ours(assertion(vm));
    for (const filler of [`a=${'x'.repeat(200_000)}`, 'a=1;'.repeat(50_000), ';'.repeat(200_000), '='.repeat(200_000), `${COOKIE};`.repeat(5_000), ' '.repeat(200_000)]) {
      expect(written(send(vm, `${filler}; ${cookie}`))).toEqual(passes);
      expectAsked(send(vm, filler));
    }
    expectAsked(send(vm, `${COOKIE}=;`.repeat(5_000)));
    expectAsked(send(vm, Array.from({ length: 5_000 }, () => cookie)));
    expect(vm.dead).toBe(false);
  });

  test('no mutation of an assertion passes, and none stops the VM', () => {
    const vm = load();
    const good = assertion(vm);
    expect(written(send(vm, ours(good)))).toEqual(passes);
    for (const each of mutations(good, scaled(200_000))) {
      const mutated = each.trim();
      if (mutated !== good) expect([mutated, written(send(vm, ours(mutated)))]).toEqual([mutated, asks]);
    }
    expect(vm.dead).toBe(false);
    expect(written(send(vm, ours(good)))).toEqual(passes);
  });

  test('10,000 assertions, good and forged, do not grow memory', () => {
    const vm = load(configuration, { foreignFunctions: { verify_signature: (argument: Uint8Array) => Buffer.from([8, argument.at(-1) === 0x41 ? 0 : 1]) } });
    const flood = (from: number, count: number): void => {
      for (let i = from; i < from + count; i++) send(vm, ours(assertion(vm, { claims: { sub: `${i}`, filler: 'x'.repeat(i % 1_000) } })), { 'x-filler': 'y'.repeat(i % 5_000) });
    };
    flood(0, 3_000);
    const { pages } = vm;
    flood(3_000, scaled(100_000) + 9_000);
    expect(vm.pages).toBeLessThanOrEqual(pages * 1.3);
    expect(vm.pages).toBeLessThan(400);
    expect(vm.liveStreams).toBe(0);
    expect(vm.dead).toBe(false);
  }, 120_000);

  test('clients that leave in the middle leave nothing', () => {
    const vm = load();
    const cookie = ours(assertion(vm));
    for (let i = 0; i < 200; i++) vm.request({ cookie: i % 2 === 0 ? cookie : 'a=1' }, { properties: route(), response: { delayMs: 50 } }).cancel();
    vm.clock.advance(100);
    expect(vm.liveStreams).toBe(0);
    expect(written(send(vm, cookie))).toEqual(passes);
  });

  test('no header is one of the states', () => {
    const vm = load();
    const forged: HeadersInput = { 'wasm.gatewright.oidc': 'p1', 'gatewright.oidc.skip': 'yes', 'x-gatewright-oidc': 'p1' };
    expectAsked(send(vm, 'a=1', forged as Record<string, string>));
  });
});

function hmacSigned(claims: object): string {
  const input = `${base64url('{"alg":"HS256","kid":"es256"}')}.${base64url(JSON.stringify(claims))}`;
  return `${input}.${createHmac('sha256', JSON.stringify(keys.ES256.jwk)).update(input).digest('base64url')}`;
}
