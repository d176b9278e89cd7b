// A world whose clocks stand still until a test moves them, and policies for it.
import { randomBytes } from 'node:crypto';
import { newSessionId, type Session } from '../../../extproc/oidc/session.ts';
import type { World } from '../../../extproc/world.ts';
import { OidcPolicy } from '../../../policy/oidc.ts';
import { Clock } from '../resolver/clock.ts';

export class HandWorld extends Clock implements World {
  readonly now = (): number => Date.UTC(2026, 0, 1) + this.monotonic();
  readonly random = (bytes: number): Uint8Array => randomBytes(bytes);
  readonly fetch = (): Promise<Response> => Promise.reject(new Error('no network'));
}

export const DAY = 86_400_000;

export function policyWith(more: Partial<Record<keyof OidcPolicy, unknown>> = {}): OidcPolicy {
  return OidcPolicy.parse({
    name: 'default/app', scope: 'abcdefghij', provider: { issuer: 'https://idp.test' }, clientId: 'app', clientAuthentication: { method: 'none' }, scopes: ['openid'],
    redirectUrl: 'https://app.test/callback', callbackPath: '/callback', logoutPath: '/logout', ...more,
  });
}

/** A token of about this many bytes, whose payload has claims. */
export function token(claims: object, bytes = 0): string {
  const text = ['e30', Buffer.from(JSON.stringify(claims)).toString('base64url'), 'c2ln'].join('.');
  return `${text}${'A'.repeat(Math.max(0, bytes - text.length))}`;
}

export function sessionWith(world: Pick<World, 'now' | 'random'>, more: Partial<Session> = {}): Session {
  const now = world.now();
  return { id: newSessionId(world), sub: 'u', idToken: token({ sub: 'u' }), claims: { sub: 'u' }, tokensExpire: now + 300_000, begun: now, seen: now, ...more };
}
