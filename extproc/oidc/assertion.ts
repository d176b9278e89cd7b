// What Envoy lets a request of a live session pass by, for a short while and without asking: filters/session checks it.
import { CompactSign } from 'jose';
import type { AssertionClaims } from '../../policy/session.ts';
import type { KeyRing } from './keyring.ts';

export function assertion({ signing: { kid, key } }: KeyRing, claims: AssertionClaims): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ alg: 'ES256', typ: 'session+jwt', kid }).sign(key);
}
