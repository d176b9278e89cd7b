// Do a request's tokens satisfy a policy's providers? Any provider will do; every token that it finds must be good.
import { KeySet } from "../../proxy-wasm-as/assembly/jws/key-set";
import { Outcome, moreTelling } from "../../proxy-wasm-as/assembly/jws/outcome";
import { MAX_TOKEN_BYTES, Token } from "../../proxy-wasm-as/assembly/jws/token";
import { VerifiedTokens } from "../../proxy-wasm-as/assembly/jws/verified-tokens";
import { checkClaims } from "./decide";
import { Facts } from "./facts";
import { Policy, Provider } from "./policy";
import { RemoteKeys } from "./remote-keys";

/** Verifies the tokens of one request after the other. */
export class Verifier {
  outcome: Outcome = Outcome.VerificationFails;
  /** The provider that accepted the token, or -1: there was none and none is needed. */
  provider: i32 = -1;
  /** The accepted token, until the next verify(). */
  token: Token = new Token();
  /** With Pending: the keys to wait for. */
  awaited: RemoteKeys | null = null;
  /** What the next token is parsed into. */
  private scratch: Token = new Token();

  /** `known` null: every signature is verified. */
  constructor(private known: VerifiedTokens<Token> | null) {}

  /** Sets what stands above. `waited`: the keys that this request has waited for already. `now` in milliseconds since the epoch. */
  verify(policy: Policy, facts: Facts, waited: RemoteKeys[], now: i64): void {
    this.outcome = Outcome.VerificationFails;
    this.provider = -1;
    this.awaited = null;
    let refusal = Outcome.Missing;
    let anyToken = false;
    for (let i = 0; i < policy.providers.length; i++) {
      const provider = policy.providers[i];
      const tokens = facts.tokens(provider);
      // As Envoy: the last place is looked at first, the first bad token decides, the first place's token counts.
      let outcome = provider.session ? this.session(facts) : Outcome.Missing;
      if (tokens.length > 0 || outcome == Outcome.Accepted) anyToken = true;
      for (let j = tokens.length - 1; j >= 0; j--) {
        outcome = this.check(provider, tokens[j], waited, now);
        if (outcome != Outcome.Accepted) break;
      }
      if (outcome == Outcome.Accepted || outcome == Outcome.Pending) {
        this.outcome = outcome;
        this.provider = i;
        this.awaited = provider.remote;
        return;
      }
      refusal = i == 0 ? outcome : moreTelling(refusal, outcome);
    }
    const open = policy.providers.length == 0 || (policy.missingAllowed && !anyToken);
    this.outcome = open ? Outcome.Accepted : refusal;
  }

  /** The claims of a session are a verified payload: the login was checked, and how long it holds is the session's matter. What cannot be read is none. */
  private session(facts: Facts): Outcome {
    const claims = facts.sessionClaims;
    if (claims == null || claims.byteLength > MAX_TOKEN_BYTES || !this.scratch.claim(claims)) return Outcome.Missing;
    this.token = this.scratch;
    return Outcome.Accepted;
  }

  private check(provider: Provider, bytes: ArrayBuffer, waited: RemoteKeys[], now: i64): Outcome {
    const seconds = <f64>(now / 1000);
    const remote = provider.remote;
    const keys = remote == null ? provider.keys : remote.keys;
    const known = this.known;
    const again = known != null && keys != null ? known.find(bytes, keys) : null;
    if (again != null) {
      if (remote != null) remote.ask(now);
      this.token = again;
      return checkClaims(again, provider, seconds);
    }
    const token = this.scratch;
    const parsed = token.parse(bytes);
    if (parsed != Outcome.Accepted) return parsed;
    const claims = checkClaims(token, provider, seconds);
    if (claims != Outcome.Accepted) return claims;
    if (remote != null) {
      // Nobody waits twice for the same keys: two issuers that take turns in failing would hold a request for ever.
      const asked = waited.includes(remote) && remote.keys == null ? Outcome.FetchFailed : remote.ask(now);
      if (asked != Outcome.Accepted) return asked;
    }
    return keys == null ? Outcome.NoValidKeys : this.prove(token, keys);
  }

  private prove(token: Token, keys: KeySet): Outcome {
    const outcome = keys.verify(token);
    if (outcome != Outcome.Accepted) return outcome;
    this.token = token;
    const known = this.known;
    if (known != null && known.add(token.bytes, keys, token)) {
      token.forgetProof();
      this.scratch = new Token();
    }
    return outcome;
  }
}
