// What load says about every kind of mistake, and where.
import { describe, expect, test } from 'vitest';
import { load } from '../../controller-glue/load.ts';
import { loadFile } from '../../controller-glue/load/load-file.ts';
import type { DocumentCache } from '../../controller-glue/load/load-file.ts';
import { merge } from '../../controller-glue/load/merge.ts';

const META = 'metadata: {name: a}';
const policy = (spec: string) => `apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\n${META}\nspec:\n  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: a}]\n${spec}`;
const route = (spec: string) => `apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n${META}\nspec:\n  parentRefs: [{name: a}]\n${spec}`;
const gateway = (spec: string) => `apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n${META}\nspec:\n  gatewayClassName: a\n${spec}`;
const matches = (n: number) => [{ matches: Array.from({ length: n }, (_, i) => ({ path: { value: `/${i}` } })) }];

interface Case { readonly name: string; readonly text: string; readonly problems: readonly string[]; readonly fatal?: boolean }

const cases: readonly Case[] = [
  { name: 'an empty file is fine', text: '', problems: [] },
  { name: 'empty documents are fine', text: '---\n---\n# only a comment\n---\n', problems: [] },
  { name: 'kinds that only say how programs run are skipped', text: `apiVersion: apps/v1\nkind: Deployment\n${META}\nspec: {whatever: true}\n---\napiVersion: v1\nkind: ServiceAccount\n${META}`, problems: [] },
  { name: 'an unknown kind of another group is a warning', text: `apiVersion: example.com/v1\nkind: Thing\n${META}`, problems: ['2 warning kind: unknown kind Thing in example.com; skipped'] },
  { name: 'a misspelt core kind is a warning with a hint', text: `apiVersion: v1\nkind: Sevice\n${META}`, problems: ['2 warning kind: unknown kind Sevice in the core group; skipped (did you mean Service?)'] },
  { name: 'an unknown kind of EG is fatal', text: `apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolcy\n${META}`, problems: ['2 error kind: unknown kind SecurityPolcy in gateway.envoyproxy.io (did you mean SecurityPolicy?)'], fatal: true },
  { name: 'an unknown kind of ours is fatal', text: `apiVersion: gatewright.dev/v1alpha1\nkind: Foo\n${META}`, problems: ['2 error kind: unknown kind Foo in gatewright.dev'], fatal: true },
  { name: 'a policy under a misspelt group is fatal', text: `apiVersion: gateway.envoyproxy.com/v1alpha1\nkind: SecurityPolicy\n${META}`, problems: ['1 error apiVersion: unknown kind SecurityPolicy in gateway.envoyproxy.com (did you mean apiVersion gateway.envoyproxy.io/v1alpha1?)'], fatal: true },
  { name: 'a version we do not have is fatal', text: `apiVersion: gateway.networking.k8s.io/v2\nkind: HTTPRoute\n${META}`, problems: ['1 error apiVersion: HTTPRoute has no version v2 here (use gateway.networking.k8s.io/v1)'], fatal: true },
  { name: 'no apiVersion', text: `kind: Service\n${META}`, problems: ['1 error apiVersion: is required: a string such as v1 or gateway.networking.k8s.io/v1'], fatal: true },
  { name: 'no kind', text: `apiVersion: v1\n${META}`, problems: ['1 error kind: is required: a string such as HTTPRoute'], fatal: true },
  { name: 'a document that is a list', text: '- a\n- b', problems: ['1 error : must be a mapping with apiVersion and kind'], fatal: true },
  { name: 'no name', text: 'apiVersion: v1\nkind: Service\nmetadata: {namespace: a}', problems: ['3 error metadata.name: is required: a string'], fatal: true },
  { name: 'a name that Kubernetes would refuse', text: 'apiVersion: v1\nkind: Service\nmetadata:\n  name: A/b\nspec: {}', problems: ['4 error metadata.name: must be lower-case letters, digits, "-" and "." (RFC 1123 subdomain)'], fatal: true },
  { name: 'an unknown field with a hint', text: policy('  jwt:\n    provider: []'), problems: ['6 error spec.jwt.providers: is required: a list', '7 error spec.jwt.provider: unknown field (did you mean providers?)'] },
  { name: 'an unknown field of a core kind is a warning', text: `apiVersion: v1\nkind: Service\n${META}\nspec:\n  portz: []`, problems: ['5 warning spec.portz: unknown field (did you mean ports?)'] },
  { name: 'a wrong type says what is wanted', text: gateway('  listeners:\n  - name: a\n    port: "80"\n    protocol: 7'), problems: ['8 error spec.listeners[0].port: must be a number, not a string', '9 error spec.listeners[0].protocol: must be a string, not a number'] },
  { name: 'a number out of range', text: gateway('  listeners: [{name: a, protocol: HTTP, port: 70000}]'), problems: ['6 error spec.listeners[0].port: must be at most 65535'] },
  { name: 'a word that is not in the list', text: policy('  authorization:\n    defaultAction: allow'), problems: ['7 error spec.authorization.defaultAction: must be one of Allow, Deny'] },
  { name: 'what EG has and we do not is not supported, by its field', text: policy('  basicAuth: {}\n  jwt:\n    failOpen: true\n    providers:\n    - name: a\n      localJWKS: {inline: "{}"}\n  csrf: {}'), problems: ['6 error spec.basicAuth: not supported', '8 error spec.jwt.failOpen: not supported (see jwt.optional)', '12 error spec.csrf: not supported'] },
  { name: 'failOpen: false is what we do', text: policy('  jwt: {failOpen: false, providers: [{name: a, localJWKS: {inline: "{}"}}]}'), problems: [] },
  { name: 'filters of routes are not supported, each by its type', text: route('  rules:\n  - filters:\n    - type: URLRewrite\n      urlRewrite: {}'), problems: ['8 error spec.rules[0].filters[0]: not supported (filters of URLRewrite are not there yet)'] },
  { name: '128 matches in all rules of a route together are the most', text: route(`  rules: ${JSON.stringify([...matches(64), ...matches(63)])}\n`).replace('rules: [', 'rules: [{},'), problems: [] },
  { name: 'more matches are fatal: those left out would go to a more open route', text: route(`  rules: ${JSON.stringify([...matches(64), ...matches(64)])}\n`).replace('rules: [', 'rules: [{},'), problems: ['6 error spec.rules: must have at most 128 matches, those of all rules together'], fatal: true },
  { name: 'beside whatever else is wrong', text: route(`  rules: ${JSON.stringify([...matches(64), ...matches(64)])}\n`).replace('rules: [', 'rules: [{backendRefs: 1},'),
    problems: ['6 error spec.rules[0].backendRefs: must be a list, not a number', '6 error spec.rules: must have at most 128 matches, those of all rules together'], fatal: true },
  { name: 'neither local nor remote keys', text: policy('  jwt:\n    providers:\n    - name: a'), problems: ['8 error spec.jwt.providers[0]: must have exactly one of remoteJWKS and localJWKS'] },
  { name: 'a policy without a target is fatal', text: `apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\n${META}\nspec: {}`, problems: ['4 error spec: must have one of targetRef, targetRefs, targetSelectors'], fatal: true },
  { name: 'a target that cannot be read is fatal: what it covers would be open', text: policy('').replace('kind: HTTPRoute', 'kind: HTTPRout'), problems: ['5 error spec.targetRefs[0].kind: must be one of Gateway, HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute, ListenerSet, XListenerSet, GatewayClass, Service'], fatal: true },
  { name: 'a host name with a port', text: route('  hostnames: ["a.test:80"]'), problems: ['6 error spec.hostnames[0]: must be a DNS name in lower case, "*." allowed in front, no IP address and no port'], fatal: true },
  { name: 'a path that could never match', text: route('  rules:\n  - matches:\n    - path: {value: /a//b}\n    - path: {value: a}\n    - path: {value: /a/..}'), problems: ['8 error spec.rules[0].matches[0].path.value: must not contain //', '9 error spec.rules[0].matches[1].path.value: must start with /', '10 error spec.rules[0].matches[2].path.value: must not end with /..'], fatal: true },
  { name: 'a duration of the wrong form', text: route('  rules: [{timeouts: {request: 1.5s}}]'), problems: ['6 error spec.rules[0].timeouts.request: must be a duration such as 500ms, 10s or 1h30m'] },
  { name: 'listeners of one name', text: gateway('  listeners:\n  - {name: a, protocol: HTTP, port: 1}\n  - {name: a, protocol: HTTP, port: 2}'), problems: ['8 error spec.listeners[1].name: must be unique within the Gateway'] },
  { name: 'a Secret that is not base64', text: `apiVersion: v1\nkind: Secret\n${META}\ndata:\n  k: "not base64!"`, problems: ['5 error data.k: must be base64'] },
  { name: 'a kind of EG that we do not carry out', text: `apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\n${META}\nspec: {targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: a}], anything: {}}`, problems: ['2 error kind: EnvoyExtensionPolicy is not supported yet; what it covers answers 500'] },
  { name: 'the problem of the third document has its own line', text: `---\n${route('')}\n---\n# comment\n${route('').replace('name: a', 'name: b')}\n---\n${route('').replace('name: a}', 'name: c}\nbogus: 1')}`, problems: ['20 error bogus: unknown field'] },
  { name: 'items of a List are read one by one', text: `apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ServiceAccount\n- apiVersion: gateway.networking.k8s.io/v1\n  kind: HTTPRoute\n  metadata: {name: a}\n  spec:\n    nope: 1`, problems: ['10 error items[1].spec.nope: unknown field'], fatal: true },
  { name: 'a YAML syntax error', text: 'apiVersion: v1\nkind: [', problems: ['2 error : Flow sequence in block collection must be sufficiently indented and end with a ]'], fatal: true },
  { name: 'a tab', text: 'apiVersion: v1\nmetadata:\n\tname: a', problems: ['3 error : Tabs are not allowed as indentation'], fatal: true },
  { name: 'a key twice', text: 'apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  name: b', problems: ['5 error metadata.name: is given twice'], fatal: true },
  { name: '__proto__', text: 'apiVersion: v1\nkind: Service\n__proto__: {name: a}', problems: ['3 error __proto__: this key is not allowed'], fatal: true },
  { name: 'a NUL byte', text: 'apiVersion: v1\nkind: Se\0rvice', problems: ['2 error : a NUL byte is not allowed in YAML'], fatal: true },
  { name: 'an alias to nowhere', text: 'apiVersion: v1\nkind: *x', problems: ['2 error kind: an alias to an anchor that is not there (a text that begins with * needs quotes)'], fatal: true },
  { name: 'an apiVersion that every object has', text: 'apiVersion: constructor/v1\nkind: x\nmetadata: {name: a}', problems: ['2 warning kind: unknown kind x in constructor; skipped'] },
  { name: 'a pattern that Envoy cannot run', text: `apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec:\n  parentRefs: [{name: eg}]\n  rules:\n  - matches:\n    - path: {type: RegularExpression, value: '/(?=x)'}`, problems: ['8 error spec.rules[0].matches[0].path.value: looks around: RE2 has no (?= (?! (?<= (?<!'], fatal: true },
  { name: 'an alias that holds itself', text: 'apiVersion: v1\nkind: Service\nmetadata: &a {x: *a}', problems: ['3 error metadata.x: an alias refers to what it stands in'], fatal: true },
  { name: 'a tag', text: 'apiVersion: v1\nkind: !!binary aGk=', problems: ['2 error kind: is not a value that JSON has'], fatal: true },
  { name: 'anchors, aliases and merge keys are YAML', text: `apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: &l {x: y}, annotations: {<<: *l, z: w}}\nspec: {}`, problems: [] },
  { name: 'an alias means the anchor that was set last before it', text: `apiVersion: v1\nkind: Service\nmetadata: {name: &a x, labels: &l {one: *a}, annotations: {two: &a y, three: *a, <<: *l}}\nspec: {}`, problems: [] },
  { name: '%YAML before a document belongs to it', text: `%YAML 1.2\n---\n${route('')}`, problems: [] },
];

