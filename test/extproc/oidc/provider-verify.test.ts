// What a token must be, rule by rule, without a provider: each row takes one thing from a good token.
import { createHash } from 'node:crypto';
import { type JWK, type JWTPayload, SignJWT, UnsecuredJWT, createLocalJWKSet, exportJWK, generateKeyPair } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { type LoginExpected, verifyLogin, verifyLogout, verifyRefresh } from '../../../extproc/oidc/verify.ts';
import { outcome } from './provider-fixture.ts';

const NOW_S = 1_800_000_000;
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const pairs = new Map<string, Awaited<ReturnType<typeof generateKeyPair>>>();
const jwks: JWK[] = [];
beforeAll(async () => {
  for (const alg of ['RS256', 'RS512', 'PS256', 'PS384', 'ES256', 'ES384', 'ES512', 'EdDSA']) {
    const pair = await generateKeyPair(alg, { extractable: true });
    pairs.set(alg, pair);
    jwks.push({ ...await exportJWK(pair.publicKey), alg, kid: alg, use: 'sig' });
  }
});

const CLAIMS: JWTPayload = { iss: 'https://idp.test', aud: 'app', sub: 'alice', iat: NOW_S - 5, exp: NOW_S + 300, nonce: 'n' };
const expected = (more: Partial<LoginExpected> = {}): LoginExpected => ({ issuer: 'https://idp.test', clientId: 'app', now: NOW_S * 1000, find: createLocalJWKSet({ keys: jwks }), nonce: 'n', accessToken: 'jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y', acr: [], ...more });

type Claims = Readonly<Record<string, unknown>>;

async function signed(claims: Claims, { alg = 'ES256', header = {} }: { readonly alg?: string; readonly header?: Record<string, unknown> } = {}): Promise<string> {
  const pair = pairs.get(alg);
  if (pair === undefined) throw new Error(alg);
  return new SignJWT(claims as JWTPayload).setProtectedHeader({ alg, kid: alg, ...header }).sign(pair.privateKey);
}

