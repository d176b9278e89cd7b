// Whatever is done to a document that protects a route: the route is protected, or it answers 500, or the file is refused as a whole. It is never open.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import type { Ir, IrRoute } from '../../controller-glue/ir.ts';
import { load } from '../../controller-glue/load.ts';
import { yamlDocuments } from '../../controller-glue/load/yaml-documents.ts';
import { translate } from '../../controller-glue/translate.ts';
import { paths, replaced } from './mutations.ts';

const text = readFileSync(join(import.meta.dirname, '../golden/claims-decide-on-one-route-and-not-on-its-neighbour/in.yaml'), 'utf8');
const documents = text.split(/^---\n/m).flatMap((part) => yamlDocuments(part).documents.map(({ value }) => value as { kind: string; metadata: { name: string } }));
const VALUES: readonly unknown[] = [null, undefined, 7, true, '', 'x', 'Allow', '*', [], {}, [null], [{}], { a: 1 }, ['x'], 'HTTPRoute', 'x'.repeat(400)];

/** Where a request for /foo of www.example.com ends up: the routes that could take it, first first. */
function takers(source: string): IrRoute[] | 'refused' {
  const { resources, fatal } = load([{ path: 'a.yaml', text: source }]);
  if (fatal) return 'refused';
  return translate(resources).ir.gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => {
    const host = virtualHosts.find(({ domains }) => domains.includes('www.example.com')) ?? virtualHosts.find(({ domains }) => domains.includes('*'));
    return (host?.routes ?? []).filter(({ match: { path, headers, query, method } }) => headers.length + query.length === 0 && method === undefined && (path.kind === 'prefix' ? ['/', '/foo'].includes(path.value) : path.value === '/foo'));
  }));
}

const safe = (route: IrRoute | undefined) => route === undefined || route.jwt !== undefined || route.action.kind === 'respond';

function broken(kind: string, name: string, path: readonly (string | number)[], value: unknown): string {
  return documents.map((document) => stringify(document.kind === kind && document.metadata.name === name ? replaced(document, path, value) : document, { aliasDuplicateObjects: false })).join('---\n');
}

test('unchanged it is protected', () => {
  const found = takers(text);
  expect(found !== 'refused' && found[0]?.name).toBe('httproute/default/foo/rule/0/match/0');
  expect(found !== 'refused' && found[0]?.jwt?.policy.authorization?.rules.length).toBe(1);
});

/** What says for whom the object is: another valid name there is another policy, which is nobody's mistake but its author's. */
const CHOICES: Readonly<Record<string, RegExp>> = {
  SecurityPolicy: /^(metadata\.(name|namespace)|spec\.targetRefs\.0\.(name|sectionName))$/,
  ConfigMap: /^metadata\.(name|namespace)$/,
  HTTPRoute: /^(spec|metadata\.(name|namespace)|spec\.parentRefs(\.0\.(name|group|kind))?|spec\.hostnames(\.0)?|spec\.rules(\.0(\.matches(\.0(\.path)?)?)?)?|spec\.rules\.0\.matches\.0\.path\.(type|value))$/,
};

describe.each([['SecurityPolicy', 'jwt-claim-authz'], ['ConfigMap', 'jwt-local-jwks'], ['HTTPRoute', 'foo']])('%s', (kind, name) => {
  const document = documents.find((each) => each.kind === kind);
  test.each(paths(document).map((path) => [path.join('.'), path] as const).filter(([at]) => at !== ''))('%s', (at, path) => {
    for (const value of VALUES) {
      const source = broken(kind, name, path, value);
      const found = takers(source);
      const { problems } = load([{ path: 'a.yaml', text: source }]);
      if (found === 'refused' || (CHOICES[kind]?.test(at) === true && problems.length === 0)) continue;
      // Absent parts of the rules change who is let in; they do not open the door.
      expect(safe(found[0]), `${at} = ${JSON.stringify(value)}`).toBe(true);
    }
  });
});

/** The same for what limits a route: it is limited, or it answers 500, or the file is refused. */
describe.each<[string, string, (route: IrRoute) => boolean]>([
  ['ConcurrencyPolicy', 'limits: [{name: all, value: 1, key: {type: Header, name: x-user}, claims: []}]', ({ concurrency }) => concurrency !== undefined],
  ['FaultPolicy', 'faults: [{match: {headers: [{name: x, value: y}]}, sticky: {type: Cookie, name: c}, delay: {fixedDelay: 1s, percentage: 5}}]', ({ fault }) => fault !== undefined],
  ['BackendTrafficPolicy', 'circuitBreaker: {maxParallelRequests: 1, perEndpoint: {maxConnections: 1}}', ({ action }) => JSON.stringify(action).includes('backend/3000@')],
])('a %s', (kind, effect, applied) => {
  const group = kind === 'BackendTrafficPolicy' ? 'gateway.envoyproxy.io' : 'gatewright.dev';
  const policy = parse(`{apiVersion: ${group}/v1alpha1, kind: ${kind}, metadata: {name: p}, spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: foo}], ${effect}}}`) as object;
  const rest = documents.filter((each) => ['GatewayClass', 'Gateway', 'Service', 'HTTPRoute'].includes(each.kind)).map((document) => JSON.stringify(document)).join('\n---\n');
  const source = (changed: unknown) => `${rest}\n---\n${JSON.stringify(changed)}`;
  const [, field = ''] = /^(\w+):/.exec(effect) ?? [];
  // What says for whom it is, and what it is made of: something else that is valid there is nobody's mistake but its author's.
  const chosen = new RegExp(`^(metadata\\.(name|namespace)|spec\\.targetRefs\\.0\\.(name|sectionName)|spec\\.${field}(\\..*)?|spec)$`);

  test('unchanged it is applied', () => expect(takers(source(policy))[0]).toSatisfy(applied));
  test.each(paths(policy).map((path) => [path.join('.'), path] as const).filter(([at]) => at !== ''))('%s', (at, path) => {
    for (const value of VALUES) {
      const text = source(replaced(policy, path, value));
      const found = takers(text);
      const { problems } = load([{ path: 'a.yaml', text }]);
      if (found === 'refused' || (chosen.test(at) && problems.length === 0)) continue;
      expect(found[0]?.action.kind === 'respond' || (found[0] !== undefined && applied(found[0])), `${at} = ${JSON.stringify(value)}`).toBe(true);
    }
  });
});

