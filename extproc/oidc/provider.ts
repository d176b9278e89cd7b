// One OpenID provider, as the login sees it: where to send the browser, what its answers are worth.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { canonicalJson } from '../../policy/canonical-json.ts';
import type { ClientAuthentication, OidcPolicy, OidcProvider } from '../../policy/oidc.ts';
import { Secret } from '../../policy/secret.ts';
import { Recent } from '../resolver/recent.ts';
import type { World } from '../world.ts';
import { Discovery } from './discovery.ts';
import { ProviderFetch } from './fetch.ts';
import { OpenIdProvider, type ProviderPolicy, type Source } from './openid-provider.ts';

export { InvalidAnswer, ProviderError, ProviderRefused, ProviderUnavailable } from './provider-error.ts';

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

export interface ProvidersOptions {
  readonly world: World;
  /** Where discovery is kept; undefined: in memory only. */
  readonly folder?: string;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** Policies come and go with every change of theirs. */
const MOST = 1_000;

export class Providers {
  readonly #options: ProvidersOptions;
  readonly #byPolicy = new WeakMap<OidcPolicy, Provider>();
  readonly #providers = new Recent<Provider>(MOST);
  /** Alive as long as a provider is. */
  readonly #sources = new Map<string, WeakRef<Source>>();

  constructor(options: ProvidersOptions) { this.#options = options; }

  /** One for each (issuer, client, settings): equal policies share it. */
  of(policy: OidcPolicy): Provider {
    const known = this.#byPolicy.get(policy);
    if (known !== undefined) return known;
    const { provider, clientId, clientAuthentication, scopes, resources, authorizationParameters, maxAgeMs, requiredAcr } = policy;
    const mine: ProviderPolicy = { provider, clientId, clientAuthentication, scopes, resources, authorizationParameters, maxAgeMs, requiredAcr };
    // Secrets are told apart by their digest alone.
    const id = digest({ ...mine, clientAuthentication: secretsOf(clientAuthentication) });
    let made = this.#providers.get(id);
    if (made === undefined) {
      made = new OpenIdProvider(mine, this.#source(provider), this.#options.world);
      this.#providers.set(id, made);
    }
    this.#byPolicy.set(policy, made);
    return made;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sources.values()].map(async (reference) => {
      const source = reference.deref();
      await source?.discovery.close();
      await source?.fetch.close();
    }));
  }

  #source(provider: OidcProvider): Source {
    const { issuer, connect, timeoutMs, retries } = provider;
    const id = digest({ issuer, connect, timeoutMs, retries });
    const known = this.#sources.get(id)?.deref();
    if (known !== undefined) return known;
    for (const [gone, reference] of this.#sources) if (reference.deref() === undefined) this.#sources.delete(gone);
    const { world, folder, log } = this.#options;
    const fetch = new ProviderFetch(provider, world);
    // Who chooses the addresses and the certificates also chooses what is found there: it is not kept for who goes by the name.
    const file = folder === undefined ? undefined : join(folder, `${digest({ issuer, connect })}.json`);
    const source = { fetch, discovery: new Discovery({ issuer, get: (url) => fetch.get(url), file, world, log }) };
    this.#sources.set(id, new WeakRef(source));
    return source;
  }
}

function secretsOf(authentication: ClientAuthentication): unknown {
  const digested = (value: unknown): unknown => value instanceof Secret ? createHash('sha256').update(value.reveal()).digest('hex') : value;
  return Object.fromEntries(Object.entries(authentication).map(([name, value]) => [name, digested(value)]));
}
function digest(value: unknown): string { return createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 32); }
