// Sessions in cookies, with a browser that keeps them.
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { KeyRing, newKeyRing, rotated } from '../../../extproc/oidc/keyring.ts';
import { alive, newSessionId, type Session } from '../../../extproc/oidc/session.ts';
import { cookieSessions, type Sessions, SessionTooLarge } from '../../../extproc/oidc/store.ts';
import { Browser } from './browser.ts';
import { DAY, HandWorld, policyWith, sessionWith, token } from './hand-world.ts';

const NAME = '__Host-gatewright-session-abcdefghij';
let ring: KeyRing;
let world: HandWorld;
let browser: Browser;
const stored = (more: Parameters<typeof policyWith>[0] = {}): Sessions => cookieSessions(() => ring, policyWith(more), world);
beforeAll(async () => { ring = await KeyRing.of(await newKeyRing(new HandWorld())); });
beforeEach(() => {
  world = new HandWorld();
  browser = new Browser();
});
const write = async (sessions: Sessions, session: Session): Promise<string[]> => browser.take(await sessions.write(session, browser.sent()));

describe('a session', () => {
  test.each<[string, Partial<Session>]>([
    ['is read as it was written', {}],
    ['has all that there is', { sid: 's', accessToken: 'at', refreshToken: 'rt', refreshExpires: 5 }],
    ['has claims of its own', { claims: { sub: 'u', from: 'userinfo' } }],
    ['has claims that are those of its ID token', { idToken: token({ sub: 'u', groups: ['ü'] }), claims: { sub: 'u', groups: ['ü'] } }],
    ['has an ID token that is none', { idToken: 'opaque', claims: {} }],
    ['has 12 kB tokens', { idToken: token({ sub: 'u' }, 12_288), accessToken: token({}, 12_288) }],
  ])('%s', async (_, more) => {
    const session = sessionWith(world, more);
    await write(stored(), session);
    expect(await stored().read(browser.sent())).toEqual(session);
  });

  test('of a large ID token has its claims only once', async () => {
    const groups = Array.from({ length: 300 }, () => newSessionId(world).slice(0, 28));
    const idToken = token({ sub: 'u', groups });
    await write(stored(), sessionWith(world, { idToken, claims: { sub: 'u', groups } }));
    expect(browser.bytes).toBeLessThan(idToken.length * 1.4 + 1000);
  });

  test.each([0, 1, 1_000, 2_500, 2_600, 2_700, 2_800, 2_900, 3_000, 6_000, 12_000, 20_000, 27_000])('with a token of %d bytes is in lines that browsers take, and in no more than it needs', async (bytes) => {
    const session = sessionWith(world, { idToken: 'x'.repeat(bytes) });
    const lines = await write(stored({ cookies: { domain: 'a.very.long.domain.of.a.very.large.company.test' } }), session);
    for (const line of lines) expect(Buffer.byteLength(line)).toBeLessThan(3_900);
    for (const line of lines.slice(0, -1)) expect(Buffer.byteLength(line)).toBeGreaterThan(3_880);
    expect(await stored({ cookies: { domain: 'a.very.long.domain.of.a.very.large.company.test' } }).read(browser.sent())).toEqual(session);
  });

  test('that is too large for cookies fails, and says so without a word of it', async () => {
    const error: unknown = await stored().write(sessionWith(world, { idToken: 'x'.repeat(30_000) }), new Map()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SessionTooLarge);
    expect((error as Error).message).toMatch(/^the session would be \d+ bytes of cookies; 40000 is the most$/);
  });
});

describe('a smaller session', () => {
  test('takes the chunks of a larger one with it', async () => {
    await write(stored(), sessionWith(world, { idToken: 'x'.repeat(20_000) }));
    expect(browser.names.length).toBeGreaterThan(6);
    const small = sessionWith(world, { idToken: 'x' });
    await write(stored(), small);
    expect(browser.names).toEqual([NAME]);
    expect(await stored().read(browser.sent())).toEqual(small);
  });

  test('is read although a chunk of the larger one is still there', async () => {
    await write(stored(), sessionWith(world, { idToken: 'x'.repeat(20_000) }));
    const left = new Map(browser.sent());
    const small = sessionWith(world, {});
    await write(stored(), small);
    expect(await stored().read(new Map([...left, ...browser.sent()]))).toEqual(small);
  });
});

