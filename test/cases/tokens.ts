// Keys and tokens of the tests: made here, good or bad in exactly the way a case says.
import { type KeyObject, createSign, generateKeyPairSync, sign } from 'node:crypto';

export interface TestKey { readonly kid: string; readonly alg: string; readonly privateKey: KeyObject; readonly jwk: Record<string, unknown> }

function rsa(kid: string, alg: string, modulusLength = 2048): TestKey {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength });
  return { kid, alg, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } };
}
function ec(kid: string, alg: string, namedCurve: string): TestKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
  return { kid, alg, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } };
}

/** One key for each algorithm the filter verifies; `stranger` is in no key set. */
export const keys = {
  RS256: rsa('rs256', 'RS256'), RS384: rsa('rs384', 'RS384'), RS512: rsa('rs512', 'RS512'),
  ES256: ec('es256', 'ES256', 'P-256'), ES384: ec('es384', 'ES384', 'P-384'), ES512: ec('es512', 'ES512', 'P-521'),
  stranger: rsa('rs256', 'RS256'),
} as const;

export const jwks = { keys: [keys.RS256, keys.RS384, keys.RS512, keys.ES256, keys.ES384, keys.ES512].map(({ jwk }) => jwk) };

export const base64url = (data: string | Buffer): string => Buffer.from(data).toString('base64url');
export const nowSeconds = (): number => Math.floor(Date.now() / 1000);

/** The signature of any text, in JOSE form. */
export function signature(text: string, key: TestKey): string {
  const hash = `sha${key.alg.slice(2)}`;
  if (key.alg.startsWith('RS')) return createSign(hash).update(text).sign(key.privateKey).toString('base64url');
  return sign(hash, Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');
}

/** Header and payload as raw JSON texts, signed. */
export function rawToken(header: string, payload: string | Buffer, key: TestKey = keys.RS256): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${signature(input, key)}`;
}

/** A token with these claims; `header` is laid over {alg, kid, typ}. */
export function token(claims: Record<string, unknown>, key: TestKey = keys.RS256, header: Record<string, unknown> = {}): string {
  return rawToken(JSON.stringify({ alg: key.alg, kid: key.kid, typ: 'JWT', ...header }), JSON.stringify(claims), key);
}
