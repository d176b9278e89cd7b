// Sessions in a real Redis: who can use them, when they end, and what happens when it is away.
import { inspect } from 'node:util';
import { createClient } from '@redis/client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { issueCertificate } from '../../../examples/certificate.ts';
import { KeyRing, newKeyRing } from '../../../extproc/oidc/keyring.ts';
import { RedisConnections } from '../../../extproc/oidc/redis-connection.ts';
import { redisSessions } from '../../../extproc/oidc/redis-store.ts';
import { newSessionId, type Session } from '../../../extproc/oidc/session.ts';
import { cookieSessions, SessionEnded, type Sessions, StoreUnavailable } from '../../../extproc/oidc/store.ts';
import { realWorld } from '../../../extproc/world.ts';
import { Secret } from '../../../policy/secret.ts';
import { Browser } from './browser.ts';
import { policyWith, sessionWith } from './hand-world.ts';
import { PASSWORD, RedisServer } from './redis-server.ts';

const NAME = '__Host-gatewright-session-abcdefghij';
const logged: unknown[] = [];
const log = { info: (...words: unknown[]) => { logged.push(words); }, warn: (...words: unknown[]) => { logged.push(words); } } as unknown as ConstructorParameters<typeof RedisConnections>[0]['log'];
/** Of the store's clock only what a test adds. */
let ahead = 0;
const world = { ...realWorld, now: () => realWorld.now() + ahead };
let server: RedisServer;
let connections: RedisConnections;
let ring: KeyRing;
let browser: Browser;
let raw: ReturnType<typeof createClient>;
const stored = (more: Parameters<typeof policyWith>[0] = {}): Sessions => redisSessions(connections.to({ url: new Secret(server.url) }), () => ring, policyWith(more), world);
const login = async (more: Partial<Session> = {}, sessions = stored(), jar = browser): Promise<Session> => {
  const session = sessionWith(world, more);
  jar.take(await sessions.write(session, jar.sent()));
  return session;
};
const keys = async (): Promise<string[]> => await raw.sendCommand(['KEYS', '*']) as unknown as string[];

beforeAll(async () => {
  server = await RedisServer.start();
  ring = await KeyRing.of(await newKeyRing(world));
  connections = new RedisConnections({ world, log });
  raw = createClient({ url: server.url });
  raw.on('error', () => undefined);
  await raw.connect();
});
afterAll(async () => {
  connections.close();
  raw.destroy();
  await server.stop();
});
beforeEach(async () => {
  ahead = 0;
  browser = new Browser();
  await raw.sendCommand(['FLUSHALL']);
});

