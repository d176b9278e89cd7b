// Assertions of live sessions: read once, their signatures verified once, and judged for every request.
import { utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { compactJson } from "../../proxy-wasm-as/assembly/compact-json";
import { ABSENT, Json, JsonType } from "../../proxy-wasm-as/assembly/json";
import { Algorithm } from "../../proxy-wasm-as/assembly/jws/algorithm";
import { KeySet } from "../../proxy-wasm-as/assembly/jws/key-set";
import { Outcome } from "../../proxy-wasm-as/assembly/jws/outcome";
import { Token } from "../../proxy-wasm-as/assembly/jws/token";
import { VerifiedTokens } from "../../proxy-wasm-as/assembly/jws/verified-tokens";
import { maySet } from "./headers";

const AUD = utf8("aud"), PID = utf8("pid"), IAT = utf8("iat"), EXP = utf8("exp"), SET = utf8("set"), FORWARD = utf8("forward"), CLAIMS = utf8("claims");
/** What else the keys sign is no assertion. */
const TYP = utf8("typ"), SESSION = utf8("session+jwt");

/** What the payload says (policy/session.ts, AssertionClaims). */
export class Assertion {
  audience: ArrayBuffer = new ArrayBuffer(0);
  policy: ArrayBuffer = new ArrayBuffer(0);
  /** Seconds since the epoch. */
  issued: f64 = 0;
  expires: f64 = 0;
  /** [name, value, name, value, …] */
  headers: ArrayBuffer[] = [];
  /** Names the headers with tokens that belong to it; empty: there are none. */
  forward: ArrayBuffer = new ArrayBuffer(0);
  /** JSON text. */
  claims: ArrayBuffer = new ArrayBuffer(0);

  /** Null: it is none, or one that sets what no session may. */
  static read(payload: Json): Assertion | null {
    const root = payload.root;
    const audience = payload.get(root, AUD), policy = payload.get(root, PID), issued = payload.get(root, IAT), expires = payload.get(root, EXP);
    const claims = payload.get(root, CLAIMS), set = payload.get(root, SET);
    if (payload.type(audience) != JsonType.String || payload.type(policy) != JsonType.String || payload.type(issued) != JsonType.Number) return null;
    if (payload.type(expires) != JsonType.Number || payload.type(claims) != JsonType.Object || payload.type(set) != JsonType.Array) return null;
    const forward = payload.get(root, FORWARD);
    if (forward != ABSENT && payload.type(forward) != JsonType.String) return null;
    const assertion = new Assertion();
    const headers = headerPairs(payload, set);
    if (headers == null) return null;
    assertion.headers = headers;
    if (forward != ABSENT) assertion.forward = payload.string(forward);
    assertion.audience = payload.string(audience);
    assertion.policy = payload.string(policy);
    assertion.issued = payload.number(issued);
    assertion.expires = payload.number(expires);
    assertion.claims = compactJson(payload, claims);
    return assertion;
  }
}

/** [[name, value], …] as [name, value, name, value, …]; null: it is no such list, or sets what no session may. */
export function headerPairs(json: Json, list: i32): ArrayBuffer[] | null {
  const headers: ArrayBuffer[] = [];
  for (let pair = json.first(list); pair != ABSENT; pair = json.next(pair, list)) {
    const name = json.first(pair), value = name == ABSENT ? ABSENT : json.next(name, pair);
    if (json.type(pair) != JsonType.Array || json.type(name) != JsonType.String || json.type(value) != JsonType.String) return null;
    if (json.next(value, pair) != ABSENT || !maySet(json.string(name), json.string(value))) return null;
    headers.push(json.string(name));
    headers.push(json.string(value));
  }
  return headers;
}

export class Assertions {
  private known: VerifiedTokens<Assertion> = new VerifiedTokens<Assertion>();
  private token: Token = new Token();

  constructor(private keys: KeySet) {}

  /** What exactly these bytes assert, if one of our keys has signed them. Whether it holds now and here is another question: decide.ts. */
  verified(bytes: ArrayBuffer): Assertion | null {
    const again = this.known.find(bytes, this.keys);
    if (again != null) return again;
    const token = this.token;
    if (token.parse(bytes) != Outcome.Accepted || token.algorithm != Algorithm.ES256) return null;
    if (!token.header.is(token.header.get(token.header.root, TYP), SESSION)) return null;
    // A key set takes a token without kid for anybody's; ours always have one.
    if (token.header.start(token.kid) == token.header.end(token.kid) || this.keys.verify(token) != Outcome.Accepted) return null;
    const assertion = Assertion.read(token.payload);
    if (assertion != null) this.known.add(bytes, this.keys, assertion);
    return assertion;
  }
}
