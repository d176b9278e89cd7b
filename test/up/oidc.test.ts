// Logging in at a real provider, through the whole product: the policy of Envoy Gateway's documentation, behind an HTTPS listener whose port is not the one that people see.
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type Page, login } from '../oidc/browser.ts';
import { SECRET } from '../oidc/provider.ts';
import { LoginSite, ORIGIN, certificate, clientSecret, cookiesOf, forget, httpsGateway } from './login-site.ts';
import { httpRoute, securityPolicy } from './manifests.ts';

/** As in the documentation, but for the issuer and the client. */
function documented(issuer: string): unknown {
  const text = readFileSync(new URL('../golden/people-log-in-before-they-reach-the-backend/in.yaml', import.meta.url), 'utf8');
  const policies = parseAllDocuments(text).map((each) => each.toJS() as { metadata: { name: string } });
  const policy = policies.find(({ metadata }) => metadata.name === 'oidc-example');
  return JSON.parse(JSON.stringify(policy).replace('https://accounts.google.com', issuer).replace('{CLIENT_ID}', 'shop'));
}

const DEFAULTS = 'default.example.com:8443';
let site: LoginSite;
beforeAll(async () => {
  site = await LoginSite.start(({ provider }) => {
    provider.client('shop', [`${ORIGIN}/oauth2/callback`]);
    provider.client('defaults', [`https://${DEFAULTS}/oauth2/callback`]);
    return { 'all.yaml': [
      httpsGateway(), clientSecret('my-app-client-secret'),
      httpRoute('backend', [{ path: { value: '/' } }]), documented(provider.issuer),
      httpRoute('defaults', [{ path: { value: '/' } }], { hostnames: ['default.example.com'] }),
      securityPolicy('defaults', { oidc: { provider: { issuer: provider.issuer }, clientID: 'defaults', clientSecret: { name: 'my-app-client-secret' } } }),
    ] };
  }, { provider: { tls: certificate } });
});
afterAll(async () => { await site?.stop(); });

const browse = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };
const query = (location: string | undefined): Record<string, string> => Object.fromEntries(new URL(location ?? '').searchParams);
const callbackOf = (page: Page): Page['steps'][number] | undefined => page.steps.find(({ url }) => url.pathname === '/oauth2/callback');
const OURS = ['assertion', 'session'].map((kind) => expect.stringMatching(new RegExp(`^__Host-gatewright-${kind}-[a-z2-7]{10}$`)));

describe('a login', () => {
  test('leads from a deep link to the provider and back to it, over a port that Envoy does not listen on', async () => {
    const browser = site.browser();
    const page = await login(browser, `${ORIGIN}/deep/link?a=b&c=%2F%26`);
    expect([page.status, page.url.href]).toEqual([200, `${ORIGIN}/deep/link?a=b&c=%2F%26`]);
    expect(JSON.parse(page.body)).toMatchObject({ target: '/deep/link?a=b&c=%2F%26', method: 'GET' });
    expect(site.port).not.toBe(8443);
    const asked = page.steps[1]?.url;
    expect(asked?.origin).toBe(site.provider.issuer);
    expect(query(asked?.href)).toMatchObject({ client_id: 'shop', response_type: 'code', scope: 'openid', redirect_uri: `${ORIGIN}/oauth2/callback`, code_challenge_method: 'S256', state: expect.any(String), nonce: expect.any(String) });
    expect(callbackOf(page)).toMatchObject({ status: 302 });
  });

  test.each([['a backslash, as browsers send it', '?q=\\d+|^a', '?q=%5Cd+|^a'], ['percents and signs', '?q=%5C%2F%3F&a[]=1&b={}', '?q=%5C%2F%3F&a[]=1&b={}'], ['nothing', '?', ''], ['another address', '?next=https://evil.example//', '?next=https://evil.example//']])('keeps the query of a deep link: %s', async (_, query, kept) => {
    const page = await login(site.browser(), `${ORIGIN}/search${query}`);
    expect([page.url.pathname, page.url.search]).toEqual(['/search', kept]);
  });

  test('leaves two cookies, of this host alone, that no script and no other site can read, and no login cookie', async () => {
    const browser = site.browser();
    const page = await login(browser, `${ORIGIN}/`);
    const mine = browser.jar.cookies.filter(({ domain }) => domain === 'www.example.com');
    expect(mine.map(({ name }) => name).sort()).toEqual(OURS);
    for (const cookie of mine) expect(cookie).toMatchObject({ hostOnly: true, path: '/', secure: true, httpOnly: true, sameSite: 'Lax' });
    const lines = page.steps.filter(({ url }) => url.origin === ORIGIN).flatMap(({ setCookies }) => setCookies);
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).toMatch(/^__Host-gatewright-(?=.*; Path=\/(;|$))(?=.*; HttpOnly(;|$))(?=.*; Secure(;|$))(?=.*; SameSite=Lax(;|$))(?!.*Domain)/);
    expect(browser.jar.refused).toEqual([]);
  });

  test('in ten tabs at once ends in all of them, with the cookies of one', async () => {
    const browser = site.browser();
    const pages = await Promise.all(Array.from({ length: 10 }, (_, i) => login(browser, `${ORIGIN}/tab/${i}`)));
    expect(pages.map(({ status, url }) => [status, url.pathname])).toEqual(Array.from({ length: 10 }, (_, i) => [200, `/tab/${i}`]));
    expect(browser.jar.cookies.filter(({ domain }) => domain === 'www.example.com').map(({ name }) => name.split('-')[2]).filter((kind) => kind !== 'login').sort()).toEqual(['assertion', 'session']);
  });

  test('answers are for nobody else: no cache, no referrer, and 302 so that no form is sent on', async () => {
    const page = await login(site.browser(), `${ORIGIN}/`);
    expect(page.steps.map(({ status }) => status)).not.toContain(307);
    const begin = await site.send('/', { headers: browse });
    expect([begin.status, begin.headers['cache-control'], begin.headers['referrer-policy']]).toEqual([302, 'no-store', 'no-referrer']);
  });

  test('by the redirectURL of the default comes back to the host it was asked for at, by https', async () => {
    const browser = site.browser({}, [DEFAULTS]);
    const page = await login(browser, `https://${DEFAULTS}/x`);
    expect([page.status, page.url.href]).toEqual([200, `https://${DEFAULTS}/x`]);
  });
});