describe('a session', () => {
  test.each<[string, Partial<Session>]>([
    ['is read as it was written', {}], ['has all that there is', { sid: 's', accessToken: 'at', refreshToken: 'rt', refreshExpires: 5, claims: { a: [1, 'ü'] } }], ['may be of any size', { idToken: 'x'.repeat(100_000) }],
  ])('%s', async (_, more) => {
    const session = await login(more);
    expect(await stored().read(browser.sent())).toEqual(session);
    expect(browser.bytes).toBeLessThan(200);
  });

  test('cannot be used, nor read, by who reads the store', async () => {
    const { id } = await login({ sub: 'alice@example.com', sid: 'the-sid', idToken: 'the-id-token', accessToken: 'the-access-token' });
    const everything = [...await keys(), ...await Promise.all((await keys()).filter((key) => key.includes(':session:')).map((key) => raw.get(key)))].join('\n');
    for (const secret of [id, 'alice', 'the-sid', 'the-id-token', 'the-access-token', PASSWORD]) expect(everything).not.toContain(secret);
    for (const key of await keys()) expect(key).toMatch(/^gatewright:\{abcdefghij\}:/);
  });

  test('is none for a policy of the same scope that keeps sessions in cookies: who reads the store has no cookie for it', async () => {
    await login();
    const [at = ''] = (await keys()).filter((key) => key.includes(':session:'));
    const sealed = /^\d+:(.+)$/s.exec(await raw.get(at) ?? '')?.[1] ?? '';
    expect(sealed).not.toBe('');
    expect(await cookieSessions(() => ring, policyWith(), world).read(new Map([[NAME, `1~${sealed}`]]))).toBeUndefined();
  });

  test('of another cannot be put in its place by who writes in the store', async () => {
    const mine = await login();
    const [mineAt = ''] = (await keys()).filter((key) => key.includes(':session:'));
    await login({}, stored(), new Browser());
    const [otherAt = ''] = (await keys()).filter((key) => key.includes(':session:') && key !== mineAt);
    await raw.set(otherAt, await raw.get(mineAt) ?? '');
    await raw.set(mineAt, await raw.get(otherAt) ?? '');
    expect(await stored().read(browser.sent())).toEqual(mine);
    const second = new Browser();
    const theirs = await login({}, stored(), second);
    const [theirsAt = ''] = (await keys()).filter((key) => key.includes(':session:') && key !== mineAt && key !== otherAt);
    await raw.set(theirsAt, await raw.get(mineAt) ?? '');
    expect(await stored().read(second.sent())).toBeUndefined();
    expect(theirs.id).not.toBe(mine.id);
  });

  test.each<[string, ReadonlyMap<string, string>]>([
    ['without a cookie', new Map()], ['with an id that is none', new Map([[NAME, '*']])], ['with an id that is nobody’s', new Map([[NAME, newSessionId(world)]])], ['with a cookie of the time before the store', new Map([[NAME, '1~eyJ']])],
  ])('is not there %s', async (_, cookies) => { expect(await stored().read(cookies)).toBeUndefined(); });

  test('is not there for another policy', async () => {
    const { id } = await login();
    expect(await stored({ scope: 'zzzzzzzzzz' }).read(new Map([[NAME.replace('abcdefghij', 'zzzzzzzzzz'), id]]))).toBeUndefined();
  });

  test.each(['', 'garbage', '1:garbage', ':'])('is not there where the store has %j', async (garbage) => {
    await login();
    for (const key of await keys()) if (key.includes(':session:')) await raw.set(key, garbage);
    expect(await stored().read(browser.sent())).toBeUndefined();
  });

  test('leaves the store by itself, and so do the lists it is in', async () => {
    await login({ sid: 's' }, stored({ session: { absoluteMs: 60_000 } }));
    const ttls = await Promise.all((await keys()).map(async (key) => await raw.sendCommand(['PTTL', key]) as unknown as number));
    expect(ttls).toHaveLength(3);
    for (const ttl of ttls) expect(ttl).toSatisfy((ms: number) => ms > 0 && ms <= 60_000);
  });

  test('ends when it is idle, and lives on when it is used', async () => {
    const sessions = stored({ session: { absoluteMs: 600_000, idleMs: 60_000 } });
    const session = await login({}, sessions);
    ahead = 50_000;
    browser.take(await sessions.write({ ...session, seen: world.now() }, browser.sent()));
    ahead = 100_000;
    expect(await sessions.read(browser.sent())).toMatchObject({ id: session.id });
    ahead = 110_100;
    expect(await sessions.read(browser.sent())).toBeUndefined();
  });
});

describe('at login', () => {
  test('the session before ends, and the browser has another id', async () => {
    const first = await login();
    const before = browser.sent();
    const second = await login();
    expect(browser.sent().get(NAME)).not.toBe(before.get(NAME));
    expect(await stored().read(before)).toBeUndefined();
    expect(await stored().read(browser.sent())).toEqual(second);
    expect(second.id).not.toBe(first.id);
  });

  test('an id that an attacker has put into the browser is of no use to him', async () => {
    const planted = newSessionId(world);
    browser.take([`${NAME}=${planted}; Path=/`]);
    await login();
    expect(await stored().read(new Map([[NAME, planted]]))).toBeUndefined();
    expect(browser.sent().get(NAME)).not.toBe(planted);
  });

  test('cookies of the time before the store go', async () => {
    browser.take(await cookieSessions(() => ring, policyWith(), world).write(sessionWith(world, { idToken: 'x'.repeat(9_000) }), new Map()));
    expect(browser.names.length).toBeGreaterThan(2);
    await login();
    expect(browser.names).toEqual([NAME]);
  });
});

