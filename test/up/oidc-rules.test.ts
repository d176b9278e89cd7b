// The rules for logins by OpenID Connect, each shown on the real thing: RFC 9700 (OAuth 2.0 Security Best Current Practice), 9207, 7636, 8725, OpenID Connect Core and Discovery, Back-Channel Logout.
import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisServer } from '../extproc/oidc/redis-server.ts';
import { type Browser, type Page, login } from '../oidc/browser.ts';
import type { LieName } from '../oidc/lies.ts';
import { type Fault, TestProvider } from '../oidc/provider.ts';
import { HOST, LoginSite, ORIGIN, callbackOf, cookiesOf, forget, httpsGateway, loginRoute, secret } from './login-site.ts';
import { httpRoute } from './manifests.ts';

let site: LoginSite, redis: RedisServer, liar: TestProvider;
beforeAll(async () => {
  redis = await RedisServer.start();
  liar = await TestProvider.start();
  liar.tell('another issuer in discovery');
  site = await LoginSite.start(({ provider }) => {
    for (const name of ['app', 'other', 'stored', 'strict-login']) provider.client(name, [`${ORIGIN}/${name}/callback`]);
    const { issuer } = provider;
    return { 'all.yaml': [
      httpsGateway(), httpRoute('open'), ...loginRoute('app', issuer, { more: { claimsToHeaders: [{ claim: 'sub', header: 'x-user' }], identityHeader: {} } }), ...loginRoute('other', issuer),
      ...loginRoute('strict-login', issuer, { more: { login: { maxAge: '1h', acrValues: ['urn:test:mfa'] } } }),
      ...loginRoute('stored', issuer, { more: { session: { store: { redis: { urlSecretRef: { name: 'redis' } } } }, assertion: { lifetime: '0s' }, logout: { backChannelPath: '/stored/back' } } }),
      ...loginRoute('lied-to', liar.issuer), ...loginRoute('far', 'http://idp.example.com'), ...loginRoute('plain', issuer, { oidc: { provider: { issuer, authorizationEndpoint: `${issuer}/auth`, tokenEndpoint: 'http://idp.example.com/token' } } }),
      secret('redis', { url: redis.url }),
    ] };
  });
});
afterAll(async () => { await site?.stop(); await Promise.all([redis?.stop(), liar?.stop()]); });

const browse = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };
const begin = async (path = '/app/x', headers: Readonly<Record<string, string>> = {}): Promise<URL> => new URL((await site.send(path, { headers: { ...browse, ...headers } })).headers.location ?? '');
const mine = (page: Page): Page['steps'] => page.steps.filter(({ url }) => url.origin === ORIGIN);
const isIn = async (browser: Browser, name = 'app'): Promise<boolean> => (await browser.script(`/${name}/api`, new URL(ORIGIN))).status === 200;
async function told(lie: LieName, name = 'app'): Promise<{ status: number; said: string; inside: boolean }> {
  const browser = site.browser();
  site.provider.tell(lie);
  try {
    const page = await login(browser, `${ORIGIN}/${name}/x`);
    site.provider.tell(undefined);
    return { status: page.status, said: /gatewright_oidc_\w+/.exec(page.body)?.[0] ?? '', inside: await isIn(browser, name) };
  } finally { site.provider.tell(undefined); }
}
const refused = { status: 403, said: 'gatewright_oidc_answer_invalid', inside: false };