describe('a live session', () => {
  test('is let through by Envoy alone: a hundred requests, no question', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/`);
    const [before, seen] = [await site.asked(), site.seen.length];
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => browser.open(`${ORIGIN}/page/${i}`)));
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
    expect([await site.asked() - before, site.seen.length - seen]).toEqual([0, 100]);
  });

  test('without its assertion is asked about once, and has one again', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/`);
    forget(browser);
    const before = await site.asked();
    for (let i = 0; i < 5; i++) expect((await browser.open(`${ORIGIN}/`)).status).toBe(200);
    expect([await site.asked() - before, browser.cookie(/-assertion-/) !== undefined]).toEqual([1, true]);
  });

  test.each([['asked about', true], ['let through', false]])('%s, no cookie of ours reaches the upstream, and those of others do', async (_, asked) => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/`);
    if (asked) forget(browser);
    browser.jar.take('theirs=1; Path=/', new URL(ORIGIN));
    browser.jar.take('more=a=b; Path=/', new URL(ORIGIN));
    const page = await browser.open(`${ORIGIN}/with-cookies`);
    expect(page.steps[0]?.sentCookies).toContain('gatewright-session');
    expect(site.seen.at(-1)).toMatchObject({ target: '/with-cookies', headers: { cookie: 'theirs=1; more=a=b' } });
  });

  test('over HTTP/2, where each cookie is a header of its own, is one as well', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/`);
    const session = connect(`https://127.0.0.1:${site.port}`, { servername: 'www.example.com', rejectUnauthorized: false });
    const before = await site.asked();
    try {
      const status = await new Promise((resolve, reject) => {
        session.request({ ':path': '/h2', ':authority': 'www.example.com:8443', cookie: ['theirs=1', ...cookiesOf(browser).split('; ')] as never }).once('response', (headers) => resolve(headers[':status'])).once('error', reject).end();
      });
      expect([status, site.seen.at(-1)?.headers['cookie'], await site.asked() - before]).toEqual([200, 'theirs=1', 0]);
    } finally { session.destroy(); }
  });

  test('is for a script, an upload and a WebSocket, too', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/`);
    const cookie = cookiesOf(browser);
    expect((await browser.script('/api', new URL(ORIGIN))).status).toBe(200);
    expect((await site.send('/upload', { method: 'PUT', headers: { cookie }, body: 'x' })).status).toBe(200);
    expect((await site.send('/form', { method: 'POST', headers: { cookie, ...browse }, body: 'a=b' })).status).toBe(200);
  });
});

describe('without a session', () => {
  const scripts: [what: string, how: Parameters<LoginSite['send']>[1]][] = [
    ['a script', { headers: { 'sec-fetch-mode': 'cors', accept: '*/*' } }], ['XMLHttpRequest', { headers: { 'x-requested-with': 'XMLHttpRequest' } }], ['who wants JSON', { headers: { accept: 'application/json' } }],
    ['an upload', { method: 'PUT', headers: browse, body: 'x' }], ['a WebSocket', { headers: { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-fetch-mode': 'websocket' } }],
    ['a preflight', { method: 'OPTIONS', headers: { origin: 'https://a.test', 'access-control-request-method': 'GET' } }],
    ['what a page looks up ahead', { headers: { ...browse, 'sec-purpose': 'prefetch;prerender' } }],
  ];
  test.each(scripts)('%s gets a 401 in JSON: no redirect, no cookie', async (_, how) => {
    const seen = site.seen.length;
    const answer = await site.send('/api', how);
    expect([answer.status, answer.headers['content-type'], answer.headers['location'], answer.headers['set-cookie']]).toEqual([401, 'application/json', undefined, undefined]);
    expect(JSON.parse(answer.body)).toMatchObject({ error: 'login_required', request_id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="www.example.com:8443"');
    expect(site.seen).toHaveLength(seen);
  });

  test('gRPC gets its own words for it', async () => {
    const { status, headers } = await site.send('/a.Service/Call', { method: 'POST', headers: { 'content-type': 'application/grpc', te: 'trailers' } });
    expect([status, headers['grpc-status'], headers['location']]).toEqual([200, '16', undefined]);   // UNAUTHENTICATED
  });

  test('a form that is sent leads to the login and back to the page that it was on; its data go nowhere', async () => {
    const browser = site.browser();
    const page = await browser.open(`${ORIGIN}/submit?secret=1`, { method: 'POST', body: 'password=hunter2', headers: { referer: `${ORIGIN}/form?x=1`, 'content-type': 'application/x-www-form-urlencoded' }, from: new URL(`${ORIGIN}/form`) });
    expect(page.url.href).toBe(`${ORIGIN}/form?x=1`);
    expect(JSON.stringify([page.steps, site.seen])).not.toContain('hunter2');
  });

  test.each<[string, Record<string, string>]>([
    ['X-Forwarded-Host', { 'x-forwarded-host': 'evil.example.com' }], ['X-Forwarded-Proto', { 'x-forwarded-proto': 'http' }], ['X-Forwarded-Port', { 'x-forwarded-port': '1' }],
    ['Forwarded', { forwarded: 'host=evil.example.com;proto=http' }], ['X-Original-URL', { 'x-original-url': '/evil', 'x-rewrite-url': '/evil' }], ['X-Forwarded-Uri', { 'x-forwarded-uri': '/evil', 'x-forwarded-method': 'OPTIONS' }],
  ])('%s of a client changes nothing of where a login leads', async (_, headers) => {
    for (const host of ['www.example.com:8443', DEFAULTS]) {
      const answer = await site.send('/here', { host, headers: { ...browse, ...headers } });
      expect([answer.status, query(answer.headers.location)['redirect_uri']]).toEqual([302, `https://${host}/oauth2/callback`]);
    }
  });

  test('a Host that no listener has is not served, and one that is not that of redirectURL leads there first', async () => {
    expect((await site.send('/', { host: 'evil.example.org', headers: browse }).catch(() => ({ status: 0 }))).status).not.toBe(302);
    const answer = await site.send('/a?b=c', { host: 'www.example.com:1', headers: browse });
    expect(query(answer.headers.location)['redirect_uri']).toBe(`${ORIGIN}/oauth2/callback`);
  });
});

