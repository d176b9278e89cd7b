// What SecurityPolicy.oidc and OIDCPolicy have fields for, each on a route of its own, and what the backend sees of it.
import { type JWK, createLocalJWKSet, decodeJwt, exportJWK, generateKeyPair, exportPKCS8, importJWK, jwtVerify, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Browser, login } from '../oidc/browser.ts';
import { type LoginRoute, LoginSite, ORIGIN, clientSecret, forget, httpsGateway, loginRoute, oidcPolicy, secret } from './login-site.ts';
import { httpRoute, securityPolicy } from './manifests.ts';

const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
const clientKey: JWK = { ...await exportJWK(publicKey), kid: 'of-the-client', alg: 'ES256' };
const pem = await exportPKCS8(privateKey);
const ofGroup = (group: string): object => ({ action: 'Allow', principal: { jwt: { provider: 'oidc', claims: [{ name: 'groups', valueType: 'StringArray', values: [group] }] } } });
const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'eg' };
const OTHER = 'other.example.com:8443';
const page = '<h1>{{title}}</h1><p class=own>{{message}}</p><i>{{reason}}</i>';

/** `issuer`: who signs tokens that are sent along. */
const routes = (issuer: string): Readonly<Record<string, LoginRoute>> => ({
  'plain-login': {},
  'access-token': { oidc: { forwardAccessToken: true } },
  'id-token': { oidc: { forwardIDToken: { header: 'X-Id-Token' } } },
  'bearer-id-token': { oidc: { forwardIDToken: { header: 'Authorization' } } },
  'claims': { oidc: { scopes: ['email', 'profile', 'groups'] }, more: { claimsToHeaders: [{ claim: 'email', header: 'X-User-Email' }, { claim: 'groups', header: 'x-user-groups' }, { claim: 'name', header: 'x-user-name' }], identityHeader: { audience: 'the-app' }, jwksPath: '/claims/keys' } },
  'admins': { oidc: { scopes: ['groups'] }, security: { authorization: { defaultAction: 'Deny', rules: [ofGroup('admins')] } } },
  'id-cookie': {
    oidc: { cookieNames: { idToken: 'IdToken' } },
    security: { jwt: { providers: [{ name: 'session', issuer, audiences: ['id-cookie'], remoteJWKS: { uri: `${issuer}/jwks` }, extractFrom: { cookies: ['IdToken'] }, claimToHeaders: [{ claim: 'sub', header: 'x-sub' }] }] } },
  },
  'pass': { oidc: { passThroughAuthHeader: true }, security: { jwt: { optional: true, providers: [{ name: 'api', issuer, audiences: ['api'], remoteJWKS: { uri: `${issuer}/jwks` }, claimToHeaders: [{ claim: 'sub', header: 'x-sub' }] }] } } },
  'pass-custom': { oidc: { passThroughAuthHeader: true }, security: { jwt: { optional: true, providers: [{ name: 'api', issuer, remoteJWKS: { uri: `${issuer}/jwks` }, extractFrom: { headers: [{ name: 'X-Api-Token' }, { name: 'X-Other', valuePrefix: 'Token ' }] } }] } } },
  'denied': { oidc: { denyRedirect: { headers: [{ name: 'X-Api', type: 'Prefix', value: 'v' }] } } },
  'post': { more: { clientAuthentication: { method: 'ClientSecretPost' } } },
  'public': { oidc: { clientSecret: undefined }, more: { clientAuthentication: { method: 'None' } } },
  'private-key': { oidc: { clientSecret: undefined }, more: { clientAuthentication: { method: 'PrivateKeyJwt', privateKeyRef: { name: 'key' }, keyID: 'of-the-client', algorithm: 'ES256' } } },
  'always-asked': { more: { assertion: { lifetime: '0s' } } },
  'asks-for': { oidc: { scopes: ['email'], resources: ['https://api.example.com/'] }, more: { login: { prompt: ['login'], maxAge: '1h', acrValues: ['urn:test:mfa'], parameters: { login_hint: 'carol' } } } },
  'domain': { oidc: { cookieDomain: 'example.com' }, route: { hostnames: ['www.example.com', 'other.example.com'] } },
  'strict': { oidc: { cookieConfig: { sameSite: 'Strict' } } },
  'none': { oidc: { cookieConfig: { sameSite: 'None' } } },
  'goodbye': { more: { logout: { postLogoutRedirectURL: `${ORIGIN}/goodbye/out?bye` } } },
  'granted': { oidc: { clientSecret: { name: 'far', namespace: 'vault' }, clientID: undefined, clientIDRef: { name: 'far', namespace: 'vault' } } },
  'refused': { oidc: { clientSecret: { name: 'near', namespace: 'vault' } } },
  'page': { more: { errorPage: { configMapRef: { name: 'pages' } } } },
  'preflight': { more: { passPreflight: true } },
  'endpoints': { oidc: { provider: { issuer, authorizationEndpoint: `${issuer}/auth`, tokenEndpoint: `${issuer}/token`, endSessionEndpoint: `${ORIGIN}/endpoints/end-of-it` } } },
  'large': { oidc: { scopes: ['more'] } },
});

