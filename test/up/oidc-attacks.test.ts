// What has led past logins elsewhere, tried on ours: headers, paths and cookies by which oauth2-proxy, Envoy's oauth2 filter and others let people in who had not logged in.
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Browser, login } from '../oidc/browser.ts';
import { HOST, LoginSite, ORIGIN, type Sent, cookiesOf, httpsGateway, loginRoute } from './login-site.ts';
import { httpRoute, securityPolicy } from './manifests.ts';

const byEmail = { authorization: { defaultAction: 'Deny', rules: [{ action: 'Allow', principal: { jwt: { provider: 'oidc', claims: [{ name: 'email', values: ['alice@example.com'] }] } } }] } };
let site: LoginSite;
beforeAll(async () => {
  site = await LoginSite.start(({ provider }) => {
    for (const name of ['app', 'other', 'large', 'email']) provider.client(name, [`${ORIGIN}/${name}/callback`]);
    const { issuer } = provider;
    // An open route that leads on by a claim of a token: what it is led to has its own login all the same.
    const led = { route: { rules: [{ matches: [{ path: { value: '/led' }, headers: [{ name: 'x-route', value: 'led' }] }], backendRefs: [{ name: 'backend', port: 3000 }] }] } };
    return { 'all.yaml': [
      httpsGateway(), httpRoute('open'), ...loginRoute('app', issuer, { more: { claimsToHeaders: [{ claim: 'sub', header: 'x-user' }, { claim: 'email', header: 'x-email' }] }, oidc: { scopes: ['email'] } }), ...loginRoute('other', issuer),
      ...loginRoute('large', issuer, { oidc: { scopes: ['more'] } }), ...loginRoute('email', issuer, { oidc: { scopes: ['email'] }, security: byEmail }),
      httpRoute('start', [{ path: { value: '/led' } }]), ...loginRoute('led', issuer, led),
      securityPolicy('start', { jwt: { optional: true, providers: [{ name: 'any', remoteJWKS: { uri: `${issuer}/jwks` }, claimToHeaders: [{ header: 'x-route', claim: 'nonce' }], recomputeRoute: true }] } }),
    ] };
  }, { provider: { claims: { padding: 'x'.repeat(9_000) } } });
});
afterAll(async () => { await site?.stop(); });

