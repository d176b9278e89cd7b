// A provider that lies, or somebody between it and us: each lie by itself, and nobody is logged in by it.
import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Provider, Providers } from '../../../extproc/oidc/provider.ts';
import { LIES, type LieName } from '../../oidc/lies.ts';
import { TestProvider } from '../../oidc/provider.ts';
import { LOGIN, callbackOf, clientOf, logIn, outcome, policyFor, providersOf } from './provider-fixture.ts';

let idp: TestProvider;
let providers: Providers;
let provider: Provider;
beforeAll(async () => { idp = await TestProvider.start(); clientOf(idp); });
afterAll(async () => { await idp.stop(); });
beforeEach(async () => {
  idp.tell(undefined);
  ({ providers } = providersOf());
  provider = providers.of(policyFor(idp.issuer));
  return () => providers.close();
});

const AT_LOGIN: readonly (readonly [LieName, string])[] = [
  ['another issuer', 'InvalidAnswer id_token_iss'],
  ['an issuer with one character more', 'InvalidAnswer id_token_iss'],
  ['another audience', 'InvalidAnswer id_token_aud'],
  ['no audience', 'InvalidAnswer id_token_aud'],
  ['several audiences and no azp', 'InvalidAnswer id_token_aud'],
  ['several audiences and the azp of another', 'InvalidAnswer id_token_azp'],
  ['another nonce', 'InvalidAnswer id_token_nonce'],
  ['no nonce', 'InvalidAnswer id_token_nonce'],
  ['expired', 'InvalidAnswer id_token_exp'],
  ['no expiry', 'InvalidAnswer id_token_exp'],
  ['not valid yet', 'InvalidAnswer id_token_nbf'],
  ['issued in the future', 'InvalidAnswer id_token_iat'],
  ['no iat', 'InvalidAnswer id_token_iat'],
  ['no subject', 'InvalidAnswer id_token_sub'],
  ['the hash of another access token', 'InvalidAnswer id_token_at_hash'],
  ['alg none', 'InvalidAnswer id_token_alg'],
  ['HS256 with the public key', 'InvalidAnswer id_token_alg'],
  ['HS256 with the secret of the client', 'InvalidAnswer id_token_alg'],
  ['the signature of another token', 'InvalidAnswer id_token_signature'],
  ['a key that is nowhere', 'InvalidAnswer id_token_key_unknown'],
  ['a critical header', 'InvalidAnswer id_token_unsupported'],
  ['an encrypted ID token', 'InvalidAnswer id_token_unsupported'],
  ['no ID token', 'InvalidAnswer token_response'],
  ['an ID token of a megabyte', 'ProviderUnavailable answer_too_large'],
  ['an access token with a line break', 'InvalidAnswer token_response'],
  ['another type of token', 'InvalidAnswer token_type'],
  ['no iss in the callback', 'InvalidAnswer iss'],
  ['another iss in the callback', 'InvalidAnswer iss'],
  ['another state in the callback', 'InvalidAnswer state'],
  ['another issuer in discovery', 'ProviderUnavailable issuer_mismatch'],
  ['an issuer in discovery with one character more', 'ProviderUnavailable issuer_mismatch'],
  ['a plain token endpoint elsewhere', 'ProviderUnavailable no_token_endpoint'],
  ['a plain authorization endpoint elsewhere', 'ProviderUnavailable no_authorization_endpoint'],
  ['plain keys elsewhere', 'ProviderUnavailable jwks_uri_not_https'],
  ['no expires_in', 'fine'],
];

