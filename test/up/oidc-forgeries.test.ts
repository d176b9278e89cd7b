// Assertions, states and codes that were made up, stolen or mixed up. Some are signed with the very keys of the site: what is in them is judged as well.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CompactSign, type JWK, base64url, importJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Browser, login } from '../oidc/browser.ts';
import { TestProvider } from '../oidc/provider.ts';
import { LoginSite, ORIGIN, callbackOf, httpsGateway, loginRoute } from './login-site.ts';

interface Ring { readonly keys: readonly { readonly kid: string; readonly encryption: string; readonly signing: JWK }[] }
interface Claims { readonly aud: string; readonly pid: string; readonly iat: number; readonly exp: number; readonly set: readonly (readonly [string, string])[]; readonly claims: Readonly<Record<string, unknown>> }

let site: LoginSite, second: TestProvider, ring: Ring;
beforeAll(async () => {
  second = await TestProvider.start();
  site = await LoginSite.start(({ provider }) => {
    for (const name of ['app', 'other']) provider.client(name, [`${ORIGIN}/${name}/callback`]);
    second.client('elsewhere', [`${ORIGIN}/elsewhere/callback`]);
    return { 'all.yaml': [
      httpsGateway(), ...loginRoute('app', provider.issuer, { more: { claimsToHeaders: [{ claim: 'sub', header: 'x-user' }], identityHeader: {}, jwksPath: '/app/keys' } }),
      ...loginRoute('other', provider.issuer), ...loginRoute('elsewhere', second.issuer),
    ] };
  });
  ring = JSON.parse(readFileSync(join(site.state, 'gatewright', 'session-keys.json'), 'utf8')) as Ring;
});
afterAll(async () => { await site?.stop(); await second?.stop(); });

const script = { accept: 'application/json' };
const browse = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };
async function loggedIn(name = 'app', account = 'alice'): Promise<Browser> {
  const browser = site.browser({ account });
  expect((await login(browser, `${ORIGIN}/${name}/x`)).status).toBe(200);
  return browser;
}
const cookie = (browser: Browser, kind: string): { readonly name: string; readonly value: string } => {
  const found = browser.cookie(new RegExp(`-${kind}-`));
  if (found === undefined) throw new Error(`no ${kind}`);
  return found;
};
const inside = async (cookies: string): Promise<boolean> => (await site.send('/app/x', { headers: { ...script, cookie: cookies } })).status === 200;

