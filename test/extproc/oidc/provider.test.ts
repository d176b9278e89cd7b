// A provider as the login sees it, against a real one: where the browser is sent, how the token endpoint knows us, keys that change.
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Provider, Providers } from '../../../extproc/oidc/provider.ts';
import type { ClientAuthentication } from '../../../policy/oidc.ts';
import { Secret } from '../../../policy/secret.ts';
import { TestProvider } from '../../oidc/provider.ts';
import { LOGIN, type Logged, type More, callbackOf, clientOf, logIn, outcome, policyFor, providersOf } from './provider-fixture.ts';
import { Listener } from './listener.ts';

let idp: TestProvider;
let providers: Providers;
let provider: Provider;
let logged: Logged[];
beforeAll(async () => { idp = await TestProvider.start(); clientOf(idp); });
afterAll(async () => { await idp.stop(); });
beforeEach(async () => {
  idp.tell(undefined);
  idp.faults.clear();
  ({ providers, logged } = providersOf());
  provider = providers.of(policyFor(idp.issuer));
  return () => providers.close();
});

describe('where the browser is sent', () => {
  const sent = async (more: More): Promise<URL> => providers.of(policyFor(idp.issuer, more)).authorizationUrl(LOGIN);

  test('with PKCE by S256, state, nonce, and nothing that is secret', async () => {
    const url = await provider.authorizationUrl(LOGIN);
    expect(`${url.origin}${url.pathname}`).toBe(`${idp.issuer}/auth`);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      response_type: 'code', client_id: 'app', redirect_uri: LOGIN.redirectUri, scope: 'openid email groups', state: LOGIN.state, nonce: LOGIN.nonce,
      code_challenge: '7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM', code_challenge_method: 'S256',
    });
  });

  test.each<readonly [string, More, string, readonly string[]]>([
    ['resources', { resources: ['https://a.test', 'https://b.test'] }, 'resource', ['https://a.test', 'https://b.test']],
    ['max_age, in seconds', { maxAgeMs: 90_500 }, 'max_age', ['90']],
    ['max_age 0', { maxAgeMs: 0 }, 'max_age', ['0']],
    ['more parameters', { authorizationParameters: { prompt: 'login', acr_values: 'a b' } }, 'acr_values', ['a b']],
    ['no state of the policy', { authorizationParameters: { state: 'fixed' } }, 'state', [LOGIN.state]],
    ['no nonce of the policy', { authorizationParameters: { nonce: 'fixed' } }, 'nonce', [LOGIN.nonce]],
    ['no challenge of the policy', { authorizationParameters: { code_challenge_method: 'plain' } }, 'code_challenge_method', ['S256']],
    ['no other answer than a code', { authorizationParameters: { response_type: 'token' } }, 'response_type', ['code']],
    ['no redirect of the policy', { authorizationParameters: { redirect_uri: 'https://evil.test' } }, 'redirect_uri', [LOGIN.redirectUri]],
    ['what the endpoint says itself', { provider: { authorizationEndpoint: 'https://login.test/auth?p=tenant&state=fixed' } }, 'p', ['tenant']],
    ['one state alone', { provider: { authorizationEndpoint: 'https://login.test/auth?p=tenant&state=fixed' } }, 'state', [LOGIN.state]],
  ])('%s', async (_, more, name, values) => { expect((await sent(more)).searchParams.getAll(name)).toEqual(values); });

  test('endpoints of the policy are taken before those that are discovered, and are https but on this machine', async () => {
    expect((await sent({ provider: { authorizationEndpoint: 'https://login.test/auth' } })).host).toBe('login.test');
    expect(await outcome(sent({ provider: { authorizationEndpoint: 'http://login.test/auth' } }))).toBe('ProviderUnavailable no_authorization_endpoint');
    expect(await outcome(sent({ provider: { authorizationEndpoint: 'javascript:alert(1)' } }))).toBe('ProviderUnavailable no_authorization_endpoint');
    const plain = providers.of(policyFor(idp.issuer, { provider: { tokenEndpoint: 'http://tokens.test/token' } }));
    expect(await outcome(plain.exchange(new URLSearchParams({ code: 'c', state: LOGIN.state, iss: idp.issuer }), LOGIN))).toBe('ProviderUnavailable no_token_endpoint');
  });

  test('with endpoints of the policy alone, but no keys to be had: no login begins', async () => {
    const nowhere = await Listener.start((_, socket) => socket.destroy());
    const policy = policyFor(`http://127.0.0.1:${nowhere.port}`, { provider: { authorizationEndpoint: `${idp.issuer}/auth`, tokenEndpoint: `${idp.issuer}/token`, retries: 0 } });
    expect(await outcome(providers.of(policy).authorizationUrl(LOGIN))).toBe('ProviderUnavailable connection_lost');
    await nowhere.close();
  });
});

