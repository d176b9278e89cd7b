// Public keys for signatures (RFC 7518 section 3) by the host's `verify_signature`: BoringSSL's speed, no hop.
import { foreignFlag } from "../host";
import { concat, utf8 } from "../bytes";
import { copyBytes, setByte } from "../memory";
import { bitString, element, integer, padded, raw, sequence } from "./der";

const VERIFY_SIGNATURE = utf8("verify_signature");
const TRUE: u32 = 0x0108;                                     // protobuf field 1, varint 1

const RSA_ENCRYPTION = raw([0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00]);
const EC_PUBLIC_KEY = raw([0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]);
const P256 = raw([0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
const P384 = raw([0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22]);
const P521 = raw([0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23]);

export enum Hash { Sha256 = 0, Sha384 = 1, Sha512 = 2 }
const HASH_NAMES: ArrayBuffer[] = [utf8("sha256"), utf8("sha384"), utf8("sha512")];

/** Bytes of one coordinate: 32, 48, 66; they name the curve. */
export enum Curve { None = 0, P256 = 32, P384 = 48, P521 = 66 }

/** A key as SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), with the start of the call that every signature makes. */
export class PublicKey {
  private starts: StaticArray<ArrayBuffer>;
  constructor(spki: ArrayBuffer, readonly curve: Curve) {
    const key = field(2, spki, spki.byteLength);
    this.starts = [
      concat([field(1, HASH_NAMES[0], 6), key]), concat([field(1, HASH_NAMES[1], 6), key]), concat([field(1, HASH_NAMES[2], 6), key]),
    ];
  }

  /** From an RSA modulus and exponent (RFC 7518 section 6.3.1), big-endian. */
  static rsa(n: ArrayBuffer, e: ArrayBuffer): PublicKey {
    const numbers = sequence(integer(n, 0, n.byteLength), integer(e, 0, e.byteLength));
    return new PublicKey(sequence(element(0x30, RSA_ENCRYPTION), bitString(numbers)), Curve.None);
  }

  /** From the coordinates of a point (RFC 7518 section 6.2.1), or null when they are too long for the curve. */
  static ec(curve: Curve, x: ArrayBuffer, y: ArrayBuffer): PublicKey | null {
    const left = padded(x, curve), right = padded(y, curve);
    if (left == null || right == null) return null;
    const oid = curve == Curve.P256 ? P256 : curve == Curve.P384 ? P384 : P521;
    const point = concat([raw([4]), left, right]);
    return new PublicKey(sequence(element(0x30, concat([EC_PUBLIC_KEY, oid])), bitString(point)), curve);
  }

  /**
   * Whether `signature` (its first `signatureSize` bytes, in JOSE form) is this key's over [start, end) of `text`.
   * False for any fault, the host's included.
   */
  verify(hash: Hash, signature: ArrayBuffer, signatureSize: i32, text: ArrayBuffer, start: i32, end: i32): bool {
    const prefix = unchecked(this.starts[hash]);
    let signed = signature;
    let signedSize = signatureSize;
    if (this.curve != Curve.None) {
      // JOSE writes r ‖ s (RFC 7518 section 3.4), BoringSSL reads DER.
      if (signatureSize != this.curve * 2) return false;
      signed = sequence(integer(signature, 0, this.curve), integer(signature, this.curve, signatureSize));
      signedSize = signed.byteLength;
    }
    const size = prefix.byteLength + signedSize + (end - start) + 12;
    if (argument.byteLength < size) argument = new ArrayBuffer(size * 2);
    let at = copyBytes(argument, 0, prefix, 0, prefix.byteLength);
    at = writeKey(argument, at, 3, signedSize);
    at += copyBytes(argument, at, signed, 0, signedSize);
    at = writeKey(argument, at, 4, end - start);
    at += copyBytes(argument, at, text, start, end);
    return foreignFlag(VERIFY_SIGNATURE, argument, at) == TRUE;
  }
}

// The argument of the call in hand; one a worker, as large as the largest token needed.
let argument = new ArrayBuffer(2048);

/** Protobuf key (length-delimited) and length; returns the place behind. */
function writeKey(to: ArrayBuffer, at: i32, number: u32, size: i32): i32 {
  setByte(to, at++, (number << 3) | 2);
  let rest = <u32>size;
  while (rest >= 0x80) {
    setByte(to, at++, (rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  setByte(to, at++, rest);
  return at;
}

function field(number: u32, content: ArrayBuffer, size: i32): ArrayBuffer {
  const bytes = new ArrayBuffer(size + 6);
  const at = writeKey(bytes, 0, number, size);
  const end = at + copyBytes(bytes, at, content, 0, size);
  return bytes.slice(0, end);
}