describe('after', () => {
  test('a refresh it has new tokens, and the same id', async () => {
    const session = await login({ refreshToken: 'one' });
    const refreshed = { ...session, refreshToken: 'two', tokensExpire: session.tokensExpire + 1000 };
    browser.take(await stored().write(refreshed, browser.sent()));
    expect(await stored().read(browser.sent())).toEqual(refreshed);
  });

  test('a refresh that was slow the tokens of a later one stay', async () => {
    const session = await login({ refreshToken: 'one' });
    const later = { ...session, refreshToken: 'three', tokensExpire: session.tokensExpire + 2000 };
    await stored().write(later, browser.sent());
    await stored().write({ ...session, refreshToken: 'two', tokensExpire: session.tokensExpire + 1000 }, browser.sent());
    expect(await stored().read(browser.sent())).toEqual(later);
  });

  test.each<[string, (session: Session) => Promise<unknown>]>([
    ['a logout', (session) => stored().end(session, browser.sent())],
    ['a logout by the provider', () => stored().endAll?.({ sub: 'u' }, once()) ?? Promise.reject(new Error('cannot'))],
    ['another login', () => login()],
  ])('%s a refresh that was under way does not bring it back', async (_, end) => {
    const session = await login();
    const before = browser.sent();
    await end(session);
    await expect(stored().write({ ...session, tokensExpire: session.tokensExpire + 1000 }, before)).rejects.toThrow(SessionEnded);
    expect(await stored().read(before)).toBeUndefined();
  });

  test('a logout it is gone, from the browser too', async () => {
    const session = await login();
    const before = browser.sent();
    browser.take(await stored().end(session, browser.sent()));
    expect(browser.names).toEqual([]);
    expect(await stored().read(before)).toBeUndefined();
  });
});

let tokens = 0;
function once(): { key: string; ttlMs: number } { return { key: `jti:${tokens++}`, ttlMs: 60_000 }; }

describe('back-channel logout', () => {
  const jars = (): Browser[] => [new Browser(), new Browser(), new Browser(), new Browser()];
  test.each<[string, { sub?: string; sid?: string }, number, boolean[]]>([
    ['of a subject ends all that are theirs', { sub: 'alice' }, 3, [false, false, false, true]],
    ['of a session ends that one', { sid: 's1' }, 1, [false, true, true, true]],
    ['of a session that has a subject ends that one, and those of which nobody can say whether it is they', { sub: 'alice', sid: 's1' }, 2, [false, true, false, true]],
    ['of a session nobody knows ends none', { sid: 'other' }, 0, [true, true, true, true]],
    ['of a subject nobody knows ends none', { sub: '*' }, 0, [true, true, true, true]],
    ['of nobody ends none', {}, 0, [true, true, true, true]],
  ])('%s', async (_, who, ended, left) => {
    const all = jars();
    const logins: Partial<Session>[] = [{ sub: 'alice', sid: 's1' }, { sub: 'alice', sid: 's2' }, { sub: 'alice' }, { sub: 'bob', sid: 's3' }];
    for (const [i, jar] of all.entries()) await login(logins[i], stored(), jar);
    expect(await stored().endAll?.(who, once())).toBe(ended);
    expect(await Promise.all(all.map(async (jar) => await stored().read(jar.sent()) !== undefined))).toEqual(left);
  });

  test('of another policy ends none', async () => {
    await login({ sub: 'alice' });
    expect(await stored({ scope: 'zzzzzzzzzz' }).endAll?.({ sub: 'alice' }, once())).toBe(0);
    expect(await stored().read(browser.sent())).toBeDefined();
  });

  test('ends thousands at once', async () => {
    await Promise.all(Array.from({ length: 500 }, () => login({ sub: 'robot' }, stored(), new Browser())));
    expect(await stored().endAll?.({ sub: 'robot' }, once())).toBe(500);
    expect((await keys()).filter((key) => !key.includes(':first:'))).toEqual([]);
  });

  test('by one logout token happens once', async () => {
    const jti = { key: 'jti', ttlMs: 60_000 };
    await login({ sub: 'alice' });
    const ended = await Promise.all(Array.from({ length: 10 }, () => stored().endAll?.({ sub: 'alice' }, jti)));
    expect(ended).toEqual([1, ...Array.from({ length: 9 }, () => undefined)]);
    await login({ sub: 'alice' });
    expect(await stored().endAll?.({ sub: 'alice' }, jti)).toBeUndefined();
    expect(await stored().read(browser.sent())).toBeDefined();
    expect(await stored({ scope: 'zzzzzzzzzz' }).endAll?.({ sub: 'alice' }, jti)).toBe(0);
  });
});