let site: LoginSite;
beforeAll(async () => {
  site = await LoginSite.start(({ provider }) => {
    for (const name of [...Object.keys(routes('')), 'whole']) {
      const how = name === 'post' ? { token_endpoint_auth_method: 'client_secret_post' as const } : name === 'public' ? { token_endpoint_auth_method: 'none' as const }
        : name === 'private-key' ? { token_endpoint_auth_method: 'private_key_jwt' as const, token_endpoint_auth_signing_alg: 'ES256' as const, jwks: { keys: [clientKey] } as never } : {};
      provider.client(name, [`${ORIGIN}/${name}/callback`], { ...how, post_logout_redirect_uris: [`${ORIGIN}/${name}/out?bye`] });
    }
    return { 'all.yaml': [
      httpsGateway(), ...Object.entries(routes(provider.issuer)).flatMap(([name, route]) => loginRoute(name, provider.issuer, route)),
      httpRoute('whole'), securityPolicy('whole', { oidc: { provider: { issuer: provider.issuer }, clientID: 'whole', clientSecret: { name: 'client' }, redirectURL: `${ORIGIN}/whole/callback`, logoutPath: '/whole/logout' } }, gateway),
      oidcPolicy('whole', { claimsToHeaders: [{ claim: 'sub', header: 'x-whole' }] }, gateway),
      clientSecret('near', undefined, { namespace: 'vault' }), secret('far', { 'client-id': 'granted', 'client-secret': 'a-secret-of-the-tests' }, { namespace: 'vault' }), secret('key', { 'private-key': pem }),
      { apiVersion: 'gateway.networking.k8s.io/v1beta1', kind: 'ReferenceGrant', metadata: { name: 'logins', namespace: 'vault' }, spec: { from: [{ group: 'gateway.envoyproxy.io', kind: 'SecurityPolicy', namespace: 'default' }], to: [{ group: '', kind: 'Secret', name: 'far' }] } },
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'pages' }, data: { 'error.html': page } },
    ] };
  }, { provider: { claims: { padding: 'x'.repeat(12_000) } } });
});
afterAll(async () => { await site?.stop(); });

const seen = (): Readonly<Record<string, unknown>> => site.seen.at(-1)?.headers ?? {};
const lines = (steps: readonly { readonly setCookies: readonly string[] }[]): string[] => steps.flatMap(({ setCookies }) => setCookies).filter((line) => /gatewright/.test(line));
const browse = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };
/** Twice: the service was asked, and then Envoy alone let it through. */
async function both(browser: Browser, path: string, headers: Readonly<Record<string, string>>, check: (how: string, status: number) => void): Promise<void> {
  for (const [how, questions] of [['asked about', 1], ['let through', 0]] as const) {
    const before = await site.asked();
    const { status } = await browser.open(`${ORIGIN}${path}`, { headers });
    expect([how, await site.asked() - before]).toEqual([how, questions]);
    check(how, status);
  }
}