describe('how the token endpoint knows us', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const ed25519 = generateKeyPairSync('ed25519');
  const pem = (key: typeof rsa.privateKey, type: 'pkcs8' | 'pkcs1' | 'sec1' = 'pkcs8'): Secret => new Secret(key.export({ type: type as 'pkcs8', format: 'pem' }).toString());
  const secret = new Secret('a-secret-of-the-tests');
  let clients = 0;
  const odd = 'p%: +/&=~-._*"';

  test.each<readonly [string, ClientAuthentication, Parameters<typeof clientOf>[2]]>([
    ['by its secret, in the header', { method: 'client_secret_basic', secret }, {}],
    ['by a secret with every odd character, in the header', { method: 'client_secret_basic', secret: new Secret(odd) }, { client_secret: odd }],
    ['by its secret, in the body', { method: 'client_secret_post', secret }, { token_endpoint_auth_method: 'client_secret_post' }],
    ['by a secret with every odd character, in the body', { method: 'client_secret_post', secret: new Secret(odd) }, { token_endpoint_auth_method: 'client_secret_post', client_secret: odd }],
    ['by nothing', { method: 'none' }, { token_endpoint_auth_method: 'none' }],
    ['by an RSA key', { method: 'private_key_jwt', key: pem(rsa.privateKey), algorithm: 'RS256' }, { jwks: { keys: [rsa.publicKey.export({ format: 'jwk' })] } }],
    ['by an RSA key in PKCS #1', { method: 'private_key_jwt', key: pem(rsa.privateKey, 'pkcs1'), algorithm: 'RS256' }, { jwks: { keys: [rsa.publicKey.export({ format: 'jwk' })] } }],
    ['by an RSA key, PSS', { method: 'private_key_jwt', key: pem(rsa.privateKey), algorithm: 'PS256' }, { jwks: { keys: [rsa.publicKey.export({ format: 'jwk' })] } }],
    ['by a P-256 key', { method: 'private_key_jwt', key: pem(p256.privateKey), algorithm: 'ES256', keyId: 'k' }, { jwks: { keys: [{ ...p256.publicKey.export({ format: 'jwk' }), kid: 'k' }] } }],
    ['by a P-256 key in SEC 1', { method: 'private_key_jwt', key: pem(p256.privateKey, 'sec1'), algorithm: 'ES256' }, { jwks: { keys: [p256.publicKey.export({ format: 'jwk' })] } }],
    ['by an Ed25519 key', { method: 'private_key_jwt', key: pem(ed25519.privateKey), algorithm: 'EdDSA' }, { jwks: { keys: [ed25519.publicKey.export({ format: 'jwk' })] } }],
    ['by a key in JSON', { method: 'private_key_jwt', key: new Secret(JSON.stringify(p256.privateKey.export({ format: 'jwk' }))), algorithm: 'ES256' }, { jwks: { keys: [p256.publicKey.export({ format: 'jwk' })] } }],
  ])('%s', async (_, clientAuthentication, more) => {
    const clientId = `client-${++clients}`;
    clientOf(idp, clientId, { ...(clientAuthentication.method === 'private_key_jwt' ? { token_endpoint_auth_method: 'private_key_jwt' } : {}), ...more } as never);
    const mine = providers.of(policyFor(idp.issuer, { clientId, clientAuthentication }));
    const tokens = await logIn(mine);
    expect(tokens.claims).toMatchObject({ sub: 'alice', aud: clientId });
    expect((await mine.refresh(tokens.refreshToken ?? '', tokens)).claims['sub']).toBe('alice');
  });

  test.each<readonly [string, ClientAuthentication]>([
    ['a wrong secret, in the header', { method: 'client_secret_basic', secret: new Secret('wrong') }],
    ['a wrong method', { method: 'none' }],
    ['another key', { method: 'private_key_jwt', key: pem(p256.privateKey), algorithm: 'ES256' }],
  ])('%s: the provider says no', async (_, clientAuthentication) => {
    const mine = providers.of(policyFor(idp.issuer, { clientAuthentication }));
    expect(await outcome(logIn(mine))).toMatch(/^ProviderRefused (invalid_client|invalid_request)$/);
  });

  test.each<readonly [string, string, 'RS256' | 'ES256' | 'ES384']>([
    ['no key at all', 'hello', 'RS256'], ['a public key', rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'RS256'], ['a key of another kind', pem(p256.privateKey).reveal(), 'RS256'],
    ['a key of another curve', pem(p384.privateKey).reveal(), 'ES256'], ['a public key in JSON', JSON.stringify(p256.publicKey.export({ format: 'jwk' })), 'ES256'], ['broken JSON', '{"kty":', 'ES256'], ['a secret in JSON', '{"kty":"oct","k":"AAAA"}', 'ES256'],
  ])('%s: said, without the key', async (_, key, algorithm) => {
    const mine = providers.of(policyFor(idp.issuer, { clientAuthentication: { method: 'private_key_jwt', key: new Secret(key), algorithm } }));
    const error = await logIn(mine).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason: 'client_key_unusable' });
    expect(`${(error as Error).message} ${(error as Error).stack}`).not.toContain(key.slice(-20));
  });

  test('an id and a secret that need no encoding are sent as they are: providers that do not decode know them', async () => {
    const heard: string[] = [];
    const listener = await Listener.start((text, socket) => { heard.push(text); socket.destroy(); });
    const mine = providers.of(policyFor(idp.issuer, { clientId: 'my-app_1.apps', clientAuthentication: { method: 'client_secret_basic', secret: new Secret('a-secret_1.~') }, provider: { tokenEndpoint: `http://127.0.0.1:${listener.port}/token` } }));
    await outcome(mine.exchange(new URLSearchParams({ code: 'c', state: LOGIN.state, iss: idp.issuer }), LOGIN));
    await listener.close();
    const [, credentials = ''] = /authorization: Basic (\S+)/i.exec(heard.join('')) ?? [];
    expect(Buffer.from(credentials, 'base64').toString()).toBe('my-app_1.apps:a-secret_1.%7E');
  });

  test('an assertion is for the issuer, for a minute, and never the same', async () => {
    const heard: string[] = [];
    const listener = await Listener.start((text, socket) => { heard.push(text); socket.destroy(); });
    const mine = providers.of(policyFor(idp.issuer, { clientAuthentication: { method: 'private_key_jwt', key: pem(ed25519.privateKey), algorithm: 'EdDSA', keyId: 'k1' }, provider: { tokenEndpoint: `http://127.0.0.1:${listener.port}/token` } }));
    for (let i = 0; i < 2; i++) await outcome(mine.exchange(new URLSearchParams({ code: 'c', state: LOGIN.state, iss: idp.issuer }), LOGIN));
    await listener.close();
    const [first = '', second = ''] = heard.map((text) => new URLSearchParams(text.split('\r\n\r\n')[1]).get('client_assertion') ?? '');
    expect(decodeProtectedHeader(first)).toMatchObject({ alg: 'EdDSA', kid: 'k1' });
    const { aud, iss, sub, iat = 0, exp = 0, jti } = decodeJwt(first);
    expect({ aud, iss, sub, lives: exp - iat }).toEqual({ aud: idp.issuer, iss: 'app', sub: 'app', lives: 60 });
    expect(decodeJwt(second).jti).not.toBe(jti);
  });
});

