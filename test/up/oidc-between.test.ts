// What browsers do by themselves, and what stands between them and us: caches, links that are looked up ahead, cookies in several headers, uploads, WebSockets, claims that are too large for a cookie.
import { type Server, createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser, login } from '../oidc/browser.ts';
import { HOST, LoginSite, ORIGIN, httpsGateway, loginRoute } from './login-site.ts';
import { endpoint, gateway } from './manifests.ts';

const TRIAL = 'http://trial.example.com:8080';
let site: LoginSite, app: Server;
/** What the app was sent, and how it answers: by the query. */
const got: { target: string; cookie: string | undefined; bytes: number; claim: number }[] = [];
beforeAll(async () => {
  app = createServer({ maxHeaderSize: 65_536 }, (request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => { bytes += chunk.length; }).on('end', () => {
      got.push({ target: request.url ?? '', cookie: request.headers.cookie, bytes, claim: `${request.headers['x-padding'] ?? ''}`.length });
      const query = new URL(request.url ?? '', ORIGIN).searchParams;
      response.setHeader('set-cookie', ['theirs=1', 'more=2']);
      if (query.has('cache')) response.setHeader('cache-control', query.get('cache') ?? '');
      response.end('fine');
    });
  }).on('upgrade', (request, socket) => {
    got.push({ target: request.url ?? '', cookie: request.headers.cookie, bytes: 0, claim: 0 });
    socket.on('error', () => { /* the client has left */ }).write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  site = await LoginSite.start(({ provider }) => {
    provider.client('trial', [`${TRIAL}/oauth2/callback`]);
    for (const name of ['app', 'large']) provider.client(name, [`${ORIGIN}/${name}/callback`]);
    const rules = (name: string): object => ({ rules: [{ matches: [{ path: { value: `/${name}` } }], backendRefs: [{ name: 'app', port: 3000 }] }] });
    return { 'all.yaml': [
      httpsGateway(), ...endpoint((app.address() as AddressInfo).port, 'app'), ...loginRoute('app', provider.issuer, { route: rules('app') }),
      // Of trials on one machine: no TLS.
      gateway([{ name: 'http', protocol: 'HTTP', port: 80 }], 'trial'),
      ...loginRoute('trial', provider.issuer, { oidc: { redirectURL: undefined, logoutPath: '/trial/logout' }, route: { parentRefs: [{ name: 'trial' }], hostnames: ['trial.example.com'], rules: [{ matches: [{ path: { value: '/' } }], backendRefs: [{ name: 'app', port: 3000 }] }] } }),
      ...loginRoute('large', provider.issuer, { oidc: { scopes: ['more'] }, route: rules('large'), more: { claimsToHeaders: [{ claim: 'padding', header: 'x-padding' }] } }),
    ] };
  }, { provider: { claims: { padding: 'x'.repeat(9_000) } } });
});
afterAll(async () => { await site?.stop(); app?.closeAllConnections(); app?.close(); });

async function loggedIn(name = 'app'): Promise<Browser> {
  const browser = site.browser();
  expect((await login(browser, `${ORIGIN}/${name}/x`)).status).toBe(200);
  return browser;
}
const pairs = (browser: Browser, kind: RegExp): string => browser.jar.cookies.filter(({ name }) => kind.test(name)).map(({ name, value }) => `${name}=${value}`).join('; ');
const state = async (browser: Browser): Promise<number> => (await browser.script('/app/api', new URL(ORIGIN))).status;

describe('caches', () => {
  test.each<[said: string | undefined, becomes: string | undefined]>([['public, max-age=3600', 'private, no-cache'], [undefined, 'private, no-cache'], ['max-age=60, s-maxage=600', 'private, no-cache'], ['private, max-age=60', 'private, max-age=60'], ['no-store', 'no-store']])(
    'keep no answer that came with somebody\'s session, whatever the app says of it: %s', async (said, becomes) => {
      const browser = await loggedIn();
      const path = `/app/picture${said === undefined ? '' : `?cache=${encodeURIComponent(said)}`}`;
      const asked = await site.send(path, { headers: { cookie: pairs(browser, /-session-/) } });
      expect([asked.status, asked.headers['set-cookie']?.map((line) => line.split('=')[0])]).toEqual([200, ['theirs', 'more', expect.stringMatching(/-assertion-/)]]);
      expect(asked.headers['cache-control']).toBe(becomes);
      // Without a cookie of ours it is the app's to say.
      expect((await site.send(path, { headers: { cookie: pairs(browser, /gatewright/) } })).headers['cache-control']).toBe(said);
    });
});

describe('a link that is looked up ahead', () => {
  test.each<[string, Record<string, string>]>([['by the browser', { 'sec-purpose': 'prefetch', 'sec-fetch-mode': 'navigate' }], ['and drawn', { 'sec-purpose': 'prefetch;prerender', 'sec-fetch-mode': 'navigate' }], ['by a script of the page', { purpose: 'prefetch', 'sec-fetch-mode': 'cors' }], ['by an old Firefox', { 'x-moz': 'prefetch' }]])(
    'logs nobody out: %s', async (_, headers) => {
      const browser = await loggedIn();
      const answer = await site.send('/app/logout', { headers: { cookie: pairs(browser, /gatewright/), 'sec-fetch-site': 'same-origin', ...headers } });
      expect([answer.status, answer.headers['set-cookie'], answer.headers['cache-control']]).toEqual([403, undefined, 'no-store']);
      expect(await state(browser)).toBe(200);
      expect((await browser.open(`${ORIGIN}/app/logout`, { redirects: 0 })).status).toBe(302);
    });
});

describe('cookies in several headers of HTTP/1.1', () => {
  const ask = (lines: readonly string[], path: string): Promise<string> => new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: site.port, servername: 'www.example.com', rejectUnauthorized: false }, () => socket.write(`GET ${path} HTTP/1.1\r\nhost: ${HOST}\r\naccept: application/json\r\n${lines.map((line) => `cookie: ${line}\r\n`).join('')}connection: close\r\n\r\n`));
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => { text += chunk; }).on('close', () => resolve(text.slice(9, 12))).on('error', reject);
  });
  test.each([['asked about', /-session-/], ['let through', /gatewright/]] as const)('are one: %s', async (how, which) => {
    const cookies = pairs(await loggedIn(), which).split('; ');
    const path = `/app/${how.replace(' ', '-')}`;
    expect(await ask(['first=1', ...cookies, 'last=2'], path)).toBe('200');
    expect(got.at(-1)).toMatchObject({ target: path });
    expect(got.at(-1)?.cookie?.split(/[;,] ?/)).toEqual(['first=1', 'last=2']);
  });
  test.each(['session', 'assertion'])('a second %s, in a header of its own, is a neighbour\'s, and neither counts', async (kind) => {
    const [one, two] = [await loggedIn(), await loggedIn()];
    const which = new RegExp(`-${kind}-`);
    const before = got.length;
    expect([await ask([pairs(one, which), pairs(two, which)], '/app/two'), got.length]).toEqual(['401', before]);
  });
});

