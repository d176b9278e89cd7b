// The session of a login is no business of the other apps of its host.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { login } from '../oidc/browser.ts';
import { LoginSite, ORIGIN, cookiesOf, httpsGateway, loginRoute } from './login-site.ts';
import { httpRoute } from './manifests.ts';

let site: LoginSite;
beforeAll(async () => {
  site = await LoginSite.start(({ provider }) => {
    provider.client('app', [`${ORIGIN}/app/callback`]);
    return { 'all.yaml': [httpsGateway(), httpRoute('open'), ...loginRoute('app', provider.issuer)] };
  });
});
afterAll(async () => { await site?.stop(); });

test('an app without a login is sent no cookie of one, though browsers bring it, and those of others', async () => {
  const browser = site.browser();
  expect((await login(browser, `${ORIGIN}/app/x`)).status).toBe(200);
  const cookie = cookiesOf(browser);
  expect(cookie).toContain('__Host-gatewright-session-');
  for (const [sent, left] of [[cookie, undefined], [`a=1; ${cookie}; b=2`, 'a=1; b=2']] as const) {
    expect((await site.send('/open/x', { headers: { cookie: sent } })).status).toBe(200);
    expect(site.seen.at(-1)?.headers.cookie).toBe(left);
  }
});