test('the redirect URI at the token endpoint is the one of the login, letter by letter', async () => {
  const redirectUri = 'https://WWW.example.com:443/oauth2/callback?tenant=a';
  idp.client('odd', [redirectUri]);
  const mine = providers.of(policyFor(idp.issuer, { clientId: 'odd' }));
  const query = await callbackOf(await mine.authorizationUrl({ ...LOGIN, redirectUri }), 'alice', (location) => location.startsWith('https://'));
  query.delete('tenant');
  expect((await mine.exchange(query, { ...LOGIN, redirectUri })).claims['sub']).toBe('alice');
});

describe('tokens', () => {
  test.each<readonly [string, unknown, number | undefined]>([['none', undefined, undefined], ['a number', 90, 90_000], ['text', '90', 90_000], ['0', 0, 0], ['beyond reason', 1e300, 315_360_000_000]])('expires_in: %s', async (_, expires_in, expected) => {
    idp.lie = { tokens: (answer) => ({ ...answer, expires_in }) };
    expect((await logIn(provider)).expiresInMs).toBe(expected);
  });

  test.each([-1, 'soon', null])('expires_in: %s is not believed', async (expires_in) => {
    idp.lie = { tokens: (answer) => ({ ...answer, expires_in }) };
    expect(await outcome(logIn(provider))).toBe('InvalidAnswer token_response');
  });

  test('an ID token of 12 kB is fine', async () => {
    idp.lie = { claims: (claims) => ({ ...claims, groups: Array.from({ length: 600 }, (_, index) => `group-${index}-0123456`) }) };
    expect(((await logIn(provider)).claims['groups'] as unknown[]).length).toBe(600);
  });
});

