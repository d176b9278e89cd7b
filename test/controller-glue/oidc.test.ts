// `oidc` of a SecurityPolicy and an OIDCPolicy: what is refused and in which words, what is told, and what no output ever holds.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { load } from '../../controller-glue/load.ts';
import { redirectUrl } from '../../controller-glue/redirect-url.ts';
import { translate } from '../../controller-glue/translate.ts';
import { NO_CODE, httpFilters } from '../../controller-glue/xds/extensions.ts';
import { routeJson } from '../../controller-glue/xds/routes.ts';
import { buildSnapshot, snapshotJson, typeUrls, withSessionKeys } from '../../controller-glue/xds/snapshot.ts';
import { documents, gateway, gatewayClass, httpRoute, service } from '../up/manifests.ts';

const CANARY = 'never-to-be-seen';
const target = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'app' };
const secret = (stringData: object, metadata: object = { name: 'client' }): object => ({ apiVersion: 'v1', kind: 'Secret', metadata, stringData });
const OIDC = { provider: { issuer: 'https://idp.example' }, clientID: 'app', clientSecret: { name: 'client' } };
const securityPolicy = (spec: object): object => ({ apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'SecurityPolicy', metadata: { name: 'app' }, spec: { targetRefs: [target], ...spec } });
const oidcPolicy = (spec: object): object => ({ apiVersion: 'gatewright.dev/v1alpha1', kind: 'OIDCPolicy', metadata: { name: 'more' }, spec: { targetRefs: [target], ...spec } });
const backend = (spec: object): object => ({ apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'Backend', metadata: { name: 'idp' }, spec });
const jwt = (provider: object = {}, more: object = {}): object => ({ jwt: { ...more, providers: [{ name: 'api', remoteJWKS: { uri: 'https://idp.example/keys' }, ...provider }] } });
type Route = Readonly<Record<string, unknown>>;
const all = { rules: [{ backendRefs: [{ name: 'backend', port: 3000 }] }] };

function made(objects: readonly object[], route: Route = all, tag?: (secret: { reveal(): string }) => string) {
  const { resources, problems } = load([{ path: 'a.yaml', text: documents(gatewayClass, gateway([{ name: 'http', protocol: 'HTTP', port: 80 }]), service(), httpRoute('app', [], route), ...objects) }]);
  const translated = translate(resources, tag === undefined ? {} : { tag });
  const found = [...problems, ...translated.problems];
  const routes = translated.ir.gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap((host) => host.routes)));
  return {
    ...translated, routes, first: routes[0],
    errors: found.filter(({ severity }) => severity === 'error').map(({ path, message }) => `${path}: ${message}`),
    warnings: found.filter(({ severity, message }) => severity === 'warning' && !message.includes('over http')).map(({ path, message }) => `${path}: ${message}`),
  };
}
const login = (more: object, ...objects: readonly object[]) => made([secret({ 'client-secret': CANARY, 'client-id': 'by-reference' }), securityPolicy({ oidc: { ...OIDC, ...more } }), ...objects]);
const without = (...fields: readonly string[]): object => Object.fromEntries(fields.map((field) => [field, undefined]));

