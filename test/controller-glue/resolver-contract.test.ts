// What the controller says in Envoy's configuration and the resolver says in its own words must be the same: neither may import the other.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { httpFilters } from '../../controller-glue/xds/extensions.ts';
import { RESOLVER } from '../../controller-glue/xds/processors.ts';
import { routeJson } from '../../controller-glue/xds/routes.ts';
import { FAILED_ATTRIBUTE, resolverProcessor } from '../../extproc/resolver/processor.ts';
import { Resolver } from '../../extproc/resolver/resolver.ts';
import { realWorld } from '../../extproc/world.ts';
import { Secret } from '../../policy/secret.ts';
import { documents } from '../up/manifests.ts';
import { backend, dynamicRoute, edge } from '../up/resolver.ts';

const processor = resolverProcessor(new Resolver({ world: realWorld, own: () => new Set() }));
interface ExtProc { readonly messageTimeout: string; readonly requestAttributes: string[]; readonly metadataOptions: object }
const filter = JSON.parse(JSON.stringify(httpFilters.find(({ name }) => name === RESOLVER))) as { typedConfig: { xdsMatcher: { onNoMatch: { action: { typedConfig: { typedConfig: { typedConfig: ExtProc } } } } } } };
const { messageTimeout, requestAttributes, metadataOptions } = filter.typedConfig.xdsMatcher.onNoMatch.action.typedConfig.typedConfig.typedConfig;

test('Envoy waits longer than the processor takes', () => expect(Number.parseFloat(messageTimeout) * 1000).toBeGreaterThan(processor.deadline ?? Infinity));
test('the processor is told what it asks for', () => expect(requestAttributes).toEqual([FAILED_ATTRIBUTE]));
test('its verdicts are taken, and nobody else\'s', () => expect(metadataOptions).toEqual({ receivingNamespaces: { untyped: [`gatewright.${processor.name}`] } }));
test('routes ask it by its name, for a policy that it can read', () => {
  const text = readFileSync(new URL('../golden/a-resolver-policy-says-which-hosts-may-be-reached/in.yaml', import.meta.url), 'utf8');
  const routes = translate(load([{ path: 'in.yaml', text }]).resources).ir.gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap((host) => host.routes)));
  expect(routes.length).toBe(4);   // two, and WebSockets for each
  for (const route of routes) {
    const { id = '', policy } = route.resolver ?? {};
    processor.policies.add(id, new Secret(JSON.stringify(policy)));
    expect(processor.policies.get(id)).toBeDefined();
    expect(routeJson(route).typedPerFilterConfig?.[RESOLVER]).toMatchObject({ overrides: { grpcInitialMetadata: [{ key: 'gatewright-policy', value: id }, { key: 'gatewright-processor', value: processor.name }] } });
  }
});
test('requests wait for an address no longer than their route lets them', () => {
  const rule = (name: string, more: object): object => ({ matches: [{ path: { type: 'PathPrefix', value: `/${name}` } }], backendRefs: [{ group: 'gateway.envoyproxy.io', kind: 'Backend', name: 'any' }], ...more });
  const policy = { apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'BackendTrafficPolicy', metadata: { name: 'slow' }, spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'any' }], timeout: { http: { requestTimeout: '7s' } } } };
  const text = `${edge}\n---\n${documents(backend('any', {}), dynamicRoute('any', 'any', {}, { rules: [rule('own', { timeouts: { request: '1500ms' } }), rule('policy', {}), rule('none', { timeouts: { request: '0s' } })] }), policy)}`;
  const routes = translate(load([{ path: 'in.yaml', text }]).resources).ir.gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap((host) => host.routes)));
  expect(Object.fromEntries(routes.map(({ match, resolver }) => [match.path.value, resolver?.policy.requestTimeout]))).toEqual({ '/own': '1s500ms', '/policy': '7s', '/none': undefined });
});