describe('tokens for the upstream', () => {
  test('forwardAccessToken, in place of what the client sends; Envoy alone does it, too, and no cookie shows the token', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/access-token/x`);
    const first = seen()['authorization'] as string;
    // The worker learns what assertions name once there is one that names something.
    await browser.open(`${ORIGIN}/access-token/x`);
    forget(browser);
    await both(browser, '/access-token/y', { authorization: 'Basic c3Bvb2ZlZA==' }, (how) => expect([how, seen()['authorization']]).toEqual([how, first]));
    expect(first).toMatch(/^Bearer [\w-]{20,}$/);
    const shown = Buffer.from(browser.cookie(/-assertion-/)?.value.split('.')[1] ?? '', 'base64url').toString();
    expect([shown.includes('"forward":'), shown.includes(first.slice(7))]).toEqual([true, false]);
  });
  test('without it Authorization is the client\'s own', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/plain-login/x`);
    forget(browser);
    await both(browser, '/plain-login/y', { authorization: 'Basic b3duOm93bg==' }, (how) => expect([how, seen()['authorization']]).toEqual([how, 'Basic b3duOm93bg==']));
  });
  test.each([['id-token', 'x-id-token', ''], ['bearer-id-token', 'authorization', 'Bearer ']])('forwardIDToken (%s)', async (name, header, prefix) => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/${name}/x`);
    forget(browser);
    await both(browser, `/${name}/y`, { 'x-id-token': 'spoofed', authorization: 'Bearer spoofed' }, () => {
      const value = `${seen()[header] as string}`;
      expect(value.startsWith(prefix)).toBe(true);
      expect(decodeJwt(value.slice(prefix.length))).toMatchObject({ sub: 'alice', aud: name, iss: site.provider.issuer });
    });
  });
});

describe('identity for the upstream', () => {
  test('claims in headers and a signed header, whatever the client sends there', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/claims/x`);
    forget(browser);
    const spoofed = { 'x-user-email': 'root@example.com', 'x-user-groups': 'W10=', 'x-gatewright-identity': 'a.b.c', 'x-user-name': 'root' };
    const keys = createLocalJWKSet(JSON.parse((await site.send('/claims/keys')).body) as never);
    const told: unknown[] = [];
    await both(browser, '/claims/y', spoofed, () => told.push(seen()));
    for (const headers of told as Record<string, string>[]) {
      expect([headers['x-user-email'], Buffer.from(headers['x-user-groups'] ?? '', 'base64').toString()]).toEqual(['alice@example.com', '["staff","admins"]']);
      expect(Buffer.from(headers['x-user-name'] ?? '', 'latin1').toString()).toBe('Alice Ångström');
      const { payload } = await jwtVerify(headers['x-gatewright-identity'] ?? '', keys, { audience: 'the-app', issuer: 'gatewright' });
      expect(payload).toMatchObject({ sub: 'alice', email: 'alice@example.com', groups: ['staff', 'admins'] });
    }
  });
  test('spoofed headers go where nobody is logged in, too, and the keys hold nothing private', async () => {
    expect((await site.send('/claims/z', { headers: { 'x-user-email': 'root@example.com' } })).status).not.toBe(200);
    expect((await site.send('/claims/keys')).body).not.toMatch(/"d"/);
  });
});