describe('is refused, and its routes answer 500', () => {
  test.each<[string, () => ReturnType<typeof made>, string]>([
    ['no client', () => login(without('clientID')), 'spec.oidc: only one of clientID or clientIDRef must be set'],
    ['two clients', () => login({ clientIDRef: { name: 'client' } }), 'spec.oidc: only one of clientID or clientIDRef must be set'],
    ['backendRef', () => login({ provider: { issuer: 'https://idp.example', backendRef: { name: 'idp' } } }), 'spec.oidc.provider.backendRef: BackendRefs must be used, backendRef is not supported.'],
    ['a timeout of retries', () => login({ provider: { issuer: 'https://idp.example', backendSettings: { retry: { perRetry: { timeout: '1s' } } } } }), 'spec.oidc.provider.backendSettings.retry.perRetry.timeout: Retry timeout is not supported.'],
    ['statuses to retry on', () => login({ provider: { issuer: 'https://idp.example', backendSettings: { retry: { retryOn: { httpStatusCodes: [500] } } } } }), 'spec.oidc.provider.backendSettings.retry.retryOn.httpStatusCodes: HTTPStatusCodes is not supported.'],
    ['settings of connections that are not there', () => login({ provider: { issuer: 'https://idp.example', backendSettings: { http2: {} } } }), 'spec.oidc.provider.backendSettings.http2: not supported'],
    ['two tokens in one header', () => login({ forwardAccessToken: true, forwardIDToken: { header: 'Authorization' } }), 'spec.oidc.forwardIDToken.header: forwardAccessToken cannot be true when forwardIDToken.header is Authorization'],
    ['an ID token as the host', () => login({ forwardIDToken: { header: 'Host' } }), 'spec.oidc.forwardIDToken.header: header cannot be the Host header'],
    ['an ID token where Envoy looks', () => login({ forwardIDToken: { header: 'x-envoy-original-path' } }), 'spec.oidc.forwardIDToken.header: must not be a header that Envoy itself goes by'],
    ['an issuer that anybody on the way could be', () => login({ provider: { issuer: 'http://idp.example' } }), 'spec.oidc.provider.issuer: must be an https URL (plain http is for loopback addresses only)'],
    ['a token endpoint with a password', () => login({ provider: { issuer: 'https://idp.example', tokenEndpoint: 'https://a:b@idp.example/token' } }), 'spec.oidc.provider.tokenEndpoint: must not hold a user name or a password'],
    ['a callback at /', () => login({ redirectURL: 'https://app.example/' }), 'spec.oidc.redirectURL: must have a path other than /: all that is asked for there would be taken for an answer of the provider'],
    ['one path with two meanings', () => login({ logoutPath: '/oauth2/callback' }), 'spec.oidc.logoutPath: must not be the path of redirectURL'],
    ['cookies of another domain', () => login({ cookieDomain: 'other.example', redirectURL: 'https://www.app.example/back' }), 'spec.oidc.cookieDomain: must be the host of redirectURL or a domain that it is in: the browser would bring no cookie there'],
    ['no secret, and nothing in its place', () => login(without('clientSecret')), 'spec.oidc.clientSecret: is required, unless clientAuthentication of an OIDCPolicy is another. There is none on rule 0 of HTTPRoute default/app: the rule answers 500'],
    ['a ConfigMap for a secret', () => login({ clientSecret: { kind: 'ConfigMap', name: 'client' } }), 'spec.oidc.clientSecret: must refer to a Secret'],
    ['a secret that is not there', () => login({ clientSecret: { name: 'nobody' } }), 'spec.oidc.clientSecret: Secret default/nobody not found'],
    ['a secret of others', () => login({ clientSecret: { name: 'client', namespace: 'theirs' } }, secret({ 'client-secret': CANARY }, { name: 'client', namespace: 'theirs' })), 'spec.oidc.clientSecret: Secret theirs/client not permitted by any ReferenceGrant'],
    ['a secret without the key', () => made([secret({ password: CANARY }), securityPolicy({ oidc: OIDC })]), 'spec.oidc.clientSecret: Secret default/client must hold client-secret'],
    ['passThroughAuthHeader without jwt', () => login({ passThroughAuthHeader: true }), 'spec.oidc.passThroughAuthHeader: the OIDC.PassThroughAuthHeader setting must be used in conjunction with JWT settings'],
    ['passThroughAuthHeader with tokens in cookies alone', () => made([secret({ 'client-secret': CANARY }), securityPolicy({ oidc: { ...OIDC, passThroughAuthHeader: true }, ...jwt({ extractFrom: { cookies: ['token'] } }) })]),
      'spec.oidc.passThroughAuthHeader: the OIDC.PassThroughAuthHeader setting must be used in conjunction with a JWT provider that is configured to read from a header'],
    ['a provider of no such Service', () => login({ provider: { issuer: 'https://idp.example', backendRefs: [{ name: 'idp', port: 443 }] } }), 'spec.oidc.provider.backendRefs[0]: Service default/idp not found'],
    ['a pattern that RE2 refuses', () => login({ denyRedirect: { headers: [{ name: 'accept', type: 'RegularExpression', value: '(?=a)' }] } }), 'spec.oidc.denyRedirect.headers[0].value:'],
    ['a back channel to cookies', () => login({}, oidcPolicy({ logout: { backChannelPath: '/out' } })), 'spec.logout.backChannelPath: needs session.store: nobody but the browser has the cookies'],
    ['an identity that a token overwrites', () => login({ forwardIDToken: { header: 'x-gatewright-identity' } }, oidcPolicy({ identityHeader: {} })), 'spec: sets the header x-gatewright-identity, as forwardIDToken of the SecurityPolicy does, on rule 0 of HTTPRoute default/app: the rule answers 500'],
    ['a claim as a cookie', () => login({}, oidcPolicy({ claimsToHeaders: [{ claim: 'sub', header: 'Cookie' }] })), 'spec.claimsToHeaders[0].header: must not be a header that has another use'],
    ['two claims in one header', () => login({}, oidcPolicy({ claimsToHeaders: [{ claim: 'sub', header: 'x-a' }, { claim: 'email', header: 'X-A' }] })), 'spec.claimsToHeaders[1].header: must differ from that of spec.claimsToHeaders[0].header'],
    ['a state of one\'s own', () => login({}, oidcPolicy({ login: { parameters: { state: 'mine' } } })), 'spec.login.parameters.state: must not be set here: it is for other fields, or for the login itself'],
    ['a key of another algorithm', () => login({}, secret({ 'private-key': generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) }, { name: 'key' }), oidcPolicy({ clientAuthentication: { method: 'PrivateKeyJwt', privateKeyRef: { name: 'key' } } })),
      'spec.clientAuthentication.privateKeyRef: Secret default/key: private-key is not a key for RS256'],
    ['a key that is none', () => login({}, oidcPolicy({ clientAuthentication: { method: 'PrivateKeyJwt', privateKeyRef: { name: 'client', key: 'client-secret' } } })), 'spec.clientAuthentication.privateKeyRef: Secret default/client: client-secret is neither a private key in PEM nor a JWK'],
    ['a store that is no Redis', () => login({}, oidcPolicy({ session: { store: { redis: { urlSecretRef: { name: 'client', key: 'client-secret' } } } } })), 'spec.session.store.redis.urlSecretRef: Secret default/client: client-secret must be a URL such as rediss://user:password@host:6379'],
  ])('%s', (_, make, says) => {
    const { errors, first, ...rest } = make();
    expect(errors.some((error) => error.startsWith(says)), errors.join('\n')).toBe(true);
    expect(first?.action).toEqual({ kind: 'respond', status: 500, reason: 'gatewright_policy_invalid' });
    expect(first?.oidc).toBeUndefined();
    expect(JSON.stringify(rest)).not.toContain(CANARY);
  });
});

