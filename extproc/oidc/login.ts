// The way to the provider. Nothing is kept on our side: all that the callback needs is in `state`, sealed, and the browser holds one secret, whose digest is in
// it. So any number of tabs can log in at once, in any order, with one cookie (others pile up a cookie a try).
import { createHash, timingSafeEqual } from 'node:crypto';
import { cookieName } from '../../policy/oidc.ts';
import type { Respond } from '../reply.ts';
import { setCookie } from './cookies.ts';
import type { OidcContext } from './context.ts';
import { onwards, page, redirect } from './pages.ts';
import { type Facts, otherHost, redirectUri } from './request.ts';
import { open, seal } from './sealed.ts';
import { safeDestination, safeReturn } from './return-to.ts';
import { attributesOf } from './store.ts';

/** What travels through the provider. */
export interface LoginState {
  /** One-time: a state is used once. */
  readonly id: string;
  readonly returnTo: string;
  readonly nonce: string;
  /** PKCE (RFC 7636). */
  readonly verifier: string;
  /** Digest of the browser's secret. */
  readonly browser: string;
  /** The callback it was started for. */
  readonly redirectUri: string;
  /** How often it was started anew: a browser without cookies must not go round for ever. */
  readonly attempt: number;
  /** What the login must be good for: the callback may be under another policy of the scope. */
  readonly requiredAcr: readonly string[];
  readonly maxAgeMs?: number;
}

export const MAX_ATTEMPTS = 3;

const SECRET = /^[A-Za-z0-9_-]{43}$/;

export async function startLogin(facts: Facts, context: OidcContext, returnTo: string, attempt = 0): Promise<Respond> {
  const { policy, world, ring, provider } = context;
  const there = otherHost(policy, facts);
  // Its cookies would not be there at the callback. No loop: there it is the right host.
  if (there !== undefined) return redirect(`${there}${safeReturn(returnTo)}`, 'gatewright_oidc_other_host');
  const uri = redirectUri(policy, facts);
  if (uri === undefined) return page('gatewright_oidc_host_invalid', facts, { template: policy.errorPage });
  const name = cookieName('login', policy);
  const known = facts.cookies.get(name);
  const secret = known !== undefined && SECRET.test(known) ? known : text(world.random(32));
  const state: LoginState = { id: text(world.random(16)), returnTo, nonce: text(world.random(32)), verifier: text(world.random(32)), browser: digest(secret), redirectUri: uri, attempt, requiredAcr: policy.requiredAcr, ...(policy.maxAgeMs === undefined ? {} : { maxAgeMs: policy.maxAgeMs }) };
  const url = await provider.authorizationUrl({ redirectUri: uri, nonce: state.nonce, verifier: state.verifier, state: await seal(ring(), 'state', policy.scope, state, world.now() + policy.loginMs) });
  // Again each time, so that it lives as long as this login. Strict would keep it from the callback.
  return redirect(url.href, 'gatewright_oidc_login', [loginCookie(context, secret, policy.loginMs)]);
}

/** The state that a callback brings; undefined: it is not one of ours, or not any more. */
export async function readState(sealed: string, { policy, ring, world }: OidcContext): Promise<LoginState | undefined> {
  return await open(ring(), 'state', policy.scope, sealed, world.now()) as LoginState | undefined;
}

export function sameBrowser({ browser }: LoginState, facts: Facts, { policy }: OidcContext): boolean {
  const secret = facts.cookies.get(cookieName('login', policy));
  if (secret === undefined) return false;
  const [a, b] = [Buffer.from(digest(secret)), Buffer.from(browser)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Back to where the login began. */
export function goOn(path: string, cookies: readonly string[], { policy }: OidcContext): Respond {
  const there = safeDestination(path, policy);
  return policy.cookies.sameSite === 'Strict' ? onwards(there, cookies) : redirect(there, 'gatewright_oidc_logged_in', cookies);
}

export function loginCookie({ policy }: OidcContext, secret: string, maxAgeMs: number): string {
  const attributes = attributesOf(policy);
  return setCookie({ name: cookieName('login', policy), value: secret, maxAgeMs, ...attributes, sameSite: attributes.sameSite === 'Strict' ? 'Lax' : attributes.sameSite });
}

function text(bytes: Uint8Array): string { return Buffer.from(bytes).toString('base64url'); }
function digest(secret: string): string { return createHash('sha256').update(secret).digest('base64url'); }