test.each([['asked about', /-session-/], ['let through', /gatewright/]] as const)('an upload of three megabytes arrives whole: %s', async (_, which) => {
  const cookie = pairs(await loggedIn(), which);
  expect((await site.send('/app/upload', { method: 'POST', headers: { cookie, accept: 'application/json' }, body: 'x'.repeat(3_000_000) })).status).toBe(200);
  expect(got.at(-1)).toMatchObject({ target: '/app/upload', bytes: 3_000_000 });
});

test.each<[string, Record<string, string>, number]>([['a script', { accept: 'application/json' }, 401], ['a form', { accept: 'text/html', 'sec-fetch-mode': 'navigate' }, 302]])('an upload without a session is answered while it is still being sent: %s', async (_, headers, status) => {
  const before = got.length;
  expect([(await site.send('/app/upload', { method: 'POST', headers, body: 'x'.repeat(3_000_000) })).status, got.length]).toEqual([status, before]);
});

test.each([['asked about', /-session-/], ['let through', /gatewright/]] as const)('a WebSocket is opened with a session: %s', async (how, which) => {
    const cookie = pairs(await loggedIn(), which);
    const path = `/app/socket-${how.replace(' ', '-')}`;
    const { status } = await site.send(path, { headers: { cookie: `${cookie}; theirs=1`, connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-fetch-mode': 'websocket' } });
    expect([status, got.at(-1)]).toEqual([101, { target: path, cookie: 'theirs=1', bytes: 0, claim: 0 }]);
});

test('claims that are too large for a cookie are asked about each time, and arrive', async () => {
  const browser = await loggedIn('large');
  const before = await site.asked();
  for (let i = 0; i < 3; i++) expect((await browser.open(`${ORIGIN}/large/y`)).status).toBe(200);
  expect([await site.asked() - before, got.at(-1)?.claim, browser.cookie(/-assertion-/)]).toEqual([3, 9_000, undefined]);
  expect(browser.jar.refused).toEqual([]);
});

test('who comes back to a page while the login of another tab went on is led where this one wanted to go', async () => {
  const browser = site.browser();
  const first = await browser.open(`${ORIGIN}/app/first`, { redirects: 0 });
  expect((await login(browser, `${ORIGIN}/app/second`)).url.pathname).toBe('/app/second');
  expect((await browser.open(first.headers['location'] as string)).url.pathname).toBe('/app/first');
});

test('without TLS, for trials: cookies without Secure and prefix, which are none where there is TLS; Envoy lets sessions through; no header says that there is TLS', async () => {
  const browser = new Browser({ ports: { 'trial.example.com:8080': Number(site.gatewright.address('http', 'trial').split(':')[1]) } });
  try {
    const page = await login(browser, `${TRIAL}/deep`);
    expect([page.status, page.url.href, browser.jar.refused]).toEqual([200, `${TRIAL}/deep`, []]);
    const mine = browser.jar.cookies.filter(({ domain }) => domain === 'trial.example.com');
    expect(mine.filter(({ name }) => name.startsWith('gatewright-')).map(({ secure, httpOnly }) => [secure, httpOnly])).toEqual([[false, true], [false, true]]);
    const before = await site.asked();
    for (let i = 0; i < 5; i++) expect((await browser.open(`${TRIAL}/x`)).status).toBe(200);
    expect([await site.asked() - before, got.at(-1)?.cookie]).toEqual([0, 'theirs=1; more=2']);
    const begin = await new Browser({ ports: { 'trial.example.com:8080': Number(site.gatewright.address('http', 'trial').split(':')[1]) } }).open(`${TRIAL}/x`, { redirects: 0, headers: { 'x-forwarded-proto': 'https' } });
    expect(new URL(`${begin.headers['location'] as string}`).searchParams.get('redirect_uri')).toBe(`${TRIAL}/oauth2/callback`);
    expect((await site.gatewright.page('problems'))).toContain('people log in over http');
    await browser.open(`${TRIAL}/trial/logout`, { redirects: 0 });
    expect((await browser.script('/x', new URL(TRIAL))).status).toBe(401);
  } finally { await browser.close(); }
});