describe('who may', () => {
  test.each([['alice', 200], ['bob', 403]])('authorization by a claim of the session: %s gets %d', async (account, expected) => {
    const browser = site.browser({ account });
    expect((await login(browser, `${ORIGIN}/admins/x`)).status).toBe(expected);
    forget(browser);
    const count = site.seen.length;
    await both(browser, '/admins/y', {}, (how, status) => expect([how, status]).toEqual([how, expected]));
    expect(site.seen.length - count).toBe(expected === 200 ? 2 : 0);
  });

  test('jwt finds the ID token where cookieNames says; upstream and browser have none, and one that the client brings does not count', async () => {
    const browser = site.browser();
    expect((await login(browser, `${ORIGIN}/id-cookie/x`)).status).toBe(200);
    const forged = await bearer({ sub: 'root', aud: 'id-cookie' });
    await browser.open(`${ORIGIN}/id-cookie/y`, { headers: { 'x-gatewright-id-token': forged, 'x-sub': 'root' } });
    expect(seen()).toMatchObject({ 'x-sub': 'alice' });
    expect(seen()).not.toHaveProperty('x-gatewright-id-token');
    expect(browser.cookie('IdToken')).toBeUndefined();
    expect((await site.send('/id-cookie/z', { headers: { cookie: `IdToken=${forged}`, 'x-gatewright-id-token': forged, accept: 'application/json' } })).status).toBe(401);
  });

  test('passThroughAuthHeader: with a token jwt decides, without one the login', async () => {
    const good = await bearer({ sub: 'machine', aud: 'api' });
    expect((await site.send('/pass/x', { headers: { authorization: `Bearer ${good}` } })).status).toBe(200);
    expect(seen()).toMatchObject({ 'x-sub': 'machine' });
    expect((await site.send('/pass/x', { headers: { authorization: `Bearer ${good.slice(0, -4)}AAAA` } })).body).toBe('Jwt verification fails');
    expect((await site.send('/pass/x', { headers: { authorization: 'Basic YTpi', accept: 'application/json' } })).status).toBe(401);
    expect((await login(site.browser(), `${ORIGIN}/pass/x`)).status).toBe(200);
  });
  test.each<[string, string | string[]]>([
    ['another case', 'bearer x'], ['another case, a real token in the wrong place', 'BEARER'], ['no token', 'Bearer'], ['no token, a blank', 'Bearer '], ['blanks', 'Bearer    '], ['a tab', 'Bearer\tx'], ['a quote', 'Bearer ""'], ['a dot', 'Bearer .'], ['two dots', 'Bearer ..'], ['a comma', 'Bearer ,'],
    ['two, one of them none', ['Basic YTpi', 'Bearer ']], ['two that are none', ['Bearer ', 'Bearer ']], ['one behind another scheme', 'Basic YTpi, Bearer '], ['too much', `Bearer ${'x'.repeat(20_000)}`],
  ])('passThroughAuthHeader where jwt is optional: a header that holds no token opens nothing (%s)', async (_, authorization) => {
    const count = site.seen.length;
    expect((await site.send('/pass/x', { headers: { authorization, accept: 'application/json' } })).status).toBe(401);
    expect(site.seen.length).toBe(count);
  });
  test.each<Record<string, string | string[]>>([{ 'x-api-token': '' }, { 'x-api-token': ' ' }, { 'x-api-token': ['', ''] }, { 'x-api-token': 'x' }, { 'x-other': 'Token ' }, { 'x-other': 'Token' }, { 'x-other': 'token x' }, { 'x-other': 'Token x' }, { 'x-other': ['Token', 'Token x'] }])(
    '… nor does one of the policy\'s own: %j', async (headers) => {
      const count = site.seen.length;
      expect((await site.send('/pass-custom/x', { headers: { ...headers, accept: 'application/json' } })).status).toBe(401);
      expect(site.seen.length).toBe(count);
      expect((await site.send('/pass-custom/x', { headers: { 'x-api-token': await bearer({ sub: 'machine' }) } })).status).toBe(200);
    });
  test('denyRedirect: 401 in place of the way to the provider', async () => {
    expect((await site.send('/denied/x', { headers: { ...browse, 'x-api': 'v1' } })).status).toBe(401);
    expect((await site.send('/denied/x', { headers: { ...browse, 'x-api': 'w1' } })).status).toBe(302);
  });
  test('passPreflight: a preflight passes, nothing else does', async () => {
    const cors = { origin: 'https://a.test', 'access-control-request-method': 'GET' };
    expect((await site.send('/preflight/x', { method: 'OPTIONS', headers: cors })).status).toBe(200);
    expect((await site.send('/preflight/x', { method: 'OPTIONS' })).status).toBe(401);
    expect((await site.send('/denied/x', { method: 'OPTIONS', headers: cors })).status).toBe(401);
  });
});

const bearer = async (claims: object): Promise<string> => {
  const [key = {}] = site.provider.keys;
  return new SignJWT({ iss: site.provider.issuer, ...claims }).setProtectedHeader({ alg: `${key.alg}`, kid: `${key.kid}` }).setExpirationTime('1m').sign(await importJWK(key, `${key.alg}`));
};

describe('how the client shows who it is', () => {
  test.each(['plain-login', 'post', 'public', 'private-key', 'granted', 'endpoints', 'whole'])('%s', async (name) => {
    expect((await login(site.browser(), `${ORIGIN}/${name}/x?y`)).url.href).toBe(`${ORIGIN}/${name}/x?y`);
    expect(site.seen.at(-1)).toMatchObject({ target: `/${name}/x?y`, ...(name === 'whole' ? { headers: { 'x-whole': 'alice' } } : {}) });
  });
  test('a Secret of another namespace that grants nothing closes the route', async () => {
    expect((await site.send('/refused/x', { headers: browse })).status).toBe(500);
    expect(JSON.stringify(await site.gatewright.status('SecurityPolicy', 'refused'))).toContain('not permitted by any ReferenceGrant');
  });
});

