// A policy as the filter works with it: what policy/jwt.ts describes, compiled. Data only.
import { KeySet } from "../../proxy-wasm-as/assembly/jws/key-set";
import { RemoteKeys } from "./remote-keys";

export class HeaderSource {
  constructor(
    readonly name: ArrayBuffer,
    readonly prefix: ArrayBuffer,           // lower case; empty: the whole value is the token
  ) {}
}

export class ClaimHeader {
  constructor(
    readonly header: ArrayBuffer,
    readonly stateKey: ArrayBuffer,         // filter state `wasm.` + this, which the route puts into the header
    readonly claim: ArrayBuffer[],
  ) {}
}

/** A claim that later filters of the chain may ask for. */
export class PublishedClaim {
  constructor(readonly stateKey: ArrayBuffer, readonly claim: ArrayBuffer[]) {}
}

export class Provider {
  name: ArrayBuffer = new ArrayBuffer(0);
  issuer: ArrayBuffer | null = null;        // null: any
  audiences: ArrayBuffer[] = [];            // empty: any
  keys: KeySet | null = null;               // exactly one of the three
  remote: RemoteKeys | null = null;
  session: bool = false;
  headers: HeaderSource[] = [];
  params: ArrayBuffer[] = [];
  cookies: ArrayBuffer[] = [];
  claimHeaders: ClaimHeader[] = [];
}

export class ClaimCondition {
  claim: ArrayBuffer[] = [];
  array: bool = false;                      // StringArray: one element equals one value; else a string does
  values: ArrayBuffer[] = [];
}

export class Rule {
  name: string = "";
  allow: bool = false;
  provider: i32 = -1;                       // index of the provider a token must be of; -1: the rule matches every request
  scopes: ArrayBuffer[] = [];
  claims: ClaimCondition[] = [];
}

export class Policy {
  providers: Provider[] = [];
  missingAllowed: bool = false;
  setsRequestHeaders: bool = false;
  published: PublishedClaim[] = [];
  authorizes: bool = false;
  defaultAllow: bool = false;
  rules: Rule[] = [];
}
