// Connections to Redis or Valkey: one per URL, for all policies that name it.
import type { Logger } from 'pino';
import type { SessionStore } from '../../policy/oidc.ts';
import type { World } from '../world.ts';

export interface RedisConnection {
  /** Rejects with StoreUnavailable. Arguments as in Redis' command reference. */
  command(...words: string[]): Promise<unknown>;
  /** One of all who were given this connection needs it no more. */
  close(): void;
}

export class RedisConnections {
  constructor(_options: { readonly world: World; readonly log: Pick<Logger, 'info' | 'warn'> }) {}
  /** At once; it connects by itself, again and again. */
  open(_store: SessionStore): RedisConnection { throw new Error('unfinished'); }
}