describe('at the login', () => {
  test.each(AT_LOGIN)('%s: %s', async (lie, expected) => {
    idp.tell(lie);
    expect(await outcome(logIn(provider))).toBe(expected);
  });

  test.each(['alg none', 'HS256 with the public key', 'HS256 with the secret of the client'] as const)('%s, where discovery says that this is usual: refused', async (lie) => {
    idp.lie = { ...LIES[lie], metadata: (document) => ({ ...document, id_token_signing_alg_values_supported: ['none', 'HS256', 'RS256'] }) };
    expect(await outcome(logIn(provider))).toBe('InvalidAnswer id_token_alg');
  });

  test.each(['ES256', 'EdDSA'])('%s, where discovery says nothing of algorithms: fine', async (alg) => {
    idp.lie = { metadata: ({ id_token_signing_alg_values_supported: _, ...document }) => document };
    clientOf(idp, alg, { id_token_signed_response_alg: alg as 'ES256' });
    expect(await outcome(logIn(providers.of(policyFor(idp.issuer, { clientId: alg }))))).toBe('fine');
  });

  test.each([['a login long ago', 'auth_time'], ['no time of the login', 'auth_time']] as const)('%s, where maxAge is set: refused', async (lie, claim) => {
    const strict = providers.of(policyFor(idp.issuer, { maxAgeMs: 3_600_000 }));
    expect(await outcome(logIn(strict))).toBe('fine');
    idp.tell(lie);
    expect(await outcome(logIn(strict))).toBe(`InvalidAnswer id_token_${claim}`);
  });

  test('another acr than one of those required: refused', async () => {
    const strict = providers.of(policyFor(idp.issuer, { requiredAcr: ['urn:test:mfa'], authorizationParameters: { acr_values: 'urn:test:mfa' } }));
    const anything = providers.of(policyFor(idp.issuer, { authorizationParameters: { acr_values: 'urn:test:mfa' } }));
    idp.lie = { claims: (claims) => ({ ...claims, acr: 'urn:test:mfa' }) };
    expect(await outcome(logIn(strict))).toBe('fine');
    for (const acr of ['urn:test:password', undefined, ['urn:test:mfa', 'x']]) {
      idp.lie = { claims: (claims) => ({ ...claims, acr }) };
      expect(await outcome(logIn(strict))).toBe('InvalidAnswer id_token_acr');
      expect(await outcome(logIn(anything))).toBe('fine');
    }
  });
});

const AT_REFRESH: readonly (readonly [LieName, string])[] = [
  ['another subject at refresh', 'InvalidAnswer id_token_sub'],
  ['another nonce at refresh', 'InvalidAnswer id_token_nonce'],
  ['another issuer', 'InvalidAnswer id_token_iss'],
  ['another audience', 'InvalidAnswer id_token_aud'],
  ['expired', 'InvalidAnswer id_token_exp'],
  ['issued in the future', 'InvalidAnswer id_token_iat'],
  ['alg none', 'InvalidAnswer id_token_alg'],
  ['HS256 with the public key', 'InvalidAnswer id_token_alg'],
  ['the signature of another token', 'InvalidAnswer id_token_signature'],
  ['the hash of another access token', 'InvalidAnswer id_token_at_hash'],
  ['no nonce', 'fine'],
  ['no ID token at refresh', 'fine'],
  ['no new refresh token', 'fine'],
];

describe('at a refresh', () => {
  test.each(AT_REFRESH)('%s: %s', async (lie, expected) => {
    const { refreshToken = '', ...tokens } = await logIn(provider);
    idp.tell(lie);
    expect(await outcome(provider.refresh(refreshToken, tokens))).toBe(expected);
  });

  test('another ID token replaces the one of before; none leaves it, and so does the refresh token', async () => {
    const tokens = await logIn(provider);
    const second = await provider.refresh(tokens.refreshToken ?? '', tokens);
    expect(second.refreshToken).not.toBe(tokens.refreshToken);
    expect(second.claims).toMatchObject({ sub: 'alice', groups: ['staff', 'admins'] });
    idp.lie = { tokens: ({ id_token: _, refresh_token: __, ...answer }) => answer };
    const third = await provider.refresh(second.refreshToken ?? '', second);
    expect(third).toMatchObject({ idToken: second.idToken, claims: second.claims, refreshToken: second.refreshToken });
    expect(third.accessToken).not.toBe(second.accessToken);
  });

  test('a refresh token that was used already: the provider says no', async () => {
    const tokens = await logIn(provider);
    await provider.refresh(tokens.refreshToken ?? '', tokens);
    expect(await outcome(provider.refresh(tokens.refreshToken ?? '', tokens))).toBe('ProviderRefused invalid_grant');
  });
});

