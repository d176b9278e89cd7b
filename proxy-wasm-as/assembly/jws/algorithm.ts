// The signature algorithms of RFC 7518 section 3.1 and RFC 8037: those that the host can verify, and those it cannot.
import { utf8 } from "../bytes";
import { Curve, Hash } from "../crypto/public-key";
import { Json } from "../json";

/** Unverifiable: a registered algorithm that `verify_signature` does not have. No key of ours serves it. */
export enum Algorithm { Unknown = 0, RS256 = 1, RS384 = 2, RS512 = 3, ES256 = 4, ES384 = 5, ES512 = 6, Unverifiable = 7 }

const NAMES: ArrayBuffer[] = [
  new ArrayBuffer(0), utf8("RS256"), utf8("RS384"), utf8("RS512"), utf8("ES256"), utf8("ES384"), utf8("ES512"),
];
const UNVERIFIABLE: ArrayBuffer[] = [
  utf8("PS256"), utf8("PS384"), utf8("PS512"), utf8("HS256"), utf8("HS384"), utf8("HS512"), utf8("EdDSA"),
];

/** The algorithm that a JSON string names; Unknown for any other, "none" included. */
export function algorithmOf(json: Json, node: i32): Algorithm {
  for (let i = 1; i < NAMES.length; i++) if (json.is(node, NAMES[i])) return <Algorithm>i;
  for (let i = 0; i < UNVERIFIABLE.length; i++) if (json.is(node, UNVERIFIABLE[i])) return Algorithm.Unverifiable;
  return Algorithm.Unknown;
}

export function hashOf(algorithm: Algorithm): Hash {
  if (algorithm == Algorithm.RS384 || algorithm == Algorithm.ES384) return Hash.Sha384;
  return algorithm == Algorithm.RS512 || algorithm == Algorithm.ES512 ? Hash.Sha512 : Hash.Sha256;
}

/** The one curve an algorithm may be used with (RFC 7518 section 3.4); None: an RSA key. */
export function curveOf(algorithm: Algorithm): Curve {
  if (algorithm == Algorithm.ES256) return Curve.P256;
  if (algorithm == Algorithm.ES384) return Curve.P384;
  return algorithm == Algorithm.ES512 ? Curve.P521 : Curve.None;
}
