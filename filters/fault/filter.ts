// Fault injection: has it decided what befalls a request, and carries it out.
import { Action, BodyAction, LogLevel } from "../../proxy-wasm-as/assembly/abi";
import { text, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { ConfiguredRoot } from "../../proxy-wasm-as/assembly/configured-root";
import { HttpContext, RootContext, registerRoot } from "../../proxy-wasm-as/assembly/context";
import { enterContext, log, now, resetRequest, respond, resumeRequest, resumeResponse, uptimeNanoseconds } from "../../proxy-wasm-as/assembly/host";
import { ABSENT, Json } from "../../proxy-wasm-as/assembly/json";
import { Counter } from "../../proxy-wasm-as/assembly/metrics";
import { RequestRule, firstMatch } from "../../proxy-wasm-as/assembly/request-rules";
import { SharedCounts } from "../../proxy-wasm-as/assembly/shared-counts";
import { Timer, Timers } from "../../proxy-wasm-as/assembly/timers";
import { Turns } from "../../proxy-wasm-as/assembly/turns";
import { PolicyReader } from "./config";
import { Counters } from "./counters";
import { decide } from "./decide";
import { Dice } from "./dice";
import { Facts } from "./facts";
import { Injected, Plan } from "./plan";
import { FaultRoutePolicies } from "./policies";
import { Policy } from "./policy";
import { EMPTY, hasNoBody, replaceResponse } from "./replace";
import { Throttle } from "./throttle";

export {
  proxy_abi_version_0_2_1, proxy_on_memory_allocate, proxy_on_context_create, proxy_on_vm_start, proxy_on_configure, proxy_on_tick, proxy_on_queue_ready,
  proxy_on_request_headers, proxy_on_response_headers, proxy_on_response_body, proxy_on_response_trailers, proxy_on_delete,
} from "../../proxy-wasm-as/assembly/exports";

/** Ids whose policies could not be read, before the log tells of them again. */
const MAX_REPORTED = 256;

/** Milliseconds. Nobody waits longer, and nanoseconds of much more do not fit 64 bits. */
const A_HUNDRED_YEARS: i64 = 3_153_600_000_000;

const ABORTED = utf8("fault_filter_abort");
/** As Envoy's router says it of a route's timeout. */
const TIMED_OUT = utf8("response_timeout"), TIMEOUT_BODY = utf8("upstream request timeout");

class FaultRoot extends ConfiguredRoot {
  readonly timers: Timers = new Timers(new Turns());
  readonly active: SharedCounts = new SharedCounts("gatewright.fault", this.timers, "gatewright_fault_active");
  readonly counters: Counters = new Counters();
  private unreadable: Counter = new Counter("gatewright_fault_policy_unreadable");
  private reported: Set<string> = new Set();
  private fromRoutes: FaultRoutePolicies | null = null;
  private rules: RequestRule<Policy>[] = [];
  private dice: Dice = new Dice();
  private facts: Facts = new Facts();
  private idle: FaultRequest | null = null;                 // the first of a list

  constructor(id: u32) { super(id, "gatewright.fault", "{\"source\":\"route\"} or {\"rules\":[…]}"); }

  protected configure(json: Json): string {
    const reader = new PolicyReader(json);
    const source = reader.get(json.root, "source");
    if (source != ABSENT) {
      reader.allow(json.root, "", ["source", "stage"]);
      if (!json.is(source, utf8("route"))) reader.fail("source", "must be route");
      const after = reader.choice(json.root, "stage", "", "BeforeAuthorization", "AfterAuthorization") == 1;
      this.fromRoutes = new FaultRoutePolicies(after ? "fault_after" : "fault");
    } else {
      reader.allow(json.root, "", ["rules"]);
      this.rules = reader.rules(json.root, "");
    }
    return reader.problem;
  }

  createContext(id: u32): HttpContext {
    const request = this.idle;
    if (request == null) return new FaultRequest(id, this);
    this.idle = request.behind;
    request.behind = null;
    request.id = id;
    return request;
  }

  /** A request that is over: its object serves another one, and nothing is allocated where no fault befalls. */
  keep(request: FaultRequest): void {
    request.behind = this.idle;
    this.idle = request;
  }

  onTick(): void { this.timers.run(); }
  onQueueReady(token: u32): void { this.timers.turn(token); }

  /** The policy of the request in hand; null: none. */
  policy(): Policy | null {
    const facts = this.facts;
    facts.renew();
    const fromRoutes = this.fromRoutes;
    if (fromRoutes != null) {
      const policy = fromRoutes.find();
      if (policy == null) this.report(text(fromRoutes.id), fromRoutes.problem);
      return policy;
    }
    return firstMatch<Policy>(this.rules, facts);
  }

  /** What befalls the request in hand, whose policy() was this. */
  plan(policy: Policy): Plan | null {
    return decide(policy, this.facts, policy.scheduled ? now() : 0, this.dice);
  }

  /** A route that is to have faults and has no readable policy: nothing restricts access here, so the request passes, and the log says why, once an id. */
  private report(id: string, problem: string): void {
    this.unreadable.increment();
    if (this.reported.has(id)) return;
    if (this.reported.size >= MAX_REPORTED) this.reported.clear();
    this.reported.add(id);
    log(LogLevel.Error, "gatewright.fault: " + problem);
  }
}

/** What a held request or response waits for, and the end of its time. */
class Wait extends Timer {
  constructor(private request: FaultRequest) { super(); }
  onDue(): void { this.request.waited(); }
}

enum Held { Nothing = 0, Request = 1, ResponseHeaders = 2, ResponseBody = 3 }

const NEVER: i64 = i64.MAX_VALUE;

class FaultRequest extends HttpContext {
  /** Null: nothing happens to this request. */
  private plan: Plan | null = null;
  private held: Held = Held.Nothing;
  private wait: Wait | null = null;
  private throttle: Throttle | null = null;
  /** Until when the answer must have begun, a delay included. All times here are nanoseconds of uptime: nobody waits longer when the clock is set. */
  private deadline: i64 = NEVER;
  /** The next of the root's list, while this one is idle. */
  behind: FaultRequest | null = null;
  /** What an active fault is counted under; null: none is. */
  private counted: ArrayBuffer | null = null;

  constructor(id: u32, private root: FaultRoot) { super(id); }

  onRequestHeaders(endOfStream: bool): Action {
    const root = this.root;
    const policy = root.policy();
    if (policy == null) return Action.Continue;
    const plan = root.plan(policy);
    if (plan == null) return Action.Continue;
    if (plan.rehearsed != 0) root.counters.rehearsed(plan.rehearsed);
    if (!plan.real) return Action.Continue;
    // What is over at once need not be counted where there is no limit.
    if (policy.maxActive > 0 || plan.lasts) {
      if (!root.active.tryAdd(policy.name, policy.maxActive > 0 ? policy.maxActive : i32.MAX_VALUE)) {
        root.counters.overflowed();
        return Action.Continue;
      }
      this.counted = policy.name;
    }
    this.plan = plan;
    if (plan.kibibytes > 0) root.counters.injected(Injected.RateLimits);
    const time = plan.delay > 0 || plan.responseDelay > 0 ? uptimeNanoseconds() : 0;
    if (time > 0 && policy.timeout > 0) this.deadline = later(time, policy.timeout);
    if (plan.delay == 0) return this.abort(plan) ? Action.StopIteration : Action.Continue;
    root.counters.injected(Injected.Delays);
    this.hold(Held.Request, later(time, plan.delay));
    return Action.StopIteration;
  }

  onResponseHeaders(endOfStream: bool): Action {
    // An answer to a request that is held here is none of the backend's: a timeout of the host's, say.
    if (this.held == Held.Request) this.plan = null;
    const plan = this.plan;
    if (plan == null) return Action.Continue;
    this.cancel();
    if (plan.responseDelay == 0) return this.passResponse(plan) ? Action.Continue : Action.StopIteration;
    this.root.counters.injected(Injected.ResponseDelays);
    this.hold(Held.ResponseHeaders, later(uptimeNanoseconds(), plan.responseDelay));
    return Action.StopIteration;
  }

  onResponseBody(size: u32, endOfStream: bool): BodyAction {
    const throttle = this.throttle;
    if (throttle == null) return BodyAction.Continue;
    const due = throttle.due(size);
    if (this.held == Held.Nothing && due <= uptimeNanoseconds()) return BodyAction.Continue;
    this.hold(Held.ResponseBody, due);
    return BodyAction.StopAndWatermark;
  }

  /** Trailers do not overtake the body. */
  onResponseTrailers(): Action { return this.held == Held.Nothing ? Action.Continue : Action.StopIteration; }

  /** Also of a client that has left: nothing waits for it any longer. */
  onDelete(): void {
    const counted = this.counted;
    this.cancel();
    if (counted != null) this.root.active.release(counted);
    this.counted = null;
    this.plan = null;
    this.throttle = null;
    this.held = Held.Nothing;
    this.deadline = NEVER;
    this.root.keep(this);
  }

  /** The time has come for what is held. */
  waited(): void {
    const held = this.held, plan = this.plan;
    this.held = Held.Nothing;
    if (plan == null || !enterContext(this.id)) return;
    if (held != Held.ResponseBody && this.deadline <= uptimeNanoseconds()) {
      this.plan = null;                                        // as in abort()
      respond(504, TIMED_OUT, TIMEOUT_BODY, []);
    } else if (held == Held.Request) {
      if (this.abort(plan)) return;
      if (this.deadline != NEVER) this.watch(this.deadline);
      resumeRequest();
    } else if (held == Held.ResponseBody || (held == Held.ResponseHeaders && this.passResponse(plan))) resumeResponse();
  }

  private hold(what: Held, due: i64): void {
    this.held = what;
    this.watch(what == Held.ResponseBody ? due : min(due, this.deadline));
  }

  private watch(due: i64): void {
    let wait = this.wait;
    if (wait == null) {
      wait = new Wait(this);
      this.wait = wait;
    }
    this.root.timers.at(wait, due);
  }

  private cancel(): void {
    const wait = this.wait;
    if (wait != null) this.root.timers.cancel(wait);
  }

  /** Ends the request here where it is to be aborted. */
  private abort(plan: Plan): bool {
    const abort = plan.abort;
    if (abort == null) return false;
    this.plan = null;                                          // what follows in this stream is our own answer
    this.root.counters.injected(abort.reset ? Injected.Resets : Injected.Aborts);
    if (abort.reset) resetRequest();
    else respond(plan.status, ABORTED, hasNoBody(plan.status) ? EMPTY : abort.body, abort.headers, plan.grpcStatus);
    return true;
  }

  /** What happens to the response before its headers go on. False: it is answered otherwise. */
  private passResponse(plan: Plan): bool {
    if (plan.replacements.length > 0) {
      this.root.counters.injected(Injected.Replacements);
      if (replaceResponse(plan.replacements)) {
        this.plan = null;
        return false;
      }
    }
    if (plan.kibibytes > 0) this.throttle = new Throttle(plan.kibibytes, uptimeNanoseconds());
    return true;
  }
}

function later(time: i64, milliseconds: i64): i64 { return time + min(milliseconds, A_HUNDRED_YEARS) * 1_000_000; }

registerRoot((id: u32): RootContext => new FaultRoot(id));
