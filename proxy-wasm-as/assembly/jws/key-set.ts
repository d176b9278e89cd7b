// JWK Sets (RFC 7517 section 5) to keys that can verify, and which of them a token asks for. Pure but for the verifying call.
import { decode, decodedSize } from "../base64url";
import { slice, utf8 } from "../bytes";
import { Curve, PublicKey } from "../crypto/public-key";
import { ABSENT, Json, JsonType } from "../json";
import { byteAt } from "../memory";
import { Algorithm, algorithmOf, curveOf, hashOf } from "./algorithm";
import { Outcome } from "./outcome";
import { Token } from "./token";

/** RFC 7518 section 3.3: "A key of size 2048 bits or larger MUST be used". */
const MIN_RSA_BYTES = 256;
const MAX_RSA_BYTES = 1024;
/** More keys than any issuer publishes; the rest is not read. */
const MAX_KEYS = 100;

const KEYS = utf8("keys"), KTY = utf8("kty"), KID = utf8("kid"), ALG = utf8("alg"), USE = utf8("use"), CRV = utf8("crv");
const N = utf8("n"), E = utf8("e"), X = utf8("x"), Y = utf8("y");
const RSA = utf8("RSA"), EC = utf8("EC"), ENC = utf8("enc"), P256 = utf8("P-256"), P384 = utf8("P-384"), P521 = utf8("P-521");

class Key {
  constructor(
    readonly kid: ArrayBuffer,              // empty: serves any kid
    readonly algorithm: Algorithm,          // Unknown: serves any algorithm of its type
    readonly key: PublicKey,
  ) {}
}

/** The keys of one issuer. */
export class KeySet {
  private keys: Key[] = [];
  get size(): i32 { return this.keys.length; }
  /** What it counts as among what is kept. */
  weight: i32 = 1;

  /** Reads what is usable and leaves the rest out; a set may hold keys for other purposes. */
  static read(json: Json, root: i32): KeySet {
    const set = new KeySet();
    const keys = json.get(root, KEYS);
    if (json.type(keys) != JsonType.Array) return set;
    for (let node = json.first(keys); node != ABSENT && set.keys.length < MAX_KEYS; node = json.next(node, keys)) {
      const key = readKey(json, node);
      if (key != null) set.keys.push(key);
    }
    return set;
  }

  /** Accepted, NoMatchingKey, or VerificationFails. Every key that fits is tried. */
  verify(token: Token): Outcome {
    const hash = hashOf(token.algorithm), curve = curveOf(token.algorithm);
    const kidSize = token.header.end(token.kid) - token.header.start(token.kid);
    let outcome = Outcome.NoMatchingKey;
    for (let i = 0; i < this.keys.length; i++) {
      const key = this.keys[i];
      if (token.kid != ABSENT && kidSize > 0 && key.kid.byteLength > 0 && !token.header.is(token.kid, key.kid)) continue;
      if (key.algorithm != Algorithm.Unknown && key.algorithm != token.algorithm) continue;
      outcome = Outcome.VerificationFails;
      // RFC 8725 section 3.1: the key, not the token, says which kind of algorithm it is for.
      if (key.key.curve != curve || token.algorithm == Algorithm.Unverifiable) continue;
      if (key.key.verify(hash, token.signature, token.signatureSize, token.bytes, 0, token.signedEnd)) return Outcome.Accepted;
    }
    return outcome;
  }
}

function readKey(json: Json, node: i32): Key | null {
  if (json.is(json.get(node, USE), ENC)) return null;
  const alg = json.get(node, ALG);
  const algorithm = alg == ABSENT ? Algorithm.Unknown : algorithmOf(json, alg);
  if (alg != ABSENT && (algorithm == Algorithm.Unknown || algorithm == Algorithm.Unverifiable)) return null;
  const kty = json.get(node, KTY);
  const key = json.is(kty, RSA) ? readRsa(json, node, algorithm) : json.is(kty, EC) ? readEc(json, node, algorithm) : null;
  return key == null ? null : new Key(json.string(json.get(node, KID)), algorithm, key);
}

function readRsa(json: Json, node: i32, algorithm: Algorithm): PublicKey | null {
  if (curveOf(algorithm) != Curve.None) return null;
  const n = number(json, json.get(node, N)), e = number(json, json.get(node, E));
  if (n == null || e == null) return null;
  if (n.byteLength < MIN_RSA_BYTES || n.byteLength > MAX_RSA_BYTES) return null;
  // Even moduli are no keys; exponents other than 3 and 65537 Envoy refuses too.
  if ((byteAt(n, n.byteLength - 1) & 1) == 0) return null;
  const three = e.byteLength == 1 && byteAt(e, 0) == 3;
  const f4 = e.byteLength == 3 && byteAt(e, 0) == 1 && byteAt(e, 1) == 0 && byteAt(e, 2) == 1;
  return three || f4 ? PublicKey.rsa(n, e) : null;
}

function readEc(json: Json, node: i32, algorithm: Algorithm): PublicKey | null {
  const crv = json.get(node, CRV);
  let curve = json.is(crv, P256) ? Curve.P256 : json.is(crv, P384) ? Curve.P384 : json.is(crv, P521) ? Curve.P521 : Curve.None;
  // As Envoy: without crv the algorithm names the curve, without either it is P-256.
  if (crv == ABSENT) curve = algorithm == Algorithm.Unknown ? Curve.P256 : curveOf(algorithm);
  if (curve == Curve.None || (algorithm != Algorithm.Unknown && curveOf(algorithm) != curve)) return null;
  const x = number(json, json.get(node, X)), y = number(json, json.get(node, Y));
  return x == null || y == null ? null : PublicKey.ec(curve, x, y);
}

/** A Base64urlUInt (RFC 7518 section 2) without leading zeros, or null. */
function number(json: Json, node: i32): ArrayBuffer | null {
  if (json.type(node) != JsonType.String) return null;
  const start = json.start(node), end = json.end(node);
  const bytes = new ArrayBuffer(decodedSize(start, end));
  const size = decode(json.bytes, start, end, bytes);
  if (size <= 0) return null;
  let zeros = 0;
  while (zeros < size - 1 && byteAt(bytes, zeros) == 0) zeros++;
  return slice(bytes, zeros, size);
}
