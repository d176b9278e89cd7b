// Remote key sets in the VM, on its clock: held, shared, refreshed ahead, kept through an outage, refused with the right text.
import { describe, expect, test } from 'vitest';
import { type Upstream, Vm } from 'proxy-wasm-as/vm';
import { carried } from '../cases/carried.ts';
import { jwks, keys, token } from '../cases/tokens.ts';

const WASM = new URL('../../build/jwt.wasm', import.meta.url);
const remote = { cluster: 'keys', authority: 'keys.example', path: '/jwks.json', timeoutMs: 5_000, cacheMs: 300_000, retryMs: 1_000 };
const policy = { providers: [{ name: 'example', keys: { remote }, from: { headers: [{ name: 'authorization', prefix: 'Bearer ' }] } }] };
const properties = { xds: carried({ jwt: 'id', jwt_policy: JSON.stringify(policy) }) };
const good = { authorization: `Bearer ${token({ sub: 'alice' })}` };

const load = (upstream?: Upstream): Vm => Vm.load(WASM, { pluginConfiguration: '{"source":"route"}', ...(upstream && { upstreams: { keys: upstream } }) });
const serving = (body: string, delayMs = 20): Upstream => () => ({ status: 200, body, delayMs });
const good200 = serving(JSON.stringify(jwks));

describe('the first request', () => {
  test('is held until the keys come, then answered', () => {
    const vm = load(good200);
    const exchange = vm.request(good, { properties });
    expect(exchange.outcome).toBe('held');
    vm.clock.advance(20);
    expect(exchange.outcome).toBe('held');
    vm.clock.advance(1);
    expect(exchange.response?.status).toBe(200);
    expect(exchange.filterState.get('wasm.gatewright.jwt')).toBe('id');
    expect(vm.calls).toHaveLength(1);
    expect(Object.fromEntries([...vm.calls[0]?.headers ?? []].map(([name, value]) => [name, value]))).toMatchObject({ ':method': 'GET', ':path': '/jwks.json', ':authority': 'keys.example' });
  });

  test('shares its fetch with all that wait', () => {
    const vm = load(good200);
    const exchanges = Array.from({ length: 100 }, () => vm.request(good, { properties }));
    const bad = vm.request({ authorization: `Bearer ${token({}, keys.stranger)}` }, { properties });
    vm.clock.advance(30);
    expect(exchanges.map(({ response }) => response?.status)).toEqual(exchanges.map(() => 200));
    expect(bad.response?.body).toBe('Jwt verification fails');
    expect(vm.calls).toHaveLength(1);
  });

  test('and all that wait with it go on, however many: stacks have an end', () => {
    const vm = load(good200);
    const exchanges = Array.from({ length: 2_000 }, () => vm.request(good, { properties }));
    vm.clock.advance(30);
    expect(exchanges.map(({ response }) => response?.status)).toEqual(exchanges.map(() => 200));
    expect(vm.dead).toBe(false);
  });

  test('that can be refused without keys does not wait', () => {
    const vm = load(good200);
    expect(vm.request({}, { properties }).response?.body).toBe('Jwt is missing');
    expect(vm.request({ authorization: 'Bearer abc' }, { properties }).response?.status).toBe(401);
    expect(vm.calls).toHaveLength(0);
    expect(vm.tickPeriod).toBe(0);
  });

  test('whose client leaves leaves nothing behind', () => {
    const vm = load(good200);
    const gone = vm.request(good, { properties });
    const staying = vm.request(good, { properties });
    gone.cancel();
    vm.clock.advance(30);
    expect(staying.response?.status).toBe(200);
    expect(gone.response).toBeUndefined();
    expect(vm.liveStreams).toBe(0);
    expect(vm.dead).toBe(false);
  });
});

