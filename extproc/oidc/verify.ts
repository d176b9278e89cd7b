// What a token of the provider must be before a word of it is believed (OIDC Core 3.1.3.7, 12.2; Back-Channel Logout 2.6). Pure but for the keys, which are handed in.
import { createHash, timingSafeEqual } from 'node:crypto';
import { type JWTPayload, type JWTVerifyGetKey, type JWTVerifyResult, errors, jwtVerify } from 'jose';
import { InvalidAnswer } from './provider-error.ts';

/** Signatures that only the provider can make. With `none` and `HS*` anybody could, who knows a public key or the client's secret. */
export const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const SKEW_S = 60;
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';
/** Of one key id: so many are tried. */
const MOST_CANDIDATES = 8;

export interface Expected { readonly issuer: string; readonly clientId: string; readonly now: number; readonly find: JWTVerifyGetKey }
export interface LoginExpected extends Expected { readonly nonce: string; readonly accessToken: string; readonly maxAgeS?: number | undefined; readonly acr: readonly string[] }
export interface RefreshExpected extends Expected { readonly before: Readonly<Record<string, unknown>>; readonly accessToken: string; readonly acr: readonly string[] }

/** No key fits: newer ones may. */
export class UnknownKey extends InvalidAnswer {
  constructor(kind: string) { super(`${kind}_key_unknown`); }
}

/** The ID token of a login. */
export async function verifyLogin(token: string, expected: LoginExpected): Promise<JWTPayload> {
  const claims = await verifyIdToken(token, expected);
  if (!same(claims['nonce'], expected.nonce)) throw new InvalidAnswer('id_token_nonce');
  if (expected.maxAgeS !== undefined) {
    const { auth_time } = claims;
    if (typeof auth_time !== 'number' || auth_time + expected.maxAgeS < expected.now / 1000 - SKEW_S) throw new InvalidAnswer('id_token_auth_time');
  }
  if (!isOf(claims['acr'], expected.acr)) throw new InvalidAnswer('id_token_acr');
  return claims;
}

/** OIDC Core 12.2: of the same person, by the same provider, for the same client. `auth_time` may be newer: providers with a session for all clients do so. */
export async function verifyRefresh(token: string, expected: RefreshExpected): Promise<JWTPayload> {
  const claims = await verifyIdToken(token, expected);
  const { before } = expected;
  if (claims.sub !== before['sub']) throw new InvalidAnswer('id_token_sub');
  if (claims.iss !== before['iss']) throw new InvalidAnswer('id_token_iss');
  if (!audiences(before['aud']).every((audience) => audiences(claims.aud).includes(audience))) throw new InvalidAnswer('id_token_aud');
  if (claims['nonce'] !== undefined && before['nonce'] !== undefined && claims['nonce'] !== before['nonce']) throw new InvalidAnswer('id_token_nonce');
  if (claims['acr'] !== undefined && !isOf(claims['acr'], expected.acr)) throw new InvalidAnswer('id_token_acr');
  return claims;
}

export async function verifyLogout(token: string, expected: Expected): Promise<{ readonly sub?: string; readonly sid?: string; readonly jti: string; readonly exp: number }> {
  const { payload: claims, protectedHeader: { typ } } = await verify('logout_token', token, expected, ['jti']);
  // Typed tokens of other kinds (access tokens, "at+jwt") are no logout tokens; untyped ones may be.
  if (typ !== undefined && !/^(?:application\/)?(?:logout\+jwt|jwt)$/i.test(typ)) throw new InvalidAnswer('logout_token_typ');
  const { events, nonce, sub, sid, jti, exp } = claims as JWTPayload & { readonly exp: number };
  if (typeof events !== 'object' || events === null || !Object.hasOwn(events, LOGOUT_EVENT)) throw new InvalidAnswer('logout_token_events');
  // "MUST NOT contain a nonce Claim": so no ID token passes for one.
  if (nonce !== undefined) throw new InvalidAnswer('logout_token_nonce');
  if (typeof jti !== 'string' || jti === '') throw new InvalidAnswer('logout_token_jti');
  const subject = typeof sub === 'string' && sub !== '' ? { sub } : {};
  const session = typeof sid === 'string' && sid !== '' ? { sid } : {};
  if (!('sub' in subject) && !('sid' in session)) throw new InvalidAnswer('logout_token_sub');
  return { ...subject, ...session, jti, exp: exp * 1000 };
}

