// A person at a real browser, a real provider, and the whole product: HTTPS at a port outside that is not the listener's.
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { issueCertificate } from '../../examples/certificate.ts';
import { SECRET, TestProvider } from '../oidc/provider.ts';
import { Gatewright } from '../up/gatewright.ts';
import { documents, gateway, gatewayClass, httpRoute, securityPolicy, service } from '../up/manifests.ts';
import { launch, picture } from './chromium.ts';

const SITE = 'https://www.example.com:8443';
const TARGET = [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'site' }];
const authority = issueCertificate('test authority', { authority: true });
const site = issueCertificate('www.example.com', { names: ['www.example.com'], issuer: authority });
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const secret = (name: string, data: Record<string, string>, type = 'Opaque'): object => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, type, data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])) });

const policy = (more: object = {}): object => securityPolicy('site', {
  oidc: {
    provider: { issuer: provider.issuer }, clientID: 'site', clientSecret: { name: 'client' }, redirectURL: `${SITE}/oauth2/callback`, logoutPath: '/logout', scopes: ['email'], ...more,
  },
});
const oidcPolicy = (more: object = {}): object => ({
  apiVersion: 'gatewright.dev/v1alpha1', kind: 'OIDCPolicy', metadata: { name: 'site' },
  spec: { targetRefs: TARGET, claimsToHeaders: [{ claim: 'email', header: 'x-user-email' }], logout: { postLogoutRedirectURL: `${SITE}/oauth2/bye` }, ...more },
});

let provider: TestProvider;
let gatewright: Gatewright;
let browser: Browser;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  provider = await TestProvider.start({ login: 'form' });
  provider.client('site', [`${SITE}/oauth2/callback`], { post_logout_redirect_uris: [`${SITE}/oauth2/bye`] });
  gatewright = await Gatewright.start({
    'gateway.yaml': documents(gatewayClass, service(), gateway([{ name: 'https', protocol: 'HTTPS', port: 443, hostname: 'www.example.com', tls: { mode: 'Terminate', certificateRefs: [{ name: 'site-tls' }] } }]),
      httpRoute('site', [{ path: { value: '/' } }]), httpRoute('open', [{ path: { type: 'Exact', value: '/oauth2/bye' } }]),
      secret('site-tls', { 'tls.crt': site.certificate, 'tls.key': site.key }, 'kubernetes.io/tls'), secret('client', { 'client-secret': SECRET })),
    'policy.yaml': documents(policy(), oidcPolicy()),
  });
  browser = await launch({ 'www.example.com:8443': Number(gatewright.address('https').split(':')[1]) });
});
afterAll(async () => {
  await browser?.close();
  await gatewright?.stop();
  await provider?.stop();
});
beforeEach(async () => {
  context = await browser.newContext({ ignoreHTTPSErrors: true });
  page = await context.newPage();
});
afterEach(async () => { await context.close(); });

const change = (...objects: object[]): Promise<void> => gatewright.replace('policy.yaml', documents(...objects));
async function login(path: string, on = page): Promise<void> {
  await on.goto(`${SITE}${path}`);
  await on.getByLabel('User').fill('alice');
  await on.getByRole('button', { name: 'Log in' }).click();
  await on.waitForURL(`${SITE}${path}`);
}
const told = async (on = page): Promise<{ path: string; headers: Record<string, string[]> }> => JSON.parse(await on.locator('pre').innerText()) as never;
const cookies = async (): Promise<string[]> => (await context.cookies(SITE)).map(({ name }) => name.replace(/-[a-z0-9]{10}$/, '')).sort();
/** As a script of the page sees it. */
const fetched = (path: string): Promise<{ status: number; type: string | null; redirected: boolean }> => page.evaluate(async (target) => {
  const { status, headers, redirected } = await fetch(target, { redirect: 'follow' });
  return { status, type: headers.get('content-type'), redirected };
}, path);

