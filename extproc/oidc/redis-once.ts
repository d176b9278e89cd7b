// What happens once over all hosts that share a store (once.ts): a lock that ends by itself, renewed while its holder is at work, and the answer beside it.
import type { World } from '../world.ts';
import { type Once, OnceFailed, reasonOf, Together } from './once.ts';
import type { RedisConnection } from './redis-connection.ts';
import { digest, prefix } from './redis-store.ts';
import { StoreUnavailable } from './store.ts';

/** After a host that dies at work, the next has its turn. */
const LOCK_MS = 5_000;
const RENEW_MS = 1_500;
const LOOK_EVERY_MS = 50;
const PATIENCE_MS = 30_000;
/** For those that wait, and look every now and then. */
const SEEN_MS = 5_000;

// KEYS: answer, lock, failure of the one waited for. ARGV: our token, lock's TTL.
const JOIN = `
local failed = redis.call('GET', KEYS[3])
if failed then return {'failed', failed} end
local answer = redis.call('GET', KEYS[1])
if answer then return {'done', answer} end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return {'yours', ''} end
return {'wait', redis.call('GET', KEYS[2])}`;
// The token is the fence: who was away for so long that the lock went to another publishes nothing. KEYS: lock, and where to publish. ARGV: token, text, TTL.
const PUBLISH = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[1])
return 1`;
const RENEW = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0`;

/** `keepMs` below 5 seconds counts as that. */
export function redisOnce(connection: RedisConnection, scope: string, world: Pick<World, 'monotonic' | 'after' | 'random'>): Once {
  const together = new Together();
  const later = (ms: number): Promise<void> => new Promise((resolve) => { world.after(ms, resolve); });
  const milliseconds = (ms: number): string => String(Math.max(1, Math.ceil(ms)));

  async function run(name: string, keepMs: number, compute: () => Promise<string>): Promise<string> {
    const [answer, lock, failureOf] = [`${name}:answer`, `${name}:lock`, (token: string): string => `${name}:failed:${token}`];
    const token = Buffer.from(world.random(16)).toString('hex');
    const until = world.monotonic() + PATIENCE_MS;
    for (let holder = token; world.monotonic() < until; await later(LOOK_EVERY_MS)) {
      const [kind, text = ''] = await connection.command('EVAL', JOIN, '3', answer, lock, failureOf(holder), token, String(LOCK_MS)) as [string, string?];
      if (kind === 'done') return text;
      if (kind === 'failed') throw new OnceFailed(text);
      if (kind === 'yours') return work();
      holder = text;
    }
    throw new StoreUnavailable('another host was at it for too long');

    async function work(): Promise<string> {
      const publish = (at: string, text: string, ms: number): Promise<unknown> => connection.command('EVAL', PUBLISH, '2', lock, at, token, text, milliseconds(ms)).catch(() => undefined);
      const stop = renewing(lock, token);
      try {
        const text = await compute();
        // Another's, if it took over meanwhile.
        return await publish(answer, text, Math.max(keepMs, SEEN_MS)) === 0 ? String(await connection.command('GET', answer).catch(() => null) ?? text) : text;
      } catch (error) {
        await publish(failureOf(token), reasonOf(error), SEEN_MS);
        throw error;
      } finally { stop(); }
    }
  }

  function renewing(lock: string, token: string): () => void {
    let callOff = (): void => undefined;
    let stopped = false;
    const arm = (): void => {
      callOff = world.after(RENEW_MS, () => {
        connection.command('EVAL', RENEW, '1', lock, token, String(LOCK_MS)).catch(() => undefined).finally(() => { if (!stopped) arm(); });
      });
    };
    arm();
    return () => {
      stopped = true;
      callOff();
    };
  }

  return {
    run: (key, keepMs, compute) => together.run(key, () => run(`${prefix(scope)}once:${digest(key)}`, keepMs, compute)),
    claim: async (key, ttlMs) => await connection.command('SET', `${prefix(scope)}claim:${digest(key)}`, '1', 'NX', 'PX', milliseconds(ttlMs)) === 'OK',
    claimed: async (key) => await connection.command('EXISTS', `${prefix(scope)}claim:${digest(key)}`) === 1,
  };
}
