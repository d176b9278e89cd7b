// Sessions among people, sites, caches and providers that mean no good.
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { ProviderRefused } from '../../../extproc/oidc/provider.ts';
import { Jar, START, header, loginHost, policyOf } from './login-host.ts';

const ASSERTION = '__Host-gatewright-assertion-abcdefghij';
const background: [string, string][] = [['accept', 'application/json'], ['sec-fetch-mode', 'cors']];

describe('another site', () => {
  // SameSite keeps the cookies from such a request, and not those of the answer from the browser: a navigation takes them.
  test.each<[string, [string, string][]]>([
    ['POST', [['sec-fetch-site', 'cross-site'], ['sec-fetch-mode', 'navigate']]], ['POST', [['origin', 'null']]], ['POST', [['origin', 'https://evil.test']]], ['GET', [['sec-fetch-site', 'cross-site'], ['sec-fetch-mode', 'navigate']]],
  ])('that sends a browser to the logout, without cookies, logs nobody out: %s %j', async (method, headers) => {
    const host = await loginHost();
    const { details, headers: answered } = await host.visit(new Jar(), '/logout', { method, headers });
    expect([details, header({ headers: answered }, 'set-cookie')]).toEqual(['gatewright_oidc_logout_asked', undefined]);
  });
});

describe('a provider', () => {
  test('does not choose the words of our metrics', async () => {
    const host = await loginHost(), jar = new Jar();
    await host.login(jar);
    host.clock(300_000);
    host.provider.failures.refresh = new ProviderRefused('anything_that_it_likes');
    expect((await host.visit(jar, '/', { headers: background })).status).toBe(401);
    expect(host.events).toEqual(['login', 'refresh_failed: provider_refused']);
  });
});

describe('an assertion', () => {
  test('ends long before the idle time does, so that who goes on is seen', async () => {
    const host = await loginHost(policyOf({ session: { absoluteMs: 86_400_000, idleMs: 60_000 } })), jar = new Jar();
    await host.login(jar);
    expect(decodeJwt(jar.cookies.get(ASSERTION) ?? '').exp).toBe(START / 1000 + 6);
  });
});