const script = { accept: 'application/json' };
const browse = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };
const statuses = new Map<number, string>();
let turn = 0;
/** Whether the backend saw it, and what the client got. */
async function attempt(path: string, how: Parameters<LoginSite['send']>[1] = {}): Promise<{ status: number; inside: boolean; answer: Sent }> {
  const before = site.seen.length;
  const answer = await site.send(path.replace('$', `${turn++}`), how);
  statuses.set(answer.status, path.slice(0, 100));
  return { status: answer.status, inside: site.seen.length > before, answer };
}
async function loggedIn(name = 'app', account = 'alice'): Promise<Browser> {
  const browser = site.browser({ account });
  expect((await login(browser, `${ORIGIN}/${name}/x`)).status).toBe(200);
  return browser;
}
/** Bytes as they are; everything that comes back until it ends, or stays open for a moment. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port: site.port, servername: 'www.example.com', rejectUnauthorized: false }, () => socket.write(Buffer.from(bytes, 'latin1')));
    socket.setTimeout(500, () => socket.destroy()).setEncoding('latin1').on('data', (chunk: string) => { text += chunk; }).on('close', () => resolve(text)).on('error', reject);
  });
}

test('the way in, so that what follows means something', async () => {
  const cookie = cookiesOf(await loggedIn());
  expect(await attempt('/app/in$', { headers: { cookie, ...script } })).toMatchObject({ status: 200, inside: true });
  expect(await attempt('/open/in$')).toMatchObject({ status: 200, inside: true });
});

describe('headers that say who asks, or for what', () => {
  const corpus: Readonly<Record<string, Record<string, string | string[]>>> = {
    'CVE-2026-40575, CVE-2026-76835: X-Forwarded-Uri of an open path': { 'x-forwarded-uri': '/open/x', 'x-original-uri': '/open/x', 'x-original-url': '/open/x', 'x-rewrite-url': '/open/x', 'x-forwarded-path': '/open/x', 'x-envoy-original-path': '/open/x' },
    'X-Forwarded-Method of a preflight': { 'x-forwarded-method': 'OPTIONS', 'x-http-method-override': 'OPTIONS', 'x-original-method': 'OPTIONS' },
    'CVE-2026-34457: health checks': { 'user-agent': 'GoogleHC/1.0' }, 'kube-probe': { 'user-agent': 'kube-probe/1.31' }, 'ELB': { 'user-agent': 'ELB-HealthChecker/2.0' },
    'an address that is trusted': { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1', 'x-envoy-external-address': '127.0.0.1', 'x-envoy-internal': 'true' },
    'identity': { 'x-user': 'alice', 'x-email': 'alice@example.com', 'x-forwarded-user': 'alice', 'x-forwarded-email': 'alice@example.com', 'x-auth-request-user': 'alice', 'remote-user': 'alice' },
    'tokens in our own headers': { 'x-gatewright-id-token': 'a.b.c', 'x-gatewright-access-token': 'a', 'x-gatewright-identity': 'a.b.c' },
    'words of our own': { 'gatewright-policy': 'x', 'gatewright-processor': 'oidc', 'gatewright.oidc': '{"verdict":"x"}', 'wasm.gatewright.oidc.skip': 'yes' },
    'Authorization': { authorization: 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.' },
    'CVE-2022-29226: a token cookie without its signature': { cookie: 'BearerToken=anything; OauthExpires=99999999999; IdToken=eyJhbGciOiJub25lIn0.e30.' },
    'cookies of others': { cookie: ['_oauth2_proxy=x', 'gatewright-session=1~x; gatewright-assertion=x'] },
    'hop by hop': { connection: 'keep-alive, cookie, x-request-id', te: 'trailers' },
    'an empty cookie': { cookie: '' }, 'cookies that are none': { cookie: ';;;=;=;a;;__Host-gatewright-session-=;' },
  };
  test.each(Object.entries(corpus))('%s', async (_, headers) => {
    for (const kind of [script, browse]) {
      const { status, inside } = await attempt('/app/h$', { headers: { ...kind, ...headers } });
      expect([status, inside]).toEqual([kind === script ? 401 : 302, false]);
    }
  });

  test('a client cannot have the identity taken off on the way by naming it in Connection', async () => {
    const cookie = cookiesOf(await loggedIn());
    await attempt('/app/hop$', { headers: { cookie, connection: 'keep-alive, x-user, x-email' } });
    expect(site.seen.at(-1)?.headers).toMatchObject({ 'x-user': 'alice', 'x-email': 'alice@example.com' });
  });

  test('CVE-2026-40574: a@evil@good is neither of the two', async () => {
    for (const account of ['alice@example.com@evil', 'evil@alice@example.com', 'alice']) {
      expect([account, (await login(site.browser({ account }), `${ORIGIN}/email/x`)).status]).toEqual([account, account === 'alice' ? 200 : 403]);
    }
  });

  test('a claim with a line break makes no header', async () => {
    site.provider.lie = { claims: (claims) => ({ ...claims, email: 'a@b\r\nx-evil: 1' }) };
    const browser = await loggedIn();
    site.provider.lie = undefined;
    await attempt('/app/crlf$', { headers: { cookie: cookiesOf(browser), 'x-email': 'spoofed' } });
    expect(site.seen.at(-1)?.headers).toMatchObject({ 'x-user': 'alice' });
    expect(site.seen.at(-1)?.headers).not.toHaveProperty('x-email');
    expect(site.seen.at(-1)?.headers).not.toHaveProperty('x-evil');
  });
});

describe('paths', () => {
  const paths = ['/app/x?/open/', '/app/x?skip=/open', '/open/../app/$', '/open/%2e%2e/app/$', '/open/..%2fapp/$', '/open/%2e%2e%2fapp/$', '/open/..\\app/$', '/open/..%5capp/$', '/open/..;/app/$', '//app/$', '///app//$', '/./app/$', '/%61pp/$', '/app/x#/open/', '/app;a=/open/$', '/app%2f$', '/app/%00', '/app/$%0d%0aX-User:%20root'];
  test.each(paths)('nobody comes in by %s', async (path) => {
    for (const headers of [script, browse]) {
      const before = site.seen.length;
      const { status } = await attempt(path, { headers });
      const reached = site.seen.slice(before).filter(({ target }) => new URL(target.replace(/^\/+/, '/'), ORIGIN).pathname.startsWith('/app/'));
      expect([reached, status >= 500]).toEqual([[], false]);
    }
  });

  test.each(['/\\evil.example', '//evil.example', '/\t/evil.example', '/%09/evil.example', '/%5cevil.example', '/app/\\evil.example', '/app/..//evil.example', '/app/..\\\\evil.example', '/app/\u00a0/evil', '/app/\u3002evil', '/app/%E3%80%82evil', '/app/\r\nlocation: https://evil.example', '/app/%0d%0alocation:%20https://evil.example', '/app/%250d%250aa', 'https://evil.example/app/x', '/app/?\\evil', '/app/?x=//evil', '.evil.example/app', '@evil.example/app'])(
    'CVE-2026-83589: no login leads away from here: %j', async (path) => {
      const answer = await raw(`GET ${Buffer.from(path).toString('latin1')} HTTP/1.1\r\nhost: ${HOST}\r\naccept: text/html\r\nsec-fetch-mode: navigate\r\n\r\n`);
      const location = /\r\nlocation: ([^\r]*)/i.exec(answer)?.[1];
      expect(answer).not.toMatch(/\r\nlocation: https?:\/\/evil/i);
      if (location === undefined) return;
      const there = new URL(location, ORIGIN);
      // Envoy itself leads to the path as it reads it.
      if (location.startsWith('/')) expect([there.origin, there.hostname]).toEqual([ORIGIN, 'www.example.com']);
      else expect(there.origin).toBe(site.provider.issuer);
      const browser = site.browser();
      const secret = /\r\nset-cookie: ([^\r]*)/i.exec(answer)?.[1] ?? '';
      browser.jar.take(secret, new URL(ORIGIN));
      const page = await browser.open(there);
      const back = page.steps.filter(({ url }) => url.origin !== site.provider.issuer);
      expect([...new Set(back.map(({ url }) => url.origin))]).toEqual([ORIGIN]);
    });

  test.each(['//evil.example/x', '/\\evil.example/x', '/\t/evil.example/x', '///evil.example', '/.//evil.example', '/@evil.example'])('nor one that a form begins, on a page whose address is %j', async (path) => {
    const browser = site.browser();
    const page = await browser.open(`${ORIGIN}/app/form`, { method: 'POST', body: 'a=b', headers: { referer: `${ORIGIN}${path.replace('\t', '%09')}`, 'content-type': 'application/x-www-form-urlencoded' } });
    expect(new Set(page.steps.map(({ url }) => url.origin))).toEqual(new Set([ORIGIN, site.provider.issuer]));
    for (const from of ['https://evil.example/app/x', 'javascript:alert(1)', `https://${HOST}@evil.example/x`]) {
      const { steps } = await site.browser().open(`${ORIGIN}/app/form`, { method: 'POST', body: 'a=b', headers: { referer: from } });
      expect([from, steps.at(-1)?.url.href]).toEqual([from, `${ORIGIN}/`]);
    }
  });

  test.each(['/app/callback/', '/app/CALLBACK', '/app//callback', '/app/./callback', '/app/%63allback', '/app/callback%2f', '/app/callback%00', '/app/callback;x', '/app/x/../callback', '/app/callback/.', '/app/callback%20', '/app/callback?'])(
    'a callback that is spelled %s gives its code to nobody', async (path) => {
      for (const headers of [script, browse]) expect((await attempt(`${path}${path.includes('?') ? '&' : '?'}code=the-code&state=x`, { headers })).inside).toBe(false);
    });
  test.each(['/app//callback', '/app/./callback', '/app/%63allback', '/app/x/../callback'])('nor one with a session, as %s', async (path) => {
    const cookie = cookiesOf(await loggedIn());
    expect(await attempt(`${path}?code=the-code&state=x`, { headers: { cookie, ...browse } })).toMatchObject({ inside: false, status: 302 });
  });
});

describe('requests that are none', () => {
  test.each([
    `CONNECT ${HOST} HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`, `CONNECT /app/x HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`, `GET  HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`, `GET app/x HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`, `OPTIONS * HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`,
    `TRACE /app/x HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`, `GET https://${HOST}/app/x HTTP/1.1\r\nhost: evil.example\r\naccept: application/json\r\n\r\n`, `GET /app/x HTTP/1.1\r\nhost: ${HOST}\r\nhost: evil.example\r\n\r\n`, `GET /app/x HTTP/1.1\r\n\r\n`,
    `GET /app/x HTTP/1.1\r\nhost: user@${HOST}\r\n\r\n`, `GET /app/x HTTP/1.1\r\nhost: ${HOST}@evil.example\r\n\r\n`, `GET /app/x HTTP/1.0\r\n\r\n`, `POST /app/x HTTP/1.1\r\nhost: ${HOST}\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /app/y HTTP/1.1\r\n\r\n`,
    `GET /app/x HTTP/1.1\r\nhost: ${HOST}\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n`,
  ])('%j', async (bytes) => {
    const before = site.seen.length;
    const answer = await raw(bytes);
    expect([answer === '' || /^HTTP\/1\.1 (302|4\d\d) /.test(answer), site.seen.length - before]).toEqual([true, 0]);
  });

  test('over HTTP/2: CONNECT without a path (GHSA-8vc2-jrm4-835w), a user in the authority', async () => {
    const session = connectHttp2(`https://127.0.0.1:${site.port}`, { servername: 'www.example.com', rejectUnauthorized: false });
    session.on('error', () => { /* closed by the other side */ });
    const before = site.seen.length;
    const ask = (headers: Record<string, string>): Promise<unknown> => new Promise((resolve) => {
      const stream = session.request(headers, { endStream: true });
      stream.once('response', (answer) => { resolve(answer[':status']); stream.close(); }).once('error', () => resolve('reset')).once('close', () => resolve('closed'));
    });
    for (const headers of [{ ':method': 'CONNECT', ':authority': HOST }, { ':path': '/app/x', ':authority': `user@${HOST}` }, { ':path': '/app/x', ':authority': HOST, ':method': 'CONNECT', ':protocol': 'websocket' }]) {
      expect([200, undefined]).not.toContain(await ask(headers as never).catch(() => 'refused'));
    }
    session.destroy();
    expect(site.seen.length).toBe(before);
  });

  test('100 kB of anything at the callback', async () => {
    for (const garbage of ['A'.repeat(50_000), '%00'.repeat(10_000), '&'.repeat(40_000), 'state=a&'.repeat(5_000), `state=${'.'.repeat(40_000)}`, `code=${'%F0%9F%98%80'.repeat(2_000)}&state=x`]) {
      const { status, inside } = await attempt(`/app/callback?${garbage}`, { headers: browse });
      expect([inside, [302, 400, 403, 414, 431].includes(status)]).toEqual([false, true]);
    }
    expect(await raw(`GET /app/callback?${'x'.repeat(100_000)} HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 (302|4\d\d)/);
  });
});

describe('cookies', () => {
  test.each(['session', 'assertion'])('of which one part is another let nobody in: %s', async (kind) => {
    const browser = await loggedIn();
    const { name = '', value = '' } = browser.cookie(new RegExp(`-${kind}-`)) ?? {};
    const parts = value.split('.');
    const flipped = (text: string, at: number): string => `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
    const forged = [
      ...parts.flatMap((part, i) => [flipped(part, 0), flipped(part, part.length >> 1), part.slice(0, -4), `${part}AAAA`, ''].map((changed) => parts.with(i, changed).join('.'))).filter((each) => each !== value),
      `${value}.`, `.${value}`, parts.slice(0, -1).join('.'), parts.toReversed().join('.'), value.toLowerCase(), `"${value}"`, encodeURIComponent(value), '', 'null', `2~${value}`, `0~${value}`, `99~${value}`, `-1~${value}`,
    ].filter((each) => each !== value);
    const inside: string[] = [];
    for (const each of new Set(forged)) {
      const answer = await attempt('/app/f$', { headers: { ...script, cookie: `${name}=${each}` } });
      if (answer.inside) inside.push(each.split('.').map((part, i) => `${part === parts[i] ? 'same' : `${part.length} for ${parts[i]?.length}: …${part.slice(-8)} for ${parts[i]?.slice(-8)}`}`).join('.'));
    }
    expect(inside).toEqual([]);
  });

  test('of another policy, another user or another use are worth nothing under this name', async () => {
    const [alice, bob, other] = [await loggedIn(), await loggedIn('app', 'bob'), await loggedIn('other')];
    const of = (browser: Browser, kind: string): { name: string; value: string } => browser.cookie(new RegExp(`-${kind}-`)) as never;
    const state = new URL((await attempt('/app/x', { headers: browse })).answer.headers.location ?? '').searchParams.get('state') ?? '';
    const mixed: [string, string][] = [
      [of(alice, 'session').name, of(other, 'session').value], [of(alice, 'assertion').name, of(other, 'assertion').value], [of(alice, 'session').name, `1~${state}`], [of(alice, 'session').name, of(alice, 'assertion').value],
      [of(alice, 'session').name, `1~${of(alice, 'assertion').value}`], [of(alice, 'assertion').name, of(alice, 'session').value.slice(2)], [of(alice, 'session').name.replace('__Host-', ''), of(alice, 'session').value], [of(alice, 'session').name.replace('__Host-', '__Secure-'), of(alice, 'session').value],
      [of(alice, 'session').name.replace('__Host-', '__host-'), of(alice, 'session').value], [of(alice, 'assertion').name.replace('__Host-', '__Secure-'), of(alice, 'assertion').value],
    ];
    for (const [name, value] of mixed) expect([name, (await attempt('/app/m$', { headers: { ...script, cookie: `${name}=${value}` } })).inside]).toEqual([name, false]);
    // Beside a good one a second one is a neighbour's: neither counts (cookie tossing).
    for (const kind of ['session', 'assertion']) {
      const pair = (browser: Browser): string => `${of(browser, kind).name}=${of(browser, kind).value}`;
      for (const cookie of [`${pair(alice)}; ${pair(bob)}`, `${pair(bob)}; x=y; ${pair(alice)}`]) expect((await attempt('/app/t$', { headers: { ...script, cookie } })).inside).toBe(false);
    }
  });

  test('CVE-2023-35941: the pieces of a large session are one, in their order', async () => {
    const [alice, bob] = [await loggedIn('large'), await loggedIn('large', 'bob')];
    const pieces = (browser: Browser): { name: string; value: string }[] => browser.jar.cookies.filter(({ name }) => /-session-/.test(name)).toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, value }) => ({ name, value }));
    const [mine, theirs] = [pieces(alice), pieces(bob)];
    expect(mine.length).toBeGreaterThan(2);
    const ask = async (all: readonly { name: string; value: string }[]): Promise<boolean> => (await attempt('/large/p$', { headers: { ...script, cookie: all.map(({ name, value }) => `${name}=${value}`).join('; ') } })).inside;
    expect(await ask(mine.toReversed())).toBe(true);
    const [first, second, third] = mine;
    if (first === undefined || second === undefined || third === undefined) throw new Error('no pieces');
    const wrong = [mine.slice(1), mine.slice(0, -1), [first, { ...second, value: third.value }, { ...third, value: second.value }, ...mine.slice(3)], mine.with(1, theirs[1] ?? first), mine.with(0, theirs[0] ?? second), [{ ...first, value: first.value.replace(/^\d+/, (count) => `${Number(count) - 1}`) }, ...mine.slice(1)]];
    for (const all of wrong) expect(await ask(all)).toBe(false);
  });

  test('CVE-2025-55162: logging out deletes every one, each with the attributes it was set with', async () => {
    const browser = await loggedIn('large');
    await browser.open(`${ORIGIN}/large/logout`, { redirects: 0 });
    expect(browser.jar.cookies.filter(({ name }) => name.includes('gatewright'))).toEqual([]);
    expect(browser.jar.refused).toEqual([]);
  });

  test('too many, or too large ones, are no session, and trouble nobody', async () => {
    const cookie = cookiesOf(await loggedIn());
    for (const [what, all] of Object.entries({ many: `${cookie}; ${Array.from({ length: 3_000 }, (_, i) => `c${i}=v`).join('; ')}`, large: `${cookie}; big=${'x'.repeat(50_000)}`, huge: `big=${'x'.repeat(200_000)}`, blanks: `a=${' '.repeat(50_000)}b; ${cookie}`, ours: Array.from({ length: 900 }, (_, i) => `__Host-gatewright-session-aaaaaaaaaa.${i}=x`).join('; ') })) {
      const { status } = await attempt('/app/c$', { headers: { ...script, cookie: all } });
      expect([what, [200, 401, 431].includes(status)]).toEqual([what, true]);
    }
  });
});

test('a request that a claim leads from an open route to one with a login ends at the guard', async () => {
  const browser = await loggedIn();
  const token = await site.provider.logoutToken('any', { nonce: 'led' }, { header: { typ: 'JWT' } });
  expect((await attempt('/led/a$')).inside).toBe(true);
  expect(await attempt('/led/b$', { headers: { authorization: `Bearer ${token}`, cookie: cookiesOf(browser) } })).toMatchObject({ status: 403, inside: false });
  expect(await attempt('/led/c$', { headers: { 'x-route': 'led', ...script } })).toMatchObject({ status: 401, inside: false });
});

test('after all that nothing has crashed, no answer was an error of ours, and people log in', async () => {
  expect([...statuses].filter(([status]) => status >= 500)).toEqual([]);
  expect(await site.gatewright.stat('server.live')).toBe(1);
  expect(await site.gatewright.stat('wasm.gatewright.session.vm_reload_success')).toBe(0);
  expect(site.gatewright.output).not.toMatch(/unreachable|Uncaught|worker ended|"level":(50|60)/);
  await loggedIn();
});