describe('an assertion', () => {
  let name: string, honest: Claims, head: { readonly kid: string }, kid: string, key: JWK;
  beforeAll(async () => {
    const taken = cookie(await loggedIn(), 'assertion');
    name = taken.name;
    const [header = '', payload = ''] = taken.value.split('.');
    honest = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Claims;
    head = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string };
    ({ kid } = head);
    const found = ring.keys.find((each) => each.kid === kid);
    if (found === undefined) throw new Error('signed with a key that is not in the file');
    key = found.signing;
  });
  const signed = async (claims: object | string, header: object = {}, by: JWK = key): Promise<string> =>
    new CompactSign(Buffer.from(typeof claims === 'string' ? claims : JSON.stringify(claims))).setProtectedHeader({ alg: 'ES256', ...head, ...header } as never).sign(await importJWK(by, 'ES256'));
  const assertion = async (token: Promise<string> | string): Promise<boolean> => inside(`${name}=${await token}`);
  const now = (): number => Math.floor(Date.now() / 1000);

  test('that the site would have made lets its bearer in (else the rows below would say nothing)', async () => {
    expect(await assertion(signed({ ...honest, iat: now(), exp: now() + 60, set: [['x-user', 'carol']] }))).toBe(true);
    expect(site.seen.at(-1)?.headers['x-user']).toBe('carol');
  });

  const foul: Readonly<Record<string, (claims: Claims) => object | string>> = {
    'of another scope': (claims) => ({ ...claims, aud: 'aaaaaaaaaa' }), 'of no scope': ({ aud: _, ...claims }) => claims, 'of several scopes': (claims) => ({ ...claims, aud: [claims.aud, 'x'] }),
    'of another policy': (claims) => ({ ...claims, pid: claims.pid.replace(/^./, (c) => (c === 'a' ? 'b' : 'a')) }), 'of no policy': ({ pid: _, ...claims }) => claims, 'of an empty policy': (claims) => ({ ...claims, pid: '' }),
    'that is over': (claims) => ({ ...claims, exp: now() - 1 }), 'without an end': ({ exp: _, ...claims }) => claims, 'whose end is a word': (claims) => ({ ...claims, exp: `${now() + 60}` }), 'whose end is no number': (claims) => JSON.stringify({ ...claims, exp: 1 }).replace('"exp":1', '"exp":1e999'),
    'of tomorrow': (claims) => ({ ...claims, iat: now() + 3_600, exp: now() + 7_200 }), 'that is a list': () => [], 'that is nothing': () => '', 'that is no JSON': () => '{', 'that says two things': (claims) => `{"aud":"x",${JSON.stringify({ ...claims, aud: undefined }).slice(1, -1)},"aud":"${claims.aud}x"}`,
    'that names tokens nobody knows': (claims) => ({ ...claims, forward: 'AAAAAAAAAAAAAAAAAAAAAA' }), 'that names tokens by no name': (claims) => ({ ...claims, forward: {} }),
    'with headers that are none': (claims) => ({ ...claims, set: [['x-user', 'a\r\nx-evil: 1']] }), 'with a header name that is none': (claims) => ({ ...claims, set: [['x user', 'a']] }),
  };
  test.each(Object.entries(foul))('%s lets nobody in, though it is signed', async (_, change) => {
    expect(await assertion(signed(change({ ...honest, iat: now(), exp: now() + 60 })))).toBe(false);
  });

  test('by another algorithm, key or kind of signature lets nobody in', async () => {
    const claims = { ...honest, iat: now(), exp: now() + 60, set: [['x-user', 'root']] };
    const payload = base64url.encode(JSON.stringify(claims));
    const [shown] = (JSON.parse((await site.send('/app/keys')).body) as { keys: JWK[] }).keys;
    const hmac = async (secret: string): Promise<string> => new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ ...head, alg: 'HS256' } as never).sign(Buffer.from(secret.padEnd(32, '.')));
    // The backend knows it, and the same keys have signed it.
    await site.send('/app/x', { headers: { cookie: `${name}=${await signed({ ...honest, iat: now(), exp: now() + 60 })}` } });
    const identity = honest.set.find(([header]) => header === 'x-gatewright-identity')?.[1] ?? '';
    expect(site.seen.at(-1)?.headers['x-gatewright-identity']).toBe(identity);
    const stranger = site.provider.keys.find(({ alg }) => alg === 'ES256') ?? {};
    const good = await signed(claims);
    const forged = [
      identity, await signed(claims, { typ: 'JWT' }), await signed(claims, { typ: undefined }),
      `${base64url.encode(JSON.stringify({ ...head, alg: 'none' }))}.${payload}.`, `${base64url.encode(JSON.stringify({ ...head, alg: 'none', kid: undefined }))}.${payload}.`, `${base64url.encode(JSON.stringify({ ...head, alg: 'None' }))}.${payload}.AAAA`, `${base64url.encode(JSON.stringify(head))}.${payload}.`,
      `${base64url.encode(JSON.stringify(head))}.${payload}.${'A'.repeat(86)}`, await hmac(JSON.stringify(shown)), await hmac(`${shown?.x ?? ''}`), await hmac(ring.keys[0]?.encryption ?? ''), await signed(claims, {}, stranger), await signed(claims, { kid: 'nowhere' }), await signed(claims, { kid: '' }),
      await signed(claims, { jwk: { kty: stranger.kty, crv: stranger.crv, x: stranger.x, y: stranger.y } }, stranger), `${good}.`, `${good}.${payload}`, good.replace(/\.[^.]+$/, ''), good.toUpperCase(),
      `${good.split('.').slice(0, 2).join('.')}.${(await signed({ ...claims, set: [] })).split('.')[2]}`,
    ];
    for (const each of forged) expect([each.slice(0, 80), await assertion(each)]).toEqual([each.slice(0, 80), false]);
    expect(await assertion(good)).toBe(true);
  });

  test('twice is none, and so is one for paths of the login itself', async () => {
    const one = await signed({ ...honest, iat: now(), exp: now() + 60, set: [['x-user', 'carol']] });
    const two = await signed({ ...honest, iat: now(), exp: now() + 60, set: [['x-user', 'mallory']] });
    expect(await inside(`${name}=${one}; ${name}=${two}`)).toBe(false);
    const before = site.seen.length;
    for (const path of ['/app/logout', '/app/callback?code=x&state=y', '/app/keys', '/app//logout', '/app/%6cogout', '/app/x/../callback?code=x']) await site.send(path, { headers: { ...browse, cookie: `${name}=${one}` } });
    expect(site.seen.length).toBe(before);
  });
});

