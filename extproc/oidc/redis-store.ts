// Sessions in Redis or Valkey: the browser holds a random id, the store a sealed session under the id's digest.
import type { OidcPolicy, SessionStore } from '../../policy/oidc.ts';
import type { World } from '../world.ts';
import type { KeyRing } from './keyring.ts';
import type { Once } from './once.ts';
import type { RedisConnection } from './redis-connection.ts';
import type { Sessions } from './store.ts';

export function redisSessions(_connection: RedisConnection, _ring: () => KeyRing, _policy: OidcPolicy, _world: World): Sessions { throw new Error(`unfinished ${JSON.stringify({} as SessionStore)}`); }
export function redisOnce(_connection: RedisConnection, _scope: string, _world: World): Once { throw new Error('unfinished'); }