describe('the ID token of a login', () => {
  test.each<readonly [string, Claims, Partial<LoginExpected>, string]>([
    ['as it should be', {}, {}, 'fine'],
    ['of another issuer', { iss: 'https://idp.test/' }, {}, 'iss'],
    ['of no issuer', { iss: undefined }, {}, 'iss'],
    ['for another client', { aud: 'other' }, {}, 'aud'],
    ['for nobody', { aud: undefined }, {}, 'aud'],
    ['for us, in a list', { aud: ['app'] }, {}, 'fine'],
    ['for us and others, made out to us', { aud: ['app', 'api'], azp: 'app' }, {}, 'fine'],
    ['for us and others, made out to nobody', { aud: ['app', 'api'] }, {}, 'azp'],
    ['for us and others, made out to another', { aud: ['app', 'api'], azp: 'api' }, {}, 'azp'],
    ['expired, a minute ago at most', { exp: NOW_S - 59 }, {}, 'fine'],
    ['expired, more than a minute ago', { exp: NOW_S - 61 }, {}, 'exp'],
    ['that never expires', { exp: undefined }, {}, 'exp'],
    ['valid within a minute', { nbf: NOW_S + 59 }, {}, 'fine'],
    ['valid later', { nbf: NOW_S + 61 }, {}, 'nbf'],
    ['issued within a minute', { iat: NOW_S + 59 }, {}, 'fine'],
    ['issued later', { iat: NOW_S + 61 }, {}, 'iat'],
    ['that does not say when it was issued', { iat: undefined }, {}, 'iat'],
    ['of nobody', { sub: undefined }, {}, 'sub'],
    ['of somebody without a name', { sub: '' }, {}, 'sub'],
    ['of a number', { sub: 7 }, {}, 'sub'],
    ['of another login', { nonce: 'm' }, {}, 'nonce'],
    ['of no login', { nonce: undefined }, {}, 'nonce'],
    ['with the hash of the access token', { at_hash: '77QmUPtjPfzWtF2AnpK9RQ' }, {}, 'fine'],
    ['with the hash of another access token', { at_hash: '77QmUPtjPfzWtF2AnpK9RR' }, {}, 'at_hash'],
    ['with a hash that is none', { at_hash: 7 }, {}, 'at_hash'],
    ['of a login just now, where that counts', { auth_time: NOW_S - 3600 - 59 }, { maxAgeS: 3600 }, 'fine'],
    ['of a login long ago, where that counts', { auth_time: NOW_S - 3600 - 61 }, { maxAgeS: 3600 }, 'auth_time'],
    ['of a login long ago, where it does not', { auth_time: NOW_S - 3600 - 61 }, {}, 'fine'],
    ['that does not say when the login was, where that counts', {}, { maxAgeS: 3600 }, 'auth_time'],
    ['of the acr that is asked for', { acr: 'mfa' }, { acr: ['hwk', 'mfa'] }, 'fine'],
    ['of another acr', { acr: 'pwd' }, { acr: ['hwk', 'mfa'] }, 'acr'],
    ['of no acr', {}, { acr: ['undefined', 'mfa'] }, 'acr'],
  ])('%s', async (_, claims, more, reason) => {
    expect(await outcome(verifyLogin(await signed({ ...CLAIMS, ...claims }), expected(more)))).toBe(reason === 'fine' ? 'fine' : `InvalidAnswer id_token_${reason}`);
  });

  test.each(['RS256', 'RS512', 'PS256', 'PS384', 'ES256', 'ES384', 'ES512', 'EdDSA'])('signed by %s: the hash of the access token is of the same length', async (alg) => {
    const { accessToken } = expected();
    const digest = createHash(alg === 'EdDSA' ? 'sha512' : `sha${alg.slice(2)}`).update(accessToken).digest();
    expect(await outcome(verifyLogin(await signed({ ...CLAIMS, at_hash: digest.subarray(0, digest.length / 2).toString('base64url') }, { alg }), expected()))).toBe('fine');
  });

  test.each<readonly [string, () => Promise<string>, string]>([
    ['unsigned', async () => new UnsecuredJWT(CLAIMS).encode(), 'alg'],
    ['signed with what is public', async () => new SignJWT(CLAIMS).setProtectedHeader({ alg: 'HS256', kid: 'RS256' }).sign(Buffer.from(JSON.stringify(jwks[0]))), 'alg'],
    ['by another key of the same name', async () => new SignJWT(CLAIMS).setProtectedHeader({ alg: 'ES256', kid: 'ES256' }).sign((await generateKeyPair('ES256')).privateKey), 'signature'],
    ['by a key that is nowhere', async () => signed(CLAIMS, { header: { kid: 'nowhere' } }), 'key_unknown'],
    ['by a key for another algorithm', async () => signed(CLAIMS, { alg: 'ES256', header: { kid: 'RS256' } }), 'key_unknown'],
    ['without the name of a key', async () => signed(CLAIMS, { header: { kid: undefined } }), 'fine'],
    ['with a critical header', async () => new SignJWT(CLAIMS).setProtectedHeader({ alg: 'ES256', kid: 'ES256', crit: ['x'], x: 1 }).sign(pairs.get('ES256')?.privateKey as never, { crit: { x: true } }), 'malformed'],
    ['encrypted', async () => 'eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA', 'encrypted'],
    ['in JSON', async () => '{"payload":"e30"}', 'malformed'],
    ['of one part', async () => 'e30', 'malformed'],
    ['with a line break', async () => `${await signed(CLAIMS)}\n`, 'malformed'],
    ['whose payload is no object', async () => `${(await signed(CLAIMS)).split('.')[0]}.W10.${(await signed(CLAIMS)).split('.')[2]}`, 'signature'],
  ])('%s', async (_, make, reason) => {
    expect(await outcome(verifyLogin(await make(), expected()))).toBe(reason === 'fine' ? 'fine' : `InvalidAnswer id_token_${reason}`);
  });

  test('without the name of a key, each that fits is tried, up to eight', async () => {
    const pair = pairs.get('ES256');
    if (pair === undefined) throw new Error('no key');
    const others = await Promise.all(Array.from({ length: 8 }, async () => exportJWK((await generateKeyPair('ES256', { extractable: true })).publicKey)));
    const mine = await exportJWK(pair.publicKey);
    const token = await signed(CLAIMS, { header: { kid: undefined } });
    expect(await outcome(verifyLogin(token, expected({ find: createLocalJWKSet({ keys: [...others.slice(1), mine] }) })))).toBe('fine');
    expect(await outcome(verifyLogin(token, expected({ find: createLocalJWKSet({ keys: [...others, mine] }) })))).toBe('InvalidAnswer id_token_key_unknown');
  });
});

