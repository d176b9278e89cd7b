// Which faults befall a request. Pure: filter.ts brings the facts, the time and the dice, and carries out the plan.
import { utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { Dice, Effect, SIDES } from "./dice";
import { Facts } from "./facts";
import { httpStatusOf } from "./grpc-status";
import { NO_INTEGER, unsigned } from "./header-integer";
import { Plan } from "./plan";
import { Abort, Delay, Fault, Policy, RateLimit } from "./policy";

// Read only where the policy says that the request decides.
const DELAY = utf8("x-envoy-fault-delay-request"), DELAY_CHANCE = utf8("x-envoy-fault-delay-request-percentage");
const ABORT = utf8("x-envoy-fault-abort-request"), ABORT_GRPC = utf8("x-envoy-fault-abort-grpc-request"), ABORT_CHANCE = utf8("x-envoy-fault-abort-request-percentage");
const LIMIT = utf8("x-envoy-fault-throughput-response"), LIMIT_CHANCE = utf8("x-envoy-fault-throughput-response-percentage");

const STEPS_IN_PER_CENT: i64 = SIDES / 100;
const MAX_GRPC_STATUS = 16;

/** The faults in their order; the first abort ends it. Null: nothing happens. `now` counts only where a fault has a schedule. */
export function decide(policy: Policy, facts: Facts, now: i64, dice: Dice): Plan | null {
  let plan: Plan | null = null;
  for (let i = 0; i < policy.faults.length; i++) {
    const fault = policy.faults[i];
    const match = fault.match, schedule = fault.schedule;
    let share: f64 = 1;
    if (schedule != null) share = schedule.share(now);
    if (share == 0 || (match != null && !match.holds(facts))) continue;
    plan = befall(fault, facts, share, dice, plan);
    if (plan != null && plan.abort != null) break;
  }
  return plan;
}

/** The plan with what this fault adds to it. In Envoy's order: the rate limit is set up before the delay, the abort comes after it. */
function befall(fault: Fault, facts: Facts, share: f64, dice: Dice, soFar: Plan | null): Plan | null {
  let plan = soFar;
  const sticky = fault.sticky, limit = fault.rateLimit, delay = fault.delay, abort = fault.abort, later = fault.responseDelay, replacement = fault.replacement;
  let key: ArrayBuffer | null = null;
  if (sticky != null) key = sticky.of(facts);
  if (limit != null && hits(fault, Effect.RateLimit, chanceOf(limit.chance, limit.kibibytes == 0 ? LIMIT_CHANCE : null, facts), share, key, dice)) {
    const kibibytes = rateOf(limit, facts);
    if (kibibytes > 0) {
      if (plan == null) plan = new Plan();
      plan.limit(kibibytes, fault.dryRun);
    }
  }
  if (delay != null && hits(fault, Effect.Delay, chanceOf(delay.chance, delay.latency == null ? DELAY_CHANCE : null, facts), share, key, dice)) {
    const milliseconds = lengthOf(delay, facts, dice);
    if (milliseconds > 0) {
      if (plan == null) plan = new Plan();
      plan.hold(milliseconds, fault.dryRun);
    }
  }
  if (later != null && hits(fault, Effect.ResponseDelay, later.chance, share, key, dice)) {
    const milliseconds = lengthOf(later, facts, dice);
    if (milliseconds > 0) {
      if (plan == null) plan = new Plan();
      plan.holdResponse(milliseconds, fault.dryRun);
    }
  }
  if (replacement != null && hits(fault, Effect.Replacement, replacement.chance, share, key, dice)) {
    if (plan == null) plan = new Plan();
    plan.replace(replacement, fault.dryRun);
  }
  if (abort != null && hits(fault, Effect.Abort, chanceOf(abort.chance, abort.byHeader ? ABORT_CHANCE : null, facts), share, key, dice)) {
    const status = statusOf(abort, facts);
    const grpcStatus = abort.byHeader && status == 0 ? grpcStatusOf(facts) : abort.grpcStatus;
    if (abort.reset || status != 0 || grpcStatus >= 0) {
      if (plan == null) plan = new Plan();
      // A gRPC request gets 200 whatever its gRPC status; with 400 Envoy would close the connection.
      plan.end(abort, status != 0 ? status : facts.isGrpc ? 200 : httpStatusOf(grpcStatus), grpcStatus, fault.dryRun);
    }
  }
  return plan;
}

/** A fault's dice, one for each effect. */
function hits(fault: Fault, effect: Effect, chance: u32, share: f64, key: ArrayBuffer | null, dice: Dice): bool {
  if (key == null) dice.loosen();
  else dice.stick(fault.seed, effect, key);
  return dice.hits(share < 1 ? <u32>(<f64>chance * share) : chance);
}

/** What the policy says, or less where it lets the request say so: whole per cents, and no more than the policy allows. */
function chanceOf(chance: u32, header: ArrayBuffer | null, facts: Facts): u32 {
  if (header == null || chance == 0) return chance;
  const percentage = unsigned(facts.first(header), u32.MAX_VALUE);
  return percentage == NO_INTEGER ? chance : <u32>min(percentage * STEPS_IN_PER_CENT, <i64>chance);
}

/** Milliseconds; 0: none. */
function lengthOf(delay: Delay, facts: Facts, dice: Dice): i64 {
  const latency = delay.latency;
  let length: f64 = 0;
  if (latency != null) length = latency.draw(dice);
  else {
    const asked = unsigned(facts.first(DELAY), i64.MAX_VALUE);
    if (asked == NO_INTEGER || asked == 0) return 0;
    length = <f64>asked;
  }
  if (delay.jitter > 0) length += delay.jitter * (2 * dice.fraction() - 1);
  return <i64>Math.round(max(0, min(length, delay.most)));
}

/** KiB a second; 0: no limit. */
function rateOf(limit: RateLimit, facts: Facts): f64 {
  if (limit.kibibytes > 0) return limit.kibibytes;
  const asked = unsigned(facts.first(LIMIT), i64.MAX_VALUE);
  return asked == NO_INTEGER ? 0 : <f64>asked;
}

/** 0: none, so that the gRPC status decides. */
function statusOf(abort: Abort, facts: Facts): u32 {
  if (!abort.byHeader) return abort.httpStatus;
  const asked = unsigned(facts.first(ABORT), 599);
  return asked >= 200 ? <u32>asked : 0;
}

/** -1: none. */
function grpcStatusOf(facts: Facts): i32 {
  const asked = unsigned(facts.first(ABORT_GRPC), MAX_GRPC_STATUS);
  return asked == NO_INTEGER ? -1 : <i32>asked;
}
