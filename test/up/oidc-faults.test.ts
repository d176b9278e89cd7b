// Logins while something fails: the provider is down, slow or has new keys, workers die, policies change, keys are lost. Who is logged in goes on, who is not is told, and it heals by itself. Two workers.
import { chmodSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../free-port.ts';
import { type Browser, type Page, login } from '../oidc/browser.ts';
import { SECRET, TestProvider } from '../oidc/provider.ts';
import { LoginSite, ORIGIN, callbackOf, clientSecret, cookiesOf, forget, httpsGateway, loginRoute } from './login-site.ts';
import { documents, httpRoute } from './manifests.ts';

let site: LoginSite, late: TestProvider;
/** Every token that the provider gave. */
const tokens = new Set<string>();
/** Codes, states and values of cookies, as browsers saw them. */
const passed = new Set<string>();

const changing = (issuer: string, name = 'x-first', client = 'changing'): object[] => loginRoute('changing', issuer, { oidc: { clientID: client }, more: { claimsToHeaders: [{ claim: 'sub', header: name }] } });
const files = (issuer: string): Record<string, readonly unknown[]> => ({
  'all.yaml': [httpsGateway(), httpRoute('open'), ...loginRoute('app', issuer, { more: { claimsToHeaders: [{ claim: 'sub', header: 'x-user' }] } }), ...loginRoute('other', issuer), ...loginRoute('forwards', issuer, { oidc: { forwardAccessToken: true } }), ...loginRoute('late', late.issuer), ...loginRoute('rotated', issuer, { oidc: { clientSecret: { name: 'rotated' } } }),
    ...loginRoute('hurried', issuer, { oidc: { provider: { issuer, backendSettings: { timeout: { http: { requestTimeout: '1500ms' } }, retry: { numRetries: 0 } } } } })],
  'changing.yaml': changing(issuer), 'rotated.yaml': [clientSecret('rotated')],
});
beforeAll(async () => {
  late = await TestProvider.start({ port: await freePort() });
  late.client('late', [`${ORIGIN}/late/callback`]);
  await late.down();
  site = await LoginSite.start(({ provider }) => {
    for (const name of ['app', 'other', 'forwards', 'changing', 'hurried', 'rotated']) provider.client(name, [`${ORIGIN}/${name}/callback`]);
    provider.client('changed', [`${ORIGIN}/changing/callback`]);
    provider.lie = { tokens: (answer) => { for (const name of ['access_token', 'refresh_token', 'id_token']) if (typeof answer[name] === 'string') tokens.add(answer[name]); return answer; } };
    return files(provider.issuer);
  }, { args: ['--concurrency', '2'], env: { GATEWRIGHT_LOG: 'trace' } });
}, 60_000);
afterAll(async () => { await site?.stop(); await late?.stop(); });

function noted(page: Page): Page {
  for (const { url, setCookies } of [...page.steps, { url: new URL(`${page.headers['location'] as string ?? ''}`, page.url), setCookies: [] }]) {
    for (const name of ['code', 'state', 'id_token_hint']) passed.add(url.searchParams.get(name) ?? '');
    for (const line of setCookies) if (line.includes('gatewright')) passed.add(/=(?:\d~)?([^;]*)/.exec(line)?.[1] ?? '');
  }
  return page;
}
const enter = async (browser: Browser, name = 'app'): Promise<number> => noted(await login(browser, `${ORIGIN}/${name}/x`)).status;
async function loggedIn(name = 'app', account = 'alice'): Promise<Browser> {
  const browser = site.browser({ account });
  expect(await enter(browser, name)).toBe(200);
  return browser;
}
const state = async (browser: Browser, name = 'app'): Promise<number> => (await browser.script(`/${name}/api`, new URL(ORIGIN))).status;
const begun = (browser: Browser, name = 'app'): Promise<URL> => callbackOf(browser, `${ORIGIN}/${name}/deep`, noted);
/** Logs in with tokens that are over in a moment, and waits for that. */
async function withOldTokens(name = 'app'): Promise<Browser> {
  site.provider.settings.accessTokenSeconds = 1;
  const browser = await loggedIn(name);
  site.provider.settings.accessTokenSeconds = 3_600;
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  return browser;
}
const unavailable = 'gatewright_oidc_provider_unavailable';

describe('a provider', () => {
  test('that was never there: a page with a reason; other policies do not notice; it heals', async () => {
    const page = noted(await site.browser().open(`${ORIGIN}/late/x`));
    expect([page.status, page.headers['retry-after'], page.body.includes(unavailable)]).toEqual([503, '10', true]);
    expect(page.body).toMatch(/Request [0-9a-f-]{36}/);
    expect(await enter(site.browser())).toBe(200);
    await late.up();
    await site.gatewright.until(async () => await enter(site.browser(), 'late') === 200);
  });

  test('that goes down: sessions go on, asked about or not; a login that comes back then is told, and its link works later', async () => {
    const [browser, other] = [await loggedIn(), site.browser()];
    const callback = await begun(other);
    await site.provider.down();
    try {
      expect(await state(browser)).toBe(200);
      forget(browser);
      expect(await state(browser)).toBe(200);
      const page = noted(await other.open(callback));
      expect([page.status, page.body.includes(unavailable), page.body.includes('href="/app/deep"')]).toEqual([503, true, true]);
    } finally { await site.provider.up(); }
    expect(noted(await other.open(`${ORIGIN}/app/deep`)).url.pathname).toBe('/app/deep');
  });

  test('that is down when tokens are over: nobody says that the session is, so it goes on, and is not asked about each time', async () => {
    const browser = await withOldTokens();
    site.provider.faults.set('token', 503);
    const asked = site.provider.asked('token');
    try {
      for (let i = 0; i < 10; i++) { forget(browser); expect(await state(browser)).toBe(200); }
    } finally { site.provider.faults.clear(); }
    expect(site.provider.asked('token') - asked).toBe(1);
  });

  test('that gives the tokens of somebody else for a refresh token: the session is over, and nobody is somebody else', async () => {
    const browser = await withOldTokens();
    const { lie } = site.provider;
    site.provider.tell('another subject at refresh');
    try { expect(await state(browser)).toBe(401); } finally { site.provider.lie = lie; }
    expect(browser.jar.cookies.filter(({ name }) => /-(session|assertion)-/.test(name))).toEqual([]);
    expect([await enter(browser), site.seen.at(-1)?.headers['x-user']]).toEqual([200, 'alice']);
  });

  test('that is slow keeps its own logins waiting, and nobody else; past the timeout of the policy there is a page', async () => {
    const [browser, slow, hurried] = [await loggedIn('other'), site.browser(), site.browser()];
    const callbacks = [await begun(slow), await begun(hurried, 'hurried')] as const;
    site.provider.slow.set('token', 4_000);
    try {
      let done = false;
      const [waiting, given] = [slow.open(callbacks[0]).then((page) => { done = true; return page; }), hurried.open(callbacks[1])];
      for (let i = 0; i < 10; i++) { forget(browser); expect(await state(browser, 'other')).toBe(200); }
      expect(done).toBe(false);
      expect([(await given).status, (await waiting).status]).toEqual([503, 200]);
    } finally { site.provider.slow.clear(); }
  });

  test('with new keys, the old ones gone: logins go on, and so do sessions of the old ones', async () => {
    const browser = await loggedIn();
    site.provider.rotateKeys();
    expect(await enter(site.browser())).toBe(200);
    forget(browser);
    expect(await state(browser)).toBe(200);
  });
});

describe('40 requests that find their tokens over', () => {
  test('refresh them once, over two workers, and twice in a row: the provider would end the session for a token that is used again', async () => {
    const browser = await withOldTokens();
    const before = site.provider.asked('refresh');
    for (const rounds of [1, 2]) {
      if (rounds === 2) {
        site.provider.settings.accessTokenSeconds = 1;
        await site.gatewright.until(async () => { forget(browser); return await state(browser) === 200; });
        site.provider.settings.accessTokenSeconds = 3_600;
      }
      const cookie = cookiesOf(browser);
      const all = await Promise.all(Array.from({ length: 40 }, () => site.send('/app/api', { headers: { cookie, accept: 'application/json' } })));
      expect([rounds, new Set(all.map(({ status }) => status)), site.provider.asked('refresh') - before]).toEqual([rounds, new Set([200]), 1]);
    }
    // All got the same tokens, each in a session that goes on.
    forget(browser);
    expect(await state(browser)).toBe(200);
  });
});

describe('workers', () => {
  test('are two, and each that is killed in the middle of logins is replaced; what was begun with the one ends with the other', async () => {
    const browsers = Array.from({ length: 6 }, () => site.browser());
    const live = await loggedIn();
    const callbacks = await Promise.all(browsers.map((browser) => begun(browser)));
    const before = site.workers();
    expect(before).toHaveLength(2);
    const [half, rest] = [callbacks.slice(0, 3), callbacks.slice(3)];
    process.kill(before[0] ?? 0, 'SIGKILL');
    for (const [i, callback] of half.entries()) noted(await (browsers[i] as Browser).open(callback));
    process.kill(before[1] ?? 0, 'SIGKILL');
    expect(await state(live)).toBe(200);
    for (const [i, callback] of rest.entries()) noted(await (browsers[i + 3] as Browser).open(callback));
    await site.gatewright.until(() => site.workers().filter((pid) => !before.includes(pid)).length === 2);
    // What fell into the gap is tried again by the person; everybody is in.
    for (const browser of browsers) await site.gatewright.until(async () => await enter(browser) === 200);
    expect(site.gatewright.output).not.toMatch(/Uncaught|unhandled/);
  });
});

describe('policies', () => {
  test('of one host do not share sessions, and one that is logged out leaves the other', async () => {
    const browser = await loggedIn();
    expect(await state(browser, 'other')).toBe(401);
    expect(await enter(browser, 'other')).toBe(200);
    noted(await browser.open(`${ORIGIN}/app/logout`, { redirects: 0 }));
    expect([await state(browser), await state(browser, 'other')]).toEqual([401, 200]);
  });

  test('that change: a login that is under way ends well, sessions go on, and what is new is in force for them at once', async () => {
    const [live, under] = [await loggedIn('changing'), site.browser()];
    const callback = await begun(under, 'changing');
    await site.gatewright.replace('changing.yaml', documents(...changing(site.provider.issuer, 'x-second')));
    expect(noted(await under.open(callback)).url.pathname).toBe('/changing/deep');
    expect(await state(live, 'changing')).toBe(200);
    expect([site.seen.at(-1)?.headers['x-first'], site.seen.at(-1)?.headers['x-second']]).toEqual([undefined, 'alice']);
  });

  test('that let fewer people in: who has a live session is judged by the new rules at once', async () => {
    const judged = (...groups: string[]): object[] => loginRoute('judged', site.provider.issuer, { oidc: { scopes: ['groups'] }, security: { authorization: { defaultAction: 'Deny', rules: [{ action: 'Allow', principal: { jwt: { provider: 'oidc', claims: [{ name: 'groups', valueType: 'StringArray', values: groups }] } } }] } } });
    site.provider.client('judged', [`${ORIGIN}/judged/callback`]);
    writeFileSync(join(site.gatewright.folder, 'judged.yaml'), documents(...judged('staff')));
    await site.gatewright.until(async () => (await site.send('/judged/x', { headers: { accept: 'application/json' } })).status === 401);
    const [alice, bob] = [await loggedIn('judged'), await loggedIn('judged', 'bob')];
    for (const [groups, statuses] of [[['admins'], [200, 403]], [['nobody'], [403, 403]], [['staff'], [200, 200]]] as const) {
      await site.gatewright.replace('judged.yaml', documents(...judged(...groups)));
      expect([groups, await state(alice, 'judged'), await state(bob, 'judged')]).toEqual([groups, ...statuses]);
    }
  });

  test('whose client has another secret: sessions go on, and logins take the new one, not the old one', async () => {
    const live = await loggedIn('rotated');
    site.provider.client('rotated', [`${ORIGIN}/rotated/callback`], { client_secret: 'another-secret-of-the-tests' });
    const refused = noted(await login(site.browser(), `${ORIGIN}/rotated/x`));
    expect([refused.status, refused.body.includes('gatewright_oidc_provider_refused')]).toEqual([403, true]);
    await site.gatewright.replace('rotated.yaml', documents(clientSecret('rotated', 'another-secret-of-the-tests')));
    expect([await state(live, 'rotated'), await enter(site.browser(), 'rotated')]).toEqual([200, 200]);
  });

  test('of another client: sessions and logins of the one before are over, and begin anew', async () => {
    const [live, under] = [await loggedIn('changing'), site.browser()];
    const callback = await begun(under, 'changing');
    await site.gatewright.replace('changing.yaml', documents(...changing(site.provider.issuer, 'x-second', 'changed')));
    expect(await state(live, 'changing')).toBe(401);
    // Where it was to lead is not known any more.
    expect(noted(await under.open(callback)).url.pathname).toBe('/');
    expect([await state(under, 'changing'), await enter(live, 'changing')]).toEqual([200, 200]);
  });
});

describe('a restart', () => {
  const path = (): string => join(site.state, 'gatewright', 'session-keys.json');
  const restarted = async (whileDown: () => void = () => undefined): Promise<void> => {
    printed.push(site.gatewright.output);
    await site.gatewright.stop();
    whileDown();
    await site.up(files(site.provider.issuer));
  };

  test('with the provider down: sessions go on, and who wants to log in is told so instead of sent to nobody', async () => {
    const before = await loggedIn();
    await site.provider.down();
    try {
      await restarted();
      const browser = site.moved(before);
      forget(browser);
      expect(await state(browser)).toBe(200);
      const page = noted(await site.browser().open(`${ORIGIN}/app/x`));
      expect([page.status, page.body.includes(unavailable)]).toEqual([503, true]);
    } finally { await site.provider.up(); }
    // Both workers notice, each for itself.
    await site.gatewright.until(async () => (await Promise.all(Array.from({ length: 6 }, () => enter(site.browser())))).every((status) => status === 200));
  });

  test('with a newer key, and one more: sessions of the old ones go on', async () => {
    const before = await loggedIn();
    interface Ring { readonly keys: readonly { readonly created: number; readonly kid: string }[] }
    const old = JSON.parse(readFileSync(path(), 'utf8')) as Ring;
    await restarted(() => writeFileSync(path(), JSON.stringify({ keys: old.keys.map((key) => ({ ...key, created: key.created - 40 * 86_400_000 })) })));
    const now = JSON.parse(readFileSync(path(), 'utf8')) as Ring;
    expect(now.keys.map(({ kid }) => kid).slice(1)).toEqual(old.keys.map(({ kid }) => kid));
    const browser = site.moved(before);
    forget(browser);
    expect([await state(browser), await enter(site.browser())]).toEqual([200, 200]);
  });

  test('without the file of keys: everybody logs in anew', async () => {
    const before = await loggedIn();
    await restarted(() => rmSync(path()));
    const browser = site.moved(before);
    expect(await state(browser)).toBe(401);
    expect(await enter(browser)).toBe(200);
  });

  test('with keys that others can read: routes with a login are closed, and it is said why; the others serve', async () => {
    await restarted(() => chmodSync(path(), 0o644));
    expect([(await site.send('/app/x', { headers: { accept: 'text/html' } })).status, (await site.send('/open/x')).status]).toEqual([500, 200]);
    expect(site.gatewright.output).toMatch(/others can read or change .*session-keys\.json.*chmod 600/);
    await restarted(() => chmodSync(path(), 0o600));
    expect(await enter(site.browser())).toBe(200);
  });
});

const printed: string[] = [];
test('no token, code, state, cookie, secret or key stands in what is printed, shown or kept beside the keys', async () => {
  const browser = await loggedIn('forwards');
  noted(await browser.open(`${ORIGIN}/forwards/logout`, { redirects: 0 }));
  const ring = readFileSync(join(site.state, 'gatewright', 'session-keys.json'), 'utf8');
  const keys = (JSON.parse(ring) as { keys: { encryption: string; signing: { d: string } }[] }).keys.flatMap(({ encryption, signing }) => [encryption, signing.d]);
  const secrets = [...tokens, ...passed, ...keys, SECRET, 'another-secret-of-the-tests'].filter((each) => each.length >= 16);
  expect([tokens.size > 40, passed.size > 100, keys.length >= 4]).toEqual([true, true, true]);
  const folder = join(site.state, 'gatewright', 'oidc');
  const places: Record<string, string> = {
    printed: [...printed, site.gatewright.output].join(''), ready: readFileSync(site.gatewright.readyFile, 'utf8'), kept: readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8')).join(''),
    ...Object.fromEntries(await Promise.all(['status', 'problems', 'metrics'].map(async (page) => [page, await site.gatewright.page(page)]))),
    ...Object.fromEntries(await Promise.all(['config_dump', 'stats', 'clusters', 'listeners'].map(async (page) => [page, await (await fetch(`${site.gatewright.ready.admin}/${page}`)).text()]))),
  };
  for (const [place, text] of Object.entries(places)) {
    expect([place, text.length > (place === 'problems' ? 0 : 20)]).toEqual([place, true]);
    // By the middle, too: parts of it are as bad.
    expect([place, secrets.filter((each) => text.includes(each) || text.includes(each.slice(8, 40))).length]).toEqual([place, 0]);
  }
  expect(places['printed']).toMatch(/oidc: login_failed/);
});
