// The guard (DESIGN 4): which filters are on is decided on the first route; whatever leads a request to another one afterwards must not lead it past that route's policy.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ISSUER, goodClaims } from '../cases/jwt.ts';
import { jwks, token } from '../cases/tokens.ts';
import { ask } from '../envoy/answer.ts';
import { EnvoyProcess } from '../envoy/envoy-process.ts';
import { Gatewright } from './gatewright.ts';
import { documents, endpoint, gateway, gatewayClass, httpRoute, securityPolicy } from './manifests.ts';
import { Recorder } from './recorder.ts';
import { type Filter, type Variant, onlyGateway, staticBootstrap } from './static-bootstrap.ts';

const localJWKS = { type: 'Inline', inline: JSON.stringify(jwks) };
const provider = { name: 'example', issuer: ISSUER, localJWKS };
const chooses = { jwt: { providers: [{ ...provider, claimToHeaders: [{ header: 'x-route', claim: 'route' }, { header: 'x-sub', claim: 'sub' }], recomputeRoute: true }] } };
const ofAction = (defaultAction: string): object => ({ authorization: { defaultAction, rules: [] } });
const allowing = (action: string, value: string): object => ({ action, principal: { jwt: { provider: 'example', claims: [{ name: 'sub', values: [value] }] } } });

/** Routes that a request can be led to by the header x-route, or by the path of that name. */
const targets: Readonly<Record<string, object | undefined>> = {
  open: undefined,
  equal: chooses,
  other: { jwt: { providers: [{ name: 'other', issuer: 'https://other.example', localJWKS }] } },
  optional: { jwt: { optional: true, providers: [provider] } },
  bob: { jwt: { providers: [provider] }, authorization: { defaultAction: 'Deny', rules: [allowing('Allow', 'bob')] } },
  alice: { jwt: { providers: [provider] }, authorization: { defaultAction: 'Deny', rules: [allowing('Allow', 'alice')] } },
  'nobody-at-all': ofAction('Deny'),
  'everybody-in': ofAction('Allow'),
  limited: undefined,
  'limited-alike': chooses,
};
/** Those that have a limit on requests in flight besides. */
const limited = ['limited', 'limited-alike'];
const closed = ['other', 'optional', 'bob', 'alice', 'nobody-at-all', 'everybody-in', ...limited];

const manifests = (chosen: number, led: number): string => documents(
  gatewayClass, gateway(), ...endpoint(chosen, 'chosen'), ...endpoint(led, 'led'),
  httpRoute('start', undefined, { backend: 'chosen' }), securityPolicy('start', chooses), httpRoute('plain', undefined, { backend: 'chosen' }),
  ...Object.entries(targets).flatMap(([name, policy]) => [
    httpRoute(name, [{ path: { value: '/start' }, headers: [{ name: 'x-route', value: name }] }, { path: { value: `/${name}` } }], { backend: 'led' }),
    ...(policy === undefined ? [] : [securityPolicy(name, policy)]),
  ]),
  ...limited.map((name) => ({
    apiVersion: 'gatewright.dev/v1alpha1', kind: 'ConcurrencyPolicy', metadata: { name },
    spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name }], limits: [{ name: 'one', value: 1 }] },
  })),
  httpRoute('broken', [{ path: { value: '/start' }, headers: [{ name: 'x-route', value: 'broken' }] }], { backend: 'led' }), securityPolicy('broken', { csrf: {} }),
);

const bearer = (claims: object): Record<string, string> => ({ authorization: `Bearer ${token({ ...goodClaims, ...claims })}` });
const DENIED = 'RBAC: access denied';

let chosen: Recorder;
let led: Recorder;
beforeAll(async () => { [chosen, led] = await Promise.all([Recorder.start(), Recorder.start()]); });
afterAll(async () => { await Promise.all([chosen?.stop(), led?.stop()]); });

/** The answer, and which backends were reached for it. */
async function send(address: string, path: string, headers: Record<string, string>): Promise<{ status: number; body: string; reached: string[] }> {
  const before = [chosen.seen.length, led.seen.length] as const;
  const { status, body } = await ask(address, path, { headers });
  return { status, body, reached: [...(chosen.seen.length > before[0] ? ['chosen'] : []), ...(led.seen.length > before[1] ? ['led'] : [])] };
}

