// A JWT in JWS compact form (RFC 7515 section 7.1, RFC 7519): split, decoded, its standard claims typed. Pure.
// Checks come in the order of Envoy's jwt_authn, so that a token with two faults gets the same answer.
import { decode, decodedSize } from "../base64url";
import { utf8 } from "../bytes";
import { ABSENT, Json, JsonType } from "../json";
import { byteAt } from "../memory";
import { Algorithm, algorithmOf } from "./algorithm";
import { Outcome } from "./outcome";

/** Larger tokens are refused unread. Envoy's own limit for all headers together is 60 KiB unless configured otherwise. */
export const MAX_TOKEN_BYTES = 65536;

const ALG = utf8("alg"), KID = utf8("kid"), CRIT = utf8("crit");
const ISS = utf8("iss"), SUB = utf8("sub"), AUD = utf8("aud"), IAT = utf8("iat"), NBF = utf8("nbf"), EXP = utf8("exp"), JTI = utf8("jti");
const UINT64_LIMIT: f64 = 18446744073709551616.0;

const NOTHING = new Json();

/** The token being looked at. Reusable: parse() forgets the one before. */
export class Token {
  header: Json = new Json();
  readonly payload: Json = new Json();
  bytes: ArrayBuffer = new ArrayBuffer(0);
  /** Where its signing input (header, dot, payload) ends. */
  signedEnd: i32 = 0;
  signature: ArrayBuffer = new ArrayBuffer(512);
  signatureSize: i32 = 0;
  algorithm: Algorithm = Algorithm.Unknown;
  kid: i32 = ABSENT;
  iss: i32 = ABSENT;
  aud: i32 = ABSENT;
  /** Seconds since the epoch; 0: the claim is absent. */
  nbf: f64 = 0;
  exp: f64 = 0;

  /** Accepted here means: well-formed. Nothing has been verified. */
  parse(bytes: ArrayBuffer): Outcome {
    this.bytes = bytes;
    const end = bytes.byteLength;
    if (end > MAX_TOKEN_BYTES) return Outcome.TooLarge;
    let first = -1, second = -1;
    for (let i = 0; i < end; i++) {
      if (byteAt(bytes, i) != 0x2e) continue;
      if (first < 0) first = i;
      else if (second < 0) second = i;
      else return Outcome.BadFormat;
    }
    if (second < 0 || first == 0 || second == first + 1 || second == end - 1) return Outcome.BadFormat;
    this.signedEnd = second;
    const header = this.readHeader(first);
    if (header != Outcome.Accepted) return header;
    const payload = this.readPayload(first + 1, second);
    if (payload != Outcome.Accepted) return payload;
    const size = decodedSize(second + 1, end);
    if (this.signature.byteLength < size) this.signature = new ArrayBuffer(size);
    this.signatureSize = decode(bytes, second + 1, end, this.signature);
    return this.signatureSize < 0 ? Outcome.SignatureBadBase64 : Outcome.Accepted;
  }

  /** Takes a JSON object for a verified payload, whatever is in it. False: it is none. */
  claim(bytes: ArrayBuffer): bool {
    this.bytes = bytes;
    this.iss = this.aud = ABSENT;
    this.nbf = this.exp = 0;
    return this.payload.parse(bytes, 0, bytes.byteLength) && this.payload.type(this.payload.root) == JsonType.Object;
  }

  /** Lets go of what only verifying needs, when that is done and the token is to be kept. */
  forgetProof(): void {
    this.header = NOTHING;
    this.kid = ABSENT;
    this.signature = new ArrayBuffer(0);
    this.signatureSize = 0;
    this.payload.compact();
  }

  private readHeader(end: i32): Outcome {
    const json = this.header;
    json.reserve(decodedSize(0, end));
    const size = decode(this.bytes, 0, end, json.bytes);
    if (size < 0) return Outcome.HeaderBadBase64;
    if (!json.parseInPlace(size) || json.type(json.root) != JsonType.Object) return Outcome.HeaderBadJson;
    const alg = json.get(json.root, ALG);
    if (json.type(alg) != JsonType.String) return Outcome.HeaderBadAlg;
    this.algorithm = algorithmOf(json, alg);
    if (this.algorithm == Algorithm.Unknown) return Outcome.HeaderUnknownAlg;
    this.kid = json.get(json.root, KID);
    if (this.kid != ABSENT && json.type(this.kid) != JsonType.String) return Outcome.HeaderBadKid;
    // RFC 7515 section 4.1.11: extensions that are not understood make the token invalid. We understand none.
    return json.get(json.root, CRIT) == ABSENT ? Outcome.Accepted : Outcome.UnknownCrit;
  }

  private readPayload(start: i32, end: i32): Outcome {
    const json = this.payload;
    json.reserve(decodedSize(start, end));
    const size = decode(this.bytes, start, end, json.bytes);
    if (size < 0) return Outcome.PayloadBadBase64;
    if (!json.parseInPlace(size) || json.type(json.root) != JsonType.Object) return Outcome.PayloadBadJson;
    this.iss = json.get(json.root, ISS);
    if (!stringOrAbsent(json, this.iss)) return Outcome.BadIss;
    if (!stringOrAbsent(json, json.get(json.root, SUB))) return Outcome.BadSub;
    const iat = json.get(json.root, IAT);
    if (!numberOrAbsent(json, iat)) return Outcome.BadIat;
    if (!inRange(json.number(iat))) return Outcome.IatOutOfRange;
    const nbf = json.get(json.root, NBF);
    if (!numberOrAbsent(json, nbf)) return Outcome.BadNbf;
    this.nbf = json.number(nbf);
    if (!inRange(this.nbf)) return Outcome.NbfOutOfRange;
    const exp = json.get(json.root, EXP);
    if (!numberOrAbsent(json, exp)) return Outcome.BadExp;
    this.exp = json.number(exp);
    if (!inRange(this.exp)) return Outcome.ExpOutOfRange;
    if (!stringOrAbsent(json, json.get(json.root, JTI))) return Outcome.BadJti;
    this.aud = json.get(json.root, AUD);
    return this.audiencesAreStrings() ? Outcome.Accepted : Outcome.BadAud;
  }

  private audiencesAreStrings(): bool {
    const json = this.payload;
    if (stringOrAbsent(json, this.aud)) return true;
    if (json.type(this.aud) != JsonType.Array) return false;
    for (let node = json.first(this.aud); node != ABSENT; node = json.next(node, this.aud)) {
      if (json.type(node) != JsonType.String) return false;
    }
    return true;
  }
}

function stringOrAbsent(json: Json, node: i32): bool { return node == ABSENT || json.type(node) == JsonType.String; }
function numberOrAbsent(json: Json, node: i32): bool { return node == ABSENT || json.type(node) == JsonType.Number; }
function inRange(value: f64): bool { return value >= 0 && value < UINT64_LIMIT; }
