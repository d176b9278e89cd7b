// Put together from cached parts or encoded whole: the same route table. And what a change costs at a thousand routes.
import { fromBinary, fromJson, toJson } from '@bufbuild/protobuf';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { registry } from '../../proto/registry.js';
import { RouteConfigurationSchema } from '../../proto/envoy/config/route/v3/route_pb.js';
import { load } from '../../controller-glue/load.ts';
import { loadFile } from '../../controller-glue/load/load-file.ts';
import type { DocumentCache } from '../../controller-glue/load/load-file.ts';
import { merge } from '../../controller-glue/load/merge.ts';
import { translate } from '../../controller-glue/translate.ts';
import { consistent } from '../../controller-glue/xds/consistent.ts';
import type { IrRoute } from '../../controller-glue/ir.ts';
import { RouteCache, encodeRouteTable } from '../../controller-glue/xds/encode-routes.ts';
import { NO_CODE } from '../../controller-glue/xds/extensions.ts';
import { routeTableJson } from '../../controller-glue/xds/routes.ts';
import { buildSnapshot, typeUrls } from '../../controller-glue/xds/snapshot.ts';

const root = join(import.meta.dirname, '../golden');
const inputs = readdirSync(root).map((name) => [name, readFileSync(join(root, name, 'in.yaml'), 'utf8')] as const);
const OPTIONS = { wasm: NO_CODE, caFile: '/ca.pem', address: '127.0.0.1' };

test.each(inputs)('%s', (_, text) => {
  for (const table of translate(load([{ path: 'a.yaml', text }]).resources).ir.gateways.flatMap(({ routeTables }) => routeTables)) {
    const whole = toJson(RouteConfigurationSchema, fromJson(RouteConfigurationSchema, JSON.parse(JSON.stringify(routeTableJson(table))), { registry }), { registry });
    const cache = new RouteCache();
    const first = encodeRouteTable(table, cache);
    expect(toJson(RouteConfigurationSchema, fromBinary(RouteConfigurationSchema, first), { registry })).toEqual(whole);
    cache.turn();
    expect(encodeRouteTable(table, cache)).toEqual(first);
  }
});

const jwks = inputs.map(([, text]) => /inline: '(\{"keys".*?\})'\n/.exec(text)?.[1]).find((found) => found !== undefined) ?? '';
const base = inputs.find(([name]) => name.startsWith('the-quickstart'))?.[1] ?? '';
const manyRoutes = (changed = -1) => base + Array.from({ length: 1000 }, (_, i) => `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r${i}}
spec:
  parentRefs: [{name: eg}]
  hostnames: [www.example.com]
  rules:
  - matches: [{path: {value: /r${i}${i === changed ? '-new' : ''}}}]
    backendRefs: [{name: backend, port: 3000}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: r${i}}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r${i}}]
  jwt: {providers: [{name: p, issuer: 'https://issuer${i}.test', localJWKS: {inline: '${jwks.replace('"kid": "test"', `"kid": "k${i}"`)}'}}]}
`).join('');

describe('a change of one route among a thousand, each with a policy and keys of its own', () => {
  const documents: DocumentCache = new Map();
  const seen = new Set<Uint8Array>();
  class Watched extends RouteCache {
    override bytes(route: IrRoute): Uint8Array {
      const bytes = super.bytes(route);
      seen.add(bytes);
      return bytes;
    }
  }
  const cache = new Watched();
  const apply = (text: string) => {
    const { resources } = merge([loadFile('a.yaml', text, documents)]);
    const { ir } = translate(resources);
    const [gateway] = ir.gateways;
    if (gateway === undefined) throw new Error('no gateway');
    return { gateway, snapshot: buildSnapshot(gateway, { ...OPTIONS, cache }), resources };
  };
  const versions = ({ snapshot }: ReturnType<typeof apply>) => Object.fromEntries([...snapshot].map(([url, resources]) => [url, [...resources.values()].map(({ version }) => version)]));

  test('touches the route table and nothing else', () => {
    const before = apply(manyRoutes());
    const after = apply(manyRoutes(500));
    expect(consistent(after.gateway, after.snapshot)).toEqual([]);
    expect({ ...versions(after), [typeUrls.route]: [] }).toEqual({ ...versions(before), [typeUrls.route]: [] });
    expect(versions(after)[typeUrls.route]).not.toEqual(versions(before)[typeUrls.route]);
    expect(versions(apply(manyRoutes()))).toEqual(versions(before));
  });

  test('reads again the one document that changed, and encodes the one route', () => {
    const before = apply(manyRoutes(1));
    const encoded = seen.size;
    const after = apply(manyRoutes(2));
    const specs = new Set<unknown>(before.resources.httpRoutes.map(({ spec }) => spec));
    expect(after.resources.httpRoutes.filter(({ spec }) => !specs.has(spec))).toHaveLength(2);
    expect(seen.size - encoded).toBe(2);
  });
});

describe('consistent', () => {
  const gateway = translate(load([{ path: 'a.yaml', text: inputs.find(([name]) => name.startsWith('a-remote-key'))?.[1] ?? '' }]).resources).ir.gateways[0];
  const without = (url: string) => gateway === undefined ? [] : consistent(gateway, new Map([...buildSnapshot(gateway, OPTIONS)].filter(([each]) => each !== url)));
  test.each([
    [typeUrls.route, ['RouteConfiguration default/eg/10080, which listener default/eg/10080 needs, is not there']],
    [typeUrls.extension, ['fault', 'session', 'jwt', 'fault_after', 'concurrency', 'resolved', 'connection_limit/default/eg/10080'].map((filter) => `TypedExtensionConfig gatewright.${filter}, which listener default/eg/10080 needs, is not there`)],
    [typeUrls.endpoint, ['ClusterLoadAssignment default/backend/3000, which cluster default/backend/3000 needs, is not there']],
    ['', []],
  ])('without %s', (url, says) => expect(without(url)).toEqual(says));
  test('a route to whatever a request names, without what judges it, is not published', () => {
    const [dynamic] = translate(load([{ path: 'a.yaml', text: inputs.find(([name]) => name.startsWith('every-setting-of-a-dynamic'))?.[1] ?? '' }]).resources).ir.gateways;
    if (dynamic === undefined) throw new Error('no gateway');
    expect(consistent(dynamic, buildSnapshot(dynamic, OPTIONS))).toEqual([]);
    const open = { ...dynamic, routeTables: dynamic.routeTables.map((table) => ({ ...table, virtualHosts: table.virtualHosts.map((host) => ({ ...host, routes: host.routes.map(({ resolver: _, ...route }) => route) })) })) };
    expect(consistent(open, buildSnapshot(open, OPTIONS))).toHaveLength(6);
    expect(consistent(dynamic, new Map([...buildSnapshot(dynamic, OPTIONS)].filter(([url]) => url !== typeUrls.secret)))).toEqual([
      'Secret backend-ca/default/all, which cluster dynamic:default/all needs, is not there', 'Secret default/client, which cluster dynamic:default/all needs, is not there',
      'Secret backend-ca/default/fixed, which cluster dynamic:default/fixed needs, is not there', 'Secret backend-ca/default/fixed, which cluster dynamic:default/fixed/http1 needs, is not there',
    ]);
  });
  test('without clusters, each route that needs one is named', () => expect(without(typeUrls.cluster).filter((text) => text.includes('raw.githubusercontent.com:443'))).toHaveLength(1));
});