const changed = (url: URL, more: Readonly<Record<string, string | undefined>>, path = url.pathname): URL => {
  const other = new URL(url);
  other.pathname = path;
  for (const [parameter, value] of Object.entries(more)) if (value === undefined) other.searchParams.delete(parameter); else other.searchParams.set(parameter, value);
  return other;
};

describe('a callback', () => {
  /** Whose session the browser has in the end, by what the backend is told. */
  const who = async (browser: Browser): Promise<unknown> => {
    const { status } = await browser.script('/app/who', new URL(ORIGIN));
    return status === 200 ? site.seen.at(-1)?.headers['x-user'] : status;
  };

  test('of an attacker, opened by somebody else, logs nobody in as the attacker (login CSRF)', async () => {
    const [mallory, ann] = [site.browser({ account: 'mallory' }), site.browser({ account: 'ann' })];
    const callback = await callbackOf(mallory);
    // She is about to log in herself.
    await ann.open(`${ORIGIN}/app/x`, { redirects: 0 });
    await ann.open(callback, { headers: { 'sec-fetch-site': 'cross-site' } });
    expect(await who(ann)).toBe('ann');
    // With the attacker's login cookie planted beside her own, neither counts; instead of her own, it is the attacker's state, which is used once.
    const [fresh, bea] = [await callbackOf(mallory), site.browser({ account: 'bea' })];
    await bea.open(`${ORIGIN}/app/x`, { redirects: 0 });
    const { name, value } = cookie(mallory, 'login');
    expect((await site.send(`${fresh.pathname}${fresh.search}`, { headers: { ...browse, cookie: `${name}=${cookie(bea, 'login').value}; ${name}=${value}` } })).headers['set-cookie']?.some((line) => /-session-/.test(line)) ?? false).toBe(false);
  });

  test('with the code of another login is refused: nonce and verifier are of this one', async () => {
    const [mallory, ann] = [site.browser({ account: 'mallory' }), site.browser({ account: 'ann' })];
    const [stolen, own] = [await callbackOf(ann), await callbackOf(mallory)];
    const page = await mallory.open(changed(own, { code: stolen.searchParams.get('code') ?? '' }));
    expect([page.status, await who(mallory)]).toEqual([400, 401]);
  });

  test('with the state of another policy, or the code of another provider, logs nobody in (mix-up)', async () => {
    const browser = site.browser();
    const [app, other, elsewhere] = [await callbackOf(browser), await callbackOf(browser, `${ORIGIN}/other/x`), await callbackOf(browser, `${ORIGIN}/elsewhere/x`)];
    const tokens = [site.provider.asked('token'), second.asked('token')];
    for (const mixed of [
      changed(app, { state: other.searchParams.get('state') ?? '' }), changed(other, {}, '/app/callback'), changed(elsewhere, {}, '/app/callback'),
      changed(app, { iss: second.issuer }), changed(app, { code: elsewhere.searchParams.get('code') ?? '', iss: second.issuer }),
    ]) {
      // Each time as the browser was then.
      const answer = await site.send(`${mixed.pathname}${mixed.search}`, { headers: { ...browse, cookie: browser.jar.header(new URL(ORIGIN), { crossSite: true, safeNavigation: true }) } });
      expect([[302, 400, 403].includes(answer.status), answer.headers['set-cookie']?.some((line) => /-session-\w+=[^;]/.test(line)) ?? false]).toEqual([true, false]);
    }
    expect([site.provider.asked('token'), second.asked('token')]).toEqual(tokens);
  });

  test('with something else that we have sealed for a state is none', async () => {
    const browser = await loggedIn();
    const sealed = cookie(browser, 'session').value.replace(/^\d+~/, '');
    const other = site.browser();
    await other.open(`${ORIGIN}/app/x`, { redirects: 0 });
    const { name, value } = cookie(other, 'login');
    const answer = await site.send(`/app/callback?code=x&iss=${encodeURIComponent(site.provider.issuer)}&state=${sealed}`, { headers: { ...browse, cookie: `${name}=${value}` } });
    expect([answer.status, answer.headers.location?.startsWith(`${site.provider.issuer}/auth`)]).toEqual([302, true]);
  });

  test('is read once: parameters twice, or parts of it missing, log nobody in', async () => {
    for (const parameter of ['code', 'state', 'iss', 'error']) {
      const browser = site.browser();
      const callback = await callbackOf(browser);
      callback.searchParams.append(parameter, parameter === 'error' ? 'access_denied' : callback.searchParams.get(parameter) ?? 'x');
      if (parameter === 'error') callback.searchParams.append('error', 'x');
      const page = await browser.open(callback, { redirects: 0 });
      expect([parameter, page.steps.flatMap(({ setCookies }) => setCookies).some((line) => /-session-/.test(line))]).toEqual([parameter, false]);
    }
    for (const parameter of ['code', 'state']) {
      const browser = site.browser();
      const page = await browser.open(changed(await callbackOf(browser), { [parameter]: undefined }), { redirects: 0 });
      expect([parameter, page.steps.flatMap(({ setCookies }) => setCookies).some((line) => /-session-/.test(line))]).toEqual([parameter, false]);
    }
  });

  test('by POST, or by a script, is none', async () => {
    const browser = site.browser();
    const callback = await callbackOf(browser);
    const posted = await site.send('/app/callback', { method: 'POST', body: callback.search.slice(1), headers: { ...browse, 'content-type': 'application/x-www-form-urlencoded', cookie: browser.jar.header(new URL(ORIGIN), { crossSite: false, safeNavigation: true }) } });
    expect([posted.status, posted.headers['set-cookie']?.some((line) => /-session-/.test(line))]).toEqual([302, false]);
  });

  test.each(['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '{{reason}}', '\'-alert(1)-\'', '%3Cscript%3E', '</small></body><script>', '\u202e\u0000\u001b[31m', 'x'.repeat(20_000)])('whose error says %j shows it as text, or not at all', async (text) => {
    const browser = site.browser();
    const state = new URL((await browser.open(`${ORIGIN}/app/x"><i>`, { redirects: 0 })).headers['location'] as string).searchParams.get('state') ?? '';
    for (const error of ['access_denied', text]) {
      const said = `/app/callback?${new URLSearchParams({ state, iss: site.provider.issuer, error, error_description: text })}`;
      const page = await site.send(said, { headers: { ...browse, 'x-request-id': '"><script>', cookie: browser.jar.header(new URL(ORIGIN), { crossSite: true, safeNavigation: true }) } });
      expect([302, 400, 403, 414, 431]).toContain(page.status);
      expect(page.body).not.toMatch(/<script|<img|<i>|onerror=(?!alert\(1\)&#62;)|\u001b|\u0000/);
      expect(page.body.length).toBeLessThan(5_000);
    }
  });
});