describe('load', () => {
  test.each(cases)('$name', ({ text, problems, fatal = false }) => {
    const loaded = load([{ path: 'a.yaml', text }]);
    expect(loaded.problems.map(({ line, severity, path, message, hint }) => `${line} ${severity} ${path}: ${message}${hint === undefined ? '' : ` (${hint})`}`)).toEqual(problems);
    expect(loaded.problems.every(({ file }) => file === 'a.yaml')).toBe(true);
    expect(loaded.fatal).toBe(fatal);
  });

  test('keeps what is left of a broken object, with its problems', () => {
    const { resources } = load([{ path: 'a.yaml', text: route('  rules:\n  - matches: [{path: {value: nope}}]\n    backendRefs: [{name: b, port: 1}]\n  - 7') }]);
    expect(resources.httpRoutes[0]?.spec.rules).toMatchObject([{ matches: [{ path: { type: 'PathPrefix', value: '/' } }], backendRefs: [{ name: 'b' }] }, {}]);
    expect(resources.httpRoutes[0]?.problems.map(({ path }) => path)).toEqual(['spec.rules[0].matches[0].path.value', 'spec.rules[1]']);
  });

  test('the same object in two files is an error on both', () => {
    const { resources, problems } = load([{ path: 'a.yaml', text: route('') }, { path: 'b.yaml', text: `# b\n${route('')}` }]);
    expect(problems.map(({ file, line, message }) => `${file}:${line} ${message}`)).toEqual(['a.yaml:1 HTTPRoute default/a is given twice: also at b.yaml:2', 'b.yaml:2 HTTPRoute default/a is given twice: also at a.yaml:1']);
    expect(resources.httpRoutes.map(({ problems: own }) => own.length)).toEqual([1, 1]);
  });

  test('an alias keeps its meaning where it is written out again', () => {
    const { resources } = load([{ path: 'a.yaml', text: 'apiVersion: v1\nkind: Service\nmetadata: {name: &a x, labels: &l {one: *a}, annotations: {two: &a y, three: *a, <<: *l}}\nspec: {}' }]);
    expect(resources.services[0]?.metadata).toMatchObject({ name: 'x', labels: { one: 'x' }, annotations: { one: 'x', two: 'y', three: 'y' } });
  });

  test('a Secret cannot be printed, whether from data or stringData, and stringData wins', () => {
    const { resources } = load([{ path: 'a.yaml', text: `apiVersion: v1\nkind: Secret\n${META}\ndata: {k: b2xk, d: ZGF0YQ==}\nstringData: {k: "n3w"}` }]);
    const [secret] = resources.secrets;
    expect([secret?.spec.data['k']?.reveal(), secret?.spec.data['d']?.reveal()]).toEqual(['n3w', 'data']);
    expect(JSON.stringify(resources)).not.toMatch(/n3w|b2xk|ZGF0YQ|:"data"/);
  });

  test('EnvoyGateway is found as a document and inside its ConfigMap, and its faults lead to the line', () => {
    const inside = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: envoy-gateway-config, namespace: envoy-gateway-system}\ndata:\n  envoy-gateway.yaml: |\n    apiVersion: gateway.envoyproxy.io/v1alpha1\n    kind: EnvoyGateway\n    gateway: {controllerName: example.com/x}\n    rateLimit: {}\n';
    const { resources, problems } = load([{ path: 'a.yaml', text: `${inside}---\napiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyGateway\nextensionApis: {enableBackend: true}\n` }]);
    expect(resources.envoyGateways.map(({ spec }) => spec)).toEqual([{ gateway: { controllerName: 'example.com/x' } }, { extensionApis: { enableBackend: true } }]);
    expect(problems.map(({ line, path, message }) => `${line} ${path} ${message}`)).toEqual(['5 data["envoy-gateway.yaml"].rateLimit not supported']);
  });
});

describe('a reload', () => {
  const text = (change: string) => Array.from({ length: 50 }, (_, i) => `${route(`  hostnames: [h${i}${i === 25 ? change : ''}.test]`).replace('name: a}', `name: r${i}}`)}\n`).join('---\n');

  test('gives what a first load gives', () => {
    const cache: DocumentCache = new Map();
    loadFile('a.yaml', text(''), cache);
    const moved = `# one line more\n---\n${text('x')}`;
    expect(merge([loadFile('a.yaml', moved, cache)])).toEqual(merge([loadFile('a.yaml', moved)]));
  });

  test('keeps no more than the file holds', () => {
    const cache: DocumentCache = new Map();
    for (let i = 0; i < 20; i++) loadFile('a.yaml', text(`x${i}`), cache);
    expect(cache.get('a.yaml')?.size).toBe(50);
  });
});
