// Sessions in a real Redis: what is in the browser is an id alone; the provider ends them by itself; without the store nobody is let in who is not let in already. Two workers.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PASSWORD, RedisServer } from '../extproc/oidc/redis-server.ts';
import { type Browser, type Page, login } from '../oidc/browser.ts';
import { LoginSite, ORIGIN, cookiesOf, forget, httpsGateway, loginRoute, secret } from './login-site.ts';

const LIFETIME = 3;
const store = { redis: { urlSecretRef: { name: 'redis' } } };
const files = (issuer: string): Record<string, readonly unknown[]> => ({
  'all.yaml': [
    httpsGateway(), ...loginRoute('kept', issuer, { oidc: { scopes: ['more'] }, more: { session: { store }, assertion: { lifetime: `${LIFETIME}s` }, claimsToHeaders: [{ claim: 'sub', header: 'x-user' }] } }),
    // The provider reaches it by an address: any host.
    ...loginRoute('ended', issuer, { oidc: { redirectURL: 'https://%REQ(:authority)%/ended/callback' }, route: { hostnames: [] }, more: { session: { store }, assertion: { lifetime: `${LIFETIME}s` }, logout: { backChannelPath: '/ended/by-provider' } } }),
    ...loginRoute('short', issuer, { more: { session: { absoluteTimeout: '3s', store }, assertion: { lifetime: '0s' } } }), ...loginRoute('idle', issuer, { more: { session: { idleTimeout: '2s' }, assertion: { lifetime: '0s' } } }),
    secret('redis', { url: redis.url }),
  ],
});
let site: LoginSite, redis: RedisServer, there: string;
beforeAll(async () => {
  redis = await RedisServer.start();
  site = await LoginSite.start(({ provider }) => {
    for (const name of ['kept', 'short', 'idle']) provider.client(name, [`${ORIGIN}/${name}/callback`]);
    return files(provider.issuer);
  }, { args: ['--concurrency', '2'], provider: { claims: { padding: 'x'.repeat(20_000) } } });
  there = `127.0.0.1:${site.port}`;
  site.provider.client('ended', [`https://${there}/ended/callback`], { backchannel_logout_uri: `https://${there}/ended/by-provider`, backchannel_logout_session_required: true });
}, 60_000);
afterAll(async () => { await site?.stop(); await redis?.stop(); });

const at = (name: string): string => (name === 'ended' ? `https://${there}` : ORIGIN);
async function loggedIn(name = 'kept', account = 'alice'): Promise<Browser> {
  const browser = site.browser({ account });
  expect((await login(browser, `${at(name)}/${name}/x`)).status).toBe(200);
  return browser;
}
const ask = (browser: Browser, name = 'kept'): Promise<Page> => browser.script(`/${name}/api`, new URL(at(name)));
const state = async (browser: Browser, name = 'kept'): Promise<number> => (await ask(browser, name)).status;

describe('a session in the store', () => {
  test('is an id in the browser, however large its tokens are', async () => {
    const browser = await loggedIn();
    const [only, ...more] = browser.jar.cookies.filter(({ name }) => /-session-/.test(name));
    expect([more, (only?.value.length ?? 0) < 200]).toEqual([[], true]);
    expect(await state(browser)).toBe(200);
  });

  test('holds over a restart, and over other workers', async () => {
    const before = await loggedIn();
    await site.gatewright.stop();
    await site.up(files(site.provider.issuer));
    there = `127.0.0.1:${site.port}`;
    site.provider.client('ended', [`https://${there}/ended/callback`], { backchannel_logout_uri: `https://${there}/ended/by-provider`, backchannel_logout_session_required: true });
    const browser = site.moved(before);
    for (let i = 0; i < 10; i++) { forget(browser); expect(await state(browser)).toBe(200); }
  });

  test('whose tokens are over is refreshed once by 40 requests, and all of them go on with the same cookie', async () => {
    site.provider.settings.accessTokenSeconds = 1;
    const browser = await loggedIn();
    site.provider.settings.accessTokenSeconds = 3_600;
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const cookie = cookiesOf(browser);
    const before = site.provider.asked('refresh');
    for (let round = 0; round < 2; round++) {
      const all = await Promise.all(Array.from({ length: 40 }, () => site.send('/kept/api', { headers: { cookie, accept: 'application/json' } })));
      expect([new Set(all.map(({ status }) => status)), site.provider.asked('refresh') - before]).toEqual([new Set([200]), 1]);
    }
  });

  test('that is logged out is over for who has copied its cookie, once the assertion is', async () => {
    const browser = await loggedIn();
    const copy = site.moved(browser);
    await browser.open(`${ORIGIN}/kept/logout`, { redirects: 0 });
    expect(await state(browser)).toBe(401);
    forget(copy);
    expect(await state(copy)).toBe(401);
  });

  test('ends after absoluteTimeout, however much is asked; and after idleTimeout without a request, and not before', async () => {
    const [idle, short, busy] = [await loggedIn('idle'), await loggedIn('short'), await loggedIn('idle', 'bob')];
    const said: number[] = [];
    await site.gatewright.until(async () => { said.push(await state(busy, 'idle')); await new Promise((resolve) => setTimeout(resolve, 200)); return await state(short, 'short') === 401; });
    expect([new Set(said), await state(idle, 'idle')]).toEqual([new Set([200]), 401]);
  });
});

