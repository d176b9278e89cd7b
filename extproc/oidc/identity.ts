// What the upstream, and `jwt` before it, learn of a session.
import { SignJWT } from 'jose';
import type { OidcPolicy } from '../../policy/oidc.ts';
import type { Headers } from '../reply.ts';
import type { KeyRing } from './keyring.ts';
import type { Session } from './session.ts';

/** What `jwt` and the app have no use for: it is about the login, not about who it is. */
const OF_THE_LOGIN = new Set(['iss', 'aud', 'azp', 'exp', 'iat', 'nbf', 'nonce', 'at_hash', 'c_hash', 's_hash', 'sid', 'jti']);

/** Headers that only a session sets; what a client sends under these names goes first. */
export function ownHeaders({ claimHeaders, identity, forwardIdToken, tokenHeaders }: OidcPolicy): string[] {
  const names = [...claimHeaders.map(({ header }) => header), identity?.header, forwardIdToken?.header, tokenHeaders.accessToken, tokenHeaders.idToken];
  // Authorization is the client's where no session replaces it.
  return [...new Set(names)].filter((name): name is string => name !== undefined && name !== 'authorization');
}

/** An access token that nobody asks for is not kept. */
export function needsAccessToken({ forwardAccessToken, tokenHeaders }: OidcPolicy): boolean { return forwardAccessToken || tokenHeaders.accessToken !== undefined; }

export async function identityHeaders(session: Session, policy: OidcPolicy, ring: KeyRing, now: number): Promise<Headers> {
  const claims = policy.claimHeaders.map(({ header, claim }) => [header, headerValue(claimAt(session.claims, claim))] as const);
  return given([...claims, ...(policy.identity === undefined ? [] : [[policy.identity.header, await identityToken(session, policy, policy.identity, ring, now)] as const])]);
}

/** Tokens as they were issued: never in an assertion, which browsers can read. */
export function tokenHeaders({ accessToken, idToken }: Session, { forwardAccessToken, forwardIdToken, tokenHeaders: names }: OidcPolicy): Headers {
  return given([
    ['authorization', forwardAccessToken && accessToken !== undefined ? `Bearer ${accessToken}` : undefined],
    [forwardIdToken?.header, forwardIdToken?.header === 'authorization' ? `Bearer ${idToken}` : idToken],
    [names.accessToken, accessToken], [names.idToken, idToken],
  ]);
}

function given(headers: readonly (readonly [name: string | undefined, value: string | undefined])[]): Headers {
  return headers.flatMap(([name, value]) => (name === undefined || value === undefined ? [] : [[name, value] as const]));
}

/** As IAP and Pomerium do it: who it is, signed, for this app alone; the app checks it by the keys at `jwksPath`. */
async function identityToken({ claims, sub }: Session, { assertionMs, claimHeaders }: OidcPolicy, { audience, namespace }: NonNullable<OidcPolicy['identity']>, ring: KeyRing, now: number): Promise<string> {
  const asked = Object.fromEntries(claimHeaders.flatMap(({ claim: [first = ''] }) => (Object.hasOwn(claims, first) && !OF_THE_LOGIN.has(first) ? [[first, claims[first]]] : [])));
  const known = Object.fromEntries(['email', 'email_verified', 'name', 'preferred_username', 'groups', 'roles'].flatMap((name) => (Object.hasOwn(claims, name) ? [[name, claims[name]]] : [])));
  // As long as an assertion holds, and a minute for clocks that differ.
  const seconds = Math.floor(now / 1000), lifetime = Math.ceil(assertionMs / 1000) + 60;
  const { signing: { kid, key } } = await ring.identity(namespace);
  return new SignJWT({ ...known, ...asked }).setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid }).setIssuer('gatewright').setSubject(sub)
    .setAudience(audience).setIssuedAt(seconds).setExpirationTime(seconds + lifetime).sign(key);
}

/** What was asked for, as it stands in the ID token. */
export function askedClaims({ claims }: Session, { claims: asked }: OidcPolicy): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const path of asked) {
    const value = claimAt(claims, path);
    if (value === undefined) continue;
    let into = found;
    for (const name of path.slice(0, -1)) into = (Object.hasOwn(into, name) && typeof into[name] === 'object' ? into[name] : (into[name] = {})) as Record<string, unknown>;
    Object.defineProperty(into, path.at(-1) ?? '', { value, enumerable: true, writable: true, configurable: true });
  }
  return found;
}

function claimAt(claims: Readonly<Record<string, unknown>>, path: readonly string[]): unknown {
  let at: unknown = claims;
  for (const name of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}

/** As filters/jwt writes a claim into a header, and native jwt_authn. */
function headerValue(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string': return value === '' || /[\x00-\x1f\x7f]/.test(value) ? undefined : value;
    case 'boolean': return String(value);
    case 'number': return Number.isInteger(value) && value >= 0 ? BigInt(value).toString() : Math.abs(value) >= Number.MAX_SAFE_INTEGER + 1 ? String(value) : value.toFixed(6);
    case 'object': return value === null ? undefined : Buffer.from(JSON.stringify(value)).toString('base64');
    default: return undefined;
  }
}
