// What Envoy lets a request of a live session pass by, for a short while and without asking: filters/session checks it.
import { CompactSign } from 'jose';
import { type OidcPolicy, cookieName } from '../../policy/oidc.ts';
import type { AssertionClaims } from '../../policy/session.ts';
import { setCookie } from './cookies.ts';
import type { KeyRing } from './keyring.ts';
import { attributesOf } from './store.ts';

export function assertion({ signing: { kid, key } }: KeyRing, claims: AssertionClaims): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ alg: 'ES256', typ: 'session+jwt', kid }).sign(key);
}

/** Envoy asks again from the next request on. */
export function withoutAssertion({ policy }: { readonly policy: OidcPolicy }): string { return assertionCookie(policy, '', 0); }

export function assertionCookie(policy: OidcPolicy, value: string, maxAgeMs: number): string {
  return setCookie({ name: cookieName('assertion', policy), value, maxAgeMs, ...attributesOf(policy) });
}