describe('the ID token of a refresh', () => {
  test.each<readonly [string, Claims, Claims, string]>([
    ['of the same person', { nonce: undefined }, CLAIMS, 'fine'],
    ['with the nonce of the login', {}, CLAIMS, 'fine'],
    ['with another nonce', { nonce: 'm' }, CLAIMS, 'nonce'],
    ['of another person', { sub: 'mallory' }, CLAIMS, 'sub'],
    ['of a person, after nobody', {}, { ...CLAIMS, sub: undefined }, 'sub'],
    ['of another issuer', { iss: 'https://other.test' }, CLAIMS, 'iss'],
    ['after another issuer', {}, { ...CLAIMS, iss: 'https://other.test' }, 'iss'],
    ['for fewer', {}, { ...CLAIMS, aud: ['app', 'api'] }, 'aud'],
    ['for the same', { aud: ['api', 'app'], azp: 'app' }, { ...CLAIMS, aud: ['app', 'api'] }, 'fine'],
    ['for another client', { aud: 'api' }, { ...CLAIMS, aud: 'api' }, 'aud'],
    ['expired', { exp: NOW_S - 61 }, CLAIMS, 'exp'],
    ['with the hash of another access token', { at_hash: '77QmUPtjPfzWtF2AnpK9RR' }, CLAIMS, 'at_hash'],
    ['of another acr than those asked for', { acr: 'pwd' }, CLAIMS, 'acr'],
    ['of the acr asked for', { acr: 'mfa' }, CLAIMS, 'fine'],
  ])('%s', async (_, claims, before, reason) => {
    expect(await outcome(verifyRefresh(await signed({ ...CLAIMS, ...claims }), { ...expected({ acr: ['mfa'] }), before }))).toBe(reason === 'fine' ? 'fine' : `InvalidAnswer id_token_${reason}`);
  });
});

describe('a logout token', () => {
  const LOGOUT: JWTPayload = { iss: 'https://idp.test', aud: 'app', iat: NOW_S, exp: NOW_S + 120, jti: 'j', sub: 'alice', sid: 's', events: { [EVENT]: {} } };
  test.each<readonly [string, Claims, Record<string, unknown>, string]>([
    ['as it should be', {}, { typ: 'logout+jwt' }, 'fine'],
    ['without a type', {}, {}, 'fine'],
    ['of the old type', {}, { typ: 'JWT' }, 'fine'],
    ['of a type spelled out', {}, { typ: 'application/logout+jwt' }, 'fine'],
    ['that is an access token', {}, { typ: 'at+jwt' }, 'typ'],
    ['for a session alone', { sub: undefined }, {}, 'fine'],
    ['for a person alone', { sid: undefined }, {}, 'fine'],
    ['for nobody', { sub: undefined, sid: undefined }, {}, 'sub'],
    ['for somebody without a name', { sub: '', sid: '' }, {}, 'sub'],
    ['without events', { events: undefined }, {}, 'events'],
    ['of another event', { events: { 'http://schemas.openid.net/event/other': {} } }, {}, 'events'],
    ['whose event is inherited', { events: [] }, {}, 'events'],
    ['that has a nonce, as ID tokens do', { nonce: 'n' }, {}, 'nonce'],
    ['without an id', { jti: undefined }, {}, 'jti'],
    ['with an empty id', { jti: '' }, {}, 'jti'],
    ['of another issuer', { iss: 'https://other.test' }, {}, 'iss'],
    ['for another client', { aud: 'other' }, {}, 'aud'],
    ['expired', { exp: NOW_S - 61 }, {}, 'exp'],
    ['that never expires', { exp: undefined }, {}, 'exp'],
    ['issued later', { iat: NOW_S + 61 }, {}, 'iat'],
    ['that does not say when it was issued', { iat: undefined }, {}, 'iat'],
  ])('%s', async (_, claims, header, reason) => {
    expect(await outcome(verifyLogout(await signed({ ...LOGOUT, ...claims }, { header }), expected()))).toBe(reason === 'fine' ? 'fine' : `InvalidAnswer logout_token_${reason}`);
  });

  test('says whom it is for, and until when it counts', async () => {
    expect(await verifyLogout(await signed(LOGOUT), expected())).toEqual({ sub: 'alice', sid: 's', jti: 'j', exp: (NOW_S + 120) * 1000 });
  });

  test('unsigned, or an ID token: refused', async () => {
    expect(await outcome(verifyLogout(new UnsecuredJWT(LOGOUT).encode(), expected()))).toBe('InvalidAnswer logout_token_alg');
    expect(await outcome(verifyLogout(await signed(CLAIMS), expected()))).toBe('InvalidAnswer logout_token_jti');
  });
});