describe('recomputeRoute through gatewright up', () => {
  let gatewright: Gatewright;
  const idOf = (name: string): string => onlyGateway(manifests(1, 2)).routeTables[0]?.virtualHosts.flatMap(({ routes }) => routes).find((route) => route.name.includes(`/${name}/`))?.jwt?.id ?? '';
  beforeAll(async () => { gatewright = await Gatewright.start({ 'all.yaml': manifests(chosen.port, led.port) }, { echo: false }); });
  afterAll(async () => { await gatewright?.stop(); });

  test('without the claim the request stays where it was', async () => {
    expect(await send(gatewright.address(), '/start', bearer({}))).toMatchObject({ status: 200, reached: ['chosen'] });
  });
  test.each(['open', 'equal'])('a claim leads to the route %s, which asks for nothing more', async (name) => {
    expect(await send(gatewright.address(), '/start', bearer({ route: name }))).toMatchObject({ status: 200, reached: ['led'] });
    expect(led.seen.at(-1)?.headers['x-route']).toBe(name);
  });
  test.each(closed)('a claim that leads to the route %s ends there', async (name) => {
    expect(await send(gatewright.address(), '/start', bearer({ route: name }))).toEqual({ status: 403, body: DENIED, reached: [] });
  });
  test('a claim that leads to a route whose policy is broken ends there', async () => {
    expect(await send(gatewright.address(), '/start', bearer({ route: 'broken' }))).toMatchObject({ status: 500, reached: [] });
  });
  test.each([['alice', {}, 200], ['everybody-in', {}, 200], ['limited', {}, 200], ['limited-alike', {}, 200], ['optional', {}, 200], ['bob', {}, 403], ['nobody-at-all', {}, 403], ['other', {}, 401]] as const)('asked for directly, %s answers by its own policy', async (name, claims, status) => {
    expect((await send(gatewright.address(), `/${name}`, bearer(claims))).status).toBe(status);
  });
  test.each([
    ['as its value', (id: string) => ({ 'x-verdict': id, 'gatewright.jwt': id, 'wasm.gatewright.jwt': id })],
    ['in headers of Envoy', (id: string) => ({ 'x-envoy-filter-state': `wasm.gatewright.jwt=${id}`, 'x-envoy-peer-metadata': id, 'x-envoy-original-path': `/bob?${id}` })],
    ['in baggage', (id: string) => ({ baggage: `wasm.gatewright.jwt=${id}`, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: `gatewright=${id}` })],
    ['in a cookie', (id: string) => ({ cookie: `wasm.gatewright.jwt=${id}` })],
  ])('a client that sends the verdict %s is not believed', async (_, forged) => {
    const id = idOf('bob');
    expect(id).toMatch(/^[\w-]{20,}$/);
    expect(await send(gatewright.address(), '/start', { ...bearer({ route: 'bob' }), ...forged(id) })).toEqual({ status: 403, body: DENIED, reached: [] });
  });
  test('a claim that says the verdict is not believed', async () => {
    expect(await send(gatewright.address(), '/start', bearer({ route: 'bob', sub: idOf('bob'), 'gatewright.jwt': idOf('bob') }))).toEqual({ status: 403, body: DENIED, reached: [] });
  });
  test('a client that sends the header itself is judged by the route it chose', async () => {
    expect(await send(gatewright.address(), '/start', { 'x-route': 'bob' })).toMatchObject({ status: 401, reached: [] });
    expect(await send(gatewright.address(), '/start', { 'x-route': 'open' })).toMatchObject({ status: 200, reached: ['led'] });
  });
});