describe('a fetch that fails', () => {
  const huge = JSON.stringify({ keys: [...jwks.keys, { kty: 'RSA', n: 'A'.repeat(300_000) }] });
  test.each<[string, Upstream]>([
    ['a timeout', () => 'timeout'],
    ['a reset', () => 'reset'],
    ['a 404', () => ({ status: 404, body: JSON.stringify(jwks) })],
    ['a redirect, which is not followed', () => ({ status: 302, headers: { location: 'http://169.254.169.254/' }, body: JSON.stringify(jwks) })],
    ['something that is not JSON', serving('<html>')],
    ['JSON that is cut short', serving(JSON.stringify(jwks).slice(0, -2))],
    ['JSON without keys', serving('{"issuer":"x"}')],
    ['keys that are no list', serving('{"keys":{}}')],
    ['no usable key', serving('{"keys":[{"kty":"oct","k":"c2VjcmV0"},{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"AA"},7,null]}')],
    ['a huge answer', serving(huge)],
    ['brackets without end', serving('['.repeat(200_000))],
    ['nothing', serving('')],
  ])('%s: refused with the text for it, and asked again a second later', (_, upstream) => {
    const vm = load(upstream);
    const exchange = vm.request(good, { properties });
    vm.clock.advance(5_100);
    expect(exchange.response?.status).toBe(401);
    expect(exchange.response?.body).toBe('Jwks remote fetch is failed');
    expect(exchange.response?.headers.get('www-authenticate')).toMatch(/error="invalid_token"$/);
    expect(vm.calls).toHaveLength(1);
    expect(vm.dead).toBe(false);
    vm.clock.advance(1_100);
    expect(vm.request(good, { properties }).outcome).toBe('held');
    vm.clock.advance(5);
    expect(vm.calls).toHaveLength(2);
  });

  test('is not repeated for every request meanwhile', () => {
    const vm = load(() => ({ status: 500 }));
    vm.request(good, { properties });
    vm.clock.advance(10);
    for (let i = 0; i < 50; i++) expect(vm.request(good, { properties }).response?.body).toBe('Jwks remote fetch is failed');
    expect(vm.calls).toHaveLength(1);
  });

  test('two issuers that take turns in timing out do not hold a request for ever', () => {
    const two = { providers: ['keys', 'others'].map((cluster) => ({ name: cluster, keys: { remote: { ...remote, cluster } }, from: { headers: [{ name: 'authorization', prefix: 'Bearer ' }] } })) };
    const vm = Vm.load(WASM, { pluginConfiguration: '{"source":"route"}', upstreams: { keys: () => 'timeout', others: () => 'timeout' } });
    const exchange = vm.request(good, { properties: { xds: carried({ jwt: 'two', jwt_policy: JSON.stringify(two) }) } });
    vm.clock.advance(11_000);
    expect(exchange.response?.body).toBe('Jwks remote fetch is failed');
    expect(vm.calls).toHaveLength(2);
  });

  test('a cluster that is not there yet is asked again until the time is up', () => {
    const vm = load();
    const exchange = vm.request(good, { properties });
    vm.clock.advance(4_000);
    expect(exchange.outcome).toBe('held');
    vm.clock.advance(1_100);
    expect(exchange.response?.body).toBe('Jwks remote fetch is failed');
    expect(vm.tickPeriod).toBe(0);
  });
});

describe('keys in hand', () => {
  test('are fetched again before they are old, while requests go on', () => {
    const vm = load(good200);
    vm.request(good, { properties });
    vm.clock.advance(30);
    vm.request(good, { properties });
    vm.clock.advance(239_000);
    expect(vm.calls).toHaveLength(1);
    vm.clock.advance(2_000);
    expect(vm.calls).toHaveLength(2);
    expect(vm.request(good, { properties }).response?.status).toBe(200);
  });

  test('are dropped when nobody uses them, and no tick remains', () => {
    const vm = load(good200);
    vm.request(good, { properties });
    vm.clock.advance(30);
    vm.clock.advance(1_000_000);
    expect(vm.calls.length).toBeLessThanOrEqual(2);
    expect(vm.tickPeriod).toBe(0);
    const exchange = vm.request(good, { properties });
    expect(exchange.outcome).toBe('held');
    vm.clock.advance(30);
    expect(exchange.response?.status).toBe(200);
  });

  test('rotate: the new key is accepted after the refresh, the old one no longer', () => {
    let body = JSON.stringify({ keys: [keys.RS256.jwk] });
    const vm = load(() => ({ status: 200, body }));
    vm.request(good, { properties });
    vm.clock.advance(30);
    body = JSON.stringify({ keys: [keys.ES256.jwk] });
    expect(vm.request(good, { properties }).response?.status).toBe(200);
    vm.clock.advance(241_000);
    expect(vm.request(good, { properties }).response?.status).toBe(401);
    expect(vm.request({ authorization: `Bearer ${token({}, keys.ES256)}` }, { properties }).response?.status).toBe(200);
  });

  test('stay in force while the issuer is down', () => {
    let up = true;
    const vm = load(() => up ? { status: 200, body: JSON.stringify(jwks) } : 'timeout');
    vm.request(good, { properties });
    vm.clock.advance(30);
    up = false;
    for (let minutes = 0; minutes < 20; minutes++) {
      expect(vm.request(good, { properties }).response?.status).toBe(200);
      vm.clock.advance(60_000);
    }
    expect(vm.calls.length).toBeGreaterThan(2);
    up = true;
    vm.clock.advance(10_000);
    expect(vm.request(good, { properties }).response?.status).toBe(200);
  });
});
