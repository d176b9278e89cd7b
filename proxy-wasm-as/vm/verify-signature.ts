// Envoy's foreign function `verify_signature`, done for real and with its limits (performance.md, section 3):
// RSA PKCS#1 v1.5 and ECDSA over P-256/384/521 with DER signatures. Not RSA-PSS, not Ed25519, not raw r‖s.
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { Status } from './abi.ts';
import { bytesField, encodeBytes, parseFields, textField } from './protobuf.ts';

/** Names Envoy knows, in any case; anything else is "X is not supported." */
const hashes = new Set(['sha1', 'sha224', 'sha256', 'sha384', 'sha512']);

const curves = new Set(['secp224r1', 'prime256v1', 'secp384r1', 'secp521r1']);

const trueResult = Uint8Array.of(0x08, 0x01);

/** Parsed keys by their bytes: Envoy parses at every call, which would only slow a test down. */
const KEPT_KEYS = 64;
const keys = new Map<string, KeyObject | undefined>();

/**
 * Argument: {1 hash_function, 2 public_key DER SPKI, 3 signature, 4 text, 5 public_key_pem}, 2 and 5 exclude each other.
 * Answers {1 result, 2 error} as protobuf, or BadArgument for no message, no key or both keys.
 */
export function verifySignature(argument: Uint8Array): Uint8Array | Status {
  const fields = parseFields(argument);
  if (fields === undefined) return Status.BadArgument;
  const hash = textField(fields, 1);
  const der = bytesField(fields, 2);
  const signature = bytesField(fields, 3);
  const text = bytesField(fields, 4);
  const pem = textField(fields, 5);
  if (hash === undefined || der === undefined || signature === undefined || text === undefined || pem === undefined) return Status.BadArgument;
  if ((der.length > 0) === (pem !== '')) return Status.BadArgument;

  const algorithm = hash.toLowerCase();
  if (!hashes.has(algorithm)) return failure(`${hash} is not supported.`);
  const key = der.length > 0 ? publicKey(Buffer.from(der)) : publicKey(pem);
  if (key === undefined) return failure('Failed to initialize digest verify.');
  return verifies(algorithm, text, key, signature) ? trueResult : failure('Failed to verify digest. Error code: 0');
}

function failure(error: string): Uint8Array {
  return encodeBytes(2, Buffer.from(error));
}

function publicKey(source: Buffer | string): KeyObject | undefined {
  const id = typeof source === 'string' ? source : createHash('sha256').update(source).digest('base64');
  if (keys.has(id)) return keys.get(id);
  if (keys.size >= KEPT_KEYS) keys.clear();
  const key = parse(source);
  keys.set(id, key);
  return key;
}

function parse(source: Buffer | string): KeyObject | undefined {
  // Node also takes PKCS#1 and certificates; Envoy takes SubjectPublicKeyInfo only.
  if (typeof source === 'string' && !source.includes('BEGIN PUBLIC KEY')) return undefined;
  try {
    const key = typeof source === 'string' ? createPublicKey(source) : createPublicKey({ key: source, format: 'der', type: 'spki' });
    const usable = key.asymmetricKeyType === 'rsa' || curves.has(key.asymmetricKeyDetails?.namedCurve ?? '');
    return usable ? key : undefined;
  } catch {
    return undefined;
  }
}

function verifies(algorithm: string, text: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  try {
    return verify(algorithm, text, { key, dsaEncoding: 'der' }, signature);
  } catch {
    return false;
  }
}
