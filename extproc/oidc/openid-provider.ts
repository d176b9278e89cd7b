// A provider by OpenID Connect: discovery and endpoints of the policy, the code flow with PKCE, and what is checked on the way back.
import { createHash } from 'node:crypto';
import { calculatePKCECodeChallenge } from 'openid-client';
import type { OidcPolicy } from '../../policy/oidc.ts';
import type { World } from '../world.ts';
import { clientAuth } from './client-auth.ts';
import type { Discovery } from './discovery.ts';
import { endpoint } from './endpoint.ts';
import type { ProviderFetch } from './fetch.ts';
import type { Metadata } from './metadata.ts';
import { InvalidAnswer, ProviderRefused, ProviderUnavailable } from './provider-error.ts';
import type { LoginParameters, LogoutToken, Provider, Tokens } from './provider.ts';
import { type Endpoint, type Granted, grantCode, grantRefresh } from './token-endpoint.ts';
import { type Expected, UnknownKey, verifyLogin, verifyLogout, verifyRefresh } from './verify.ts';

/** Anybody may send one, so nothing is done for one that no provider makes. */
const LONGEST_LOGOUT_TOKEN = 16_384;

export type ProviderPolicy = Pick<OidcPolicy, 'provider' | 'clientId' | 'clientAuthentication' | 'scopes' | 'resources' | 'authorizationParameters' | 'maxAgeMs' | 'requiredAcr'>;

/** Where all that is known of a provider comes from; several policies share it. */
export interface Source { readonly discovery: Discovery; readonly fetch: ProviderFetch }

export class OpenIdProvider implements Provider {
  readonly #policy: ProviderPolicy;
  readonly #source: Source;
  readonly #world: Pick<World, 'now'>;

  constructor(policy: ProviderPolicy, source: Source, world: Pick<World, 'now'>) {
    this.#policy = policy;
    this.#source = source;
    this.#world = world;
  }

