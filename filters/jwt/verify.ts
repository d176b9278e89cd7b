// Do a request's tokens satisfy a policy's providers? Any provider will do; every token that it finds must be good.
import { Facts } from "./facts";
import { checkClaims } from "./decide";
import { Outcome, moreTelling } from "./outcome";
import { Policy, Provider } from "./policy";
import { RemoteKeys } from "./remote-keys";
import { Token } from "./token";

export class Verification {
  outcome: Outcome = Outcome.VerificationFails;
  /** The provider that accepted the token, or -1: there was none and none is needed. */
  provider: i32 = -1;
  /** With Pending: the keys to wait for. */
  awaited: RemoteKeys | null = null;
}

/** Leaves the accepted token in `token`. `now` in milliseconds since the epoch. */
export function verify(policy: Policy, facts: Facts, token: Token, now: i64): Verification {
  const result = new Verification();
  let refusal = Outcome.Missing;
  let anyToken = false;
  for (let i = 0; i < policy.providers.length; i++) {
    const provider = policy.providers[i];
    const tokens = facts.tokens(provider);
    if (tokens.length > 0) anyToken = true;
    // As Envoy: the last place is looked at first, the first bad token decides, the first place's token counts.
    let outcome = Outcome.Missing;
    for (let j = tokens.length - 1; j >= 0; j--) {
      outcome = check(provider, tokens[j], token, now);
      if (outcome != Outcome.Accepted) break;
    }
    if (outcome == Outcome.Accepted || outcome == Outcome.Pending) {
      result.outcome = outcome;
      result.provider = i;
      result.awaited = provider.remote;
      return result;
    }
    refusal = i == 0 ? outcome : moreTelling(refusal, outcome);
  }
  const open = policy.providers.length == 0 || (policy.missingAllowed && !anyToken);
  result.outcome = open ? Outcome.Accepted : refusal;
  return result;
}

function check(provider: Provider, bytes: ArrayBuffer, token: Token, now: i64): Outcome {
  const parsed = token.parse(bytes, 0, bytes.byteLength);
  if (parsed != Outcome.Accepted) return parsed;
  const claims = checkClaims(token, provider, <f64>(now / 1000));
  if (claims != Outcome.Accepted) return claims;
  const remote = provider.remote;
  if (remote != null) {
    const asked = remote.ask(now);
    if (asked != Outcome.Accepted) return asked;
    const fetched = remote.keys;
    return fetched == null ? Outcome.FetchFailed : fetched.verify(token);
  }
  const keys = provider.keys;
  return keys == null ? Outcome.NoValidKeys : keys.verify(token);
}