/** Whatever is done to a Backend, or to the policy of its routes: every request is judged by the resolver as strictly as before, or it answers 500, or the file is refused. */
describe.each(['ResolverPolicy', 'Backend', 'EnvoyGateway', 'HTTPRoute'])('the resolver, and a change of its %s', (kind) => {
  const target = [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'foo' }];
  const all: readonly object[] = [
    ...documents.filter((each) => ['GatewayClass', 'Gateway'].includes(each.kind)),
    { apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'EnvoyGateway', metadata: { name: 'x' }, extensionApis: { enableBackend: true } },
    { apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'Backend', metadata: { name: 'any' }, spec: { type: 'DynamicResolver', tls: { wellKnownCACertificates: 'System', sni: 'a.test', minVersion: '1.2', insecureSkipVerify: false, alpnProtocols: ['h2'] } } },
    { apiVersion: 'gatewright.dev/v1alpha1', kind: 'ResolverPolicy', metadata: { name: 'p' }, spec: { targetRefs: target, names: { allow: ['a.test'], deny: ['b.test'] }, addresses: { allow: ['10.0.0.0/8'], deny: ['Metadata'] }, ports: { allow: [{ port: 443, endPort: 444 }] }, dns: { servers: ['10.0.0.1'] } } },
    {
      apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: 'foo' },
      spec: { parentRefs: [{ name: 'eg' }], hostnames: ['www.example.com'], rules: [{ matches: [{ path: { value: '/foo' } }], backendRefs: [{ group: 'gateway.envoyproxy.io', kind: 'Backend', name: 'any' }] }] },
    },
  ];
  const changed = all.find((each) => (each as { kind: string }).kind === kind);
  const source = (by: unknown): string => all.map((document) => JSON.stringify(document === changed ? by : document)).join('\n---\n');
  const verified = ({ gateways }: Ir): boolean => gateways.every(({ clusters }) => clusters.every((cluster) => cluster.kind !== 'dynamic' || cluster.tls !== undefined));
  /** What the change says on purpose, in a document that is whole, is its author's to say. */
  const chosen: Readonly<Record<string, RegExp>> = {
    ResolverPolicy: /^(metadata\.(name|namespace)|spec\.targetRefs\.0\.(name|sectionName)|spec\.(names|addresses|ports|dns).*|spec)$/, Backend: /^(metadata|spec)/, EnvoyGateway: /./,
    HTTPRoute: /^(spec|metadata)/,
  };

  test('unchanged it judges', () => expect(takers(source(changed))[0]).toMatchObject({ resolver: { policy: { policy: { names: { allow: ['a.test'] } }, tls: true } } }));
  test.each(paths(changed).map((path) => [path.join('.'), path] as const).filter(([at]) => at !== ''))('%s', (at, path) => {
    for (const value of VALUES) {
      const text = source(replaced(changed, path, value));
      const found = takers(text);
      const { problems, resources } = load([{ path: 'a.yaml', text }]);
      if (found === 'refused' || found[0] === undefined) continue;
      const { ir } = translate(resources);
      // Never without the resolver, whoever is the author.
      const resolved = found[0].action.kind === 'respond' || found[0].resolver !== undefined;
      expect(resolved, `${at} = ${JSON.stringify(value)}`).toBe(true);
      if (chosen[kind]?.test(at) === true && problems.length === 0) continue;
      expect(found[0].action.kind === 'respond' || (verified(ir) && found[0].resolver?.policy.policy.names.allow[0] === 'a.test'), `${at} = ${JSON.stringify(value)}`).toBe(true);
    }
  });
});

describe('the policy document', () => {
  test.each([
    ['is there twice', `${text}---\n${stringify(documents.find(({ kind }) => kind === 'SecurityPolicy'))}`],
    ['is in a List', text.replace(/^apiVersion: gateway\.envoyproxy[^]*?(?=^---)/m, (policy) => `apiVersion: v1\nkind: List\nitems:\n- ${policy.trimEnd().split('\n').join('\n  ')}\n`)],
    ['has a kind in lower case', text.replace('kind: SecurityPolicy', 'kind: securitypolicy')],
    ['has another version', text.replace('gateway.envoyproxy.io/v1alpha1', 'gateway.envoyproxy.io/v1beta1')],
    ['is cut short', text.replace(/authorization:[^]*?(?=^---)/m, 'authorization:\n    defaul\n')],
    ['lost its key set', text.replace('name: jwt-local-jwks', 'name: other')],
    ['names a provider that is not there', text.replace('provider: example', 'provider: other')],
    ['targets by selector with a key of another type', text.replace(/targetRefs:\n(.*\n){3}/, 'targetSelectors: [{kind: HTTPRoute, matchLabels: {a: 1}}]\n')],
  ])('%s', (_, source) => {
    expect(source).not.toBe(text);
    const found = takers(source);
    if (found !== 'refused') expect(safe(found[0])).toBe(true);
  });
});