describe('a refresh where an acr is required', () => {
  test.each([['another one', 'urn:test:password', 'InvalidAnswer id_token_acr'], ['the same', 'urn:test:mfa', 'fine'], ['none: that of the login counts', undefined, 'fine']])('%s', async (_, acr, expected) => {
    const strict = providers.of(policyFor(idp.issuer, { requiredAcr: ['urn:test:mfa'] }));
    idp.lie = { claims: (claims, refresh) => ({ ...claims, acr: refresh ? acr : 'urn:test:mfa' }) };
    const { refreshToken = '', ...tokens } = await logIn(strict);
    expect(await outcome(strict.refresh(refreshToken, tokens))).toBe(expected);
  });
});

describe('the query of the callback', () => {
  test.each([
    ['no code', (query: URLSearchParams) => query.delete('code'), 'InvalidAnswer code_missing'],
    ['two codes', (query: URLSearchParams) => query.append('code', 'another'), 'InvalidAnswer callback_repeats'],
    ['two states', (query: URLSearchParams) => query.append('state', LOGIN.state), 'InvalidAnswer callback_repeats'],
    ['two issuers', (query: URLSearchParams) => query.append('iss', idp.issuer), 'InvalidAnswer callback_repeats'],
    ['no state', (query: URLSearchParams) => query.delete('state'), 'InvalidAnswer state'],
    ['an error', (query: URLSearchParams) => query.set('error', 'access_denied'), 'ProviderRefused access_denied'],
    ['an error of another issuer', (query: URLSearchParams) => { query.set('error', 'access_denied'); query.set('iss', 'https://evil.example.com'); }, 'InvalidAnswer iss'],
    ['an error of another login', (query: URLSearchParams) => { query.set('error', 'access_denied'); query.set('state', 'x'); }, 'InvalidAnswer state'],
    ['a code that the provider did not make', (query: URLSearchParams) => query.set('code', 'x'), 'ProviderRefused invalid_grant'],
    ['tokens beside the code', (query: URLSearchParams) => query.set('id_token', 'x'), 'InvalidAnswer callback_of_another_flow'],
  ] as const)('%s', async (_, change, expected) => {
    const query = new URLSearchParams({ code: 'c', state: LOGIN.state, iss: idp.issuer });
    change(query);
    const before = idp.asked('token');
    expect(await outcome(provider.exchange(query, LOGIN))).toBe(expected);
    expect(idp.asked('token') - before).toBe(expected === 'ProviderRefused invalid_grant' ? 1 : 0);
  });

  test('a provider that does not say that it names itself need not; where it does, it is compared all the same', async () => {
    idp.lie = { metadata: ({ authorization_response_iss_parameter_supported: _, ...document }) => document, callback: (url) => url.searchParams.delete('iss') };
    expect(await outcome(logIn(provider))).toBe('fine');
    idp.lie = { callback: (url) => url.searchParams.set('iss', 'https://evil.example.com') };
    expect(await outcome(logIn(provider))).toBe('InvalidAnswer iss');
  });

  test('another verifier than the one of the login: the provider says no', async () => {
    const url = await provider.authorizationUrl(LOGIN);
    expect(await outcome(provider.exchange(await callbackOf(url), { ...LOGIN, verifier: 'w'.repeat(43) }))).toBe('ProviderRefused invalid_grant');
  });

  test('what the provider says of an error is short, and harmless to show', async () => {
    const query = new URLSearchParams({ error: 'x\u0000y', error_description: `a\r\nb\u202e\u001b[31m${'é'.repeat(1000)}`, state: LOGIN.state, iss: idp.issuer });
    const error = await provider.exchange(query, LOGIN).catch((thrown: unknown) => thrown as { readonly code: string; readonly description: string });
    expect(error).toMatchObject({ code: 'x y' });
    const { description = '' } = error as { readonly description?: string };
    expect(description).toMatch(/^a b \[31mé+$/);
    expect(description.length).toBe(300);
  });
});

test('no error holds a token, a code or a secret', async () => {
  for (const lie of [...AT_LOGIN.map(([name]) => name), 'another acr'] as LieName[]) {
    idp.tell(lie);
    const query = await provider.authorizationUrl(LOGIN).then((url) => callbackOf(url)).catch(() => new URLSearchParams());
    const error = await provider.exchange(query, LOGIN).catch((thrown: unknown) => thrown);
    const said = inspect(error, { depth: 20, showHidden: true });
    for (const secret of [query.get('code') ?? 'eyJ', 'eyJ', 'a-secret-of-the-tests', LOGIN.verifier]) if (error instanceof Error) expect(said).not.toContain(secret);
  }
});