describe('redirectURL', () => {
  test.each<[string, object | string]>([
    ['https://www.example.com:8443/oauth2/callback', { scheme: 'https', host: 'www.example.com:8443', path: '/oauth2/callback' }],
    ['%REQ(x-forwarded-proto)%://%REQ(:authority)%/back', { scheme: undefined, host: '%REQ(:authority)%', path: '/back' }],
    ['http://[::1]:8080/back', { scheme: 'http', host: '[::1]:8080', path: '/back' }],
    ['https://WWW.example.com/back', { scheme: 'https', host: 'www.example.com', path: '/back' }],
    ['https://www.example.com', 'must be a URL'], ['ftp://www.example.com/back', 'must be a URL'], ['/oauth2/callback', 'must be a URL'],
    ['https://%REQ(x-forwarded-host)%/back', 'must have a host'], ['https://user@host/back', 'must have a host'], ['https://host:0/back', 'must have a host'], ['https://0x7f.1/back', 'must have a host'], ['https://256.256.256.256/back', 'must have a host'],
    ['https://host/back?x=1', 'must have a path'], ['https://host//back', 'must have a path'], ['https://host/a/../b', 'must have a path'], ['https://host/%2e', 'must have a path'], ['https://host/back#x', 'must have a path'],
  ])('%s', (text, expected) => {
    const read = redirectUrl(text);
    if (typeof expected === 'string') expect(String(read).slice(0, expected.length)).toBe(expected);
    else expect(read).toEqual(expected);
  });
});

