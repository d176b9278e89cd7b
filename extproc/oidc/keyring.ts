// The keys of the login service: one seals what browsers and stores keep for us, one signs what Envoy checks.
import { calculateJwkThumbprint, type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import { z } from 'zod';
import { Secret } from '../../policy/secret.ts';
import type { World } from '../world.ts';
import { type IdentityKey, identityKey } from './identity-keys.ts';

const KeyRingKey = z.object({
  kid: z.string().min(1),
  /** Milliseconds since the epoch. */
  created: z.number(),
  /** A256GCM, 32 bytes in base64url. */
  encryption: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  /** ES256, private. */
  signing: z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string(), d: z.string() }).readonly(),
}).readonly();

/**
 * Newest first. The newest is in reserve: it seals and signs nothing before a newer one follows, a month later. So whatever reads the ring, Envoy's workers and
 * processes that look once an hour included, has long learnt a key by the time it meets something made with it, and no clock decides which key that is.
 */
export interface KeyRingData { readonly keys: readonly z.infer<typeof KeyRingKey>[] }
const KeyRingData = z.object({ keys: z.array(KeyRingKey).min(1) });

/** From its JSON. Undefined: it is none. */
export function readKeyRing(text: string): KeyRingData | undefined {
  try { return KeyRingData.parse(JSON.parse(text)); } catch { return undefined; }
}

const DAY_MS = 86_400_000;
const NEW_KEY_EVERY_MS = 30 * DAY_MS;
/** From when a key is used no more. What it sealed last has ended, or was sealed anew, by then. */
const KEPT_MS = 100 * DAY_MS;

export async function newKeyRing(world: Pick<World, 'now' | 'random'>): Promise<KeyRingData> {
  return { keys: [await newKey(world), await newKey(world)] };
}

/** Undefined: there is nothing to do. */
export async function rotated({ keys }: KeyRingData, world: Pick<World, 'now' | 'random'>): Promise<KeyRingData | undefined> {
  const now = world.now();
  const [newest] = keys;
  if (newest !== undefined && now - newest.created < NEW_KEY_EVERY_MS) return undefined;
  const ring = [await newKey(world), ...keys];
  // Key i was used until key i - 2 came.
  return { keys: ring.filter((_, i) => i < 3 || now - (ring[i - 2]?.created ?? now) < KEPT_MS) };
}

async function newKey(world: Pick<World, 'now' | 'random'>): Promise<z.infer<typeof KeyRingKey>> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const signing = KeyRingKey.unwrap().shape.signing.parse(await exportJWK(privateKey));
  const kid = (await calculateJwkThumbprint(signing)).slice(0, 16);
  return { kid, created: world.now(), encryption: Buffer.from(world.random(32)).toString('base64url'), signing };
}

interface KeyInUse { readonly kid: string; readonly key: CryptoKey }

export class KeyRing {
  /** What seals. */
  readonly encryption: KeyInUse;
  /** What signs. */
  readonly signing: KeyInUse;
  /** A JWK Set: of keys that are not used yet, too. */
  readonly publicKeys: { keys: JWK[] };
  readonly #encryption: ReadonlyMap<string, CryptoKey>;
  readonly #secrets: readonly Secret[];
  readonly #identities = new Map<string, Promise<readonly IdentityKey[]>>();

  private constructor(keys: readonly { readonly kid: string; readonly encryption: CryptoKey; readonly signing: CryptoKey; readonly secret: Secret }[], publicKeys: JWK[]) {
    const current = keys[1] ?? keys[0];
    if (current === undefined) throw new Error('a key ring without keys');
    this.encryption = { kid: current.kid, key: current.encryption };
    this.signing = { kid: current.kid, key: current.signing };
    this.publicKeys = { keys: publicKeys };
    this.#secrets = keys.map(({ secret }) => secret);
    this.#encryption = new Map(keys.map(({ kid, encryption }) => [kid, encryption]));
  }

  static async of({ keys }: KeyRingData): Promise<KeyRing> {
    const imported = await Promise.all(keys.map(async ({ kid, encryption, signing }) => ({
      kid,
      encryption: await crypto.subtle.importKey('raw', Buffer.from(encryption, 'base64url'), 'AES-GCM', false, ['encrypt', 'decrypt']),
      signing: await importJWK({ ...signing, ext: false }, 'ES256') as CryptoKey,
      secret: new Secret(signing.d),
    })));
    return new KeyRing(imported, keys.map(({ kid, signing: { kty, crv, x, y } }) => ({ kty, crv, x, y, kid, alg: 'ES256', use: 'sig' })));
  }

  /** What signs identities for the apps of a namespace. `publicKeys`: as above, a JWK Set. Namespaces are those of policies, so there are not many. */
  async identity(namespace: string): Promise<{ readonly signing: KeyInUse; readonly publicKeys: { keys: JWK[] } }> {
    const made = this.#identities.get(namespace) ?? Promise.all(this.#secrets.map((secret) => identityKey(secret.reveal(), namespace)));
    this.#identities.set(namespace, made);
    const keys = await made;
    const signing = keys[1] ?? keys[0];
    if (signing === undefined) throw new Error('a key ring without keys');
    return { signing, publicKeys: { keys: keys.map(({ publicKey }) => publicKey) } };
  }

  /** Old ones still open what they sealed. */
  opening(kid: string): CryptoKey | undefined { return this.#encryption.get(kid); }
}