describe('the flow', () => {
  test('1. PKCE with S256, a fresh verifier for each login (RFC 9700 2.1.1, RFC 7636 4.1)', async () => {
    const urls = await Promise.all([begin(), begin(), begin()]);
    expect(urls.map((url) => url.searchParams.get('code_challenge_method'))).toEqual(['S256', 'S256', 'S256']);
    expect(new Set(urls.map((url) => url.searchParams.get('code_challenge'))).size).toBe(3);
    for (const url of urls) expect(url.searchParams.get('code_challenge')).toMatch(/^[\w-]{43}$/);
    // The provider takes no code without it.
    expect((await login(site.browser(), `${ORIGIN}/app/x`)).status).toBe(200);
  });

  test('2. a nonce for each login, which the ID token repeats (OIDC Core 3.1.2.1, 15.5.2)', async () => {
    const nonces = await Promise.all([begin(), begin()]);
    expect(new Set(nonces.map((url) => url.searchParams.get('nonce'))).size).toBe(2);
    for (const lie of ['another nonce', 'no nonce'] as const) expect([lie, await told(lie)]).toEqual([lie, refused]);
  });

  test('3. a state is good once, and for the browser that began alone (RFC 9700 4.7.1, 4.2.4)', async () => {
    const [victim, thief] = [site.browser(), site.browser({ account: 'mallory' })];
    const callback = await callbackOf(victim);
    const tokens = site.provider.asked('token');
    await thief.open(`${ORIGIN}/app/x`, { redirects: 0 });
    // The thief brings the callback of the victim: a login of the thief's own begins, the code is not used.
    expect((await thief.open(callback, { redirects: 0 })).headers['location']).toMatch(new RegExp(`^${site.provider.issuer}/auth`));
    expect(site.provider.asked('token')).toBe(tokens);
    const secretOfVictim = victim.cookie(/-login-/);
    expect((await victim.open(callback)).url.pathname).toBe('/app/deep');
    const again = await site.send(`${callback.pathname}${callback.search}`, { headers: { ...browse, cookie: `${secretOfVictim?.name}=${secretOfVictim?.value}` } });
    expect([again.status, again.body.includes('gatewright_oidc_state_replayed'), site.provider.asked('token')]).toEqual([400, true, tokens + 1]);
  });

  test('4. who sent the browser back is the issuer that it was sent to (RFC 9207 2.4, RFC 9700 4.4)', async () => {
    for (const lie of ['no iss in the callback', 'another iss in the callback'] as const) expect([lie, await told(lie)]).toEqual([lie, refused]);
  });

  test('5. the callback is the one of the policy, whatever a client says (RFC 9700 2.1, 4.1.3)', async () => {
    const spoofed = { 'x-forwarded-host': 'evil.example.com', 'x-forwarded-proto': 'http', forwarded: 'host=evil.example.com', 'x-original-host': 'evil.example.com' };
    expect((await begin('/app/x', spoofed)).searchParams.get('redirect_uri')).toBe(`${ORIGIN}/app/callback`);
    // The provider compares, too: another one is not gone to.
    const other = await begin();
    other.searchParams.set('redirect_uri', 'https://evil.example.com/app/callback');
    expect((await site.browser().open(other)).url.origin).toBe(site.provider.issuer);
  });

  test('6. a login leads back to a page of this host and nowhere else (RFC 9700 4.11)', async () => {
    for (const path of ['//evil.example.com', '/app//evil.example.com', '/app/%5cevil.example.com', '/app/%0d%0aSet-Cookie:a=b', '/app/..//evil.example.com', '/app/x?next=https://evil.example.com', '/app/@evil.example.com']) {
      const browser = site.browser();
      const page = await browser.open(`${ORIGIN}${path}`);
      expect([path, new Set(page.steps.map(({ url }) => url.origin).filter((origin) => origin !== site.provider.issuer))]).toEqual([path, new Set([ORIGIN])]);
      expect(browser.cookie('a')).toBeUndefined();
    }
  });

  test('7. no redirect repeats a form: 302 and 303, never 307 (RFC 9700 4.12)', async () => {
    const browser = site.browser();
    const page = await browser.open(`${ORIGIN}/app/x`, { method: 'POST', body: 'a=b', headers: { referer: `${ORIGIN}/app/form` } });
    const out = await browser.open(`${ORIGIN}/app/logout`, { redirects: 0 });
    expect(new Set([...mine(page), ...out.steps].map(({ status }) => status).filter((status) => status >= 300 && status < 400))).toEqual(new Set([302]));
  });

  test('8. what only a session may say never comes from a client, and our cookies go no further (RFC 9700 4.13)', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/app/x`);
    for (const questions of ['let through', 'asked about']) {
      if (questions === 'asked about') forget(browser);
      await browser.open(`${ORIGIN}/app/${questions.length}`, { headers: { 'x-user': 'root', 'x-gatewright-identity': 'root' } });
      expect(site.seen.at(-1)?.headers).toMatchObject({ 'x-user': 'alice', 'x-gatewright-identity': expect.stringMatching(/^eyJ/) });
      expect(site.seen.at(-1)?.headers).not.toHaveProperty('cookie');
    }
  });
});

describe('what the provider says', () => {
  const lies: LieName[] = ['another issuer', 'an issuer with one character more', 'another audience', 'no audience', 'several audiences and no azp', 'several audiences and the azp of another', 'expired', 'no expiry', 'not valid yet', 'no iat', 'no subject',
    'the hash of another access token', 'alg none', 'HS256 with the public key', 'HS256 with the secret of the client', 'the signature of another token', 'a critical header', 'an encrypted ID token', 'no ID token'];
  test.each(lies)('9. an ID token is believed when all of it holds: %s (OIDC Core 3.1.3.7, RFC 8725 3.1)', async (lie) => { expect(await told(lie)).toEqual(refused); });
  test.each<LieName>(['a login long ago', 'no time of the login', 'another acr'])('9. … and what the policy asks for: %s (OIDC Core 3.1.2.1)', async (lie) => {
    expect(await told(lie, 'strict-login')).toEqual(refused);
    expect((await login(site.browser(), `${ORIGIN}/strict-login/x`)).status).toBe(200);
  });

  test('10. keys are kept, asked for again where one is unknown, and not more often than that; an outage changes nothing (RFC 8725 3.10, OIDC Core 10.1.1)', async () => {
    const asked = (): number => site.provider.asked('keys');
    const before = asked();
    for (let i = 0; i < 3; i++) expect((await login(site.browser(), `${ORIGIN}/app/x`)).status).toBe(200);
    expect(asked()).toBe(before);
    site.provider.rotateKeys();
    expect((await login(site.browser(), `${ORIGIN}/app/x`)).status).toBe(200);
    expect(asked()).toBe(before + 1);
    for (let i = 0; i < 3; i++) expect((await told('a key that is nowhere')).inside).toBe(false);
    expect(asked()).toBe(before + 1);
    site.provider.faults.set('keys', 503);
    expect((await login(site.browser(), `${ORIGIN}/app/x`)).status).toBe(200);
    site.provider.faults.clear();
  });

  test.each<Fault>(['redirect', 'endless', 'declared too large', 'nonsense', 'too deep'])('11. the token endpoint is where it is said to be, and its answer has an end: %s (RFC 9700 4.11.2, RFC 6749 10.8)', async (fault) => {
    const browser = site.browser();
    const callback = await callbackOf(browser);
    const before = site.provider.asked('other');
    site.provider.faults.set('token', fault);
    try {
      const page = await browser.open(callback);
      expect([page.status, /gatewright_oidc_\w+/.exec(page.body)?.[0]]).toEqual([503, 'gatewright_oidc_provider_unavailable']);
    } finally { site.provider.faults.clear(); }
    expect(site.provider.asked('other')).toBe(before);
  });
  test('11. … over TLS: a policy with another one is closed, and so is one with such an issuer', async () => {
    for (const path of ['/plain/x', '/far/x']) expect([path, (await site.send(path, { headers: browse })).status]).toEqual([path, 500]);
  });

  test('12. a refresh token is used once, however many requests find the tokens over (RFC 9700 2.2.2, 4.14)', async () => {
    site.provider.settings.accessTokenSeconds = 1;
    const browser = site.browser();
    await login(browser, `${ORIGIN}/app/x`);
    site.provider.settings.accessTokenSeconds = 3600;
    const before = site.provider.asked('refresh');
    await site.gatewright.until(async () => { await browser.script('/app/x', new URL(ORIGIN)); return site.provider.asked('refresh') > before; });
    const stale = site.browser();
    site.provider.settings.accessTokenSeconds = 1;
    await login(stale, `${ORIGIN}/app/x`);
    site.provider.settings.accessTokenSeconds = 3600;
    const between = site.provider.asked('refresh');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const cookie = cookiesOf(stale);
    const all = await Promise.all(Array.from({ length: 40 }, () => site.send('/app/api', { headers: { cookie, accept: 'application/json' } })));
    expect([new Set(all.map(({ status }) => status)), site.provider.asked('refresh') - between]).toEqual([new Set([200]), 1]);
  });

  test('22. the document that is discovered names the issuer that it was looked for at (OIDC Discovery 4.3)', async () => {
    const answer = await site.send('/lied-to/x', { headers: browse });
    expect([answer.status, answer.body.includes('gatewright_oidc_provider_unavailable'), liar.asked('discovery') > 0]).toEqual([503, true, true]);
    await site.gatewright.until(() => site.gatewright.output.includes('issuer_mismatch'));
  });
});

describe('sessions', () => {
  test('13. cookies are for this host alone, for TLS alone, and for no script (RFC 6265bis 4.1.3, 5.6)', async () => {
    const browser = site.browser();
    const page = await login(browser, `${ORIGIN}/app/x`);
    const lines = mine(page).flatMap(({ setCookies }) => setCookies);
    expect(lines.length).toBeGreaterThanOrEqual(4);
    for (const line of lines) expect(line).toMatch(/^__Host-gatewright-[a-z]+-\w{10}=[^;]*; Path=\/; Max-Age=\d+; HttpOnly; Secure; SameSite=Lax$/);
  });

  test('14. a session is sealed with A256GCM by a key that has an id, for this policy and this use (RFC 7516, RFC 8725 3.2)', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/app/x`);
    const { name = '', value = '' } = browser.cookie(/-session-/) ?? {};
    const sealed = value.slice(value.indexOf('~') + 1);
    expect(decodeProtectedHeader(sealed)).toMatchObject({ alg: 'dir', enc: 'A256GCM', kid: expect.any(String), use: 'session' });
    expect(sealed).not.toContain(Buffer.from('alice').toString('base64url'));
    await login(browser, `${ORIGIN}/other/x`);
    const another = browser.jar.cookies.find((each) => /-session-/.test(each.name) && each.name !== name);
    for (const cookie of [`${name}=${another?.value}`, `${another?.name}=${value}`]) {
      const path = cookie.startsWith(name) ? '/app/x' : '/other/x';
      expect((await site.send(path, { headers: { cookie, accept: 'application/json' } })).status).toBe(401);
    }
    expect((await site.send('/app/x', { headers: { cookie: `${name}=${value}` } })).status).toBe(200);
  });

  test('15. a login makes a new session, and the one of before is over (OWASP session fixation; RFC 9700 4.7)', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/stored/x`);
    const first = browser.cookie(/-session-/);
    await browser.open(`${ORIGIN}/stored/logout`, { redirects: 0 });
    // Somebody puts the old one there again before the next login.
    browser.jar.take(`${first?.name}=${first?.value}; Path=/; Secure; HttpOnly`, new URL(ORIGIN));
    await login(browser, `${ORIGIN}/stored/x`);
    const second = browser.cookie(/-session-/);
    expect(second?.value).not.toBe(first?.value);
    expect((await site.send('/stored/x', { headers: { cookie: `${first?.name}=${first?.value}`, accept: 'application/json' } })).status).toBe(401);
    expect((await site.send('/stored/x', { headers: { cookie: `${second?.name}=${second?.value}` } })).status).toBe(200);
  });

  test('16. no other site logs anybody out, and a logout leads to the provider with a hint of whose it is (RP-Initiated Logout 2, 6)', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/app/x`);
    const asked = await browser.open(`${ORIGIN}/app/logout?rd=https://evil.example.com&post_logout_redirect_uri=https://evil.example.com`, { headers: { 'sec-fetch-site': 'cross-site' } });
    expect([asked.status, await isIn(browser)]).toEqual([200, true]);
    const out = await browser.submit(asked);
    expect([out.url.origin, out.url.searchParams.has('id_token_hint'), out.url.href.includes('evil'), await isIn(browser)]).toEqual([site.provider.issuer, true, false, false]);
  });

  test('17. the provider ends sessions by a token that holds in all points, once (Back-Channel Logout 2.4 to 2.8)', async () => {
    const send = (token: string): ReturnType<LoginSite['send']> => site.send('/stored/back', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `logout_token=${token}` });
    const browser = site.browser({ account: 'carol' });
    await login(browser, `${ORIGIN}/stored/x`);
    const good = { sub: 'carol' };
    const bad: Readonly<Record<string, Promise<string>>> = {
      'another issuer': site.provider.logoutToken('stored', { ...good, iss: 'https://evil.example.com' }), 'another client': site.provider.logoutToken('app', good), 'over': site.provider.logoutToken('stored', { ...good, exp: 1 }),
      'no event': site.provider.logoutToken('stored', good, { without: ['events'] }), 'another event': site.provider.logoutToken('stored', { ...good, events: { x: {} } }), 'a nonce': site.provider.logoutToken('stored', { ...good, nonce: 'n' }),
      'nobody': site.provider.logoutToken('stored', {}), 'no jti': site.provider.logoutToken('stored', good, { without: ['jti'] }), 'another kind': site.provider.logoutToken('stored', good, { header: { typ: 'at+jwt' } }),
      'no signature': site.provider.logoutToken('stored', good).then((token) => token.replace(/[^.]+$/, '')),
    };
    for (const [what, token] of Object.entries(bad)) expect([what, (await send(await token)).status]).toEqual([what, 400]);
    expect(await isIn(browser, 'stored')).toBe(true);
    const token = await site.provider.logoutToken('stored', good);
    const answer = await send(token);
    expect([answer.status, answer.headers['cache-control'], await isIn(browser, 'stored')]).toEqual([200, 'no-store', false]);
    expect((await send(token)).status).toBe(400);
  });
});

