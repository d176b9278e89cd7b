// What happens once over hosts that share a real Redis.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Once, OnceFailed } from '../../../extproc/oidc/once.ts';
import { RedisConnections } from '../../../extproc/oidc/redis-connection.ts';
import { redisOnce } from '../../../extproc/oidc/redis-once.ts';
import { StoreUnavailable } from '../../../extproc/oidc/store.ts';
import { realWorld, type World } from '../../../extproc/world.ts';
import { Secret } from '../../../policy/secret.ts';
import { RedisServer } from './redis-server.ts';

const log = { info: () => undefined, warn: () => undefined };
let server: RedisServer;
let connections: RedisConnections[] = [];
beforeAll(async () => { server = await RedisServer.start(); });
afterAll(async () => { await server.stop(); });
beforeEach(async () => { await new RedisHost().connection.command('FLUSHALL'); });
afterEach(() => {
  for (const each of connections) each.close();
  connections = [];
});

/** One host, with a connection of its own. */
class RedisHost {
  readonly #connections = new RedisConnections({ world: realWorld, log });
  readonly connection = this.#connections.to({ url: new Secret(server.url) });
  readonly once: Once;
  constructor(world: World = realWorld, scope = 'abcdefghij') {
    connections.push(this.#connections);
    this.once = redisOnce(this.connection, scope, world);
  }
  /** As if the host were gone: nothing of it reaches the store any more. */
  die(): void { (this.connection as { command: unknown }).command = () => Promise.reject(new StoreUnavailable('dead')); }
}
const host = (world?: World, scope?: string): RedisHost => new RedisHost(world, scope);
const later = <T>(ms: number, value: T): Promise<T> => new Promise((resolve) => { setTimeout(() => resolve(value), ms); });
/** Fifty times as fast. */
const hasty: World = { ...realWorld, after: (ms, call) => realWorld.after(ms / 50, call), monotonic: () => realWorld.monotonic() * 50 };

test('40 that want the same on four hosts have it done once, and all get the answer', async () => {
  let runs = 0;
  const hosts = Array.from({ length: 4 }, () => host());
  const all = await Promise.all(Array.from({ length: 40 }, (_, i) => hosts[i % 4]?.once.run('k', 60_000, () => { runs++; return later(200, `by ${i}`); })));
  expect(runs).toBe(1);
  expect(new Set(all).size).toBe(1);
});

test('the answer is good for as long as it was said to be', async () => {
  expect(await host().once.run('k', 60_000, async () => 'first')).toBe('first');
  expect(await host().once.run('k', 60_000, async () => 'second')).toBe('first');
  expect(await host(undefined, 'zzzzzzzzzz').once.run('k', 60_000, async () => 'of another policy')).toBe('of another policy');
  const [key = ''] = await host().connection.command('KEYS', '*abcdefghij*') as string[];
  expect(Number(await host().connection.command('PTTL', key))).toSatisfy((ms: number) => ms > 30_000 && ms <= 60_000);
});

test('all who wait get the failure, without its words; the next one tries anew', async () => {
  const hosts = Array.from({ length: 3 }, () => host());
  const errors = await Promise.all(hosts.map(({ once }) => once.run('k', 60_000, async () => {
    await later(300, undefined);
    throw Object.assign(new RangeError('hunter2'), { reason: 'invalid_grant' });
  }).catch((error: unknown) => error)));
  expect(errors.filter((error) => error instanceof RangeError)).toHaveLength(1);
  expect(errors.filter((error) => error instanceof OnceFailed && error.reason === 'invalid_grant')).toHaveLength(2);
  expect(await hosts[1]?.once.run('k', 60_000, async () => 'anew')).toBe('anew');
});

test('a host that dies at work passes the turn on', async () => {
  const [dying, heir] = [host(), host()];
  let begun = false;
  dying.once.run('k', 60_000, () => { begun = true; dying.die(); return new Promise(() => undefined); }).catch(() => undefined);
  await expect.poll(() => begun).toBe(true);
  expect(await heir.once.run('k', 60_000, async () => 'by the heir')).toBe('by the heir');
});

test('a host that is at work for long keeps the turn', async () => {
  const [slow, other] = [host(), host()];
  let ends = (_: string): void => undefined;
  let begun = false;
  const slowly = slow.once.run('k', 60_000, () => { begun = true; return new Promise((resolve) => { ends = resolve; }); });
  await expect.poll(() => begun).toBe(true);
  let answered = false;
  const waits = other.once.run('k', 60_000, async () => 'twice').finally(() => { answered = true; });
  // The lock ends after five seconds if nobody renews it.
  await later(6_500, undefined);
  expect(answered).toBe(false);
  ends('once');
  expect(await Promise.all([slowly, waits])).toEqual(['once', 'once']);
});

test('a host that was away for so long that another did it takes the other’s answer', async () => {
  const [away, other] = [host(), host()];
  let ends = (_: string): void => undefined;
  let begun = false;
  const stale = away.once.run('k', 60_000, () => { begun = true; return new Promise((resolve) => { ends = resolve; }); });
  await expect.poll(() => begun).toBe(true);
  for (const key of await other.connection.command('KEYS', '*:lock') as string[]) await other.connection.command('DEL', key);
  expect(await other.once.run('k', 60_000, async () => 'good')).toBe('good');
  ends('stale');
  expect(await stale).toBe('good');
  expect(await host().once.run('k', 60_000, async () => 'anew')).toBe('good');
});

test('nobody waits for ever', async () => {
  const [slow, other] = [host(), host(hasty)];
  let begun = false;
  slow.once.run('k', 60_000, () => { begun = true; return new Promise(() => undefined); }).catch(() => undefined);
  await expect.poll(() => begun).toBe(true);
  await expect(other.once.run('k', 60_000, async () => 'twice')).rejects.toThrow(StoreUnavailable);
});

test('one of ten on three hosts claims it', async () => {
  const hosts = Array.from({ length: 3 }, () => host());
  const claims = await Promise.all(Array.from({ length: 10 }, (_, i) => hosts[i % 3]?.once.claim('state', 60_000)));
  expect(claims.filter(Boolean)).toHaveLength(1);
  expect(await Promise.all([hosts[0]?.once.claimed('state'), hosts[1]?.once.claimed('state'), hosts[0]?.once.claimed('another')])).toEqual([true, true, false]);
  expect(await host(undefined, 'zzzzzzzzzz').once.claimed('state')).toBe(false);
  expect(await host(undefined, 'zzzzzzzzzz').once.claim('state', 60_000)).toBe(true);
});

test('without the store nothing is done', async () => {
  const { once } = host();
  let runs = 0;
  server.signal('SIGSTOP');
  try {
    await expect(once.run('k', 1, async () => { runs++; return ''; })).rejects.toThrow(StoreUnavailable);
    await expect(once.claim('k', 1)).rejects.toThrow(StoreUnavailable);
  } finally { server.signal('SIGCONT'); }
  expect(runs).toBe(0);
});
