// What a well-formed token and a verified payload mean for a request. Pure: filter.ts fetches the facts and carries out.
import { ABSENT, Json } from "../../proxy-wasm-as/assembly/json";
import { byteAt, equalBytes } from "../../proxy-wasm-as/assembly/memory";
import { find, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { Outcome } from "../../proxy-wasm-as/assembly/jws/outcome";
import { Token } from "../../proxy-wasm-as/assembly/jws/token";
import { claimMatches, hasScopes } from "./claims";
import { Policy, Provider, Rule } from "./policy";

/** Seconds that clocks may differ. */
export const CLOCK_SKEW: f64 = 60;

const HTTP = utf8("http://"), HTTPS = utf8("https://");

/** Whether the claims suit the provider, before its keys are looked at. `now` in seconds since the epoch. */
export function checkClaims(token: Token, provider: Provider, now: f64): Outcome {
  const issuer = provider.issuer;
  if (issuer != null && !token.payload.is(token.iss, issuer)) return Outcome.UnknownIssuer;
  if (now + CLOCK_SKEW < token.nbf) return Outcome.NotYetValid;
  if (token.exp > 0 && now > token.exp + CLOCK_SKEW) return Outcome.Expired;
  return audienceAllowed(token, provider.audiences) ? Outcome.Accepted : Outcome.AudienceNotAllowed;
}

function audienceAllowed(token: Token, allowed: ArrayBuffer[]): bool {
  if (allowed.length == 0) return true;
  const json = token.payload;
  const first = json.first(token.aud);
  if (first == ABSENT) return token.aud != ABSENT && sameAudience(json, token.aud, allowed);
  for (let node = first; node != ABSENT; node = json.next(node, token.aud)) {
    if (sameAudience(json, node, allowed)) return true;
  }
  return false;
}

/** As Envoy: `http://` or `https://` in front and one slash at the end do not count. */
function sameAudience(json: Json, node: i32, allowed: ArrayBuffer[]): bool {
  let start = json.start(node), end = json.end(node);
  if (find(json.bytes, start, min(end, start + 7), HTTP) == start) start += 7;
  else if (find(json.bytes, start, min(end, start + 8), HTTPS) == start) start += 8;
  if (end > start && byteAt(json.bytes, end - 1) == 0x2f) end--;
  for (let i = 0; i < allowed.length; i++) if (equalBytes(json.bytes, start, end, allowed[i])) return true;
  return false;
}

/** Zero is Deny, and no verdict without a reason. */
export class Decision {
  allowed: bool = false;
  reason: string = "none";                   // the rule that decided; also in %RESPONSE_CODE_DETAILS%
}

/** The first rule that matches decides, else the default. `provider` is the index of the one that accepted the token, or -1. */
export function authorize(policy: Policy, provider: i32, payload: Json): Decision {
  const decision = new Decision();
  for (let i = 0; i < policy.rules.length; i++) {
    const rule = policy.rules[i];
    if (!matches(rule, provider, payload)) continue;
    decision.allowed = rule.allow;
    decision.reason = rule.name;
    return decision;
  }
  decision.allowed = policy.defaultAllow;
  return decision;
}

function matches(rule: Rule, provider: i32, payload: Json): bool {
  if (rule.provider == -1) return true;
  if (rule.provider != provider) return false;
  if (rule.scopes.length > 0 && !hasScopes(payload, rule.scopes)) return false;
  for (let i = 0; i < rule.claims.length; i++) {
    const condition = rule.claims[i];
    if (!claimMatches(payload, condition.claim, condition.array, condition.values)) return false;
  }
  return true;
}