describe('answers of our own', () => {
  test('18. are kept by nobody and tell no other site (RFC 9700 4.2.4, RFC 6749 5.1)', async () => {
    const browser = site.browser();
    const page = await login(browser, `${ORIGIN}/app/x`);
    const callback = mine(page).find(({ url }) => url.searchParams.has('code'))?.url;
    const answers = await Promise.all([
      site.send('/app/x', { headers: browse }), site.send('/app/x', { headers: { accept: 'application/json' } }), site.send('/lied-to/x', { headers: browse }), site.send('/app/logout'),
      site.send('/app/logout', { headers: { cookie: cookiesOf(browser), 'sec-fetch-site': 'cross-site' } }), site.send(`${callback?.pathname}${callback?.search}`, { headers: { cookie: cookiesOf(browser), ...browse } }), site.send('/app/callback?code=a&state=b', { headers: browse }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([302, 401, 503, 302, 200, 302, 302]);
    for (const { headers } of answers) expect(headers).toMatchObject({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' });
  });

  test('19. say what the provider said, as text; and nobody goes round for ever (RFC 6749 4.1.2.1)', async () => {
    const browser = site.browser();
    const state = new URL((await browser.open(`${ORIGIN}/app/x`, { redirects: 0 })).headers['location'] as string).searchParams.get('state') ?? '';
    const said = new URLSearchParams({ state, iss: site.provider.issuer, error: 'access_denied', error_description: '<script>alert(1)</script>"\'`' });
    const page = await browser.open(`${ORIGIN}/app/callback?${said}`);
    expect([page.status, page.body.includes('gatewright_oidc_provider_refused'), /<script|alert\(1\)<\//.test(page.body)]).toEqual([403, true, false]);
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    // A browser without cookies.
    let url = await begin();
    let last: Awaited<ReturnType<LoginSite['send']>> | undefined;
    for (let i = 0; i < 10 && last?.status !== 400; i++) {
      const at = site.browser();
      let next = url;
      for (let j = 0; j < 8 && next.host !== HOST; j++) next = new URL(`${(await at.open(next, { redirects: 0 })).headers['location'] as string}`, next);
      last = await site.send(`${next.pathname}${next.search}`, { headers: browse });
      if (last.headers.location !== undefined) url = new URL(last.headers.location);
    }
    expect([last?.status, last?.body.includes('gatewright_oidc_no_cookies')]).toEqual([400, true]);
  });

  test('20. which route is open goes by the path as it is served, without its query (CVE-2025-54576)', async () => {
    const seen = site.seen.length;
    for (const path of ['/app/x?/open', '/app/x?path=/open/', '/app/open', '/open/../app/x', '/open/%2e%2e/app/x', '/open/..%2fapp/x', '/open/..;/app/x', '//app/x', '/./app/x', '/%61pp/x', '/app/x#/open', '/app;/open', '/open/..\\app/x']) {
      await site.send(path, { headers: { accept: 'application/json' } });
    }
    expect(site.seen.slice(seen).filter(({ target }) => /^\/+(\.\/)*app\b/.test(new URL(target, ORIGIN).pathname)).map(({ target }) => target)).toEqual([]);
  });

  test('21. cookies of a refresh reach the browser with the answer of the upstream (RFC 6265 3)', async () => {
    site.provider.settings.accessTokenSeconds = 1;
    const browser = site.browser();
    await login(browser, `${ORIGIN}/app/x`);
    site.provider.settings.accessTokenSeconds = 3600;
    const before = browser.cookie(/-session-/)?.value;
    await site.gatewright.until(async () => (await browser.open(`${ORIGIN}/app/x`)).steps.some(({ status, setCookies }) => status === 200 && setCookies.some((line) => /-session-/.test(line))));
    expect(browser.cookie(/-session-/)?.value).not.toBe(before);
    expect(site.seen.at(-1)).toMatchObject({ target: '/app/x' });
    expect(await isIn(browser)).toBe(true);
  });
});
