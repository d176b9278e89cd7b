// Keeps what the dynamic resolver decided beside Envoy: a request for a known host is sent on its way without asking again. It is before the resolver's
// ext_proc filter in the chain, which is skipped where SKIP says so. It only ever repeats: where nothing is remembered the resolver decides.
import { Action, MapType } from "../../proxy-wasm-as/assembly/abi";
import { find, lowerCase, same, slice, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { ConfigReader } from "../../proxy-wasm-as/assembly/config-reader";
import { ConfiguredRoot } from "../../proxy-wasm-as/assembly/configured-root";
import { HttpContext, RootContext, registerRoot } from "../../proxy-wasm-as/assembly/context";
import { header, headers, property, propertyOver, propertyPath, respond, setEnvoyFilterState, setFilterState, uptime } from "../../proxy-wasm-as/assembly/host";
import { Json } from "../../proxy-wasm-as/assembly/json";
import { byteAt, u64At } from "../../proxy-wasm-as/assembly/memory";
import { Counter } from "../../proxy-wasm-as/assembly/metrics";
import { isToken, isWhole, names } from "./loop";
import { Decisions, Question, Remembered, mayBeCanonical } from "./remembered";

export {
  proxy_abi_version_0_2_1, proxy_on_memory_allocate, proxy_on_context_create, proxy_on_vm_start, proxy_on_configure,
  proxy_on_request_headers, proxy_on_response_headers, proxy_on_delete,
} from "../../proxy-wasm-as/assembly/exports";

const NOTHING = new ArrayBuffer(0);
const POLICY = propertyPath(["xds", "route_metadata", "filter_metadata", "gatewright", "resolver"]);
const AUTHORITY = utf8(":authority");
const CDN_LOOP = utf8("cdn-loop");
/** Where every Envoy that is started by us finds who it is; the configuration of filters is the same for all of them. */
const OUR_NAME = propertyPath(["xds", "node", "metadata", "gatewright", "pseudonym"]);
const FLAGS = propertyPath(["response", "flags"]);
/** Envoy's response flag UF: no connection to the upstream, and no retry made one. */
const CONNECTION_FAILED: u64 = 0x20;

const FAILURE = propertyPath(["upstream", "transport_failure_reason"]);
const DELAYED = utf8("delayed connect error"), IMMEDIATE = utf8("immediate connect error");

const ADDRESS = decided("address"), VALID_FOR = decided("valid_for_ms"), BY_POLICY = decided("verdict");
function decided(leaf: string): ArrayBuffer { return propertyPath(["metadata", "filter_metadata", "gatewright.resolver", leaf]); }

/** The ext_proc filter is skipped. */
const SKIP = utf8("gatewright.resolver.skip"), YES = utf8("yes");
/** The id of the policy that the request passes by, which the guard compares. */
const VERDICT = utf8("gatewright.resolver");
/** What Envoy could not connect to; the resolver is told of it. */
const FAILED = utf8("gatewright.resolver.failed");
/** What the route adds to CDN-Loop. A header that a filter adds would make Envoy choose the route anew (DESIGN 5). */
const LOOP = utf8("gatewright.resolver.loop");

/** Closed: the request has been here before. Unreadable: nothing can be added to what its CDN-Loop says. */
enum Loop { None, Closed, Unreadable }

class ResolverRoot extends ConfiguredRoot {
  readonly decisions: Decisions = new Decisions();
  readonly known: Counter = new Counter("gatewright_resolver_known");
  readonly failed: Counter = new Counter("gatewright_resolver_failed_addresses");
  readonly loops: Counter = new Counter("gatewright_resolver_loops");
  /** By which this gateway, with all its workers, knows its own requests; and in lower case. */
  pseudonym: ArrayBuffer = NOTHING;
  private ownName: ArrayBuffer = NOTHING;
  private policyRead: ArrayBuffer = NOTHING;                      // read anew each time, mostly into itself
  private policyId: ArrayBuffer = NOTHING;

  constructor(id: u32) { super(id, "gatewright.resolved", "{\"source\":\"route\",\"pseudonym\":\"…\"}"); }

  protected configure(json: Json): string {
    const reader = new ConfigReader(json);
    reader.allow(json.root, "", ["source", "pseudonym"]);
    if (!json.is(reader.get(json.root, "source"), utf8("route"))) reader.fail("source", "must be route");
    const given = reader.optional(json.root, "pseudonym", ""), ofNode = property(OUR_NAME);
    const pseudonym = given.byteLength == 0 && ofNode != null ? ofNode : given;
    if (!isToken(pseudonym)) reader.fail("pseudonym", "must be a token of 1 to 127 bytes, here or in the node's metadata, as gatewright.pseudonym");
    if (reader.problem.length == 0) {
      this.pseudonym = pseudonym;
      this.ownName = lowerCase(pseudonym);
    }
    return reader.problem;
  }

  createContext(id: u32): HttpContext { return new ResolverRequest(id, this); }

  /** Of the request in hand. Each line of CDN-Loop is looked at. */
  loop(): Loop {
    if (header(MapType.HttpRequestHeaders, CDN_LOOP) == null) return Loop.None;
    const all = headers(MapType.HttpRequestHeaders);
    let whole = true;
    for (let i = 0; i + 1 < all.length; i += 2) {
      if (!same(all[i], CDN_LOOP)) continue;
      if (names(all[i + 1], this.ownName)) return Loop.Closed;
      whole = whole && isWhole(all[i + 1]);
    }
    return whole ? Loop.None : Loop.Unreadable;
  }

  /** Id of the policy of the route in hand; empty: it has none. */
  policy(): ArrayBuffer {
    const read = propertyOver(POLICY, this.policyRead);
    if (read == null) return NOTHING;
    this.policyRead = read;
    if (!same(read, this.policyId)) this.policyId = slice(read, 0);
    return this.policyId;
  }
}

class ResolverRequest extends HttpContext {
  /** Null: nothing may be remembered of this host. */
  private question: Question | null = null;
  private asked: i64 = 0;
  /** What the request was sent by; null: the resolver decides. */
  private used: Remembered | null = null;

  constructor(id: u32, private root: ResolverRoot) { super(id); }

  onRequestHeaders(endOfStream: bool): Action {
    const loop = this.root.loop();
    if (loop != Loop.None) return this.refuse(loop);
    setFilterState(LOOP, this.root.pseudonym);
    const policy = this.root.policy(), authority = header(MapType.HttpRequestHeaders, AUTHORITY);
    let told: ArrayBuffer = NOTHING;
    if (authority != null && policy.byteLength > 0 && mayBeCanonical(authority)) {
      const question = new Question(authority, policy), found = this.root.decisions.find(question);
      this.question = question;
      this.asked = uptime();
      if (found != null) {
        if (this.asked < found.until && setEnvoyFilterState(found.state)) {
          this.used = found;
          setFilterState(VERDICT, policy);
          setFilterState(SKIP, YES);
          this.root.known.increment();
          return Action.Continue;
        }
        if (found.failed) told = found.address;
        found.failed = false;
      }
    }
    // Every key is written: the first value of a stream stands, so nobody else's can.
    setFilterState(VERDICT, NOTHING);
    setFilterState(SKIP, NOTHING);
    setFilterState(FAILED, told);
    return Action.Continue;
  }

  onResponseHeaders(endOfStream: bool): Action {
    const question = this.question, used = this.used;
    if (question == null) return Action.Continue;
    if (used == null) this.learn(question);
    else if (connectionFailed()) this.forget(question, used.address);
    return Action.Continue;
  }

  private refuse(loop: Loop): Action {
    if (loop == Loop.Closed) {
      this.root.loops.increment();
      respond(508, utf8("gatewright_resolver_loop"), utf8("loop detected\n"), []);
    } else respond(400, utf8("gatewright_resolver_loop_unreadable"), utf8("CDN-Loop not accepted\n"), []);
    return Action.StopIteration;
  }

  /** What the resolver decided, if it did, and for this policy. */
  private learn(question: Question): void {
    const verdict = property(BY_POLICY);
    if (verdict == null || !same(verdict, question.policy)) return;
    const address = property(ADDRESS), validFor = property(VALID_FOR);
    if (address == null) return;
    if (connectionFailed()) this.forget(question, address);
    else if (validFor != null) this.root.decisions.keep(question, address, milliseconds(validFor), this.asked);
  }

  private forget(question: Question, address: ArrayBuffer): void {
    this.root.decisions.forget(question, address, takesNoConnection());
    this.root.failed.increment();
  }
}

/** Whether the answer is Envoy's own, to a connection that did not come about. Its status may be any: a gRPC request gets a 200. */
function connectionFailed(): bool {
  const flags = property(FLAGS);
  return flags != null && (u64At(flags, 0) & CONNECTION_FAILED) != 0;
}

/**
 * Whether TCP itself failed. The resolver holds that against the address, for all hosts that are there. What a name has to do with, such as a certificate
 * for another one, says nothing about the address: with names of their own, clients could talk the resolver out of the addresses of others.
 */
function takesNoConnection(): bool {
  const reason = property(FAILURE);
  return reason != null && (find(reason, 0, reason.byteLength, DELAYED) == 0 || find(reason, 0, reason.byteLength, IMMEDIATE) == 0);
}

/** Of decimal digits, and nothing else, what they say; otherwise 0. */
function milliseconds(digits: ArrayBuffer): i64 {
  if (digits.byteLength > 15) return 0;
  let value: i64 = 0;
  for (let i = 0; i < digits.byteLength; i++) {
    const digit = byteAt(digits, i) - 0x30;
    if (digit > 9) return 0;
    value = value * 10 + <i64>digit;
  }
  return value;
}

registerRoot((id: u32): RootContext => new ResolverRoot(id));
