// The login in one process of the ext_proc service: what all its policies share.
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Counter, type Registry } from 'prom-client';
import type { Authorizer } from '../extproc/processor.ts';
import { KeyRing, type KeyRingData } from '../extproc/oidc/keyring.ts';
import { onceBy } from '../extproc/oidc/once.ts';
import { oidcProcessor } from '../extproc/oidc/processor.ts';
import { Providers } from '../extproc/oidc/provider.ts';
import { RedisConnections } from '../extproc/oidc/redis-connection.ts';
import { redisOnce } from '../extproc/oidc/redis-once.ts';
import { redisSessions } from '../extproc/oidc/redis-store.ts';
import { cookieSessions } from '../extproc/oidc/store.ts';
import type { World } from '../extproc/world.ts';
import { stateFolder } from './session-keys.ts';

export interface Login {
  readonly processor: Authorizer<any>;
  /** Before the first request, and whenever the ring has a new key. */
  learn(keys: KeyRingData): Promise<void>;
}

/** `ask`: the process in charge, which says whose turn a refresh is. */
export function login({ world, log, registry, env, ask }: { readonly world: World; readonly log: Logger; readonly registry: Registry; readonly env: NodeJS.ProcessEnv; readonly ask: (question: unknown) => Promise<unknown> }): Login {
  let ring: KeyRing | undefined;
  const keys = (): KeyRing => {
    if (ring === undefined) throw new Error('a request before the key ring');
    return ring;
  };
  const events = new Counter({ name: 'gatewright_oidc_events_total', help: 'Logins, refreshes and logouts, and why they failed', labelNames: ['event', 'reason', 'policy'], registers: [registry] });
  const providers = new Providers({ world, folder: join(stateFolder(env), 'oidc'), log });
  const here = onceBy(ask);
  const redis = new RedisConnections({ world, log });
  return {
    processor: oidcProcessor({
      ring: keys, world,
      provider: (policy) => providers.of(policy),
      sessions: (policy) => policy.session.store === undefined ? cookieSessions(keys, policy, world) : redisSessions(redis.to(policy.session.store), keys, policy, world),
      once: (policy) => policy.session.store === undefined ? here : redisOnce(redis.to(policy.session.store), policy.scope, world),
      tell: ({ name }, event, { reason = '', requestId } = {}) => {
        events.inc({ event, reason, policy: name });
        if (reason !== '') log.warn({ policy: name, reason, request_id: requestId }, `oidc: ${event}`);
      },
    }),
    async learn(data) { ring = await KeyRing.of(data); },
  };
}
