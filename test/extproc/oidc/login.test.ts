// What a browser meets, step by step; the provider and the network have tests of their own.
import { decodeJwt, importJWK, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { Jar, POLICY_ID, START, header, location, loginHost, policyOf } from './login-host.ts';

const SESSION = '__Host-gatewright-session-abcdefghij', ASSERTION = '__Host-gatewright-assertion-abcdefghij', LOGIN = '__Host-gatewright-login-abcdefghij';
const background: [string, string][] = [['accept', 'application/json'], ['sec-fetch-mode', 'cors']];

describe('a login', () => {
  test('leads from a deep link to the provider and back to it', async () => {
    const host = await loginHost(), jar = new Jar();
    const start = await host.visit(jar, '/deep/link?a=b&c=%2F');
    expect([start.status, start.details, start.upstream]).toEqual([302, 'gatewright_oidc_login', undefined]);
    expect(location(start)).toMatch(/^https:\/\/provider\.test\/auth\?state=/);
    expect(header(start, 'cache-control')).toBe('no-store');
    expect(host.provider.logins[0]).toMatchObject({ redirectUri: 'https://www.example.com:8443/oauth2/callback', nonce: expect.stringMatching(/^.{43}$/), verifier: expect.stringMatching(/^.{43}$/) });
    const back = await host.comeBack(jar, start);
    expect([back.status, location(back)]).toEqual([302, '/deep/link?a=b&c=%2F']);
    const page = await host.visit(jar, location(back));
    expect([page.status, page.upstream !== undefined]).toEqual([200, true]);
    expect(host.events).toEqual(['login']);
  });

  test('leaves cookies that no script and no other site can read, and no login cookie', async () => {
    const host = await loginHost(), jar = new Jar();
    await host.login(jar);
    expect([...jar.cookies.keys()].sort()).toEqual([ASSERTION, SESSION]);
    for (const line of jar.lines) expect(line).toMatch(/^__Host-gatewright-(?=.*; Path=\/(;|$))(?=.*; HttpOnly(;|$))(?=.*; Secure(;|$))(?=.*; SameSite=Lax(;|$))(?!.*Domain)/);
  });

  test('our cookies never reach the upstream, those of others do', async () => {
    const host = await loginHost(), jar = new Jar();
    await host.login(jar);
    expect(header({ headers: (await host.visit(jar, '/')).upstream?.headers }, 'cookie')).toBeUndefined();
    jar.cookies.set('theirs', '1');
    expect(header({ headers: (await host.visit(jar, '/')).upstream?.headers }, 'cookie')).toBe('theirs=1');
  });

  test('works in ten tabs at once, whose cookies came in any order, with one cookie', async () => {
    const host = await loginHost(), jar = new Jar();
    const starts = await Promise.all(Array.from({ length: 10 }, (_, i) => host.visit(jar, `/tab/${i}`)));
    expect([...jar.cookies.keys()]).toEqual([LOGIN]);
    const ends: string[] = [];
    for (const start of starts) {
      let answer = await host.comeBack(jar, start);
      // Where another tab's secret is in the cookie the login is started once more; the provider knows the person already.
      if (answer.details === 'gatewright_oidc_login') answer = await host.comeBack(jar, answer);
      ends.push(location(answer));
    }
    expect(ends).toEqual(Array.from({ length: 10 }, (_, i) => `/tab/${i}`));
    expect(jar.cookies.has(SESSION)).toBe(true);
  });

  test('is of the browser that began it: another one that brings its callback begins its own', async () => {
    const host = await loginHost(), mallory = new Jar(), ann = new Jar();
    const start = await host.visit(mallory, '/');
    const answer = await host.comeBack(ann, start);
    expect(answer.details).toBe('gatewright_oidc_login');
    expect(host.provider.calls).not.toContain('exchange');
    expect(ann.cookies.has(SESSION)).toBe(false);
  });

  test('ends with a page in a browser that keeps no cookies, and does not go round', async () => {
    const host = await loginHost();
    let answer = await host.visit(new Jar(), '/');
    for (let i = 0; i < 3; i++) answer = await host.comeBack(new Jar(), answer);
    expect([answer.status, answer.details]).toEqual([400, 'gatewright_oidc_no_cookies']);
  });

  test('is used once', async () => {
    const host = await loginHost(), jar = new Jar();
    const start = await host.visit(jar, '/');
    const login = jar.cookies.get(LOGIN) ?? '';
    await host.comeBack(jar, start);
    const thief = new Jar();
    thief.cookies.set(LOGIN, login);
    const again = await host.comeBack(thief, start);
    expect([again.status, again.details]).toEqual([400, 'gatewright_oidc_state_replayed']);
    expect(host.provider.calls.filter((call) => call === 'exchange')).toHaveLength(1);
  });

  test('whose callback is loaded again leads on', async () => {
    const host = await loginHost(), jar = new Jar();
    const start = await host.visit(jar, '/deep');
    await host.comeBack(jar, start);
    expect(location(await host.comeBack(jar, start))).toBe('/deep');
  });

  test.each(['', 'x', 'a.b.c.d.e', 'x'.repeat(100_000)])('whose state is not ours begins anew: %.20s', async (state) => {
    const host = await loginHost();
    expect((await host.visit(new Jar(), `/oauth2/callback?code=c&state=${state}`)).details).toBe('gatewright_oidc_login');
    expect(host.provider.calls).not.toContain('exchange');
  });

  test('that takes too long begins anew', async () => {
    const host = await loginHost(policyOf({ loginMs: 60_000 })), jar = new Jar();
    const start = await host.visit(jar, '/');
    host.clock(60_000);
    expect((await host.comeBack(jar, start)).details).toBe('gatewright_oidc_login');
    expect(host.provider.calls).not.toContain('exchange');
  });

  test('begins at the host where its cookies will be', async () => {
    const host = await loginHost();
    const answer = await host.visit(new Jar(), '/a?b', { host: 'example.com' });
    expect([answer.status, location(answer)]).toEqual([302, 'https://www.example.com:8443/a?b']);
  });

  test('with SameSite=Strict ends with a page of our own, and its login cookie is Lax', async () => {
    const host = await loginHost(policyOf({ cookies: { sameSite: 'Strict' } })), jar = new Jar();
    const start = await host.visit(jar, '/a&b');
    expect(jar.lines.at(-1)).toContain('SameSite=Lax');
    const back = await host.comeBack(jar, start);
    expect([back.status, back.body.includes('content="0; url=/a&#38;b"')]).toEqual([200, true]);
    expect(jar.lines.find((line) => line.startsWith(SESSION))).toContain('SameSite=Strict');
  });

  test('over http is for trials: cookies without Secure and without a prefix', async () => {
    const host = await loginHost(policyOf({ redirectUrl: 'http://%REQ(:authority)%/oauth2/callback' })), jar = new Jar();
    await host.login(jar);
    expect([...jar.cookies.keys()].sort()).toEqual(['gatewright-assertion-abcdefghij', 'gatewright-session-abcdefghij']);
    for (const line of jar.lines) expect(line).not.toContain('Secure');
  });
});

describe('without a session', () => {
  test.each<[what: string, request: { method?: string; headers: [string, string][] }]>([
    ['a script', { headers: background }], ['an upload', { method: 'PUT', headers: [] }], ['a WebSocket', { headers: [['upgrade', 'websocket'], ['connection', 'upgrade']] }],
    ['a preflight', { method: 'OPTIONS', headers: [['origin', 'https://a.test'], ['access-control-request-method', 'GET']] }],
  ])('%s gets a 401 in JSON, and no login is begun', async (_, request) => {
    const host = await loginHost(), jar = new Jar();
    const answer = await host.visit(jar, '/api', request);
    expect([answer.status, answer.details, JSON.parse(answer.body)]).toEqual([401, 'gatewright_oidc_login_required', expect.objectContaining({ error: 'login_required' })]);
    expect(header(answer, 'www-authenticate')).toBe('Bearer realm="www.example.com:8443"');
    expect([answer.upstream, jar.lines, host.provider.calls]).toEqual([undefined, [], []]);
  });

  test('a form that is sent goes to the login, its data nowhere', async () => {
    const host = await loginHost();
    const answer = await host.visit(new Jar(), '/submit?secret=1', { method: 'POST', headers: [['sec-fetch-mode', 'navigate'], ['referer', 'https://www.example.com:8443/form']], body: ['password=hunter2'] });
    expect([answer.status, location(answer).includes('hunter2')]).toEqual([302, false]);
  });

  test('a preflight passes where the policy says so, and nothing else does', async () => {
    const host = await loginHost(policyOf({ passPreflight: true }));
    const preflight: [string, string][] = [['origin', 'https://a.test'], ['access-control-request-method', 'GET']];
    expect((await host.visit(new Jar(), '/', { method: 'OPTIONS', headers: preflight })).upstream).toBeDefined();
    expect((await host.visit(new Jar(), '/', { method: 'OPTIONS', headers: [] })).status).toBe(401);
    expect((await host.visit(new Jar(), '/', { method: 'DELETE', headers: preflight })).status).toBe(401);
  });

  const deny = policyOf({ denyRedirect: [
    [{ name: 'x-a', type: 'Exact', value: 'one' }, { name: 'x-b', type: 'Prefix', value: 'two' }], [{ name: 'x-c', type: 'Suffix', value: 'three' }], [{ name: 'x-d', type: 'RegularExpression', value: 'fo+' }],
  ] });
  test.each<[status: number, headers: [string, string][]]>([
    [401, [['x-a', 'one'], ['x-b', 'two and more']]], [302, [['x-a', 'one']]], [302, [['x-a', 'ones'], ['x-b', 'two']]], [401, [['x-c', 'and three']]], [302, [['x-c', 'three and']]],
    [401, [['x-d', 'foo']]], [302, [['x-d', 'xfoo']]],
  ])('denyRedirect: %d for %j', async (status, headers) => {
    const host = await loginHost(deny);
    expect((await host.visit(new Jar(), '/', { headers: [['accept', 'text/html'], ...headers] })).status).toBe(status);
  });

  // An engine that backtracks would not come back from it.
  test('a pattern of denyRedirect takes no longer for hostile headers', async () => {
    const host = await loginHost(policyOf({ denyRedirect: [[{ name: 'x-d', type: 'RegularExpression', value: '(a+)+b' }]] }));
    expect((await host.visit(new Jar(), '/', { headers: [['accept', 'text/html'], ['x-d', 'a'.repeat(20_000)]] })).status).toBe(302);
  });

  test('a request with a token goes on where jwt judges it, without identity headers of its own making', async () => {
    const host = await loginHost(policyOf({ passThrough: [{ name: 'authorization', prefix: 'Bearer ' }], claimHeaders: [{ header: 'x-email', claim: ['email'] }] }));
    const passed = await host.visit(new Jar(), '/', { headers: [['authorization', 'bearer x'], ['x-email', 'root@example.com']] });
    expect([header({ headers: passed.upstream?.headers }, 'authorization'), header({ headers: passed.upstream?.headers }, 'x-email')]).toEqual(['bearer x', undefined]);
    expect((await host.visit(new Jar(), '/', { headers: [['authorization', 'Basic x'], ['accept', 'text/html']] })).status).toBe(302);
  });
});

describe('the app learns', () => {
  const telling = policyOf({
    claimHeaders: [{ header: 'x-email', claim: ['email'] }, { header: 'x-city', claim: ['address', 'city'] }, { header: 'x-groups', claim: ['groups'] }, { header: 'x-none', claim: ['none'] }],
    identity: { header: 'x-gatewright-identity', audience: 'shop', namespace: 'shops' }, jwksPath: '/.well-known/gatewright/jwks.json', claims: [['groups'], ['address', 'city'], ['toString']],
  });
  const spoofed: [string, string][] = ['x-email', 'x-none', 'x-gatewright-identity'].map((name) => [name, 'spoofed']);

  test('claims in headers, and no claim that a client makes up', async () => {
    const host = await loginHost(telling), jar = new Jar();
    await host.login(jar);
    const { upstream } = await host.visit(jar, '/', { headers: spoofed });
    const got = ['x-email', 'x-city', 'x-groups', 'x-none'].map((name) => header({ headers: upstream?.headers }, name));
    expect(got).toEqual(['ann@example.com', 'Bern', Buffer.from('["admins"]').toString('base64'), undefined]);
  });

  test('a signed identity, whose keys are shown', async () => {
    const host = await loginHost(telling), jar = new Jar();
    await host.login(jar);
    const token = header({ headers: (await host.visit(jar, '/', { headers: spoofed })).upstream?.headers }, 'x-gatewright-identity') ?? '';
    const keys = JSON.parse((await host.visit(new Jar(), '/.well-known/gatewright/jwks.json')).body) as { keys: { kid: string; d?: string }[] };
    expect(keys.keys.every((key) => !('d' in key))).toBe(true);
    const { payload } = await jwtVerify(token, async ({ kid }) => importJWK(keys.keys.find((key) => key.kid === kid) ?? {}, 'ES256'), { audience: 'shop', issuer: 'gatewright', currentDate: new Date(START) });
    expect(payload).toMatchObject({ sub: 'ann', email: 'ann@example.com', groups: ['admins'], address: { city: 'Bern' } });
    expect(payload).not.toHaveProperty('nonce');
  });

  test('and jwt: what it asks of the session', async () => {
    const host = await loginHost(telling), jar = new Jar();
    await host.login(jar);
    const { metadata } = await host.visit(jar, '/');
    expect(JSON.parse((metadata['gatewright.oidc'] as { claims: string }).claims)).toEqual({ groups: ['admins'], address: { city: 'Bern' } });
  });

  test.each<[headers: Record<string, string | undefined>, policy: Parameters<typeof policyOf>[0]]>([
    [{ authorization: 'Bearer the access token' }, { forwardAccessToken: true }],
    [{ 'x-id': expect.stringMatching(/^ey/) as string, authorization: 'mine' }, { forwardIdToken: { header: 'x-id' } }],
    [{ authorization: expect.stringMatching(/^Bearer ey/) as string }, { forwardIdToken: { header: 'authorization' } }],
    [{ 'x-gatewright-access-token': 'the access token', 'x-gatewright-id-token': undefined, authorization: 'mine' }, { tokenHeaders: { accessToken: 'x-gatewright-access-token' } }],
  ])('tokens: %j', async (wanted, more) => {
    const host = await loginHost(policyOf(more)), jar = new Jar();
    await host.login(jar);
    const { upstream, metadata } = await host.visit(jar, '/', { headers: [['authorization', 'mine']] });
    expect(Object.fromEntries(Object.keys(wanted).map((name) => [name, header({ headers: upstream?.headers }, name)]))).toEqual(wanted);
    // A token that is to be forwarded is nothing that a browser may read: the assertion names it, and Envoy is told what the name stands for.
    const assertion = decodeJwt(jar.cookies.get(ASSERTION) ?? '');
    expect([JSON.stringify(assertion).includes('token'), jar.lines.some((line) => line.includes('the access token'))]).toEqual([false, false]);
    const { forward, forwarded } = metadata['gatewright.oidc'] as { forward: string; forwarded: string };
    expect([assertion['forward'], forward]).toEqual([forward, expect.stringMatching(/^[A-Za-z0-9_-]{22}$/)]);
    expect(JSON.parse(forwarded)).toEqual(Object.entries(wanted).flatMap(([name, value]) => (value === undefined || value === 'mine' ? [] : [[name, value]])));
  });
});

describe('a live session', () => {
  test('has an assertion that says for how long Envoy need not ask', async () => {
    const host = await loginHost(policyOf({ claims: [['groups']], claimHeaders: [{ header: 'x-email', claim: ['email'] }] })), jar = new Jar();
    await host.login(jar);
    const assertion = jar.cookies.get(ASSERTION) ?? '';
    expect(decodeJwt(assertion)).toEqual({ aud: 'abcdefghij', pid: POLICY_ID, iat: START / 1000, exp: START / 1000 + 60, set: [['x-email', 'ann@example.com']], claims: { groups: ['admins'] } });
    expect(jar.lines.findLast((line) => line.startsWith(ASSERTION))).toContain('Max-Age=60');
  });

  test('has none where the policy wants to be asked', async () => {
    const host = await loginHost(policyOf({ assertionMs: 0 })), jar = new Jar();
    await host.login(jar);
    expect([...jar.cookies.keys()]).toEqual([SESSION]);
  });

  test('whose assertion would be too large is asked about each time', async () => {
    const host = await loginHost(policyOf({ claims: [['big']] })), jar = new Jar();
    host.provider.claims['big'] = 'x'.repeat(4000);
    await host.login(jar);
    expect(jar.cookies.has(ASSERTION)).toBe(false);
  });

  test('never outlives its end', async () => {
    const host = await loginHost(policyOf({ session: { absoluteMs: 90_000, idleMs: 0 } })), jar = new Jar();
    await host.login(jar);
    host.clock(60_000);
    await host.visit(jar, '/');
    expect(decodeJwt(jar.cookies.get(ASSERTION) ?? '').exp).toBe(START / 1000 + 90);
    host.clock(30_000);
    expect((await host.visit(jar, '/')).details).toBe('gatewright_oidc_login');
  });

  test('ends when nobody uses it, and does not while somebody does', async () => {
    const host = await loginHost(policyOf({ session: { absoluteMs: 86_400_000, idleMs: 60_000 } })), jar = new Jar();
    host.provider.tokens = { ...host.provider.tokens, expiresInMs: 86_400_000 };
    await host.login(jar);
    for (let i = 0; i < 5; i++) {
      host.clock(50_000);
      expect((await host.visit(jar, '/')).status).toBe(200);
    }
    host.clock(60_000);
    expect((await host.visit(jar, '/')).status).toBe(302);
  });

  test('of another policy is none here', async () => {
    const host = await loginHost(), other = await loginHost(policyOf({ scope: 'zzzzzzzzzz' }), { ring: () => host.ring }), jar = new Jar();
    await host.login(jar);
    jar.cookies.set('__Host-gatewright-session-zzzzzzzzzz', jar.cookies.get(SESSION) ?? '');
    expect((await other.visit(jar, '/')).details).toBe('gatewright_oidc_login');
  });
});