test('policies that name the same store share a connection', async () => {
  await Promise.all(['aaaaaaaaaa', 'bbbbbbbbbb', 'cccccccccc'].map((scope) => login({}, stored({ scope }), new Browser())));
  expect(connections.size).toBe(1);
  const clients = String(await raw.sendCommand(['CLIENT', 'LIST'])).trim().split('\n');
  expect(clients).toHaveLength(2);
});

test('a connection that nobody uses is closed, and is there again for who does', async () => {
  const calls: { readonly ms: number; readonly call: () => void }[] = [];
  let now = 0;
  const own = new RedisConnections({ world: { monotonic: () => now, after: (ms, call) => { calls.push({ ms, call }); return realWorld.after(ms, call); } }, log });
  const connection = own.to({ url: new Secret(server.url) });
  expect(await connection.command('PING')).toBe('PONG');
  now = 300_000;
  expect(await connection.command('PING')).toBe('PONG');
  now = 600_000;
  calls.find(({ ms }) => ms === 600_000)?.call();
  expect(own.size).toBe(1);
  now = 900_000;
  calls.find(({ ms }) => ms === 300_000)?.call();
  expect(own.size).toBe(0);
  expect(await connection.command('PING')).toBe('PONG');
  own.close();
});

test.each(['', 'http://hunter2@localhost', 'redis://:hunter2@[', 'localhost:6379'])('a URL that is none of Redis (%j) is refused, without a word of it', (url) => {
  try {
    connections.to({ url: new Secret(url) });
    expect.unreachable();
  } catch (error) { expect(inspect(error)).not.toContain('hunter2'); expect((error as Error).message).toBe('the URL of the session store is not one of Redis'); }
});