describe('re-routing by other filters', () => {
  const lua: Filter = { name: 'lua', typedConfig: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua', defaultSourceCode: { inlineString: `
    function envoy_on_request(handle)
      local path, route = handle:headers():get("x-lua-path"), handle:headers():get("x-lua-route")
      if path then handle:headers():replace(":path", path) end
      if route then handle:headers():replace("x-route", route) end
      if path or route then handle:clearRouteCache() end
    end` } } };
  const native: Filter = { name: 'native', typedConfig: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication',
    providers: { native: { issuer: ISSUER, localJwks: { inlineString: JSON.stringify(jwks) }, forward: true, claimToHeaders: [{ headerName: 'x-route', claimName: 'native' }], clearRouteCache: true } },
    rules: [{ match: { prefix: '/' }, requires: { requiresAny: { requirements: [{ providerName: 'native' }, { allowMissingOrFailed: {} }] } } }],
  } };
  const afterJwt = (own: Filter) => (ours: readonly Filter[]): Filter[] => ours.toSpliced(ours.findIndex(({ name }) => name === 'gatewright.jwt') + 1, 0, own);
  const beforeJwt = (own: Filter) => (ours: readonly Filter[]): Filter[] => [own, ...ours];
  const GUARD = ['gatewright.guard'];
  const variants: readonly Variant[] = [
    { name: 'lua after jwt', filters: afterJwt(lua) }, { name: 'lua after jwt, no guard', filters: afterJwt(lua), without: GUARD },
    { name: 'lua before jwt', filters: beforeJwt(lua) }, { name: 'lua before jwt, no guard', filters: beforeJwt(lua), without: GUARD },
    { name: 'native after jwt', filters: afterJwt(native) }, { name: 'native after jwt, no guard', filters: afterJwt(native), without: GUARD },
  ];
  let envoy: EnvoyProcess;
  const addresses = new Map<string, string>();
  beforeAll(async () => {
    envoy = await EnvoyProcess.start(staticBootstrap(onlyGateway(manifests(chosen.port, led.port)), variants));
    for (const { name } of variants) addresses.set(name, await envoy.address(name));
  });
  afterAll(async () => { await envoy?.stop(); });
  const at = (variant: string): string => addresses.get(variant) ?? '';

  const ways = closed.flatMap((name): [string, string, string, Record<string, string>][] => [
    ['lua after jwt', name, 'by its path from an open route', { 'x-lua-path': `/${name}` }],
    ['lua after jwt', name, 'by its path from a protected route', { 'x-lua-path': `/${name}`, ...bearer({}) }],
    ['lua after jwt', name, 'by a header from a protected route', { 'x-lua-route': name, ...bearer({}) }],
    ['lua before jwt', name, 'by its path from an open route', { 'x-lua-path': `/${name}`, ...bearer({}) }],
    ['native after jwt', name, 'by a claim from a protected route', bearer({ native: name })],
  ]).map(([variant, name, way, headers]): [string, string, string, string, Record<string, string>] => [variant, name, way, way.includes('open') ? '/plain' : '/start', headers]);

  test.each(ways)('%s: led to %s %s, denied', async (variant, _name, _way, path, headers) => {
    expect(await send(at(variant), path, headers)).toEqual({ status: 403, body: DENIED, reached: [] });
  });
  test.each(ways)('%s: led to %s %s, let through if there were no guard', async (variant, _name, _way, path, headers) => {
    expect(await send(at(`${variant}, no guard`), path, headers)).toMatchObject({ status: 200, reached: ['led'] });
  });
  test.each(['lua after jwt', 'lua before jwt', 'native after jwt'])('%s: a request that is not led elsewhere is judged as ever', async (variant) => {
    expect(await send(at(variant), '/plain', {})).toMatchObject({ status: 200, reached: ['chosen'] });
    expect(await send(at(variant), '/start', bearer({}))).toMatchObject({ status: 200, reached: ['chosen'] });
    expect(await send(at(variant), '/start', {})).toMatchObject({ status: 401, reached: [] });
    expect(await send(at(variant), '/bob', bearer({ sub: 'bob' }))).toMatchObject({ status: 200, reached: ['led'] });
  });
  test.each(['lua after jwt', 'lua before jwt'])('%s: led to an open route, let through', async (variant) => {
    expect(await send(at(variant), '/start', { 'x-lua-path': '/open', ...bearer({}) })).toMatchObject({ status: 200, reached: ['led'] });
  });
  // The filter is on, and judges by the policy of the first route: that verdict is good for no other policy, whatever the token would be worth there.
  test.each([['alice', 'alice', 403], ['bob', 'bob', 403], ['optional', 'alice', 403], ['equal', 'alice', 200]])('lua before jwt: led from a protected route to %s, %s gets %i', async (name, sub, status) => {
    expect(await send(at('lua before jwt'), '/start', { 'x-lua-path': `/${name}`, ...bearer({ sub }) })).toMatchObject({ status, reached: status === 200 ? ['led'] : [] });
  });
});
