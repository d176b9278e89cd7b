// A login that lasts: the data, and how long it lasts.
import { z } from 'zod';
import type { OidcPolicy } from '../../policy/oidc.ts';
import type { World } from '../world.ts';

const instant = z.number();

const Session = z.object({
  /** 256 random bits, new at each login (`newSessionId`). In store mode it is what the browser holds. */
  id: z.string().min(1),
  sub: z.string(),
  sid: z.string().exactOptional(),
  idToken: z.string(),
  claims: z.record(z.string(), z.unknown()),
  accessToken: z.string().exactOptional(),
  refreshToken: z.string().exactOptional(),
  /** Milliseconds since the epoch: when a refresh is due. */
  tokensExpire: instant,
  refreshExpires: instant.exactOptional(),
  begun: instant,
  /** For the idle lifetime. */
  seen: instant,
}).readonly();
export type Session = z.infer<typeof Session>;

export function newSessionId(world: Pick<World, 'random'>): string { return Buffer.from(world.random(32)).toString('base64url'); }

/** When it is over: the absolute lifetime, or the idle one if that is shorter. */
export function endsAt({ begun, seen }: Pick<Session, 'begun' | 'seen'>, { session: { absoluteMs, idleMs } }: Pick<OidcPolicy, 'session'>): number {
  return Math.min(begun + absoluteMs, idleMs === 0 ? Infinity : seen + idleMs);
}

export function alive(session: Pick<Session, 'begun' | 'seen'>, policy: Pick<OidcPolicy, 'session'>, now: number): boolean { return now < endsAt(session, policy); }

/** What is sealed. Claims that are those of the ID token, as they mostly are, need not be there twice: a cookie holds little. */
export function packed(session: Session): object {
  const { claims, ...rest } = session;
  return JSON.stringify(claims) === JSON.stringify(payloadOf(session.idToken)) ? rest : session;
}

/** Undefined: not a session. */
export function unpacked(record: Readonly<Record<string, unknown>> | undefined): Session | undefined {
  if (record === undefined) return undefined;
  const { success, data } = Session.safeParse('claims' in record ? record : { ...record, claims: payloadOf(record['idToken']) });
  return success ? data : undefined;
}

function payloadOf(token: unknown): unknown {
  if (typeof token !== 'string') return undefined;
  try { return JSON.parse(Buffer.from(token.split('.', 2)[1] ?? '', 'base64url').toString()); } catch { return undefined; }
}