async function verifyIdToken(token: string, expected: Expected & { readonly accessToken: string }): Promise<JWTPayload> {
  const { payload: claims, protectedHeader: { alg } } = await verify('id_token', token, expected, ['sub']);
  if (typeof claims.sub !== 'string' || claims.sub === '') throw new InvalidAnswer('id_token_sub');
  if (audiences(claims.aud).length > 1 && claims['azp'] !== expected.clientId) throw new InvalidAnswer('id_token_azp');
  if (claims['at_hash'] !== undefined && !same(claims['at_hash'], halfHash(alg, expected.accessToken))) throw new InvalidAnswer('id_token_at_hash');
  return claims;
}

/** Signature and algorithm first; then iss, aud, exp, nbf, iat. */
async function verify(kind: 'id_token' | 'logout_token', token: string, { issuer, clientId, now, find }: Expected, required: readonly string[]): Promise<JWTVerifyResult> {
  if (/^[\w-]+(?:\.[\w-]*){4}$/.test(token)) throw new InvalidAnswer(`${kind}_encrypted`);
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) throw new InvalidAnswer(`${kind}_malformed`);
  const options = { algorithms: ALGORITHMS, issuer, audience: clientId, clockTolerance: SKEW_S, currentDate: new Date(now), requiredClaims: ['iss', 'aud', 'exp', 'iat', ...required] };
  try {
    const result = await verifyByAny(token, find, options);
    if ((result.payload.iat ?? 0) > now / 1000 + SKEW_S) throw new InvalidAnswer(`${kind}_iat`);
    return result;
  } catch (error) {
    throw believable(kind, error);
  }
}

/** Without a key id several keys may fit. */
async function verifyByAny(token: string, find: JWTVerifyGetKey, options: Parameters<typeof jwtVerify>[2]): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(token, find, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    let tries = 0;
    for await (const key of error) {
      if (++tries > MOST_CANDIDATES) break;
      try {
        return await jwtVerify(token, key, options);
      } catch (inner) {
        if (!(inner instanceof errors.JWSSignatureVerificationFailed)) throw inner;
      }
    }
    throw new errors.JWKSNoMatchingKey();
  }
}

function believable(kind: string, error: unknown): InvalidAnswer {
  if (error instanceof InvalidAnswer) return error;
  if (error instanceof errors.JWKSNoMatchingKey) return new UnknownKey(kind);
  if (error instanceof errors.JOSEAlgNotAllowed) return new InvalidAnswer(`${kind}_alg`);
  if (error instanceof errors.JWSSignatureVerificationFailed) return new InvalidAnswer(`${kind}_signature`);
  if (error instanceof errors.JWTExpired) return new InvalidAnswer(`${kind}_exp`);
  if (error instanceof errors.JWTClaimValidationFailed) return new InvalidAnswer(`${kind}_${error.claim.replace(/[^a-z_]/g, '')}`);
  return new InvalidAnswer(`${kind}_malformed`);
}

function isOf(acr: unknown, required: readonly string[]): boolean { return required.length === 0 || (typeof acr === 'string' && required.includes(acr)); }

function audiences(aud: unknown): readonly unknown[] { return Array.isArray(aud) ? aud : aud === undefined ? [] : [aud]; }

/** OIDC Core 3.1.3.6: the left half of the hash that the signature's algorithm has. */
function halfHash(alg: string, text: string): string {
  const hash = createHash(/384$/.test(alg) ? 'sha384' : /(?:512|^Ed.*)$/.test(alg) ? 'sha512' : 'sha256').update(text).digest();
  return hash.subarray(0, hash.length / 2).toString('base64url');
}

function same(given: unknown, expected: string): boolean {
  if (typeof given !== 'string') return false;
  const [a, b] = [given, expected].map((text) => createHash('sha256').update(text).digest());
  return a !== undefined && b !== undefined && timingSafeEqual(a, b);
}
