// Whether a request may pass by an assertion. Pure: filter.ts fetches the facts and carries out.
import { same, slice } from "../../proxy-wasm-as/assembly/bytes";
import { byteAt, equalBytes } from "../../proxy-wasm-as/assembly/memory";
import { normalPath } from "../../proxy-wasm-as/assembly/normal-path";
import { Assertion } from "./assertions";
import { Policy } from "./policy";

/** Milliseconds that the service's clock may be ahead of ours. */
const SKEW: f64 = 60_000;

/** Whether it speaks of this policy's sessions, under the policy of this very route, and now. `now` in milliseconds since the epoch. */
export function holds(assertion: Assertion, policy: Policy, id: ArrayBuffer, now: i64): bool {
  const time = <f64>now;
  return same(assertion.audience, policy.scope) && same(assertion.policy, id) && assertion.issued * 1000 <= time + SKEW && time < assertion.expires * 1000;
}

/**
 * Whether the path (in [start, end), perhaps with query and fragment) is one of the service's own: there it answers itself, and has to be asked. In whatever
 * spelling: to ask once too often costs a millisecond, while an upstream that gets a callback gets the code of a login.
 */
export function isOwn(bytes: ArrayBuffer, start: i32, end: i32, policy: Policy): bool {
  let plain = true;
  for (let i = start; i < end; i++) {
    const c = byteAt(bytes, i);
    if (c == 0x3f || c == 0x23) end = i;
    else if (c == 0x25 || c == 0x5c || (c == 0x2f && i + 1 < end && (byteAt(bytes, i + 1) == 0x2f || byteAt(bytes, i + 1) == 0x2e))) plain = false;
  }
  for (let i = 0; i < policy.paths.length; i++) if (equalBytes(bytes, start, end, policy.paths[i].path) || equalBytes(bytes, start, end, policy.paths[i].normal)) return true;
  if (plain) return false;
  const normal = normalPath(slice(bytes, start, end));
  for (let i = 0; i < policy.paths.length; i++) if (same(normal, policy.paths[i].normal)) return true;
  return false;
}