describe('while the store', () => {
  test('is stopped, who is logged in cannot be known: that is said, and soon; afterwards all is as before', async () => {
    const session = await login();
    server.signal('SIGSTOP');
    try {
      const all = await Promise.all(Array.from({ length: 50 }, () => stored().read(browser.sent()).catch((error: unknown) => error)));
      expect(all.every((error) => error instanceof StoreUnavailable)).toBe(true);
      await expect(stored().write(session, browser.sent())).rejects.toThrow(StoreUnavailable);
      await expect(stored().end(session, browser.sent())).rejects.toThrow(StoreUnavailable);
      await expect(stored().endAll?.({ sub: 'u' }, once())).rejects.toThrow(StoreUnavailable);
    } finally { server.signal('SIGCONT'); }
    await expect.poll(() => stored().endAll?.({ sub: 'u' }, once()).catch(() => undefined)).toBeDefined();
  });

  test('is stopped for long, nobody costs more than a thousand may', async () => {
    await login();
    server.signal('SIGSTOP');
    try {
      const started = await Promise.all(Array.from({ length: 3_000 }, () => stored().read(browser.sent()).catch((error: Error) => error.message)));
      expect(started.filter((message) => message === 'the session store does not answer in time').length).toBeLessThanOrEqual(1_000);
      expect(new Set(started)).toEqual(new Set(['the session store does not answer in time', 'the session store cannot be used: Error']));
    } finally { server.signal('SIGCONT'); }
    await expect.poll(() => stored().read(browser.sent()).then((read) => read?.sub, () => undefined)).toBe('u');
  });

  test('does not answer although it is connected, another connection is tried', async () => {
    const hasty = { ...realWorld, after: (ms: number, call: () => void) => realWorld.after(ms / 20, call), monotonic: () => realWorld.monotonic() * 20 };
    const own = new RedisConnections({ world: hasty, log });
    const connection = own.to({ url: new Secret(server.url) });
    await expect.poll(() => connection.command('PING').catch(() => undefined)).toBe('PONG');
    const count = async (): Promise<number> => Number(/total_connections_received:(\d+)/.exec(String(await raw.sendCommand(['INFO', 'stats'])))?.[1]);
    const before = await count();
    server.signal('SIGSTOP');
    try { for (let i = 0; i < 10; i++) await expect(connection.command('PING')).rejects.toThrow(StoreUnavailable); } finally { server.signal('SIGCONT'); }
    await expect.poll(() => connection.command('PING').catch(() => undefined)).toBe('PONG');
    expect(await count()).toBeGreaterThan(before);
    own.close();
  });

  test('is killed nobody is let in; when it is started again people log in again, without anybody’s help', async () => {
    await login();
    await server.kill();
    try { await expect(stored().read(browser.sent())).rejects.toThrow(StoreUnavailable); } finally { await server.start(); }
    await expect.poll(() => stored().read(browser.sent()).then(() => 'read', () => 'unavailable'), { timeout: 10_000 }).toBe('read');
    expect(await stored().read(browser.sent())).toBeUndefined();
    const session = await login();
    expect(await stored().read(browser.sent())).toEqual(session);
  });

  test('is not there at the start it is waited for, and that is said once', async () => {
    await server.kill();
    const told: unknown[] = [];
    const own = new RedisConnections({ world, log: { info: (...words: unknown[]) => { told.push(words); }, warn: (...words: unknown[]) => { told.push(words); } } as unknown as typeof log });
    const connection = own.to({ url: new Secret(server.url) });
    try {
      await expect(connection.command('PING')).rejects.toThrow(StoreUnavailable);
      await expect(connection.command('PING')).rejects.toThrow(StoreUnavailable);
    } finally { await server.start(); }
    await expect.poll(() => connection.command('PING').catch(() => undefined), { timeout: 10_000 }).toBe('PONG');
    own.close();
    expect(told).toEqual([
      [{ problem: 'ECONNREFUSED' }, 'the session store cannot be reached; sessions in it cannot be used until it is'],
      ['the session store is there again'],
    ]);
  });

  test('does not know our password, nothing of it is said', async () => {
    const own = new RedisConnections({ world, log });
    const error = await own.to({ url: new Secret(`redis://:wrong-hunter@127.0.0.1:${server.port}`) }).command('PING').catch((thrown: unknown) => thrown);
    await expect.poll(() => JSON.stringify(logged)).toContain('WRONGPASS');
    own.close();
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect(inspect(error) + JSON.stringify(logged)).not.toMatch(/wrong-hunter|hunter2/);
  });
});

describe('over TLS', () => {
  const authority = issueCertificate('CA of the store', { authority: true });
  const other = issueCertificate('another CA', { authority: true });
  let secure: RedisServer;
  beforeAll(async () => { secure = await RedisServer.start(issueCertificate('localhost', { addresses: ['127.0.0.1'], issuer: authority })); });
  afterAll(async () => { await secure.stop(); });

  test.each<[string, string | undefined, string]>([
    ['the store is trusted by its CA', authority.certificate, 'PONG'],
    ['another’s certificate is not taken', other.certificate, 'StoreUnavailable'],
    ['nor one that nobody vouches for', undefined, 'StoreUnavailable'],
  ])('%s', async (_, ca, answer) => {
    const own = new RedisConnections({ world, log });
    expect(await own.to({ url: new Secret(secure.url), ...(ca === undefined ? {} : { ca }) }).command('PING').catch(({ name }: Error) => name)).toBe(answer);
    own.close();
  });

  test('a store with a CA is not reached in the clear', async () => {
    const own = new RedisConnections({ world, log });
    expect(() => own.to({ url: new Secret(server.url), ca: authority.certificate })).toThrow('a session store with a CA has a URL that begins with rediss:');
  });
});

test('nothing that was logged names the store’s address or password', () => {
  expect(logged.length).toBeGreaterThan(0);
  expect(JSON.stringify(logged)).not.toMatch(/redis:|hunter|127\.0\.0\.1/);
});