  async authorizationUrl({ redirectUri, state, nonce, verifier }: LoginParameters): Promise<URL> {
    const { clientId, scopes, resources, authorizationParameters } = this.#policy;
    const url = required('authorization_endpoint', await this.#metadata());
    await this.#source.discovery.there();
    // Ours last: no setting takes the place of one.
    const parameters: Readonly<Record<string, string>> = {
      ...authorizationParameters,
      ...(this.#maxAgeS === undefined ? {} : { max_age: `${this.#maxAgeS}` }),
      response_type: 'code', client_id: clientId, redirect_uri: redirectUri, scope: scopes.join(' '), state, nonce,
      code_challenge: await calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    for (const resource of resources) url.searchParams.append('resource', resource);
    return url;
  }

  async exchange(callback: URLSearchParams, login: LoginParameters): Promise<Tokens> {
    const metadata = await this.#metadata();
    checkCallback(callback, login.state, metadata);
    const { idToken, ...granted } = await grantCode(await this.#endpoint(metadata), callback, login);
    if (idToken === undefined) throw new InvalidAnswer('id_token_missing');
    const { requiredAcr: acr } = this.#policy;
    return { ...granted, idToken, claims: await this.#verified((expected) => verifyLogin(idToken, { ...expected, nonce: login.nonce, accessToken: granted.accessToken, maxAgeS: this.#maxAgeS, acr })) };
  }

  async refresh(refreshToken: string, before: Pick<Tokens, 'idToken' | 'claims'>): Promise<Tokens> {
    const { idToken, ...granted }: Granted = { refreshToken, ...await grantRefresh(await this.#endpoint(await this.#metadata()), refreshToken) };
    if (idToken === undefined) return { ...granted, idToken: before.idToken, claims: before.claims };
    return { ...granted, idToken, claims: await this.#verified((expected) => verifyRefresh(idToken, { ...expected, before: before.claims, accessToken: granted.accessToken, acr: this.#policy.requiredAcr })) };
  }

  async endSessionUrl({ idTokenHint, postLogoutRedirectUri }: { readonly idTokenHint: string; readonly postLogoutRedirectUri?: string }): Promise<URL | undefined> {
    const { authorizationEndpoint, tokenEndpoint, endSessionEndpoint } = this.#policy.provider;
    // As Envoy Gateway: an endpoint that was left out beside the other two is left out on purpose.
    const found = endSessionEndpoint ?? (authorizationEndpoint !== undefined && tokenEndpoint !== undefined ? undefined : (await this.#source.discovery.metadata()).end_session_endpoint);
    const url = endpoint(found);
    if (url === undefined) return undefined;
    url.searchParams.set('id_token_hint', idTokenHint);
    url.searchParams.set('client_id', this.#policy.clientId);
    if (postLogoutRedirectUri !== undefined) url.searchParams.set('post_logout_redirect_uri', postLogoutRedirectUri);
    return url;
  }

  async logoutToken(token: string): Promise<LogoutToken> {
    if (token.length > LONGEST_LOGOUT_TOKEN) throw new InvalidAnswer('logout_token_too_large');
    return this.#verified((expected) => verifyLogout(token, expected));
  }

  get #maxAgeS(): number | undefined { return this.#policy.maxAgeMs === undefined ? undefined : Math.floor(this.#policy.maxAgeMs / 1000); }

  /** What is given is not discovered; but without the keys, which only discovery tells, no login begins: it could not end well. */
  async #metadata(): Promise<Metadata> {
    const { authorizationEndpoint, tokenEndpoint } = this.#policy.provider;
    const given = { ...(authorizationEndpoint === undefined ? {} : { authorization_endpoint: authorizationEndpoint }), ...(tokenEndpoint === undefined ? {} : { token_endpoint: tokenEndpoint }) };
    return { ...await this.#source.discovery.metadata(), ...given };
  }

  async #endpoint(metadata: Metadata): Promise<Endpoint> {
    required('token_endpoint', metadata);
    return { metadata, clientId: this.#policy.clientId, authentication: await clientAuth(this.#policy.clientAuthentication), fetch: this.#source.fetch, maxAgeS: this.#maxAgeS };
  }

  /** Once more with newer keys, where none fits. */
  async #verified<T>(verify: (expected: Expected) => Promise<T>): Promise<T> {
    const { provider: { issuer }, clientId } = this.#policy;
    const keys = await this.#source.discovery.keys();
    const expected = { issuer, clientId, now: this.#world.now() };
    try {
      return await verify({ ...expected, find: keys.find });
    } catch (error) {
      if (!(error instanceof UnknownKey)) throw error;
      return verify({ ...expected, find: (await this.#source.discovery.newerKeys(keys)).find });
    }
  }
}

/** A provider may name no endpoint, or one that we do not go to. */
function required(name: 'authorization_endpoint' | 'token_endpoint', metadata: Metadata): URL {
  const url = endpoint(metadata[name]);
  if (url === undefined) throw new ProviderUnavailable(`no_${name}`, 'it is https, or http on loopback');
  return url;
}

/** RFC 6749 4.1.2, RFC 9207. Who sent the browser here is known before anything else in it counts. */
function checkCallback(callback: URLSearchParams, state: string, metadata: Metadata): void {
  for (const name of ['state', 'iss', 'code', 'error', 'error_description']) if (callback.getAll(name).length > 1) throw new InvalidAnswer('callback_repeats');
  if (digest(callback.get('state') ?? '') !== digest(state) || state === '') throw new InvalidAnswer('state');
  const iss = callback.get('iss');
  if (iss === null ? metadata.authorization_response_iss_parameter_supported === true : iss !== metadata.issuer) throw new InvalidAnswer('iss');
  if (['id_token', 'access_token', 'token', 'response'].some((name) => callback.has(name))) throw new InvalidAnswer('callback_of_another_flow');
  const error = callback.get('error');
  if (error !== null) throw new ProviderRefused(error, callback.get('error_description') ?? undefined);
  if ((callback.get('code') ?? '') === '') throw new InvalidAnswer('code_missing');
}
/** Compared by digest, no time tells how much of it was right. */
function digest(text: string): string { return createHash('sha256').update(text).digest('hex'); }