describe('logged out at the provider', () => {
  test('a session is over within the life of its assertion, for every browser that shares the session there, and for no other', async () => {
    const [alice, bob] = [await loggedIn('ended'), await loggedIn('ended', 'bob')];
    expect([await state(alice, 'ended'), await state(bob, 'ended')]).toEqual([200, 200]);
    const asked = await alice.open(`${site.provider.issuer}/session/end`);
    expect((await alice.submit(asked)).body).toContain('You are logged out');
    expect(site.provider.logoutProblems).toEqual([]);
    await site.gatewright.until(async () => await state(alice, 'ended') === 401);
    forget(bob);
    expect(await state(bob, 'ended')).toBe(200);
    expect(await site.metric('gatewright_oidc_events_total', 'event="back_channel_logout"')).toBe(1);
  });
});

test.each<[what: string, body: string, type: string]>([
  ['five megabytes', `logout_token=${'x'.repeat(5_000_000)}`, 'application/x-www-form-urlencoded'], ['a hundred kilobytes', `logout_token=${'x'.repeat(100_000)}`, 'application/x-www-form-urlencoded'], ['nothing', '', 'application/x-www-form-urlencoded'], ['no form', '{"logout_token":"x"}', 'application/json'],
  ['a token with a key of its own', `logout_token=${'eyJhbGciOiJFUzI1NiIsImp3ayI6e319.e30.AAAA'}`, 'application/x-www-form-urlencoded'], ['many parameters', 'logout_token=a&'.repeat(4_000), 'application/x-www-form-urlencoded'], ['bytes', '\u0000\u00ff='.repeat(1_000), 'application/x-www-form-urlencoded'],
])('whoever sends a logout that is none, as the provider would, ends nothing: %s', async (_, body, type) => {
  const browser = await loggedIn('ended', 'dave');
  const answers = await Promise.all(Array.from({ length: 5 }, () => site.send('/ended/by-provider', { method: 'POST', host: there, headers: { 'content-type': type }, body }).catch(() => ({ status: 400 }))));   // or the connection is closed on what is still being sent
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]));
  forget(browser);
  expect(await state(browser, 'ended')).toBe(200);
});

describe('a store that', () => {
  test('is gone: live assertions go on for as long as they hold, and then nobody is let in or out of guesswork; back again, so are logins', async () => {
    const [live, asking] = [await loggedIn(), await loggedIn()];
    forget(live);
    expect(await state(live)).toBe(200);
    await redis.kill();
    expect(await state(live)).toBe(200);
    const seen = site.seen.length;
    forget(asking);
    const script = await ask(asking);
    expect([script.status, script.body.includes('gatewright_oidc_store_unavailable') || script.body.includes('temporarily_unavailable')]).toEqual([503, true]);
    const page = await asking.open(`${ORIGIN}/kept/x`);
    expect([page.status, page.body.includes('gatewright_oidc_store_unavailable')]).toEqual([503, true]);
    expect((await login(site.browser(), `${ORIGIN}/kept/x`)).status).toBe(503);
    await site.gatewright.until(async () => await state(live) === 503);
    expect(site.seen.slice(seen).filter(({ target }) => target === '/kept/x')).toEqual([]);
    await redis.start();
    await site.gatewright.until(async () => (await login(site.browser(), `${ORIGIN}/kept/x`)).status === 200);
    // It came back empty: who was logged in is not any more.
    expect(await state(live)).toBe(401);
  });

  test('hangs: requests are answered all the same, and it goes on where it was', async () => {
    const browser = await loggedIn();
    redis.signal('SIGSTOP');
    try {
      forget(browser);
      expect(await state(browser)).toBe(503);
    } finally { redis.signal('SIGCONT'); }
    await site.gatewright.until(async () => await state(browser) === 200);
  });
});

test('its password stands in nothing that is printed or shown', async () => {
  const places = [site.gatewright.output, ...await Promise.all(['status', 'problems', 'metrics'].map((page) => site.gatewright.page(page))), await (await fetch(`${site.gatewright.ready.admin}/config_dump`)).text()];
  for (const text of places) for (const secretText of [PASSWORD, encodeURIComponent(PASSWORD), redis.url]) expect(text).not.toContain(secretText);
});