describe('settings of the login', () => {
  test('what is asked of the provider', async () => {
    const { headers } = await site.send('/asks-for/x', { headers: browse });
    expect(Object.fromEntries(new URL(headers.location ?? '').searchParams)).toMatchObject({ scope: 'email openid', resource: 'https://api.example.com/', prompt: 'login', max_age: '3600', acr_values: 'urn:test:mfa', login_hint: 'carol' });
    expect((await login(site.browser(), `${ORIGIN}/asks-for/x`)).status).toBe(200);
  });
  test('cookieDomain: a session of all hosts below it, in cookies with __Secure-', async () => {
    const browser = site.browser({}, ['www.example.com:8443', OTHER]);
    const { steps } = await login(browser, `${ORIGIN}/domain/x`);
    for (const line of lines(steps)) expect(line).toMatch(/^__Secure-gatewright-.*; Domain=example\.com; .*; Secure/);
    expect((await browser.script(`https://${OTHER}/domain/x`, new URL(`https://${OTHER}`))).status).toBe(200);
  });
  test('… and a login that begins at one of them leads back to that one', async () => {
    for (const account of ['alice', 'denied']) {
      const browser = site.browser({ account }, ['www.example.com:8443', OTHER]);
      const page = await browser.open(`https://${OTHER}/domain/deep?a=b`);
      if (account === 'alice') expect([page.status, page.url.href]).toEqual([200, `https://${OTHER}/domain/deep?a=b`]);
      else expect(page.body).toContain(`href="https://${OTHER}/domain/deep?a=b"`);
    }
  });
  test.each([['strict', 'Strict'], ['none', 'None']])('sameSite %s', async (name, sameSite) => {
    const browser = site.browser();
    const back = await login(browser, `${ORIGIN}/${name}/x`);
    if (name === 'strict') expect(back.body).toContain('url=/strict/x');
    expect((await browser.open(`${ORIGIN}/${name}/x`)).status).toBe(200);
    expect(browser.jar.cookies.filter((cookie) => /session|assertion/.test(cookie.name) && cookie.domain === 'www.example.com').map((cookie) => cookie.sameSite)).toEqual([sameSite, sameSite]);
    expect(browser.jar.refused).toEqual([]);
  });
  test('assertion.lifetime 0s: the service is asked each time', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/always-asked/x`);
    const before = await site.asked();
    for (let i = 0; i < 5; i++) expect((await browser.open(`${ORIGIN}/always-asked/x`)).status).toBe(200);
    expect([await site.asked() - before, browser.cookie(/-assertion-/)]).toEqual([5, undefined]);
  });
  test('postLogoutRedirectURL: out, at the provider too, and back', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/goodbye/x`);
    const back = await browser.submit(await browser.open(`${ORIGIN}/goodbye/logout`));
    expect(back.steps.map(({ url }) => `${url.origin}${url.pathname}`)).toContain(`${ORIGIN}/goodbye/out`);
  });
  test('endSessionEndpoint that is given is taken, and nothing that is discovered', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/endpoints/x`);
    expect((await browser.open(`${ORIGIN}/endpoints/logout`, { redirects: 0 })).headers['location']).toMatch(new RegExp(`^${ORIGIN}/endpoints/end-of-it\\?`));
  });
  test('errorPage: the page of the site, with what the provider said', async () => {
    const refused = await login(site.browser({ account: 'denied' }), `${ORIGIN}/page/x`);
    expect([refused.status, refused.body]).toEqual([403, '<h1>The login provider said no</h1><p class=own>You were not logged in. It said: This user may not log in</p><i>gatewright_oidc_provider_refused</i>']);
  });
  test('a token of 12 kB makes a session in pieces, which holds', async () => {
    const browser = site.browser();
    expect((await login(browser, `${ORIGIN}/large/x`)).status).toBe(200);
    expect(browser.jar.cookies.filter(({ name }) => /-session-/.test(name)).length).toBeGreaterThan(3);
    forget(browser);
    await both(browser, '/large/y', {}, (how, status) => expect([how, status, seen()['cookie']]).toEqual([how, 200, undefined]));
    expect(browser.jar.refused).toEqual([]);
  });
});
