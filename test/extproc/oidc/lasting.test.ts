// How sessions go on and end, and how logins fail.
import { describe, expect, test } from 'vitest';
import { InvalidAnswer, ProviderRefused, ProviderUnavailable } from '../../../extproc/oidc/provider.ts';
import { Jar, header, location, loginHost, policyOf } from './login-host.ts';

const SESSION = '__Host-gatewright-session-abcdefghij';
const background: [string, string][] = [['accept', 'application/json'], ['sec-fetch-mode', 'cors']];

describe('tokens that are over', () => {
  const over = 300_000;

  test('are renewed once for forty requests at a time, and all go on', async () => {
    const host = await loginHost(policyOf({ forwardAccessToken: true })), jar = new Jar();
    await host.login(jar);
    host.clock(over);
    host.provider.tokens = { accessToken: 'another', refreshToken: 'r1', expiresInMs: 300_000 };
    const cookie = jar.header;
    const answers = await Promise.all(Array.from({ length: 40 }, () => { const tab = new Jar(); for (const [name, value] of jar.cookies) tab.cookies.set(name, value); return host.visit(tab, '/', { headers: background }).then((answer) => ({ answer, tab })); }));
    expect(answers.map(({ answer }) => [answer.status, header({ headers: answer.upstream?.headers }, 'authorization')])).toEqual(Array(40).fill([200, 'Bearer another']));
    expect(host.provider.calls.filter((call) => call === 'refresh')).toHaveLength(1);
    expect(answers.every(({ tab }) => tab.header !== cookie)).toBe(true);
    // One that was on its way for longer does not use the old refresh token again.
    host.clock(30_000);
    expect((await host.visit(jar, '/', { headers: background })).status).toBe(200);
    expect(host.provider.calls.filter((call) => call === 'refresh')).toHaveLength(1);
  });

  test('end the session when the provider says so, and its cookies', async () => {
    const host = await loginHost(), jar = new Jar();
    await host.login(jar);
    host.clock(over);
    host.provider.failures.refresh = new ProviderRefused('invalid_grant');
    const answer = await host.visit(jar, '/api', { headers: background });
    expect([answer.status, [...jar.cookies.keys()]]).toEqual([401, []]);
    expect(host.events).toEqual(['login', 'refresh_failed: invalid_grant']);
  });

  test('of somebody else end it', async () => {
    const host = await loginHost(), jar = new Jar();
    await host.login(jar);
    host.clock(over);
    host.provider.failures.refresh = new InvalidAnswer('sub_mismatch');
    expect((await host.visit(jar, '/')).status).toBe(302);
  });

  test.each([new ProviderUnavailable('timeout'), new ProviderRefused('temporarily_unavailable')])('do not while nobody says so: $message', async (failure) => {
    const host = await loginHost(), jar = new Jar();
    await host.login(jar);
    host.clock(over);
    host.provider.failure = failure;
    for (let i = 0; i < 10; i++) expect((await host.visit(jar, '/')).status).toBe(200);
    expect(host.provider.calls.filter((call) => call === 'refresh')).toHaveLength(1);
    expect((await host.visit(new Jar(), '/')).status).toBe(503);
    host.provider.failure = undefined;
    host.clock(90_000);
    expect((await host.visit(jar, '/')).status).toBe(200);
  });

  test.each<[why: string, policy: Parameters<typeof policyOf>[0], tokens: object]>([
    ['the provider gave none', {}, { refreshToken: undefined }], ['the policy wants none', { refresh: false }, {}], ['the refresh token is over, too', { defaultRefreshTokenMs: 1000 }, {}],
  ])('end the session where they cannot be renewed: %s', async (_, policy, tokens) => {
    const host = await loginHost(policyOf(policy)), jar = new Jar();
    Object.assign(host.provider.tokens, tokens);
    await host.login(jar);
    host.clock(over);
    expect((await host.visit(jar, '/')).status).toBe(302);
    expect(host.provider.calls).not.toContain('refresh');
  });

  test.each<[expected: string, policy: Parameters<typeof policyOf>[0]]>([['gatewright_oidc_token_without_end', {}], ['', { defaultTokenMs: 60_000 }]])('that do not say when: %s', async (expected, policy) => {
    const host = await loginHost(policyOf(policy)), jar = new Jar();
    host.provider.tokens = { accessToken: 'a' };
    const answer = await host.comeBack(jar, await host.visit(jar, '/'));
    if (expected !== '') expect(answer.details).toBe(expected);
    else expect((await host.visit(jar, location(answer))).status).toBe(200);
  });
});

