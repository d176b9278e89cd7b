// Reads the JSON that policy/fault.ts describes, whole and strictly: a problem names the field, unknown fields are problems.
import { indexOf, lowerCase, text, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { propertyPath } from "../../proxy-wasm-as/assembly/host";
import { ABSENT, JsonType } from "../../proxy-wasm-as/assembly/json";
import { byteAt } from "../../proxy-wasm-as/assembly/memory";
import { ClaimMatch, RequestKey } from "../../proxy-wasm-as/assembly/request-key";
import { RulesReader } from "../../proxy-wasm-as/assembly/request-rules";
import { sipHash } from "../../proxy-wasm-as/assembly/siphash";
import { NO_TIME, parseTime } from "../../proxy-wasm-as/assembly/time";
import { SIDES, Seed } from "./dice";
import { Fixed, Latency, Normal, Pareto, Quantiles, Uniform } from "./latency";
import { HeaderMatch, HeaderMatchType, Match } from "./match";
import { Abort, Delay, Fault, Policy, RateLimit, Replacement } from "./policy";
import { Schedule } from "./schedule";

const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991;
const DISTRIBUTIONS: string[] = ["fixedDelay", "uniform", "normal", "pareto", "quantiles"];
const ABORTS: string[] = ["httpStatus", "grpcStatus", "headerAbort", "reset"];
const MATCH_TYPES: string[] = ["Exact", "Prefix", "Suffix", "Contains", "Present", "Range"];
const FAULT_ABORT = utf8("fault filter abort");
const MAX_LIST = 16;

/** Of a message, or between two neighbours: one that does not fit its body would pass off a part of it as the next answer on the connection. */
const FRAMING = ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

export class PolicyReader extends RulesReader<Policy> {
  /** Without a name its faults are counted under the content of the configuration. */
  protected rulePolicy(node: i32, path: string): Policy {
    return this.policy(node, path, utf8(sipHash(0, 0, this.json.bytes).toString(16) + path));
  }

  /** `id` says what active faults are counted under unless the policy has a name. */
  policy(node: i32, path: string, id: ArrayBuffer): Policy {
    const policy = new Policy();
    this.allow(node, path, ["faults", "maxActiveFaults", "requestTimeout", "name"]);
    const faults = this.list(node, "faults", path);
    for (let item = this.json.first(faults), i = 0; item != ABSENT; item = this.json.next(item, faults), i++) {
      const fault = this.fault(item, `${path}.faults[${i}]`, i);
      policy.faults.push(fault);
      if (fault.schedule != null) policy.scheduled = true;
    }
    if (policy.faults.length == 0 || policy.faults.length > MAX_LIST) this.fail(path + ".faults", "1 to 16 faults are needed");
    policy.maxActive = this.integer(node, "maxActiveFaults", path, 1, 1_000_000, 0);
    policy.timeout = this.positive(node, "requestTimeout", path, 0);
    policy.name = this.get(node, "name") == ABSENT ? id : this.sized(node, "name", path, 1, 253);
    return policy;
  }

  private fault(node: i32, path: string, index: i32): Fault {
    this.allow(node, path, ["name", "match", "schedule", "sticky", "seed", "dryRun", "delay", "abort", "response", "responseRateLimit"]);
    // Where a fault has a name its dice stay the same when others come and go.
    const name = this.get(node, "name") == ABSENT ? index.toString() : "=" + text(this.sized(node, "name", path, 1, 63));
    const seed = text(this.sized(node, "seed", path, 0, 253));
    const fault = new Fault(new Seed(utf8(name + "\0" + seed)));
    const match = this.get(node, "match"), schedule = this.get(node, "schedule"), sticky = this.get(node, "sticky");
    if (match != ABSENT) fault.match = this.match(match, path + ".match");
    if (schedule != ABSENT) fault.schedule = this.schedule(schedule, path + ".schedule");
    if (sticky != ABSENT) fault.sticky = RequestKey.read(this, sticky, path + ".sticky");
    fault.dryRun = this.bool(node, "dryRun", path);
    const delay = this.get(node, "delay"), abort = this.get(node, "abort"), response = this.get(node, "response"), limit = this.get(node, "responseRateLimit");
    if (this.given(node, ["delay", "abort", "response", "responseRateLimit"]) == 0) this.fail(path, "at least one of delay, abort, response, responseRateLimit is needed");
    if (delay != ABSENT) fault.delay = this.delay(delay, path + ".delay", true);
    if (abort != ABSENT) fault.abort = this.abort(abort, path + ".abort");
    if (limit != ABSENT) fault.rateLimit = this.rateLimit(limit, path + ".responseRateLimit");
    if (response != ABSENT) {
      const place = path + ".response";
      this.allow(response, place, ["delay", "replace"]);
      const later = this.get(response, "delay"), replace = this.get(response, "replace");
      if (later == ABSENT && replace == ABSENT) this.fail(place, "delay or replace is needed");
      if (later != ABSENT) fault.responseDelay = this.delay(later, place + ".delay", false);
      if (replace != ABSENT) fault.replacement = this.replacement(replace, place + ".replace");
    }
    return fault;
  }

  private match(node: i32, path: string): Match {
    const match = new Match();
    this.allow(node, path, ["headers", "clusters", "downstreamNodes", "claims"]);
    const headers = this.list(node, "headers", path);
    for (let item = this.json.first(headers), i = 0; item != ABSENT; item = this.json.next(item, headers), i++) match.headers.push(this.headerMatch(item, `${path}.headers[${i}]`));
    if (match.headers.length > MAX_LIST) this.fail(path + ".headers", "16 at most");
    match.clusters = this.names(node, "clusters", path);
    match.nodes = this.names(node, "downstreamNodes", path);
    match.claims = ClaimMatch.readAll(this, node, "claims", path);
    if (match.claims.length > MAX_LIST) this.fail(path + ".claims", "16 at most");
    return match;
  }

  private headerMatch(node: i32, path: string): HeaderMatch {
    const match = new HeaderMatch();
    this.allow(node, path, ["name", "type", "value", "start", "end", "invert"]);
    match.name = lowerCase(this.sized(node, "name", path, 1, 253));
    match.path = propertyPath(["request", "headers", text(match.name)]);
    const type = this.get(node, "type") == ABSENT ? 0 : MATCH_TYPES.indexOf(text(this.optional(node, "type", path)));
    if (type < 0) this.fail(path + ".type", "must be one of " + MATCH_TYPES.join(", "));
    match.type = type;
    const isRange = type == HeaderMatchType.Range, needsValue = type != HeaderMatchType.Present && !isRange;
    if ((this.get(node, "value") != ABSENT) != needsValue) this.fail(path + ".value", needsValue ? "must be given" : "must be absent");
    match.value = this.sized(node, "value", path, 0, 4096);
    if (this.given(node, ["start", "end"]) != (isRange ? 2 : 0)) this.fail(path, "must have start and end when type is Range, and only then");
    match.start = this.wide(node, "start", path);
    match.end = this.wide(node, "end", path);
    match.invert = this.bool(node, "invert", path);
    return match;
  }

  private schedule(node: i32, path: string): Schedule {
    const schedule = new Schedule();
    this.allow(node, path, ["start", "end", "ramp"]);
    schedule.start = this.time(node, "start", path, i64.MIN_VALUE);
    schedule.end = this.time(node, "end", path, i64.MAX_VALUE);
    schedule.ramp = this.positive(node, "ramp", path, 0);
    if (schedule.start >= schedule.end) this.fail(path + ".end", "must be after start");
    if (schedule.ramp > 0 && this.get(node, "start") == ABSENT) this.fail(path + ".ramp", "needs start");
    return schedule;
  }

  private delay(node: i32, path: string, ofRequest: bool): Delay {
    const delay = new Delay();
    const kinds = ofRequest ? DISTRIBUTIONS.concat(["headerDelay"]) : DISTRIBUTIONS;
    this.allow(node, path, kinds.concat(["jitter", "max", "percentage"]));
    if (this.given(node, kinds) != 1) this.fail(path, "exactly one of " + kinds.join(", ") + " is needed");
    const header = this.get(node, "headerDelay");
    if (header != ABSENT) this.allow(header, path + ".headerDelay", []);
    else delay.latency = this.latency(node, path);
    delay.jitter = <f64>this.positive(node, "jitter", path, 0);
    delay.most = <f64>this.positive(node, "max", path, 60_000);
    if (this.get(node, "fixedDelay") != ABSENT) delay.most = Infinity;
    delay.chance = this.chance(node, path);
    return delay;
  }

  private latency(node: i32, path: string): Latency {
    const uniform = this.get(node, "uniform"), normal = this.get(node, "normal"), pareto = this.get(node, "pareto");
    if (uniform != ABSENT) {
      const place = path + ".uniform";
      this.allow(uniform, place, ["min", "max"]);
      const least = this.wanted(uniform, "min", place), most = this.positive(uniform, "max", place, -1);
      if (least > most) this.fail(place + ".min", "must not be more than max");
      return new Uniform(<f64>least, <f64>most);
    }
    if (normal != ABSENT) {
      const place = path + ".normal";
      this.allow(normal, place, ["mean", "deviation"]);
      return new Normal(<f64>this.positive(normal, "mean", place, -1), <f64>this.positive(normal, "deviation", place, -1));
    }
    if (pareto != ABSENT) {
      const place = path + ".pareto";
      this.allow(pareto, place, ["scale", "shape"]);
      if (this.get(pareto, "shape") == ABSENT) this.fail(place + ".shape", "a number is needed");
      return new Pareto(<f64>this.positive(pareto, "scale", place, -1), this.number(pareto, "shape", place, 0.1, 100, 1));
    }
    if (this.get(node, "quantiles") != ABSENT) return this.quantiles(this.list(node, "quantiles", path), path + ".quantiles");
    return new Fixed(<f64>this.positive(node, "fixedDelay", path, 0));
  }

  private quantiles(list: i32, path: string): Quantiles {
    const quantiles: f64[] = [], delays: f64[] = [];
    for (let item = this.json.first(list), i = 0; item != ABSENT; item = this.json.next(item, list), i++) {
      const place = `${path}[${i}]`;
      this.allow(item, place, ["quantile", "delay"]);
      if (this.get(item, "quantile") == ABSENT) this.fail(place + ".quantile", "a number is needed");
      const quantile = this.number(item, "quantile", place, 0, 1, 0), delay = <f64>this.wanted(item, "delay", place);
      if (i > 0 && (quantile <= quantiles[i - 1] || delay < delays[i - 1])) this.fail(place, "must be ascending");
      quantiles.push(quantile);
      delays.push(delay);
    }
    if (quantiles.length < 2 || quantiles.length > 32) this.fail(path, "2 to 32 points are needed");
    return new Quantiles(StaticArray.fromArray(quantiles), StaticArray.fromArray(delays));
  }

  private abort(node: i32, path: string): Abort {
    const abort = new Abort();
    this.allow(node, path, ABORTS.concat(["body", "headers", "percentage"]));
    if (this.given(node, ABORTS) != 1) this.fail(path, "exactly one of " + ABORTS.join(", ") + " is needed");
    abort.httpStatus = this.status(node, path);
    abort.grpcStatus = this.integer(node, "grpcStatus", path, 0, 16, -1);
    const header = this.get(node, "headerAbort");
    if (header != ABSENT) this.allow(header, path + ".headerAbort", []);
    abort.byHeader = header != ABSENT;
    abort.reset = this.get(node, "reset") != ABSENT;
    if (abort.reset && !this.bool(node, "reset", path)) this.fail(path + ".reset", "must be true");
    abort.body = this.get(node, "body") == ABSENT ? FAULT_ABORT : this.sized(node, "body", path, 0, 65_536);
    abort.headers = this.setHeaders(node, path);
    abort.chance = this.chance(node, path);
    return abort;
  }

  private replacement(node: i32, path: string): Replacement {
    const replacement = new Replacement();
    this.allow(node, path, ["httpStatus", "headers", "removeHeaders", "body", "percentage"]);
    replacement.status = this.status(node, path);
    replacement.headers = this.setHeaders(node, path);
    const removed = this.strings(node, "removeHeaders", path);
    if (removed.length > MAX_LIST) this.fail(path + ".removeHeaders", "16 at most");
    for (let i = 0; i < removed.length; i++) {
      if (!isHeaderName(removed[i])) this.fail(`${path}.removeHeaders[${i}]`, "must be a header name");
      replacement.removed.push(lowerCase(removed[i]));
    }
    if (this.get(node, "body") != ABSENT) replacement.body = this.sized(node, "body", path, 0, 65_536);
    replacement.chance = this.chance(node, path);
    return replacement;
  }

  private rateLimit(node: i32, path: string): RateLimit {
    const limit = new RateLimit();
    this.allow(node, path, ["limitKbps", "headerLimit", "percentage"]);
    if (this.given(node, ["limitKbps", "headerLimit"]) != 1) this.fail(path, "exactly one of limitKbps, headerLimit is needed");
    limit.kibibytes = this.integer(node, "limitKbps", path, 1, 1_048_576, 0);
    const header = this.get(node, "headerLimit");
    if (header != ABSENT) this.allow(header, path + ".headerLimit", []);
    limit.chance = this.chance(node, path);
    return limit;
  }

  private setHeaders(node: i32, path: string): ArrayBuffer[] {
    const flat: ArrayBuffer[] = [];
    const list = this.list(node, "headers", path);
    for (let item = this.json.first(list), i = 0; item != ABSENT; item = this.json.next(item, list), i++) {
      const place = `${path}.headers[${i}]`;
      this.allow(item, place, ["name", "value"]);
      const name = this.required(item, "name", place);
      if (!isHeaderName(name)) this.fail(place + ".name", "must be a header name");
      if (FRAMING.includes(text(lowerCase(name)))) this.fail(place + ".name", "must not be one that says where a message ends");
      if (this.get(item, "value") == ABSENT) this.fail(place + ".value", "a string is needed");
      const value = this.sized(item, "value", place, 0, 4096);
      if (indexOf(value, 0, 0, value.byteLength) >= 0 || indexOf(value, 0x0a, 0, value.byteLength) >= 0 || indexOf(value, 0x0d, 0, value.byteLength) >= 0) this.fail(place + ".value", "must not hold line breaks");
      flat.push(lowerCase(name));
      flat.push(value);
    }
    if (flat.length > MAX_LIST * 2) this.fail(path + ".headers", "16 at most");
    return flat;
  }

  /** 0: not given. */
  private status(node: i32, path: string): u32 { return this.integer(node, "httpStatus", path, 200, 599, 0); }

  /** Steps of 0.0001 per cent; what is finer is cut off, what a double cannot hold exactly is not finer. */
  private chance(node: i32, path: string): u32 {
    return <u32>Math.floor(this.number(node, "percentage", path, 0, 100, 100) * <f64>(SIDES / 100) + 1e-6);
  }

  private names(node: i32, name: string, path: string): ArrayBuffer[] {
    const names = this.strings(node, name, path);
    if (names.length > 64) this.fail(path + "." + name, "64 at most");
    for (let i = 0; i < names.length; i++) if (names[i].byteLength == 0) this.fail(`${path}.${name}[${i}]`, "must not be empty");
    return names;
  }

  /** A duration that must be given. */
  private wanted(node: i32, name: string, path: string): i64 {
    const value = this.duration(node, name, path, -1);
    if (value < 0) this.fail(path + "." + name, "a duration is needed");
    return value;
  }

  /** A duration of more than 0; one that must be given, where `otherwise` is below 0. */
  private positive(node: i32, name: string, path: string, otherwise: i64): i64 {
    const value = this.duration(node, name, path, otherwise);
    if (value < 0 || (value == 0 && this.get(node, name) != ABSENT)) this.fail(path + "." + name, "a duration of more than 0 is needed");
    return value;
  }

  private time(node: i32, name: string, path: string, otherwise: i64): i64 {
    const value = this.get(node, name);
    if (value == ABSENT) return otherwise;
    const time = this.json.type(value) == JsonType.String ? parseTime(this.json.string(value)) : NO_TIME;
    if (time == NO_TIME) this.fail(path + "." + name, "must be a time such as 2026-11-23T09:00:00Z");
    return time;
  }

  private wide(node: i32, name: string, path: string): i64 {
    const value = this.number(node, name, path, -MAX_SAFE_INTEGER, MAX_SAFE_INTEGER, 0);
    if (value != Math.floor(value)) this.fail(path + "." + name, "must be a whole number");
    return <i64>value;
  }
}

/** token (RFC 9110 section 5.6.2), as far as policy/fault.ts takes it. */
function isHeaderName(name: ArrayBuffer): bool {
  if (name.byteLength < 1 || name.byteLength > 253) return false;
  for (let i = 0; i < name.byteLength; i++) {
    const c = byteAt(name, i);
    if (c - 0x30 < 10 || (c | 0x20) - 0x61 < 26) continue;
    if (!"!#$%&'*+.^_`|~-".includes(String.fromCharCode(c))) return false;
  }
  return true;
}
