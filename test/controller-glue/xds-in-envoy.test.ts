// The real Envoy's word on our xDS: every golden is a configuration it takes, and the sentences below are how it behaves.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findEnvoy } from '../../cli/envoy-binary.ts';
import { systemCaFile } from '../../cli/system-ca.ts';
import { wasmModules } from '../../cli/wasm-modules.ts';
import type { IrGateway } from '../../controller-glue/ir.ts';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import type { WasmModules } from '../../controller-glue/xds/extensions.ts';
import { buildSnapshot } from '../../controller-glue/xds/snapshot.ts';
import { jwks, nowSeconds, token } from '../cases/tokens.ts';
import { EnvoyProcess } from '../envoy/envoy-process.ts';
import { Upstream } from '../envoy/upstream.ts';
import { compile } from '../vm/fixture.ts';
import { refusedPatterns, takenPatterns } from './patterns.ts';
import { staticBootstrap } from './static-bootstrap.ts';

const wasm = wasmModules();
const caFile = systemCaFile(process.env);
const folder = mkdtempSync(join(tmpdir(), 'gw-xds-'));
let envoy = '';
beforeAll(async () => { envoy = await findEnvoy({ env: process.env, progress: console.error }); });
afterAll(() => rmSync(folder, { recursive: true }));

/** Everything binds to a port of its own. */
function bootstrapOf(gateway: IrGateway): Record<string, unknown> {
  const snapshot = buildSnapshot(gateway, { wasm, caFile, address: '127.0.0.1' });
  return JSON.parse(JSON.stringify(staticBootstrap(snapshot)).replaceAll(/("portValue":)(\d+)(,"[a-zA-Z]+"|\}\},"(?:filterChains|listenerFilters))/g, '$10$3')) as Record<string, unknown>;
}

function validate(bootstrap: object): string {
  const file = join(folder, 'validate.json');
  writeFileSync(file, JSON.stringify(bootstrap));
  const { stdout, stderr } = spawnSync(envoy, ['--mode', 'validate', '-c', file, '--log-level', 'error'], { encoding: 'utf8' });
  return /^configuration .* OK$/m.test(stdout) ? 'OK' : stderr + stdout;
}

describe('takes the golden', () => {
  const root = join(import.meta.dirname, '../golden');
  // Envoy compiles our filters anew each time; what they read is held to the goldens in test/policy. Here a filter that takes everything will do.
  let wasm: WasmModules;
  beforeAll(async () => {
    const code = await compile('empty', 'export function proxy_abi_version_0_2_1(): void {}\nexport function proxy_on_memory_allocate(size: usize): usize { return heap.alloc(size); }', ['--use', 'abort=']);
    wasm = Object.fromEntries(Object.keys(wasmModules()).map((name) => [name, code])) as unknown as WasmModules;
  });
  test.each(readdirSync(root))('%s', (sentence) => {
    const { resources } = load([{ path: 'in.yaml', text: readFileSync(join(root, sentence, 'in.yaml'), 'utf8') }]);
    for (const gateway of translate(resources).ir.gateways) expect(validate(staticBootstrap(buildSnapshot(gateway, { wasm, caFile, address: '127.0.0.1' })))).toBe('OK');
  });
});

describe('patterns', () => {
  const withPatterns = (patterns: readonly string[]) => {
    const { ir } = translate(load([{ path: 'a.yaml', text: BASE }]).resources);
    const [gateway] = ir.gateways;
    if (gateway === undefined) throw new Error('no gateway');
    const routes = patterns.map((value, i) => ({ name: `p${i}`, owners: [], match: { path: { kind: 'regex' as const, value }, headers: [], query: [] }, action: { kind: 'respond' as const, status: 500, reason: 'gatewright_route_invalid' as const } }));
    return staticBootstrap(buildSnapshot({ ...gateway, routeTables: [{ name: gateway.routeTables[0]?.name ?? '', virtualHosts: [{ name: 'v', domains: ['*'], keySets: {}, routes }] }] }, { wasm, caFile, address: '127.0.0.1' }));
  };
  test('that we take, it takes', () => expect(validate(withPatterns(takenPatterns))).toBe('OK'));
  test.each(refusedPatterns.slice(0, 12))('that we refuse, it refuses: %s', (pattern) => expect(validate(withPatterns([pattern]))).toMatch(/no argument for|invalid|bad|missing|Invalid/i));
});

const BASE = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: eg}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: eg}
spec:
  gatewayClassName: eg
  listeners:
  - {name: any, protocol: HTTP, port: 80}
  - {name: shop, protocol: HTTP, port: 80, hostname: shop.test}
