// How large route tables get, and who has to give way when one is larger than an Envoy takes.
import { expect, test } from 'vitest';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { RouteCache } from '../../controller-glue/xds/encode-routes.ts';
import { NO_CODE } from '../../controller-glue/xds/extensions.ts';
import { refuseLarge, tooLarge } from '../../controller-glue/xds/size.ts';
import { buildSnapshot, typeUrls } from '../../controller-glue/xds/snapshot.ts';
import { documents, gateway, gatewayClass, httpRoute, service } from '../up/manifests.ts';

const KIB = 1024;
const fault = (name: string, bytes: number): object => ({
  apiVersion: 'gatewright.dev/v1alpha1', kind: 'FaultPolicy', metadata: { name },
  spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name }], faults: [{ abort: { httpStatus: 503, body: 'x'.repeat(bytes) } }] },
});
const of = (namespace: string, object: object): object => ({ ...object, metadata: { ...(object as { metadata: object }).metadata, namespace } });
const rules = (each: number, more: object = {}): { rules: object[] } => ({ rules: Array.from({ length: 128 / each }, (_, i) => ({ matches: Array.from({ length: each }, (_unused, j) => ({ path: { value: `/r/${i}/${j}` }, ...more })), backendRefs: [{ name: 'backend', port: 3000 }] })) });
const headers = Array.from({ length: 8 }, (_, i) => ({ name: `x-${i}`, value: 'v'.repeat(KIB) }));
const parentRefs = [{ name: 'eg', namespace: 'default' }];
const all = gateway([{ name: 'http', protocol: 'HTTP', port: 80, allowedRoutes: { namespaces: { from: 'All' } } }]);

function built(...objects: readonly object[]) {
  const { resources, problems } = load([{ path: 'a.yaml', text: documents(gatewayClass, all, service(), ...objects) }]);
  expect(problems).toEqual([]);
  const [irGateway] = translate(resources).ir.gateways;
  if (irGateway === undefined) throw new Error('no gateway');
  const cache = new RouteCache();
  const snapshot = buildSnapshot(irGateway, { wasm: NO_CODE, caFile: '/ca.pem', address: '127.0.0.1', cache });
  const blamed = (limit: number): string[] => tooLarge(irGateway, cache, limit).map(({ ref, message }) => `${ref.kind} ${ref.namespace}/${ref.name}: ${message}`);
  return { snapshot, bytes: [...snapshot.get(typeUrls.route)?.values() ?? []].reduce((sum, { body }) => sum + body.length, 0), blamed };
}

test('a policy is there once, however many matches are under it', () => {
  expect(built(httpRoute('one', [], { ...rules(8), parentRefs }), fault('one', 64 * KIB)).bytes).toBeLessThan(128 * KIB);
});

test('what fits is nobody\'s fault', () => expect(built(httpRoute('one', [], rules(8)), fault('one', 64 * KIB)).blamed(200 * KIB)).toEqual([]));

test('the policy that has the most gives way, and no other', () => {
  const { blamed } = built(httpRoute('one'), fault('one', 60 * KIB), httpRoute('two'), fault('two', 10 * KIB));
  expect(blamed(32 * KIB)).toEqual([expect.stringMatching(/^FaultPolicy default\/one: makes the configuration of Gateway default\/eg too large: 0\.\d MiB more than an Envoy takes, and 0\.1 MiB are of this object$/)]);
});

test('a route that has the most by what it matches gives way itself', () => {
  const { bytes, blamed } = built(httpRoute('one', [], rules(64, { headers })), httpRoute('two'), fault('two', 60 * KIB));
  expect(bytes).toBeGreaterThan(KIB * KIB);
  expect(blamed(512 * KIB)).toEqual([expect.stringContaining('HTTPRoute default/one: ')]);
});

test('who has little keeps it, though one object of it is larger than each of those that fill the rest', () => {
  const many = Array.from({ length: 20 }, (_, i) => [of('many', httpRoute(`r${i}`, undefined, { parentRefs })), of('many', fault(`r${i}`, 8 * KIB))]).flat();
  const { blamed } = built(...many, of('many', service()), of('few', service()), of('few', httpRoute('one', undefined, { parentRefs })), of('few', fault('one', 48 * KIB)));
  const found = blamed(160 * KIB);
  expect(found.length).toBeGreaterThan(4);
  expect(found.filter((each) => !each.startsWith('FaultPolicy many/'))).toEqual([]);
});

test('where nothing that could be closed would help, nothing is published', () => {
  const closed = built(httpRoute('one', undefined, { backend: 'nowhere' }));
  expect(() => closed.blamed(10)).toThrow('not published: RouteConfiguration default/eg/10080 is 0.0 MiB larger than an Envoy takes');
  expect(() => { refuseLarge(closed.snapshot); }).not.toThrow();
  expect(() => { refuseLarge(closed.snapshot, 10); }).toThrow(/^not published: \w+ \S+ is 0.0 MiB larger than an Envoy takes$/);
});
