// Sessions in Redis or Valkey. The browser holds a random id; the store a session, sealed, under the id's digest: who can read the store can neither use it nor read it.
import { createHash } from 'node:crypto';
import { cookieName, type OidcPolicy } from '../../policy/oidc.ts';
import type { World } from '../world.ts';
import { setCookie } from './cookies.ts';
import type { KeyRing } from './keyring.ts';
import type { RedisConnection } from './redis-connection.ts';
import { open, seal } from './sealed.ts';
import { alive, endsAt, packed, unpacked } from './session.ts';
import { attributesOf, leftOver, SessionEnded, type Sessions } from './store.ts';

const ID = /^[A-Za-z0-9_-]{43}$/;

/** What is kept: when its tokens end, in the clear for WRITE to compare, and the seal. */
const KEPT = /^(\d+):(.+)$/s;

// KEYS: session, of the subject, of the provider's session or of the subject without one, the session before. ARGV: NX (a login) or XX, value, tokensExpire, TTL, end, now.
// A session that has ended is not written again. One that has later tokens by now keeps them: the tokens of a request that was slow may be used up.
const WRITE = `
local before = redis.call('GET', KEYS[1])
if (ARGV[1] == 'XX') ~= (before ~= false) then return 0 end
if before and tonumber(string.match(before, '^%d+')) > tonumber(ARGV[3]) then return 1 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])
if KEYS[4] then redis.call('DEL', KEYS[4]) end
for i = 2, 3 do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', ARGV[6])
  redis.call('ZADD', KEYS[i], ARGV[5], KEYS[1])
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
end
return 1`;

// KEYS: what is there once it was done, lists of sessions. ARGV: TTL of the former.
const END_ALL = `
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return -1 end
local ended = 0
for i = 2, #KEYS do
  local list = KEYS[i]
  for _, session in ipairs(redis.call('ZRANGE', list, 0, -1)) do ended = ended + redis.call('DEL', session) end
  redis.call('DEL', list)
end
return ended`;

export function redisSessions(connection: RedisConnection, ring: () => KeyRing, policy: OidcPolicy, world: Pick<World, 'now'>): Sessions {
  const { scope } = policy;
  const name = cookieName('session', policy);
  const attributes = attributesOf(policy);
  const key = (kind: 'session' | 'sub' | 'sid' | 'sub-without-sid' | 'first', of: string): string => `${prefix(scope)}${kind}:${digest(of)}`;
  const idIn = (cookies: ReadonlyMap<string, string>): string | undefined => {
    const id = cookies.get(name);
    return id !== undefined && ID.test(id) ? id : undefined;
  };
  return {
    async read(cookies) {
      const id = idIn(cookies);
      if (id === undefined) return undefined;
      const [, , sealed] = KEPT.exec(String(await connection.command('GET', key('session', id)) ?? '')) ?? [];
      const session = sealed === undefined ? undefined : unpacked(await open(ring(), 'stored', scope, sealed, world.now()));
      // Who can write in the store must not be able to swap sessions.
      return session !== undefined && session.id === id && alive(session, policy, world.now()) ? session : undefined;
    },
    async write(session, had) {
      const now = world.now();
      const end = endsAt(session, policy);
      const ttl = Math.floor(end - now);
      if (ttl <= 0) throw new SessionEnded('its lifetime is over');
      const value = `${Math.floor(session.tokensExpire)}:${await seal(ring(), 'stored', scope, packed(session), end)}`;
      const before = idIn(had);
      const keys = [
        key('session', session.id), key('sub', session.sub), session.sid === undefined ? key('sub-without-sid', session.sub) : key('sid', session.sid),
        ...(before === undefined || before === session.id ? [] : [key('session', before)]),
      ];
      const login = before !== session.id;
      const written = await connection.command('EVAL', WRITE, String(keys.length), ...keys, login ? 'NX' : 'XX', value, String(Math.floor(session.tokensExpire)), String(ttl), String(Math.floor(end)), String(now));
      if (written !== 1) throw new SessionEnded('it has ended meanwhile');
      return [setCookie({ name, value: session.id, maxAgeMs: ttl, ...attributes }), ...leftOver(name, had, 1, attributes)];
    },
    async end(session, had) {
      const ids = new Set([session?.id, idIn(had)].filter((id) => id !== undefined));
      if (ids.size > 0) await connection.command('DEL', ...[...ids].map((id) => key('session', id)));
      return leftOver(name, had, 0, attributes);
    },
    async endAll({ sub, sid }, once) {
      // A provider may name its session in logout tokens and not in ID tokens: then it is any of the subject's that have no name.
      const lists = [...(sid !== undefined ? [key('sid', sid)] : sub !== undefined ? [key('sub', sub)] : []), ...(sub !== undefined ? [key('sub-without-sid', sub)] : [])];
      const ended = Number(await connection.command('EVAL', END_ALL, String(1 + lists.length), key('first', once.key), ...lists, String(Math.max(1, Math.ceil(once.ttlMs)))));
      return ended < 0 ? undefined : ended;
    },
  };
}

/** The braces keep what belongs together on one node of a cluster. */
export function prefix(scope: string): string { return `gatewright:{${scope}}:`; }
export function digest(text: string): string { return createHash('sha256').update(text).digest('base64url'); }
