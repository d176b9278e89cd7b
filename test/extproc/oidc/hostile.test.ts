// Sessions among people, sites, caches and providers that mean no good.
import { type JSONWebKeySet, createLocalJWKSet, decodeJwt, errors, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { KeyRing, newKeyRing } from '../../../extproc/oidc/keyring.ts';
import type { Once } from '../../../extproc/oidc/once.ts';
import { ProviderRefused } from '../../../extproc/oidc/provider.ts';
import { type Sessions, StoreUnavailable } from '../../../extproc/oidc/store.ts';
import { realWorld } from '../../../extproc/world.ts';
import { Jar, type LoginHost, START, header, location, loginHost, policyOf } from './login-host.ts';

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

// OIDCPolicies of two rules, one SecurityPolicy: their sessions are the same, what they ask of a login is not.
describe('a login that one rule asks more of than another', () => {
  type More = Parameters<typeof policyOf>[0];
  async function both(more: More): Promise<{ weak: LoginHost; strong: LoginHost; jar: Jar }> {
    const weak = await loginHost(), strong = await loginHost(policyOf(more), { ring: () => weak.ring }), jar = new Jar();
    await weak.login(jar);
    return { weak, strong, jar };
  }
  const mfa: More = { requiredAcr: ['mfa'] }, recent: More = { maxAgeMs: 60_000 };
  const ages = { auth_time: START / 1000 - 86_400 };

  test.each<[More, object, object]>([[mfa, {}, { acr: 'mfa' }], [mfa, { acr: 'password' }, { acr: 'mfa' }], [recent, ages, { auth_time: START / 1000 }], [recent, {}, { auth_time: START / 1000 }]])('%j: a session with %j does not do, one with %j does', async (more, has, needs) => {
    const weak = await loginHost(), strong = await loginHost(policyOf(more), { ring: () => weak.ring }), jar = new Jar();
    Object.assign(weak.provider.claims, has);
    await weak.login(jar);
    const refused = await strong.visit(jar, '/api', { headers: background });
    expect([refused.status, refused.upstream]).toEqual([401, undefined]);
    // It is still good for the other.
    expect((await weak.visit(jar, '/api', { headers: background })).status).toBe(200);
    Object.assign(strong.provider.claims, needs);
    expect((await strong.login(jar, '/admin')).upstream).toBeDefined();
    expect((await weak.visit(jar, '/api', { headers: background })).status).toBe(200);
  });

  test('whose callback is under the other: what it was begun for counts', async () => {
    const { weak, strong, jar } = await both(mfa);
    weak.provider.claims['acr'] = 'password';
    const failed = await weak.comeBack(jar, await strong.visit(jar, '/admin'));
    expect([failed.status, failed.details]).toEqual([403, 'gatewright_oidc_answer_invalid']);
    weak.provider.claims['acr'] = 'mfa';
    const back = await weak.comeBack(jar, await strong.visit(jar, '/admin'));
    expect([back.status, location(back)]).toEqual([302, '/admin']);
    expect((await strong.visit(jar, '/admin')).status).toBe(200);
  });

  test('holds when tokens are renewed, and what is said then counts', async () => {
    const host = await loginHost(policyOf(mfa)), jar = new Jar();
    host.provider.claims['acr'] = 'mfa';
    await host.login(jar);
    const { acr: _, ...claims } = host.provider.claims;
    host.provider.claims = claims;
    host.clock(300_000);
    expect((await host.visit(jar, '/')).status).toBe(200);
    host.provider.claims = { ...claims, acr: 'password' };
    host.clock(300_000);
    expect((await host.visit(jar, '/')).status).toBe(302);
  });
});

describe('a back-channel logout', () => {
  const policy = policyOf({ backChannelLogoutPath: '/ended' });
  const request = { method: 'POST', headers: [['content-type', 'application/x-www-form-urlencoded']] as [string, string][], body: ['logout_token=t'] };
  const none: Sessions = { read: () => Promise.resolve(undefined), write: () => Promise.resolve([]), end: () => Promise.resolve([]) };

  test('that the store does not hear of is to be sent again, and does its work then', async () => {
    const heard: unknown[] = [];
    const host = await loginHost(policy, { sessions: () => ({ ...none, endAll: (...all) => heard.push(all) === 1 ? Promise.reject(new StoreUnavailable('away')) : Promise.resolve(1) }) });
    expect([(await host.visit(new Jar(), '/ended', request)).status, (await host.visit(new Jar(), '/ended', request)).status]).toEqual([503, 200]);
    // For as long as its token is taken, the minute included by which clocks may differ.
    expect(heard).toEqual(Array(2).fill([{ sub: 'ann' }, { key: 'jti:j1', ttlMs: expect.toSatisfy((ms: number) => ms > 120_000) as number }]));
  });

  test('by a token that was used before is refused', async () => {
    const host = await loginHost(policy, { sessions: () => ({ ...none, endAll: () => Promise.resolve(undefined) }) });
    expect((await host.visit(new Jar(), '/ended', request)).status).toBe(400);
  });
});

describe('a request that was on its way when somebody logged out', () => {
  test.each<[what: string, over: number, policy: Parameters<typeof policyOf>[0]]>([
    ['an assertion', 0, {}], ['new tokens', 300_000, {}], ['that somebody was there', 30_000, { session: { absoluteMs: 86_400_000, idleMs: 60_000 } }],
  ])('does not log the browser in again by what it brings back: %s', async (_, later, more) => {
    let arrived = (): void => {}, answer = (): void => {};
    const there = new Promise<void>((resolve) => { arrived = resolve; }), slow = new Promise<void>((resolve) => { answer = resolve; });
    let gate: Promise<void> | undefined;
    const host = await loginHost(policyOf(more), {}, async () => { arrived(); await gate; return { status: 200 }; }), jar = new Jar();
    await host.login(jar);
    host.clock(later);
    gate = slow;
    const pending = host.visit(jar, '/slow');
    await there;
    await new Promise(setImmediate);
    expect((await host.visit(jar, '/logout')).details).toBe('gatewright_oidc_logged_out');
    answer();
    const page = await pending;
    expect([page.status, header(page, 'set-cookie'), [...jar.cookies.keys()]]).toEqual([200, undefined, []]);
    // Who logs in again has a session again.
    gate = undefined;
    await host.login(jar);
    expect(jar.cookies.size).toBe(2);
  });
});

test('a session of before the app was to be given access tokens has none: what the client says in its place is not given to the app', async () => {
  const before = await loginHost(), after = await loginHost(policyOf({ forwardAccessToken: true }), { ring: () => before.ring }), jar = new Jar();
  await before.login(jar);
  const refused = await after.visit(jar, '/api', { headers: [...background, ['authorization', 'Bearer mine']] });
  expect([refused.status, refused.upstream]).toEqual([401, undefined]);
  expect(header({ headers: (await after.login(jar)).upstream?.headers }, 'authorization')).toBe('Bearer the access token');
});

test('a provider that says no and forgets the state is not asked again and again', async () => {
  const host = await loginHost();
  const answer = await host.visit(new Jar(), '/oauth2/callback?error=access_denied&error_description=Call+0900+1234');
  expect([answer.status, answer.details, answer.body.includes('0900')]).toEqual([403, 'gatewright_oidc_provider_refused', false]);
});

describe('an identity for the app', () => {
  const policy = (namespace: string) => policyOf({ identity: { header: 'x-identity', audience: 'shop', namespace }, jwksPath: '/keys' });
  async function identity(host: LoginHost): Promise<{ token: string; keys: JSONWebKeySet; assertion: string }> {
    const jar = new Jar();
    const token = header({ headers: (await host.login(jar)).upstream?.headers }, 'x-identity') ?? '';
    return { token, keys: JSON.parse((await host.visit(new Jar(), '/keys')).body) as JSONWebKeySet, assertion: jar.cookies.get(ASSERTION) ?? '' };
  }

  test('by a policy of another namespace, whoever it says it is for, is none there', async () => {
    const ours = await loginHost(policy('shops')), theirs = await loginHost(policy('mallory'), { ring: () => ours.ring });
    theirs.provider.claims['email'] = 'boss@example.com';
    const [good, forged] = [await identity(ours), await identity(theirs)];
    const find = createLocalJWKSet(good.keys), expected = { audience: 'shop', issuer: 'gatewright', currentDate: new Date(START) };
    expect((await jwtVerify(good.token, find, expected)).payload['email']).toBe('ann@example.com');
    await expect(jwtVerify(forged.token, find, expected)).rejects.toThrow(errors.JWKSNoMatchingKey);
    const [{ kid }] = [good.keys.keys[0] ?? {}];
    expect(forged.keys.keys.map((key) => key.kid)).not.toContain(kid);
  });

  test('and what Envoy lets sessions pass by are not signed by the same keys', async () => {
    const host = await loginHost(policy('shops'));
    const { keys, assertion } = await identity(host);
    await expect(jwtVerify(assertion, createLocalJWKSet(keys), { currentDate: new Date(START) })).rejects.toThrow(errors.JWKSNoMatchingKey);
    expect(keys.keys.length).toBe(host.ring.publicKeys.keys.length);
    expect(keys.keys.every((key) => !('d' in key))).toBe(true);
  });

  test('is signed by the same keys in every process, and after a restart', async () => {
    const data = await newKeyRing({ now: () => START, random: realWorld.random });
    const [one, another] = [await KeyRing.of(data), await KeyRing.of(data)];
    expect((await one.identity('shops')).publicKeys).toEqual((await another.identity('shops')).publicKeys);
    expect((await one.identity('shops')).signing.kid).toBe((await another.identity('shops')).publicKeys.keys[1]?.kid);
  });
});

test('new tokens of one session are none for another, whoever writes where they are kept for those that wait', async () => {
  const answers: string[] = [];
  const once: Once = { run: async (_, __, compute) => { answers.push(await compute()); return answers[0] ?? ''; }, claim: () => Promise.resolve(true), claimed: () => Promise.resolve(false) };
  const host = await loginHost(policyOf({ claimHeaders: [{ header: 'x-email', claim: ['email'] }] }), { once: () => once }), ann = new Jar(), mallory = new Jar();
  await host.login(ann);
  host.provider.claims = { ...host.provider.claims, sub: 'mallory', email: 'mallory@example.com' };
  host.provider.tokens = { ...host.provider.tokens, refreshToken: 'of mallory' };
  await host.login(mallory);
  host.clock(300_000);
  host.provider.claims = { ...host.provider.claims, sub: 'ann', email: 'ann@example.com' };
  expect((await host.visit(ann, '/')).status).toBe(200);
  const answer = await host.visit(mallory, '/', { headers: background });
  expect([answers.length, answer.status, answer.upstream]).toEqual([2, 401, undefined]);
});

test('who logs in passes by no assertion of whoever was there before', async () => {
  const host = await loginHost(), jar = new Jar();
  await host.login(jar);
  // The session is gone (an administrator, the provider, another OIDCPolicy that asks for more); what Envoy lets requests pass by is good for a minute yet.
  jar.cookies.delete('__Host-gatewright-session-abcdefghij');
  expect(jar.cookies.has(ASSERTION)).toBe(true);
  host.provider.claims = { ...host.provider.claims, sub: 'bob' };
  await host.comeBack(jar, await host.visit(jar, '/'));
  expect([...jar.cookies.keys()]).toEqual(['__Host-gatewright-session-abcdefghij']);
});