describe('whose login could never end is told', () => {
  const CALLBACK = 'spec.oidc.redirectURL: nobody can log in at www.example.com: no rule under this policy takes /oauth2/callback';
  const LOGOUT = 'spec.oidc.logoutPath: nobody can log out at www.example.com: no rule under this policy takes /logout';
  const rules = (...values: readonly string[]): Route => ({ rules: [{ matches: values.map((value) => ({ path: { value } })), backendRefs: [{ name: 'backend', port: 3000 }] }] });
  test.each<[string, Route, readonly string[]]>([
    ['not where all is under the policy', all, []],
    ['where neither path is', rules('/app'), [CALLBACK, LOGOUT]],
    ['not where both are beside it', rules('/app', '/oauth2', '/logout'), []],
    ['where a prefix ends within a word', rules('/app', '/oauth', '/logout'), [CALLBACK]],
    ['where only a POST gets there', { rules: [{ matches: [{ method: 'POST' }], backendRefs: [{ name: 'backend', port: 3000 }] }] }, [CALLBACK, LOGOUT]],
  ])('%s', (_, route, says) => expect(made([secret({ 'client-secret': CANARY }), securityPolicy({ oidc: OIDC })], route).warnings).toEqual(says));
  test('where browsers refuse its cookies', () => {
    expect(login({ cookieDomain: 'example.com' }).warnings).toEqual([]);
    expect(login({ cookieDomain: 'example.org' }).warnings).toEqual(['spec.oidc.cookieDomain: nobody can log in at www.example.com: there browsers refuse cookies of example.org']);
  });
  test('where another rule takes the path first', () => {
    const open = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: 'open' }, spec: { parentRefs: [{ name: 'eg' }], hostnames: ['www.example.com'], rules: [{ matches: [{ path: { value: '/oauth2' } }], backendRefs: [{ name: 'backend', port: 3000 }] }] } };
    expect(login({}, open).warnings).toEqual([CALLBACK]);
  });
});