describe('a login that fails', () => {
  test.each<[status: number, details: string, error: Error]>([
    [503, 'gatewright_oidc_provider_unavailable', new ProviderUnavailable('timeout')],
    [503, 'gatewright_oidc_provider_unavailable', new ProviderRefused('server_error')],
    [403, 'gatewright_oidc_provider_refused', new ProviderRefused('access_denied', 'Not <b>you</b>')],
    [400, 'gatewright_oidc_code_refused', new ProviderRefused('invalid_grant')],
    [403, 'gatewright_oidc_answer_invalid', new InvalidAnswer('nonce')],
  ])('is a page: %d %s', async (status, details, error) => {
    const host = await loginHost(), jar = new Jar();
    const start = await host.visit(jar, '/deep?a=1&b=2');
    host.provider.failure = error;
    const answer = await host.comeBack(jar, start);
    expect([answer.status, answer.details, header(answer, 'content-type'), header(answer, 'cache-control')]).toEqual([status, details, 'text/html; charset=utf-8', 'no-store']);
    expect(answer.body).toContain(details);
    expect(answer.body).toContain('href="/deep?a=1&#38;b=2"');
    expect(answer.body).not.toContain('<b>');
    expect(jar.cookies.has(SESSION)).toBe(false);
  });

  test('shows the page of the policy, escaped', async () => {
    const host = await loginHost(policyOf({ errorPage: '<h1>{{title}}</h1><p>{{message}}</p>{{reason}} {{ request_id }} {{nothing}}' })), jar = new Jar();
    const start = await host.visit(jar, '/');
    host.provider.failure = new ProviderRefused('access_denied', '<script>alert(1)</script>');
    const { body } = await host.visit(jar, `/oauth2/callback?state=${new URL(location(start)).searchParams.get('state')}`, { headers: [['accept', 'text/html'], ['x-request-id', '"><i>']] });
    expect(body).toBe('<h1>The login provider said no</h1><p>You were not logged in. It said: &#60;script&#62;alert(1)&#60;/script&#62;</p>gatewright_oidc_provider_refused &#34;&#62;&#60;i&#62; ');
  });

  test('is told as an event, without anything of the request', async () => {
    const host = await loginHost(), jar = new Jar();
    const start = await host.visit(jar, '/');
    host.provider.failure = new InvalidAnswer('nonce_mismatch');
    await host.comeBack(jar, start);
    expect(host.events).toEqual(['login_failed: nonce_mismatch']);
  });
});

describe('logging out', () => {
  test('ends the session here and at the provider', async () => {
    const host = await loginHost(policyOf({ postLogoutRedirectUrl: 'https://www.example.com:8443/bye' })), jar = new Jar();
    await host.login(jar);
    const answer = await host.visit(jar, '/logout');
    expect([answer.status, location(answer)]).toEqual([302, 'https://provider.test/end?to=https%3A%2F%2Fwww.example.com%3A8443%2Fbye']);
    expect([...jar.cookies.keys()]).toEqual([]);
    expect((await host.visit(jar, '/')).status).toBe(302);
  });

  test.each<[to: string, prepare: (provider: { endSession: string | undefined; failure: Error | undefined }) => void]>([
    ['/', (provider) => { provider.endSession = undefined; }], ['/', (provider) => { provider.failure = new ProviderUnavailable('timeout'); }],
  ])('ends it here where the provider has no part in it, and leads to %s', async (to, prepare) => {
    const host = await loginHost(), jar = new Jar();
    await host.login(jar);
    prepare(host.provider);
    expect(location(await host.visit(jar, '/logout'))).toBe(to);
    expect([...jar.cookies.keys()]).toEqual([]);
  });

  test.each<[headers: [string, string][]]>([[[['sec-fetch-site', 'cross-site'], ['sec-fetch-mode', 'navigate']]], [[['referer', 'https://evil.test/']]], [[['origin', 'https://evil.test']]]])('is not for other sites to do: %j', async (headers) => {
    const host = await loginHost(), jar = new Jar();
    await host.login(jar);
    const asked = await host.visit(jar, '/logout', { headers });
    expect([asked.status, asked.details, jar.cookies.has(SESSION)]).toEqual([200, 'gatewright_oidc_logout_asked', true]);
    await host.visit(jar, '/logout', { method: 'POST', headers: [['sec-fetch-site', 'same-origin'], ['sec-fetch-mode', 'navigate']] });
    expect(jar.cookies.has(SESSION)).toBe(false);
  });

  test('without a session leads on', async () => {
    const host = await loginHost();
    expect(location(await host.visit(new Jar(), '/logout'))).toBe('/');
    expect(host.provider.calls).toEqual([]);
  });
});
