// The keys that identities are signed by: of each namespace its own, made from those of the ring. Who writes policies chooses the audience of his app's identities, and
// his provider what is in them: were the keys those of all, he could make identities for the apps of others.
import { createECDH, hkdfSync } from 'node:crypto';
import { calculateJwkThumbprint, importJWK, type CryptoKey, type JWK } from 'jose';

/** Of P-256 (SEC 2, 2.4.2). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

export interface IdentityKey { readonly kid: string; readonly key: CryptoKey; readonly publicKey: JWK }

/** `secret`: that of a signing key, base64url. */
export async function identityKey(secret: string, namespace: string): Promise<IdentityKey> {
  // 64 bits more than the order has: what is left over tells nothing (FIPS 186-5, A.2.1).
  const material = Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'base64url'), '', `gatewright identity ${namespace}`, 40)).toString('hex');
  const scalar = Buffer.from((BigInt(`0x${material}`) % (ORDER - 1n) + 1n).toString(16).padStart(64, '0'), 'hex');
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(scalar);
  const point = curve.getPublicKey();
  const shown = { kty: 'EC', crv: 'P-256', x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') };
  const kid = (await calculateJwkThumbprint(shown)).slice(0, 16);
  return { kid, key: await importJWK({ ...shown, d: scalar.toString('base64url'), ext: false }, 'ES256') as CryptoKey, publicKey: { ...shown, kid, alg: 'ES256', use: 'sig' } };
}
