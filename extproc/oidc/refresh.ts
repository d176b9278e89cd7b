// What tokens make of a session, and how it gets new ones: once for all requests that find them over, in whatever process.
import { createHash } from 'node:crypto';
import type { OidcContext } from './context.ts';
import { needsAccessToken } from './identity.ts';
import { ProviderError, type Tokens } from './provider.ts';
import type { Facts } from './request.ts';
import { open, seal } from './sealed.ts';
import { type Session, newSessionId } from './session.ts';

/** What came of a refresh is good for so long: requests that were on their way with the tokens of before get the new ones, too, for a refresh token may be good for one use; and who did not answer is not asked again before. */
const KEPT_MS = 60_000;
/** Before its end by so much, and by a tenth of its life at most, a token is over: it must still be good when it arrives. */
const EARLY_MS = 5_000;

type Lasting = Tokens & { readonly expiresInMs: number };

export function newSession(tokens: Lasting, { policy, world }: OidcContext): Session {
  const now = world.now();
  const { sub, sid } = tokens.claims;
  return {
    id: newSessionId(world), sub: String(sub), ...(typeof sid === 'string' ? { sid } : {}),
    ...ofTokens(tokens, { refreshToken: undefined }, { policy, world }), begun: now, seen: now,
  };
}

function ofTokens(tokens: Lasting, before: { readonly refreshToken?: string | undefined }, { policy, world }: Pick<OidcContext, 'policy' | 'world'>) {
  const now = world.now();
  const { idToken, claims, accessToken, expiresInMs } = tokens;
  const { acr, auth_time } = claims;
  const refreshToken = policy.refresh ? tokens.refreshToken ?? before.refreshToken : undefined;
  return {
    idToken, claims,
    ...(typeof acr === 'string' ? { acr } : {}), ...(typeof auth_time === 'number' ? { authenticated: auth_time * 1000 } : {}),
    ...(needsAccessToken(policy) ? { accessToken } : {}),
    ...(refreshToken === undefined ? {} : { refreshToken, refreshExpires: now + policy.defaultRefreshTokenMs }),
    tokensExpire: now + expiresInMs - Math.min(EARLY_MS, expiresInMs / 10),
  };
}

/** The session with tokens that are good; the same object where they are; undefined: it is over. */
export async function fresh(session: Session, facts: Facts, context: OidcContext): Promise<Session | undefined> {
  const { policy, world, once, ring, sessions } = context;
  const now = world.now();
  if (now < session.tokensExpire) return session;
  const { refreshToken, refreshExpires } = session;
  if (!policy.refresh || refreshToken === undefined || (refreshExpires !== undefined && now >= refreshExpires)) return undefined;
  const key = `refresh:${policy.scope}:${createHash('sha256').update(refreshToken).digest('base64url')}`;
  const answer = await once.run(key, KEPT_MS, async () => seal(ring(), 'refresh', policy.scope, { ...await refresh(session, refreshToken, facts, context), key }, now + 2 * KEPT_MS));
  const read = await open(ring(), 'refresh', policy.scope, answer, world.now()) as (Refreshed & { readonly key: string }) | undefined;
  // It comes from where others may write: it is ours only if it says so under the seal.
  const opened = read?.key === key ? read : undefined;
  switch (opened?.kind) {
    case 'new': return { ...session, ...opened.tokens };
    // Nobody says that it is over: it goes on.
    case 'later': return { ...session, tokensExpire: world.now() + KEPT_MS };
    default: {
      // Somebody else may have refreshed it where it is kept.
      const kept = await sessions.read(facts.cookies);
      return kept !== undefined && kept.refreshToken !== refreshToken && world.now() < kept.tokensExpire ? kept : undefined;
    }
  }
}

type Refreshed = { readonly kind: 'new'; readonly tokens: Omit<Session, 'id' | 'sub' | 'sid' | 'begun' | 'seen'> } | { readonly kind: 'later' } | { readonly kind: 'over' };

async function refresh(session: Session, refreshToken: string, { requestId }: Facts, context: OidcContext): Promise<Refreshed> {
  const { policy, provider, tell } = context;
  try {
    const tokens = await provider.refresh(refreshToken, session);
    const expiresInMs = tokens.expiresInMs ?? policy.defaultTokenMs;
    if (expiresInMs <= 0) {
      tell('refresh_failed', { reason: 'token_without_end', requestId });
      return { kind: 'over' };
    }
    tell('refresh');
    return { kind: 'new', tokens: ofTokens({ ...tokens, expiresInMs }, session, context) };
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    tell('refresh_failed', { reason: error.reason, requestId });
    return { kind: error.passing ? 'later' : 'over' };
  }
}
