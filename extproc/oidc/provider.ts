// One OpenID provider, as the login sees it: where to send the browser, what its answers are worth.
import type { Logger } from 'pino';
import type { OidcPolicy } from '../../policy/oidc.ts';
import type { World } from '../world.ts';

export { InvalidAnswer, ProviderRefused, ProviderUnavailable } from './provider-error.ts';

export interface Tokens {
  readonly idToken: string;
  /** Of the ID token, verified. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly accessToken: string;
  readonly refreshToken?: string;
  readonly expiresInMs?: number;
}

export interface LoginParameters { readonly redirectUri: string; readonly state: string; readonly nonce: string; readonly verifier: string }

export interface LogoutToken { readonly sub?: string; readonly sid?: string; readonly jti: string; /** Milliseconds since the epoch. */ readonly exp: number }

/** Every method fails with ProviderUnavailable, ProviderRefused or InvalidAnswer. */
export interface Provider {
  authorizationUrl(login: LoginParameters): Promise<URL>;
  /** `callback`: the query of the callback. */
  exchange(callback: URLSearchParams, login: LoginParameters): Promise<Tokens>;
  /** An ID token that comes must be of the same sub, iss and aud (OIDC Core 12.2); where none comes, the one of before stays. */
  refresh(refreshToken: string, before: Pick<Tokens, 'idToken' | 'claims'>): Promise<Tokens>;
  /** Undefined: the provider has no end_session_endpoint. */
  endSessionUrl(parameters: { readonly idTokenHint: string; readonly postLogoutRedirectUri?: string }): Promise<URL | undefined>;
  /** OIDC Back-Channel Logout 1.0, 2.6: verified but for the replay of its jti. */
  logoutToken(token: string): Promise<LogoutToken>;
}

export class Providers {
  constructor(_options: { readonly world: World; /** Where discovery is kept; undefined: in memory only. */ readonly folder?: string; readonly log: Pick<Logger, 'info' | 'warn'> }) { /* stub */ }
  /** One for each (issuer, client, settings): equal policies share it. */
  of(_policy: OidcPolicy): Provider { throw new Error('stub'); }
  async close(): Promise<void> { /* stub */ }
}