`;
const route = (name: string, rules: string, hostnames = '', labels = '{}') => `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}, labels: ${labels}}
spec:
  parentRefs: [{name: eg, sectionName: ${hostnames.includes('shop') ? 'shop' : 'any'}}]
  hostnames: [${hostnames}]
  rules: [${rules}]
`;
const to = (path: string, more = '') => `{matches: [{path: {value: ${path}}${more}}], backendRefs: [{name: backend, port: 3000}]}`;
const policy = (name: string, spec: string) => `---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: ${name}}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: ${name}}]
  jwt:
${spec}
`;
const provider = (more: string, name = 'example') => `    providers:
    - name: ${name}
      localJWKS: {inline: '${JSON.stringify(jwks)}'}
${more}`;
const yaml = (port: number) => `${BASE}---
apiVersion: v1
kind: Service
metadata: {name: backend}
spec: {ports: [{name: http, port: 3000}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {ports: [{name: http, port: 3000}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: backend-1, labels: {kubernetes.io/service-name: backend}}
addressType: IPv4
ports: [{name: http, port: ${port}}]
endpoints: [{addresses: [127.0.0.1]}]
${route('open', `${to('/')}, {matches: [{path: {value: /nobody}}], backendRefs: [{name: nobody, port: 3000}]}, {matches: [{path: {value: /missing}}], backendRefs: [{name: missing, port: 1}]},
    {matches: [{path: {value: /mostly}}], backendRefs: [{name: backend, port: 3000, weight: 1}, {name: missing, port: 1, weight: 999999}]}, {matches: [{path: {value: /closed}}], filters: [{type: RequestRedirect}]},
    {matches: [{path: {value: /quick}}], backendRefs: [{name: backend, port: 3000}], timeouts: {request: 5s}}`)}
${route('shop', to('/shop'), 'shop.test')}
${route('claims', to('/claims'))}${policy('claims', `    optional: true\n${provider('      claimToHeaders: [{header: X-User, claim: user.name}, {header: x-sub, claim: sub}]')}`)}
${route('broken', to('/broken'))}${policy('broken', '    providers: [{name: a, localJWKS: {inline: "{}"}}]')}
${route('start', `${to('/tenant')}, ${to('/tenant', ', headers: [{name: x-tenant, value: same}]')}`)}${policy('start', provider('      recomputeRoute: true\n      claimToHeaders: [{header: x-tenant, claim: tenant}]'))}
${route('gold', to('/tenant', ', headers: [{name: x-tenant, value: gold}]'))}${policy('gold', provider('      audiences: [gold]', 'gold'))}
`;

describe('behaves', () => {
  let upstream: Upstream;
  let process_: EnvoyProcess;
  let port = 0;
  beforeAll(async () => {
    upstream = await Upstream.start();
    const loaded = load([{ path: 'a.yaml', text: yaml(upstream.port) }]);
    expect(loaded.problems.map(({ path, message }) => `${path} ${message}`)).toEqual(['spec.rules[4].filters[0] not supported']);
    const [gateway] = translate(loaded.resources).ir.gateways;
    if (gateway === undefined) throw new Error('no gateway');
    process_ = await EnvoyProcess.start(bootstrapOf(gateway));
    port = Number((await process_.address('default/eg/10080')).split(':')[1]);
  });
  afterAll(async () => { await process_?.stop(); await upstream?.stop(); });

  interface Answer { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string; readonly seen: IncomingHttpHeaders; readonly path: string }
  const get = (path: string, headers: Record<string, string> = {}, to_ = port) => new Promise<Answer>((resolve, reject) => {
    request({ host: '127.0.0.1', port: to_, path, headers: { host: 'www.test', ...headers } }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => { body += text; }).on('end', () => {
        const seen = response.statusCode === 200 && body.startsWith('{"method"') ? JSON.parse(body) as { path: string; headers: IncomingHttpHeaders } : { path: '', headers: {} };
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, seen: seen.headers, path: seen.path });
      });
    }).on('error', reject).end();
  });
  const bearer = (claims: Record<string, unknown>) => ({ authorization: `Bearer ${token({ exp: nowSeconds() + 600, ...claims })}` });

  interface Case { readonly name: string; readonly path: string; readonly headers?: () => Record<string, string>; readonly status: number; readonly body?: string }
  const cases: readonly Case[] = [
    { name: 'an open route is open', path: '/', status: 200 },
    { name: 'an unknown host is nobody\'s', path: '/other', headers: () => ({ host: 'shop.test' }), status: 404, body: '' },
    { name: 'a host of the more specific listener gets its routes only', path: '/shop', headers: () => ({ host: 'shop.test' }), status: 200 },
    { name: 'a host with a port is the host', path: '/shop', headers: () => ({ host: 'shop.test:8080' }), status: 200 },
    { name: 'a host with a dot at the end is the host', path: '/other', headers: () => ({ host: 'shop.test.' }), status: 404, body: '' },
    { name: 'a Service without endpoints is 503', path: '/nobody', status: 503 },
    { name: 'a missing backend is an empty 500', path: '/missing', status: 500, body: '' },
    { name: 'a broken share is an empty 500', path: '/mostly', status: 500, body: '' },
    { name: 'an unsupported rule is an empty 500', path: '/closed/x', status: 500, body: '' },
    { name: 'a prefix is of whole elements', path: '/closedx', status: 200 },
    { name: 'a broken policy is an empty 500', path: '/broken', status: 500, body: '' },
    { name: 'a timeout is kept', path: '/quick', status: 200 },
    { name: 'two slashes do not get around a route', path: '//broken', status: 500 },
    { name: 'a dot does not', path: '/./broken', status: 500 },
    { name: 'percent-encoding does not', path: '/%62roken', status: 500 },
    { name: 'an escaped slash is sent back to its plain spelling', path: '/broken%2fx', status: 307 },
    { name: 'a header with an underscore is refused', path: '/', headers: () => ({ a_b: '1' }), status: 400 },
    { name: 'a token is asked for', path: '/tenant', status: 401 },
    { name: 'a token lets in', path: '/tenant', headers: () => bearer({ sub: 'a' }), status: 200 },
    { name: 'a client cannot choose a protected route by header without its policy', path: '/tenant', headers: () => ({ 'x-tenant': 'gold', ...bearer({ sub: 'a' }) }), status: 403 },
    { name: 'a re-route onto a route of the same policy passes', path: '/tenant', headers: () => bearer({ tenant: 'same' }), status: 200 },
    { name: 'a re-route onto a route of another policy is refused', path: '/tenant', headers: () => bearer({ tenant: 'gold' }), status: 403, body: 'RBAC: access denied' },
  ];
  test.each(cases)('$name', async ({ path, headers, status, body }) => {
    const answer = await get(path, headers?.());
    expect(answer.status).toBe(status);
    if (body !== undefined) expect(answer.body).toBe(body);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('x-envoy') || name === 'server')).toEqual([]);
  });

  test('claims become headers, and nobody can spoof them, with a token or without', async () => {
    const spoof = { 'x-user': 'spoof', 'X-Sub': 'spoof' };
    const full = await get('/claims', { ...spoof, ...bearer({ sub: 'me', user: { name: 'John Doe' } }) });
    expect([full.seen['x-user'], full.seen['x-sub']]).toEqual(['John Doe', 'me']);
    const part = await get('/claims', { ...spoof, ...bearer({ sub: 'me' }) });
    expect([part.seen['x-user'], part.seen['x-sub']]).toEqual([undefined, 'me']);
    const none = await get('/claims', spoof);
    expect([none.status, none.seen['x-user'], none.seen['x-sub']]).toEqual([200, undefined, undefined]);
  });

  test('x-envoy-* of a client is taken off, from loopback too', async () => {
    const { seen } = await get('/', { 'x-envoy-internal': 'true', 'x-envoy-upstream-rq-timeout-ms': '1', 'x-envoy-retry-on': '5xx', 'x-envoy-original-path': '/x', 'x-forwarded-proto': 'https' });
    expect(Object.keys(seen).filter((name) => name.startsWith('x-envoy')).sort()).toEqual(['x-envoy-external-address']);
    expect(seen['x-forwarded-proto']).toBe('http');
  });

  test('the admin interface reads, and does nothing else', async () => {
    const admin = Number(process_.admin.split(':').at(-1));
    for (const path of ['/ready', '/stats?filter=x', '/stats/prometheus?usedonly', '/clusters?format=json', '/config_dump?mask=x', '/listeners', '/server_info']) expect((await get(path, {}, admin)).status, path).not.toBe(403);
    for (const path of ['/quitquitquit', '/drain_listeners', '/runtime_modify?a=b', '/logging', '/cpuprofiler', '/heapdump', '/reset_counters', '/healthcheck/fail', '/help', '/stats/../quitquitquit', '/stats/x']) expect((await get(path, {}, admin)).status, path).toBe(403);
  });
});
