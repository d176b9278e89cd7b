// What we give away and want back unread and unchanged: JWE, dir + A256GCM. What it is for and whom it belongs to is in the header, under the seal.
import { CompactEncrypt, compactDecrypt } from 'jose';
import type { KeyRing } from './keyring.ts';

/** `stored`: a session that is in a store; whoever reads the store must have no cookie by it. */
export type Use = 'session' | 'stored' | 'state' | 'refresh';

/** A session of 12 kB tokens is some 35 kB. */
const MAX_LENGTH = 262_144;

/** `expires`: milliseconds since the epoch. */
export async function seal(ring: KeyRing, use: Use, scope: string, payload: object, expires: number): Promise<string> {
  const { kid, key } = ring.encryption;
  return new CompactEncrypt(Buffer.from(JSON.stringify(payload))).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid, use, scope, expires }).encrypt(key);
}

/** Undefined for anything that is not right; never throws. */
export async function open(ring: KeyRing, use: Use, scope: string, text: string, now: number): Promise<Record<string, unknown> | undefined> {
  if (text.length > MAX_LENGTH) return undefined;
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(text, (header) => {
      // Before any work; the seal says afterwards whether the header was true.
      const key = typeof header.kid === 'string' && header['use'] === use && header['scope'] === scope && header.zip === undefined ? ring.opening(header.kid) : undefined;
      if (key === undefined) throw new Error('not ours');
      return key;
    }, { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] });
    const expires = protectedHeader['expires'];
    if (typeof expires !== 'number' || expires <= now) return undefined;
    const payload: unknown = JSON.parse(Buffer.from(plaintext).toString());
    return typeof payload === 'object' && payload !== null && !Array.isArray(payload) ? payload as Record<string, unknown> : undefined;
  } catch { return undefined; }
}