describe('jwt and the login on one route', () => {
  const both = (oidc: object, jwtSpec: object, more: object = {}) => made([secret({ 'client-secret': CANARY }), securityPolicy({ oidc: { ...OIDC, ...oidc }, ...jwtSpec, ...more })]).first;
  test('a token that the login need not see must be one that jwt has seen, or there is a session: `optional` opens nothing', () => {
    const route = both({ passThroughAuthHeader: true }, jwt({}, { optional: true }));
    expect(route?.jwt?.policy).toMatchObject({ missing: 'Deny', providers: [{ name: 'api' }, { name: 'oidc', keys: { session: true } }] });
    expect(route?.oidc?.policy.passThrough).toEqual([{ name: 'authorization', prefix: 'Bearer ' }]);
  });
  test('without it `optional` is what it is in EG', () => expect(both({}, jwt({}, { optional: true }))?.jwt?.policy).toMatchObject({ missing: 'Allow', providers: [{ name: 'api' }] }));
  test('a session is no token of jwt unless a rule says so', () => expect(both({}, jwt())?.jwt?.policy).toMatchObject({ missing: 'Deny', providers: [{ name: 'api' }] }));
  test('the tokens of cookieNames come by headers that the upstream does not get', () => {
    const route = both({ cookieNames: { idToken: 'ID', accessToken: 'AT' } }, jwt({ extractFrom: { cookies: ['ID', 'AT', 'mine'] } }));
    expect(route?.jwt?.policy.providers[0]?.from).toEqual({ headers: [{ name: 'x-gatewright-id-token', prefix: '' }, { name: 'x-gatewright-access-token', prefix: '' }], params: [], cookies: ['mine'] });
    expect(route?.oidc?.policy.tokenHeaders).toEqual({ idToken: 'x-gatewright-id-token', accessToken: 'x-gatewright-access-token' });
    expect(route?.oidc?.session.removeHeaders).toEqual(['x-gatewright-access-token', 'x-gatewright-id-token']);
    expect(route === undefined ? [] : routeJson(route).requestHeadersToRemove?.toSorted()).toEqual(['x-gatewright-access-token', 'x-gatewright-id-token']);
  });
  test('a rule of authorization asks for claims of the session', () => {
    const rule = { action: 'Allow', principal: { jwt: { provider: 'oidc', scopes: ['admin'], claims: [{ name: 'realm.roles', valueType: 'StringArray', values: ['admin'] }] } } };
    const route = both({}, {}, { authorization: { rules: [rule] } });
    expect(route?.oidc?.policy.claims).toEqual([['realm', 'roles'], ['scope'], ['scp']]);
    expect(route?.jwt?.policy).toMatchObject({ missing: 'Allow', providers: [{ name: 'oidc', keys: { session: true } }] });
  });
  test('a provider of that name is the user\'s', () => {
    const route = both({}, jwt({ name: 'oidc' }), { authorization: { rules: [{ action: 'Allow', principal: { jwt: { provider: 'oidc', scopes: ['a'] } } }] } });
    expect(route?.jwt?.policy.providers.map(({ name, keys }) => [name, Object.keys(keys)])).toEqual([['oidc', ['remote']]]);
    expect(route?.oidc?.policy.claims).toEqual([]);
  });
});

describe('secrets', () => {
  const tag = (value: { reveal(): string }): string => `tag of ${value.reveal().length}`;
  const id = (text: string, by?: typeof tag) => made([secret({ 'client-secret': text }), securityPolicy({ oidc: OIDC })], all, by).first?.oidc?.id;
  test('are in no id', () => expect(id('a')).toBe(id('another')));
  test('change it by their tag alone', () => {
    expect(id('a', tag)).not.toBe(id('another', tag));
    expect(id('a', tag)).toBe(id('b', tag));
  });
  test.each(['every-setting-of-a-login-has-its-place', 'people-log-in-before-they-reach-the-backend', 'a-login-at-fault-closes-its-routes'])('are in nothing that is printed, nor sent to Envoy: %s', (sentence) => {
    const text = readFileSync(join(import.meta.dirname, '../golden', sentence, 'in.yaml'), 'utf8');
    expect(text).toContain(CANARY);
    const { resources, problems } = load([{ path: 'in.yaml', text }]);
    const translated = translate(resources);
    const options = { caFile: '/ca.pem', address: '127.0.0.1' };
    const sent = translated.ir.gateways.flatMap((one) => [...buildSnapshot(one, { ...options, wasm: NO_CODE }).values()].flatMap((each) => [...each.values()].map(({ body }) => Buffer.from(body).toString('latin1'))));
    const printed = JSON.stringify([problems, translated, translated.ir.gateways.map((one) => snapshotJson(one, options))]);
    for (const each of [...sent, printed]) expect(each).not.toContain(CANARY);
  });
});

