// Codes and refresh tokens for tokens, by openid-client: it speaks to the token endpoint and judges the answer; fetch.ts carries both.
import { type ClientAuth, Configuration, type ServerMetadata, type TokenEndpointResponse, allowInsecureRequests, authorizationCodeGrant, clockTolerance, customFetch, refreshTokenGrant } from 'openid-client';
import { ALGORITHMS } from './verify.ts';
import type { ProviderFetch } from './fetch.ts';
import type { Metadata } from './metadata.ts';
import { InvalidAnswer, ProviderRefused, ProviderUnavailable } from './provider-error.ts';
import type { LoginParameters } from './provider.ts';

export interface Endpoint { readonly metadata: Metadata; readonly clientId: string; readonly authentication: ClientAuth; readonly fetch: ProviderFetch; readonly maxAgeS: number | undefined }
export interface Granted { readonly idToken?: string; readonly accessToken: string; readonly refreshToken?: string; readonly expiresInMs?: number }

/** Longer than any token lives. */
const MOST_EXPIRES_MS = 10 * 365 * 24 * 3_600_000;

/** `callback` has been looked at: openid-client looks again. */
export async function grantCode(endpoint: Endpoint, callback: URLSearchParams, { redirectUri, state, nonce, verifier }: LoginParameters): Promise<Granted> {
  const url = new URL(redirectUri);
  url.search = callback.toString();
  const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true, ...(endpoint.maxAgeS === undefined ? {} : { maxAge: endpoint.maxAgeS }) };
  // The redirect URI is compared as text (RFC 6749 4.1.3): the one that the browser took along, not another spelling of it.
  return granted(() => authorizationCodeGrant(configuration(endpoint, redirectUri), url, checks));
}

export async function grantRefresh(endpoint: Endpoint, refreshToken: string): Promise<Granted> {
  return granted(() => refreshTokenGrant(configuration(endpoint), refreshToken));
}

function configuration({ metadata, clientId, authentication, fetch }: Endpoint, redirectUri?: string): Configuration {
  // Without a list openid-client would take RS256 alone. Whatever is in it, verify.ts takes what only the provider can sign.
  const made = new Configuration({ id_token_signing_alg_values_supported: ALGORITHMS, ...metadata } as ServerMetadata, clientId, { [clockTolerance]: 60 }, (server, client, body, headers) => {
    if (redirectUri !== undefined) body.set('redirect_uri', redirectUri);
    return authentication(server, client, body, headers);
  });
  made.timeout = 0;   // fetch.ts has one
  allowInsecureRequests(made);   // metadata.ts and endpoint.ts have seen to it: loopback alone
  made[customFetch] = (url, { headers, body }) => fetch.post(new URL(url), headers, `${body as URLSearchParams}`);
  return made;
}

async function granted(grant: () => Promise<TokenEndpointResponse>): Promise<Granted> {
  const answer = await grant().catch((error: unknown) => { throw failure(error); });
  const { access_token: accessToken, token_type, id_token: idToken, refresh_token: refreshToken, expires_in } = answer;
  if (token_type !== 'bearer') throw new InvalidAnswer('token_type');
  // RFC 6749 A.12, A.17: what else could be in it would be a header of its own, further on.
  if (![accessToken, refreshToken ?? 'none'].every((token) => /^[\x20-\x7e]+$/.test(token))) throw new InvalidAnswer('token_response');
  return {
    accessToken,
    ...(idToken === undefined ? {} : { idToken }),
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(expires_in === undefined ? {} : { expiresInMs: Math.min(MOST_EXPIRES_MS, expires_in * 1000) }),
  };
}

/** What openid-client throws holds whole answers, tokens and all: nothing of it goes on but a word for what it was. */
function failure(error: unknown): Error {
  const chain: object[] = [];
  for (let each: unknown = error; typeof each === 'object' && each !== null && chain.length < 5; each = 'cause' in each ? each.cause : undefined) chain.push(each);
  const ours = chain.find((each) => each instanceof ProviderUnavailable || each instanceof InvalidAnswer);
  if (ours !== undefined) return ours as Error;
  const all = (name: string): string[] => chain.map((each): unknown => name in each ? each[name as keyof typeof each] : undefined).filter((value) => typeof value === 'string' && value !== '') as string[];
  const [code] = all('code');
  if (code === 'OAUTH_RESPONSE_BODY_ERROR' || code === 'OAUTH_AUTHORIZATION_RESPONSE_ERROR') return new ProviderRefused(all('error')[0] ?? 'unknown', all('error_description')[0]);
  if (code === 'OAUTH_RESPONSE_IS_NOT_CONFORM') return new ProviderUnavailable('http_status');
  const claim = all('claim')[0] ?? all('message').map((message) => /^(?:unexpected )?JWT "(\w+)"/.exec(message)?.[1]).find((name) => name !== undefined);
  if (claim !== undefined) return new InvalidAnswer(`id_token_${claim}`);
  if (code === 'OAUTH_UNSUPPORTED_OPERATION') return new InvalidAnswer('id_token_unsupported');
  if (chain.some((each) => 'header' in each)) return new InvalidAnswer('id_token_alg');
  return new InvalidAnswer(code === 'OAUTH_PARSE_ERROR' ? 'id_token_malformed' : 'token_response');
}