describe('logging out', () => {
  test('ends the session here and at the provider', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/`);
    const asked = await browser.open(`${ORIGIN}/logout`);
    expect([asked.url.origin, asked.url.pathname]).toEqual([site.provider.issuer, '/session/end']);
    expect(query(asked.url.href)).toHaveProperty('id_token_hint');
    expect(browser.jar.cookies.filter(({ domain }) => domain === 'www.example.com')).toEqual([]);
    const out = await browser.submit(asked);
    expect(out.body).toContain('You are logged out');
    const [start, provider] = (await browser.open(`${ORIGIN}/again`)).steps;
    expect([start?.status, provider?.url.pathname]).toEqual([302, '/auth']);
  });

  test.each<[string, Record<string, string>]>([['a link', { 'sec-fetch-site': 'cross-site' }], ['an image', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }], ['a form of an old browser', { origin: 'https://evil.example' }]])(
    'by %s of another site is asked about, and nothing ends', async (_, headers) => {
      const browser = site.browser();
      await login(browser, `${ORIGIN}/`);
      const answer = await browser.open(`${ORIGIN}/logout`, { headers });
      expect([answer.status, answer.steps[0]?.setCookies]).toEqual([200, []]);
      expect(answer.body).toContain('Another site sent you here');
      expect((await browser.script('/', new URL(ORIGIN))).status).toBe(200);
      const out = await browser.submit(answer);
      expect(out.steps[0]).toMatchObject({ status: 302, setCookies: expect.arrayContaining([expect.stringMatching(/session.*Max-Age=0/)]) });
    });
});

test('the secret of the client, and what the provider gave, stand in nothing that is printed or shown', async () => {
  const text = [site.gatewright.output, ...await Promise.all(['status', 'problems', 'metrics'].map((page) => site.gatewright.page(page))), await (await fetch(`${site.gatewright.ready.admin}/config_dump`)).text()].join('\n');
  expect(text).toContain('oidc');
  expect(text).not.toContain(SECRET);
  expect(text).not.toMatch(/eyJ[A-Za-z0-9_-]{40}/);
});