describe('there is no session', () => {
  test.each<[string, (cookies: Map<string, string>) => void]>([
    ['without cookies', (cookies) => { cookies.clear(); }],
    ['without the first chunk', (cookies) => { cookies.delete(NAME); }],
    ['without one of the others', (cookies) => { cookies.delete(`${NAME}.2`); }],
    ['with two changed round', (cookies) => { const [one = '', two = ''] = [cookies.get(`${NAME}.1`), cookies.get(`${NAME}.2`)]; cookies.set(`${NAME}.1`, two).set(`${NAME}.2`, one); }],
    ['with one more than there were', (cookies) => { cookies.set(NAME, (cookies.get(NAME) ?? '').replace(/^\d+/, (count) => String(Number(count) + 1))); }],
    ['with no chunks', (cookies) => { cookies.set(NAME, (cookies.get(NAME) ?? '').replace(/^\d+/, '0')); }],
    ['with 99 chunks', (cookies) => { cookies.set(NAME, (cookies.get(NAME) ?? '').replace(/^\d+/, '99')); }],
    ['with a count that is none', (cookies) => { cookies.set(NAME, (cookies.get(NAME) ?? '').replace(/^\d+/, '-1')); }],
    ['without a count', (cookies) => { cookies.set(NAME, (cookies.get(NAME) ?? '').replace(/^\d+~/, '')); }],
    ['with a letter changed', (cookies) => { cookies.set(`${NAME}.1`, (cookies.get(`${NAME}.1`) ?? '').replace(/^./, (letter) => letter === 'A' ? 'B' : 'A')); }],
    ['with something else in it', (cookies) => { cookies.clear(); cookies.set(NAME, '1~hello'); }],
  ])('%s', async (_, change) => {
    await write(stored(), sessionWith(world, { idToken: 'x'.repeat(9_000) }));
    const cookies = new Map(browser.sent());
    expect(await stored().read(cookies)).toBeDefined();
    change(cookies);
    expect(await stored().read(cookies)).toBeUndefined();
  });

  test('for another policy, even under its name', async () => {
    await write(stored(), sessionWith(world, {}));
    const elsewhere = new Map([...browser.sent()].map(([name, value]) => [name.replace('abcdefghij', 'zzzzzzzzzz'), value]));
    expect(await stored({ scope: 'zzzzzzzzzz' }).read(elsewhere)).toBeUndefined();
  });

  test('after logout; all its cookies are gone', async () => {
    await write(stored(), sessionWith(world, { idToken: 'x'.repeat(9_000) }));
    browser.take(await stored().end(undefined, browser.sent()));
    expect(browser.names).toEqual([]);
  });

  test('after logout, even where the first cookie was ambiguous', async () => { expect(await stored().end(undefined, new Map())).toEqual([`${NAME}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax`]); });
});

describe('lifetimes', () => {
  test.each<[string, { absoluteMs?: number; idleMs?: number }, number, number, boolean]>([
    ['within both', { absoluteMs: 1000, idleMs: 500 }, 0, 499, true],
    ['idle for too long', { absoluteMs: 1000, idleMs: 500 }, 0, 500, false],
    ['busy', { absoluteMs: 1000, idleMs: 500 }, 400, 899, true],
    ['busy, but too old', { absoluteMs: 1000, idleMs: 500 }, 900, 1000, false],
    ['no idle lifetime', { absoluteMs: 1000, idleMs: 0 }, 0, 999, true],
    ['at its very end', { absoluteMs: 1000, idleMs: 0 }, 0, 1000, false],
  ])('%s', async (_, session, seen, now, lives) => {
    const kept = sessionWith(world, { seen: world.now() + seen });
    await write(stored({ session }), kept);
    await world.pass(now);
    expect(await stored({ session }).read(browser.sent())).toEqual(lives ? kept : undefined);
    expect(alive(kept, policyWith({ session }), world.now())).toBe(lives);
  });

  test('a policy that allows less than the one it was made under is obeyed', async () => {
    await write(stored(), sessionWith(world, {}));
    await world.pass(1001);
    expect(await stored({ session: { absoluteMs: 1000 } }).read(browser.sent())).toBeUndefined();
  });

  test.each([
    ['what is left of the absolute lifetime', { absoluteMs: 100_000 }, 30_000, 'Max-Age=70;'], ['the idle lifetime if that is shorter', { absoluteMs: 100_000, idleMs: 20_000 }, 30_000, 'Max-Age=20;'],
    ['never more than the absolute one', { absoluteMs: 100_000, idleMs: 90_000 }, 30_000, 'Max-Age=70;'],
  ])('a cookie lives for %s', async (_, session, later, age) => {
    const begun = sessionWith(world, {});
    await world.pass(later);
    expect((await stored({ session }).write({ ...begun, seen: world.now() }, new Map()))[0]).toContain(age);
  });
});

test('rotation of keys keeps sessions', async () => {
  let data = await newKeyRing(world);
  let current = await KeyRing.of(data);
  const sessions = cookieSessions(() => current, policyWith({ session: { absoluteMs: 100 * DAY } }), world);
  const session = sessionWith(world, {});
  await write(sessions, session);
  for (let month = 0; month < 3; month++) {
    await world.pass(30 * DAY);
    data = await rotated(data, world) ?? data;
    current = await KeyRing.of(data);
    expect(await sessions.read(browser.sent())).toEqual(session);
  }
});

test.each<[string, Parameters<typeof policyWith>[0], string]>([
  ['over https, to the host', {}, '__Host-gatewright-session-abcdefghij= Path=/ HttpOnly Secure SameSite=Lax'],
  ['over https, to a domain', { cookies: { domain: 'test', sameSite: 'Strict' } }, '__Secure-gatewright-session-abcdefghij= Path=/ Domain=test HttpOnly Secure SameSite=Strict'],
  ['over http', { redirectUrl: 'http://localhost/callback' }, 'gatewright-session-abcdefghij= Path=/ HttpOnly SameSite=Lax'],
])('the cookie is bound %s', async (_, more, line) => {
  const [made = ''] = await stored(more).write(sessionWith(world, {}), new Map());
  expect(made.replace(/=1~[^;]*/, '=').replace(/ Max-Age=\d+;/, '').replaceAll(';', '')).toBe(line);
});