describe('keys that change', () => {
  const login = async (): Promise<string> => outcome(logIn(provider));

  test('between two logins: the second one asks for the new ones', async () => {
    expect(await login()).toBe('fine');
    const before = idp.asked('keys');
    idp.rotateKeys();
    expect(await login()).toBe('fine');
    expect(idp.asked('keys')).toBe(before + 1);
    expect(await login()).toBe('fine');
    expect(idp.asked('keys')).toBe(before + 1);
  });

  test('between login and refresh', async () => {
    const tokens = await logIn(provider);
    idp.rotateKeys();
    expect((await provider.refresh(tokens.refreshToken ?? '', tokens)).claims['sub']).toBe('alice');
  });

  test('tokens of unknown keys make us ask once', async () => {
    await login();
    const before = idp.asked('keys');
    const token = await idp.logoutToken('app', { sub: 'alice' }, { header: { kid: 'nowhere' } });
    const outcomes = [await outcome(provider.logoutToken(token))];
    for (let i = 0; i < 20; i++) outcomes.push(await outcome(provider.logoutToken(token)));
    expect(outcomes).toEqual(['InvalidAnswer logout_token_key_unknown', ...Array.from({ length: 20 }, () => 'ProviderUnavailable keys_asked_for_just_now')]);
    expect(idp.asked('keys')).toBe(before + 1);
  });

  test('where the keys cannot be had, those that are known go on', async () => {
    await login();
    idp.faults.set('keys', 500);
    expect(await login()).toBe('fine');
    idp.rotateKeys();
    expect(await login()).toBe('ProviderUnavailable http_status');
  });
});

