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
  /** How well, and when, the person showed who it is; policies of one scope may ask for more or less. */
  acr: z.string().exactOptional(),
  authenticated: instant.exactOptional(),
}).readonly();
export type Session = z.infer<typeof Session>;

export function newSessionId(world: Pick<World, 'random'>): string { return Buffer.from(world.random(32)).toString('base64url'); }

/** When it is over: the absolute lifetime, or the idle one if that is shorter. */
export function endsAt({ begun, seen }: Pick<Session, 'begun' | 'seen'>, { session: { absoluteMs, idleMs } }: Pick<OidcPolicy, 'session'>): number {
  return Math.min(begun + absoluteMs, idleMs === 0 ? Infinity : seen + idleMs);
}

export function alive(session: Pick<Session, 'begun' | 'seen'>, policy: Pick<OidcPolicy, 'session'>, now: number): boolean { return now < endsAt(session, policy); }

/** Of clocks that differ (verify.ts), and of the way from the check of a login to its session. */
const SLACK_MS = 90_000;

/** Whether its login is good enough for a policy, whatever policy it began under. */
export function suffices({ acr, authenticated, begun }: Pick<Session, 'acr' | 'authenticated' | 'begun'>, { requiredAcr, maxAgeMs }: { readonly requiredAcr: readonly string[]; readonly maxAgeMs?: number | undefined }): boolean {
  if (requiredAcr.length > 0 && (acr === undefined || !requiredAcr.includes(acr))) return false;
  return maxAgeMs === undefined || (authenticated !== undefined && authenticated + maxAgeMs + SLACK_MS >= begun);
}

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
