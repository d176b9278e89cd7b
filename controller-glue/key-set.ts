// A JWK Set (RFC 7517) as a user wrote it → the public keys in it that filters/jwt can use, in one canonical spelling.
import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../policy/canonical-json.ts';
import { contentId } from './content-id.ts';

export type KeySet =
  | { readonly ok: true; readonly id: string; readonly json: string; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly message: string };

/** Members that make a key private or symmetric. They must never reach xDS, where config_dump shows them. */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
/** What is kept of a key. */
const PUBLIC = ['kty', 'kid', 'alg', 'use', 'n', 'e', 'crv', 'x', 'y'] as const;
/** RFC 7518 section 3.4: each of these algorithms has exactly one curve. */
const CURVES: Readonly<Record<string, { readonly alg: string; readonly bytes: number }>> = {
  'P-256': { alg: 'ES256', bytes: 32 }, 'P-384': { alg: 'ES384', bytes: 48 }, 'P-521': { alg: 'ES512', bytes: 66 },
};
const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512'];
const MIN_RSA_BITS = 2048;   // RFC 7518 section 3.3, and the filter holds to it
const MAX_RSA_BITS = 8192;
const MAX_KEYS = 100;        // as many as the filter reads
const MAX_TEXT = 1024 * 1024;

const Jwk = z.looseObject({ kty: z.string(), ...Object.fromEntries(PUBLIC.slice(1).map((name) => [name, z.string().optional()])) });
type Jwk = { readonly [Member in (typeof PUBLIC)[number]]?: string };

const remembered = new Map<string, KeySet>();   // by text: checking a key costs 50 µs, and a reload reads them all again
const MAX_REMEMBERED = 4096;

export function keySet(text: string): KeySet {
  const known = remembered.get(text);
  if (known !== undefined) return known;
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  const read = readKeySet(text);
  remembered.set(text, read);
  return read;
}

function readKeySet(text: string): KeySet {
  if (text.length > MAX_TEXT) return refuse('is larger than 1 MiB');
  let parsed: unknown;
  // No part of the text goes into the message: it may hold a private key.
  try { parsed = JSON.parse(text); } catch { return refuse('is not JSON'); }
  if (typeof parsed !== 'object' || parsed === null || !('keys' in parsed) || !Array.isArray(parsed.keys)) return refuse('must be an object with a list "keys"');
  if (parsed.keys.length > MAX_KEYS) return refuse(`holds more than ${MAX_KEYS} keys`);
  const good: Jwk[] = [];
  const warnings: string[] = [];
  for (const [i, key] of (parsed.keys as unknown[]).entries()) {
    const shown = `keys[${i}]${typeof key === 'object' && key !== null && 'kid' in key && typeof key.kid === 'string' ? ` (kid ${key.kid.slice(0, 100)})` : ''}`;
    if (typeof key !== 'object' || key === null) { warnings.push(`${shown} is not an object`); continue; }
    const secret = PRIVATE.filter((name) => Object.hasOwn(key, name));
    if (secret.length > 0) return refuse(`${shown} holds ${secret.map((name) => `"${name}"`).join(', ')}: a key set must hold public keys only. Take the private part out, and replace that key: it has been written down`);
    const problem = unusable(key);
    if (problem === null) good.push(publicPart(key as Jwk));
    else warnings.push(`${shown} ${problem}`);
  }
  if (good.length === 0) return refuse(`holds no usable key${warnings.length === 0 ? '' : `: ${warnings.join('; ')}`}`);
  const json = canonicalJson({ keys: good });
  return { ok: true, id: contentId(json), json, warnings: warnings.map((warning) => `${warning}: skipped`) };
}

function unusable(key: object): string | null {
  const read = Jwk.safeParse(key);
  if (!read.success) return `is no JWK: ${read.error.issues.map(({ path }) => path.join('.')).join(', ')} must be a string`;
  const jwk = read.data as Jwk & { readonly key_ops?: unknown };
  if (jwk.use !== undefined && jwk.use !== 'sig') return `is for "${jwk.use}", not for signatures`;
  if (Array.isArray(jwk.key_ops) && !jwk.key_ops.includes('verify')) return 'is not for "verify"';
  switch (jwk.kty) {
    case 'RSA': return unusableRsa(jwk);
    case 'EC': return unusableEc(jwk);
    default: return `is of type ${jwk.kty}: only RSA and EC keys can be used`;
  }
}

function unusableRsa(jwk: Jwk): string | null {
  if (jwk.alg !== undefined && !RSA_ALGORITHMS.includes(jwk.alg)) return `is for ${jwk.alg}: only ${RSA_ALGORITHMS.join(', ')} can be used`;
  const [n, e] = [bytes(jwk.n), bytes(jwk.e)];
  if (n === null) return 'has no modulus "n" in base64url';
  if (e === null || !['3', '65537'].includes(BigInt(`0x${e.toString('hex')}`).toString())) return 'has no exponent "e" of 3 or 65537';
  const bits = BigInt(`0x${n.toString('hex')}`).toString(2).length;
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) return `has ${bits} bits: from ${MIN_RSA_BITS} to ${MAX_RSA_BITS} are wanted`;
  if (((n.at(-1) ?? 0) & 1) === 0) return 'has an even modulus: it is no RSA key';
  return unreadable(jwk);
}

function unusableEc(jwk: Jwk): string | null {
  const curve = CURVES[jwk.crv ?? ''];
  if (curve === undefined) return 'has no curve of P-256, P-384, P-521';
  if (jwk.alg !== undefined && jwk.alg !== curve.alg) return `is for ${jwk.alg}, but on ${jwk.crv} only ${curve.alg} can be used`;
  if (bytes(jwk.x)?.length !== curve.bytes || bytes(jwk.y)?.length !== curve.bytes) return `must have "x" and "y" of ${curve.bytes} bytes in base64url`;
  return unreadable(jwk);
}

/** OpenSSL's word: for EC keys it also checks that the point is on the curve. */
function unreadable(jwk: Jwk): string | null {
  try { createPublicKey({ key: publicPart(jwk) as { kty: string }, format: 'jwk' }); return null; } catch { return 'is not a valid key'; }
}

function publicPart(jwk: Jwk): Jwk {
  return Object.fromEntries(PUBLIC.filter((name) => jwk[name] !== undefined).map((name) => [name, jwk[name]]));
}

/** Strict base64url: Node's own decoder would skip what is not part of the alphabet, and so accept a key that was cut short. */
function bytes(text: string | undefined): Buffer | null {
  return text !== undefined && /^[A-Za-z0-9_-]+$/.test(text) && text.length % 4 !== 1 ? Buffer.from(text, 'base64url') : null;
}

function refuse(message: string): KeySet { return { ok: false, message }; }