describe('logout', () => {
  test('at the provider, with a hint who leaves and where to', async () => {
    const url = await provider.endSessionUrl({ idTokenHint: 'e30.e30.x', postLogoutRedirectUri: 'https://www.example.com/bye' });
    expect(`${url?.origin}${url?.pathname}`).toBe(`${idp.issuer}/session/end`);
    expect(Object.fromEntries(url?.searchParams ?? [])).toEqual({ id_token_hint: 'e30.e30.x', client_id: 'app', post_logout_redirect_uri: 'https://www.example.com/bye' });
    expect((await provider.endSessionUrl({ idTokenHint: 'x' }))?.searchParams.has('post_logout_redirect_uri')).toBe(false);
  });

  test.each<readonly [string, More['provider'], string | undefined]>([
    ['the endpoint of the policy', { endSessionEndpoint: 'https://login.test/bye?x=1' }, 'https://login.test/bye?x=1&id_token_hint=x&client_id=app'],
    ['none beside endpoints of the policy, as Envoy Gateway', { authorizationEndpoint: 'https://login.test/a', tokenEndpoint: 'https://login.test/t' }, undefined],
    ['none in plain text', { endSessionEndpoint: 'http://login.test/bye' }, undefined],
  ])('%s', async (_, settings, expected) => {
    expect((await providers.of(policyFor(idp.issuer, { provider: settings ?? {} })).endSessionUrl({ idTokenHint: 'x' }))?.href).toBe(expected);
  });

  test('an endpoint of the policy needs no provider that answers', async () => {
    const mine = providers.of(policyFor('https://idp.invalid', { provider: { endSessionEndpoint: 'https://login.test/bye', retries: 0 } }));
    expect((await mine.endSessionUrl({ idTokenHint: 'x' }))?.host).toBe('login.test');
  });

  test('a provider without one: nowhere to go', async () => {
    idp.lie = { metadata: ({ end_session_endpoint: _, ...document }) => document };
    expect(await provider.endSessionUrl({ idTokenHint: 'x' })).toBeUndefined();
  });

  test('a token of the back channel says whom it is for; what is too long is not looked at', async () => {
    expect(await provider.logoutToken(await idp.logoutToken('app', { sub: 'alice', sid: 's' }))).toMatchObject({ sub: 'alice', sid: 's' });
    expect(await outcome(provider.logoutToken(await idp.logoutToken('other', { sub: 'alice' })))).toBe('InvalidAnswer logout_token_aud');
    expect(await outcome(provider.logoutToken('a'.repeat(16_385)))).toBe('InvalidAnswer logout_token_too_large');
  });
});

describe('who shares what', () => {
  test('equal policies share a provider; another secret, client or address is another one', () => {
    const same = providers.of(policyFor(idp.issuer, { name: 'other/policy', scope: 'zzzzzzzzzz' }));
    expect(same).toBe(provider);
    for (const more of [{ clientId: 'other' }, { clientAuthentication: { method: 'client_secret_basic', secret: new Secret('other') } }, { clientAuthentication: { method: 'client_secret_post', secret: new Secret('a-secret-of-the-tests') } }, { scopes: ['openid'] }, { requiredAcr: ['x'] }, { provider: { timeoutMs: 1 } }, { provider: { connect: { addresses: [{ host: '127.0.0.1', port: 1 }] } } }] satisfies More[]) {
      expect(providers.of(policyFor(idp.issuer, more))).not.toBe(provider);
    }
  });

  test('two clients of one provider ask it once', async () => {
    const before = idp.asked('discovery');
    await Promise.all([provider.authorizationUrl(LOGIN), providers.of(policyFor(idp.issuer, { clientId: 'other' })).authorizationUrl(LOGIN)]);
    expect(idp.asked('discovery')).toBe(before + 1);
  });

  test('what is found at addresses of one policy is not kept for another that goes by the name', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'providers-'));
    const { providers: kept } = providersOf({ folder });
    await kept.of(policyFor(idp.issuer)).authorizationUrl(LOGIN);
    await kept.of(policyFor(idp.issuer, { clientId: 'other' })).authorizationUrl(LOGIN);
    await kept.close();
    expect((await readdir(folder)).length).toBe(1);
    const { providers: third } = providersOf({ folder });
    await third.of(policyFor(idp.issuer, { provider: { connect: { addresses: [{ host: '127.0.0.1', port: idp.port }] } } })).authorizationUrl(LOGIN);
    await third.close();
    expect((await readdir(folder)).length).toBe(2);
    await rm(folder, { recursive: true });
  });
});

test('the log says what fails, and no secret', async () => {
  await logIn(provider);
  idp.faults.set('discovery', 500);
  await outcome(providers.of(policyFor(idp.issuer, { provider: { timeoutMs: 4_000 } })).authorizationUrl(LOGIN));
  expect(logged.map(({ level, message }) => `${level} ${message}`)).toEqual(['info provider discovered', 'warn provider cannot be discovered']);
  expect(JSON.stringify(logged)).not.toContain('a-secret-of-the-tests');
});
