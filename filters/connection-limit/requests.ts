// Limits on requests in flight, as an HTTP filter: counted from their headers to the end of the answer.
import { Action, LogLevel } from "../../proxy-wasm-as/assembly/abi";
import { utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { network, peerAddress } from "../../proxy-wasm-as/assembly/cidr";
import { HttpContext } from "../../proxy-wasm-as/assembly/context";
import { log, property, propertyPath, respond, setFilterState } from "../../proxy-wasm-as/assembly/host";
import { Json } from "../../proxy-wasm-as/assembly/json";
import { Request } from "../../proxy-wasm-as/assembly/request";
import { KeyType } from "../../proxy-wasm-as/assembly/request-key";
import { RequestRule, firstMatch } from "../../proxy-wasm-as/assembly/request-rules";
import { RoutePolicies } from "../../proxy-wasm-as/assembly/route-policies";
import { Timers } from "../../proxy-wasm-as/assembly/timers";
import { LimitReader } from "./config";
import { CountedLimit, Taken } from "./counted-limit";
import { ConcurrencyLimit, ConcurrencyPolicy, NONE } from "./limits";

const NOTHING = new ArrayBuffer(0);
const EXCEEDED = utf8("gatewright_concurrency_limit"), BODY = utf8("concurrency limit exceeded");
const UNREADABLE = utf8("gatewright_concurrency_policy_unreadable");
const SOURCE_ADDRESS = propertyPath(["source", "address"]);

/** The id of the policy that the request was counted under, which the guard compares: a request that is led elsewhere is not counted there. */
const VERDICT = utf8("gatewright.concurrency");

/** gRPC's word for 429. Of 503 the host makes UNAVAILABLE, which is what 503 is for. */
const RESOURCE_EXHAUSTED = 8;

/** A policy with its counts. */
class CountedPolicy {
  private counted: CountedLimit[] = [];

  constructor(private policy: ConcurrencyPolicy, timers: Timers) {
    for (let i = 0; i < policy.limits.length; i++) {
      const limit = policy.limits[i];
      const name = `${policy.name}/${limit.name}`;
      this.counted.push(new CountedLimit("gatewright_concurrency", "requests/" + name, name, limit.value, NONE, 1, limit.dryRun, timers));
    }
  }

  /** The limit that refuses the request in hand; null: none does, and `taken` holds its counts. */
  refusal(taken: Taken): ConcurrencyLimit | null {
    const limits = this.policy.limits;
    const request = new Request();
    for (let i = 0; i < limits.length; i++) {
      const key = keyUnder(limits[i], request);
      if (key == null || this.counted[i].take(key, taken)) continue;
      taken.undo();
      return limits[i];
    }
    return null;
  }
}

/** What the request counts as under a limit; null: the limit is not about it. */
function keyUnder(limit: ConcurrencyLimit, request: Request): ArrayBuffer | null {
  for (let i = 0; i < limit.claims.length; i++) if (!limit.claims[i].holds()) return null;
  const key = limit.key;
  if (key == null) return NOTHING;
  return key.type == KeyType.SourceIP ? source() : key.of(request);
}

/** The network that the request comes from: an address of IPv4, a /64 of IPv6, which one client has to itself. */
function source(): ArrayBuffer | null {
  const text = property(SOURCE_ADDRESS);
  if (text == null || text.byteLength == 0) return null;
  const address = peerAddress(text);
  return address == null ? text : network(address, address.byteLength == 4 ? 32 : 64);   // a Unix socket has none
}

/** Policies that routes carry in their metadata. */
class ConcurrencyRoutePolicies extends RoutePolicies<CountedPolicy> {
  constructor(private timers: Timers) { super("concurrency"); }

  protected read(json: Json): CountedPolicy {
    const reader = new LimitReader(json);
    const policy = reader.policy(json.root, "policy");
    this.problem = reader.problem;
    return new CountedPolicy(policy, this.timers);
  }
}

/** Where policies come from. */
export abstract class Requests {
  /** Why policy() answered null; empty: no policy is for the request. */
  problem: string = "";
  /** Id of the policy found last; empty: it has none. */
  id: ArrayBuffer = NOTHING;
  /** The policy of the request in hand. */
  abstract policy(): CountedPolicy | null;
}

export class RequestsByRoute extends Requests {
  private policies: ConcurrencyRoutePolicies;

  constructor(timers: Timers) {
    super();
    this.policies = new ConcurrencyRoutePolicies(timers);
  }

  policy(): CountedPolicy | null {
    const policy = this.policies.find();
    this.problem = this.policies.problem;
    this.id = this.policies.id;
    return policy;
  }
}

export class RequestsByRule extends Requests {
  private counted: RequestRule<CountedPolicy>[] = [];

  constructor(rules: RequestRule<ConcurrencyPolicy>[], timers: Timers) {
    super();
    for (let i = 0; i < rules.length; i++) this.counted.push(new RequestRule<CountedPolicy>(rules[i].match, new CountedPolicy(rules[i].policy, timers)));
  }

  policy(): CountedPolicy | null { return firstMatch<CountedPolicy>(this.counted, new Request()); }
}

export class LimitedRequest extends HttpContext {
  private taken: Taken = new Taken();

  constructor(id: u32, private requests: Requests) { super(id); }

  onRequestHeaders(endOfStream: bool): Action {
    const policy = this.requests.policy();
    if (policy == null) return this.requests.problem.length == 0 ? Action.Continue : this.unreadable(this.requests.problem);
    const refusal = policy.refusal(this.taken);
    if (refusal == null) return this.requests.id.byteLength == 0 || setFilterState(VERDICT, this.requests.id) ? Action.Continue : this.unreadable("the host refuses filter state");
    respond(refusal.httpStatus, EXCEEDED, BODY, [], refusal.httpStatus == 429 ? RESOURCE_EXHAUSTED : -1);
    return Action.StopIteration;
  }

  onDelete(): void { this.taken.release(); }

  /** A limit that cannot be read restricts all the same: closed, and the log says why. */
  private unreadable(problem: string): Action {
    log(LogLevel.Error, "gatewright.concurrency: " + problem);
    respond(500, UNREADABLE, NOTHING, []);
    return Action.StopIteration;
  }
}
