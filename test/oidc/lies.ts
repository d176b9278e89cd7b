// How a provider may lie, or be attacked: each changes one thing of an honest answer. Tokens are signed again with the provider's own key unless that is the lie.
import { createPublicKey } from 'node:crypto';
import { CompactSign, type JWK, type JWTPayload, base64url, decodeJwt, decodeProtectedHeader, importJWK } from 'jose';

export interface Lie {
  /** What the ID token says. `refresh`: of a refresh. */
  readonly claims?: (claims: JWTPayload, refresh: boolean) => JWTPayload;
  /** How it is signed. */
  readonly sign?: (payload: string, header: { readonly alg: string; readonly kid: string }, key: JWK) => Promise<string>;
  /** The whole answer of the token endpoint. */
  readonly tokens?: (answer: Record<string, unknown>, refresh: boolean) => Record<string, unknown>;
  readonly metadata?: (document: Record<string, unknown>) => Record<string, unknown>;
  /** Where the browser is sent with the code. */
  readonly callback?: (url: URL) => void;
}

const now = (): number => Math.floor(Date.now() / 1000);
const without = (claims: JWTPayload, name: string): JWTPayload => Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
const hmac = async (payload: string, key: Uint8Array, kid: string): Promise<string> => new CompactSign(Buffer.from(payload)).setProtectedHeader({ alg: 'HS256', kid }).sign(key);

export const LIES = {
  'another issuer': { claims: (claims) => ({ ...claims, iss: 'https://evil.example.com' }) },
  'an issuer with one character more': { claims: (claims) => ({ ...claims, iss: `${claims.iss}/` }) },
  'another audience': { claims: (claims) => ({ ...claims, aud: 'another-client' }) },
  'no audience': { claims: (claims) => without(claims, 'aud') },
  'several audiences and no azp': { claims: (claims) => ({ ...without(claims, 'azp'), aud: [`${claims.aud as string}`, 'another-client'] }) },
  'several audiences and the azp of another': { claims: (claims) => ({ ...claims, aud: [`${claims.aud as string}`, 'another-client'], azp: 'another-client' }) },
  'another nonce': { claims: (claims) => ({ ...claims, nonce: 'another' }) },
  'no nonce': { claims: (claims) => without(claims, 'nonce') },
  'expired': { claims: (claims) => ({ ...claims, iat: now() - 7200, exp: now() - 61 }) },
  'no expiry': { claims: (claims) => without(claims, 'exp') },
  'not valid yet': { claims: (claims) => ({ ...claims, nbf: now() + 120 }) },
  'issued in the future': { claims: (claims) => ({ ...claims, iat: now() + 120 }) },
  'no iat': { claims: (claims) => without(claims, 'iat') },
  'no subject': { claims: (claims) => without(claims, 'sub') },
  'a login long ago': { claims: (claims) => ({ ...claims, auth_time: now() - 86_400 }) },
  'no time of the login': { claims: (claims) => without(claims, 'auth_time') },
  'another acr': { claims: (claims) => ({ ...claims, acr: 'urn:test:nothing' }) },
  'the hash of another access token': { claims: (claims) => ({ ...claims, at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' }) },
  'another subject at refresh': { claims: (claims, refresh) => refresh ? { ...claims, sub: 'mallory' } : claims },
  'another nonce at refresh': { claims: (claims, refresh) => refresh ? { ...claims, nonce: 'another' } : claims },
  'alg none': { sign: async (payload, { kid }) => `${base64url.encode(JSON.stringify({ alg: 'none', kid }))}.${base64url.encode(payload)}.` },
  'HS256 with the public key': { sign: async (payload, { kid }, { kty, n, e }) => hmac(payload, Buffer.from(createPublicKey({ key: { kty, n, e } as JWK, format: 'jwk' } as never).export({ type: 'spki', format: 'pem' }) as string), kid) },
  'HS256 with the secret of the client': { sign: async (payload, { kid }) => hmac(payload, Buffer.from('a-secret-of-the-tests'), kid) },
  'the signature of another token': { sign: async (payload, header, key) => (await honest(payload, header, key)).replace(/[^.]+$/, (signature) => `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`) },
  'a key that is nowhere': { sign: async (payload, header, key) => honest(payload, { ...header, kid: 'nowhere' }, key) },
  'a critical header': { sign: async (payload, { alg, kid }, key) => new CompactSign(Buffer.from(payload)).setProtectedHeader({ alg, kid, crit: ['x'], x: 1 } as never).sign(await importJWK(key, alg), { crit: { x: true } }) },
  'an encrypted ID token': { tokens: (answer) => ({ ...answer, id_token: 'eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA' }) },
  'no ID token': { tokens: ({ id_token: _, ...answer }) => answer },
  'no ID token at refresh': { tokens: (answer, refresh) => { const { id_token: _, ...rest } = answer; return refresh ? rest : answer; } },
  'no new refresh token': { tokens: (answer, refresh) => { const { refresh_token: _, ...rest } = answer; return refresh ? rest : answer; } },
  'an ID token of a megabyte': { tokens: (answer) => ({ ...answer, id_token: `${answer['id_token'] as string}${'A'.repeat(900_000)}` }) },
  'another access token': { tokens: (answer) => ({ ...answer, access_token: 'another' }) },
  'an access token with a line break': { tokens: (answer) => ({ ...answer, access_token: 'a\r\nx-evil: yes' }), claims: (claims) => without(claims, 'at_hash') },
  'another type of token': { tokens: (answer) => ({ ...answer, token_type: 'DPoP' }) },
  'no expires_in': { tokens: ({ expires_in: _, ...answer }) => answer },
  'no iss in the callback': { callback: (url) => url.searchParams.delete('iss') },
  'another iss in the callback': { callback: (url) => url.searchParams.set('iss', 'https://evil.example.com') },
  'another state in the callback': { callback: (url) => url.searchParams.set('state', 'another') },
  'another issuer in discovery': { metadata: (document) => ({ ...document, issuer: 'https://evil.example.com' }) },
  'an issuer in discovery with one character more': { metadata: (document) => ({ ...document, issuer: `${document['issuer'] as string}/` }) },
  'a plain token endpoint elsewhere': { metadata: (document) => ({ ...document, token_endpoint: 'http://idp.example.com/token' }) },
  'a plain authorization endpoint elsewhere': { metadata: (document) => ({ ...document, authorization_endpoint: 'http://idp.example.com/auth' }) },
  'plain keys elsewhere': { metadata: (document) => ({ ...document, jwks_uri: 'http://idp.example.com/jwks' }) },
} satisfies Readonly<Record<string, Lie>>;
export type LieName = keyof typeof LIES;

export async function told(lie: Lie, token: string, refresh: boolean, keys: readonly JWK[]): Promise<string> {
  const { alg = 'RS256', kid = '' } = decodeProtectedHeader(token);
  const key = keys.find((each) => each.kid === kid);
  if (key === undefined) throw new Error('signed with a key that is not there');
  const payload = JSON.stringify(lie.claims?.(decodeJwt(token), refresh) ?? decodeJwt(token));
  return (lie.sign ?? honest)(payload, { alg, kid }, key);
}

async function honest(payload: string, header: { readonly alg: string; readonly kid: string }, key: JWK): Promise<string> {
  return new CompactSign(Buffer.from(payload)).setProtectedHeader(header).sign(await importJWK(key, header.alg));
}