describe('a provider behind backendRefs', () => {
  const enabled = { apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'EnvoyGateway', extensionApis: { enableBackend: true } };
  const at = (...objects: readonly object[]) => login({ provider: { issuer: 'https://idp.example', backendRefs: [{ group: 'gateway.envoyproxy.io', kind: 'Backend', name: 'idp' }] } }, ...objects);
  test('is reached at the endpoints of a Backend, which is accepted for it', () => {
    const { errors, first, statuses } = at(enabled, backend({ endpoints: [{ ip: { address: '192.0.2.1', port: 8443 } }, { fqdn: { hostname: 'idp.internal', port: 443 } }], tls: { wellKnownCACertificates: 'System', sni: 'idp.example' } }));
    expect(errors).toEqual([]);
    expect(first?.oidc?.policy.provider.connect).toEqual({ addresses: [{ host: '192.0.2.1', port: 8443 }, { host: 'idp.internal', port: 443 }], serverName: 'idp.example' });
    expect(statuses.find(({ kind }) => kind === 'Backend')?.status.conditions?.[0]?.status).toBe('True');
  });
  test.each<[string, readonly object[], string]>([
    ['one that is not enabled', [backend({ endpoints: [{ ip: { address: '192.0.2.1', port: 1 } }] })], 'spec.oidc.provider.backendRefs[0]: Backend is disabled in Envoy Gateway configuration'],
    ['a certificate of ours', [enabled, backend({ endpoints: [{ ip: { address: '192.0.2.1', port: 1 } }], tls: { wellKnownCACertificates: 'System', clientCertificateRef: { name: 'client' } } })], 'spec.tls.clientCertificateRef: not supported for the provider of a login'],
    ['a socket', [enabled, backend({ endpoints: [{ unix: { path: '/idp.sock' } }] })], 'spec.endpoints[0]: must be an ip or a fqdn, with a port'],
    ['whatever a request names', [enabled, backend({ type: 'DynamicResolver' })], 'spec.oidc.provider.backendRefs[0]: Backend default/idp is of type DynamicResolver: a provider needs endpoints'],
  ])('refuses %s', (_, objects, says) => {
    const { errors, first } = at(...objects);
    expect(errors).toContain(says);
    expect(first?.action.kind).toBe('respond');
  });
});

test('an OIDCPolicy where nobody logs in says so, and changes nothing', () => {
  const alone = made([oidcPolicy({ claimsToHeaders: [{ claim: 'sub', header: 'x-sub' }] })]);
  expect(alone.warnings).toEqual(['spec: changes nothing: no SecurityPolicy with oidc covers what it is for']);
  expect(alone.first?.action.kind).toBe('forward');
  expect(alone.statuses.find(({ kind }) => kind === 'OIDCPolicy')?.status.ancestors?.[0]?.conditions.map(({ type, status, reason }) => [type, status, reason])).toEqual([['Accepted', 'True', 'Accepted'], ['Warning', 'True', 'NoLogin']]);
});

test('other keys of sessions are another session filter, and nothing else', () => {
  const [irGateway] = login({}).ir.gateways;
  if (irGateway === undefined) throw new Error('no gateway');
  const before = buildSnapshot(irGateway, { wasm: NO_CODE, caFile: '/ca.pem', address: '127.0.0.1' });
  const after = withSessionKeys(before, NO_CODE, { keys: [{ kty: 'EC', kid: 'new' }] });
  const changed = [...after].flatMap(([url, resources]) => [...resources].filter(([name, { version }]) => before.get(url)?.get(name)?.version !== version).map(([name]) => [url, name]));
  expect(changed).toEqual([[typeUrls.extension, 'gatewright.session']]);
  expect([...after].map(([url, resources]) => [url, resources.size])).toEqual([...before].map(([url, resources]) => [url, resources.size]));
});

test('the chain: who is logged in comes after faults and cors, and before jwt', () => {
  expect(httpFilters.map(({ name }) => name?.replace(/^(gatewright|envoy\.filters\.http)\./, ''))).toEqual(['fault', 'cors', 'session', 'oidc', 'jwt', 'fault_after', 'concurrency', 'resolved', 'resolver', 'guard', 'router']);
});