describe('a person', () => {
  test('comes by a deep link, logs in, and is where the link led; the app is told who it is', async () => {
    await page.goto(`${SITE}/deep/link?a=b`);
    await picture(page, '1-provider');
    expect(new URL(page.url()).origin).toBe(provider.issuer);
    await page.getByLabel('User').fill('alice');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.waitForURL(`${SITE}/deep/link?a=b`);
    await picture(page, '2-logged-in');
    const { path, headers } = await told();
    expect([path, headers['X-User-Email'], headers['Cookie']]).toEqual(['/deep/link?a=b', ['alice@example.com'], undefined]);
    expect(await cookies()).toEqual(['__Host-gatewright-assertion', '__Host-gatewright-session']);
    expect(await page.evaluate('document.cookie')).toBe('');
    for (const cookie of await context.cookies(SITE)) expect(cookie).toMatchObject({ secure: true, httpOnly: true, sameSite: 'Lax', path: '/', domain: 'www.example.com' });
  });

  test('stays logged in, scripts of the page too, and once it is over they are told so and sent nowhere', async () => {
    await login('/');
    expect(await fetched('/api')).toEqual({ status: 200, type: 'application/json', redirected: false });
    await context.clearCookies({ domain: 'www.example.com' });
    expect(await fetched('/api')).toEqual({ status: 401, type: 'application/json', redirected: false });
    expect(await cookies()).toEqual([]);
  });

  test('logs out, at the provider too', async () => {
    await login('/');
    await page.goto(`${SITE}/logout`);
    await page.getByRole('button', { name: 'Yes, log me out' }).click();
    await page.waitForURL(/\/oauth2\/bye/);
    await picture(page, '3-logged-out');
    expect(await cookies()).toEqual([]);
    await page.goto(`${SITE}/`);
    expect(new URL(page.url()).origin).toBe(provider.issuer);
    expect(await page.getByLabel('User').count()).toBe(1);
  });

  test('is not logged out by another site', async () => {
    await login('/');
    await page.goto(`${provider.issuer}/nothing-here`);
    await page.setContent(`<a href="${SITE}/logout">a kitten</a>`);
    await page.getByText('a kitten').click();
    await page.waitForURL(`${SITE}/logout`);
    await picture(page, '4-really');
    expect(await cookies()).toContain('__Host-gatewright-session');
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('button', { name: 'Yes, log me out' }).click();
    await page.waitForURL(/\/oauth2\/bye/);
    expect(await cookies()).toEqual([]);
  });

  test('with a form that was open for too long loses no login for it', async () => {
    await login('/');
    await page.setContent(`<form method="post" action="${SITE}/submit"><input name="text" value="a secret of mine"><button>Send</button></form>`);
    await context.clearCookies({ domain: 'www.example.com' });
    const asked: string[] = [];
    page.on('request', (request) => { asked.push(`${request.method()} ${request.url()} ${request.postData() ?? ''}`); });
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForURL(SITE + '/');
    // What was typed is nowhere but in the request itself: not in an address, not at the provider.
    expect(asked.filter((line) => line.includes('secret'))).toHaveLength(1);
  });
});

describe('ten tabs', () => {
  test('that are opened at once all end logged in, where they were going, with no cookies left over', async () => {
    // Logged in at the provider already, as after a restart of the browser.
    await login('/');
    await context.clearCookies({ domain: 'www.example.com' });
    const tabs = await Promise.all(Array.from({ length: 10 }, () => context.newPage()));
    await Promise.all(tabs.map((tab, i) => tab.goto(`${SITE}/tab/${i}`)));
    expect(await Promise.all(tabs.map(async (tab) => (await told(tab)).path))).toEqual(Array.from({ length: 10 }, (_, i) => `/tab/${i}`));
    expect((await cookies()).filter((name) => name !== '__Host-gatewright-login')).toEqual(['__Host-gatewright-assertion', '__Host-gatewright-session']);
  });

  test('that wait at the form of the provider all come back after one login in each', async () => {
    const tabs = [page, await context.newPage(), await context.newPage()];
    for (const [i, tab] of tabs.entries()) await tab.goto(`${SITE}/waiting/${i}`);
    for (const [i, tab] of tabs.entries()) {
      await tab.getByLabel('User').fill('alice');
      await tab.getByRole('button', { name: 'Log in' }).click();
      await tab.waitForURL(`${SITE}/waiting/${i}`);
    }
  });
});

describe('tokens that are over', () => {
  test('are renewed while the page is open, and the person notices nothing', async () => {
    provider.settings.accessTokenSeconds = 2;
    try {
      await change(policy(), oidcPolicy({ assertion: { lifetime: '0s' } }));
      await login('/');
      const before = provider.asked('refresh');
      for (let i = 0; provider.asked('refresh') < before + 2 && i < 2_000; i++) expect((await fetched(`/poll/${i}`)).status).toBe(200);
      expect(provider.asked('refresh')).toBeGreaterThanOrEqual(before + 2);
      await page.reload();
      expect((await told()).headers['X-User-Email']).toEqual(['alice@example.com']);
    } finally {
      provider.settings.accessTokenSeconds = 3600;
      await change(policy(), oidcPolicy());
    }
  });
});

describe('SameSite=Strict', () => {
  test('still leads from the provider to the page', async () => {
    await change(policy({ cookieConfig: { sameSite: 'Strict' } }), oidcPolicy());
    try {
      await login('/strict');
      expect((await told()).path).toBe('/strict');
      expect((await context.cookies(SITE)).map(({ sameSite }) => sameSite)).toContain('Strict');
    } finally { await change(policy(), oidcPolicy()); }
  });
});

describe('a page says what is wrong', () => {
  test('when the provider is not there, and the next try works', async () => {
    await page.goto(`${SITE}/deep`);
    provider.faults.set('token', 503);
    try {
      await page.getByLabel('User').fill('alice');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('heading', { name: 'Login is not possible right now' }).waitFor();
      await picture(page, '5-provider-down');
      expect(await page.locator('small').innerText()).toMatch(/gatewright_oidc_provider_unavailable\s+Request \S+/);
    } finally { provider.faults.delete('token'); }
    await page.getByRole('link', { name: 'Try again' }).click();
    await page.waitForURL(`${SITE}/deep`);
  });

  test('when the provider says no, in its words and without its markup', async () => {
    await page.goto(`${SITE}/deep`);
    await page.getByLabel('User').fill('denied');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: 'The login provider said no' }).waitFor();
    await picture(page, '6-refused');
    expect(await page.locator('p').first().innerText()).toContain('This user may not log in');
  });
});
