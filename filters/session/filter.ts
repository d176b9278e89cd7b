// Lets requests of live sessions pass without asking the login service (extproc/oidc): it is before the service's ext_proc filter in the chain, which is skipped
// where SKIP says so. It takes what the service has signed, and never decides more: whatever it cannot make out, the service is asked.
import { Action, LogLevel, MapType } from "../../proxy-wasm-as/assembly/abi";
import { slice, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { ConfiguredRoot } from "../../proxy-wasm-as/assembly/configured-root";
import { HttpContext, RootContext, registerRoot } from "../../proxy-wasm-as/assembly/context";
import { HeaderBlock } from "../../proxy-wasm-as/assembly/header-block";
import { headerBytes, log, now, property, propertyPath, removeHeader, replaceHeader, setFilterState } from "../../proxy-wasm-as/assembly/host";
import { ABSENT, Json } from "../../proxy-wasm-as/assembly/json";
import { KeySet } from "../../proxy-wasm-as/assembly/jws/key-set";
import { Counter } from "../../proxy-wasm-as/assembly/metrics";
import { Assertion, Assertions } from "./assertions";
import { SessionReader } from "./config";
import { RequestCookies } from "./cookies";
import { holds, isOwn } from "./decide";
import { Forwarded } from "./forwarded";
import { passesFor } from "./headers";
import { SessionRoutePolicies } from "./policies";
import { Policy } from "./policy";

export {
  proxy_abi_version_0_2_1, proxy_on_memory_allocate, proxy_on_context_create, proxy_on_vm_start, proxy_on_configure, proxy_on_request_headers,
  proxy_on_response_headers, proxy_on_delete,
} from "../../proxy-wasm-as/assembly/exports";

const NOTHING = new ArrayBuffer(0);
const PATH = utf8(":path"), COOKIE = utf8("cookie");
/** No cookie has this name. */
const NOBODYS = utf8("=");

/** The id of the policy that the request passes by, which the guard compares. */
const VERDICT = utf8("gatewright.oidc");
/** The ext_proc filter is skipped. */
const SKIP = utf8("gatewright.oidc.skip"), YES = utf8("yes");
/** JSON of the session's claims, for the jwt filter. */
const CLAIMS = utf8("gatewright.oidc.claims");

/** What the service said it has the upstream given, and the name of that. */
const FORWARD = propertyPath(["metadata", "filter_metadata", "gatewright.oidc", "forward"]), FORWARDED = propertyPath(["metadata", "filter_metadata", "gatewright.oidc", "forwarded"]);

class SessionRoot extends ConfiguredRoot {
  private fromRoutes: SessionRoutePolicies | null = null;
  private configured: Policy | null = null;
  /** Of the policy found last. */
  policyId: ArrayBuffer = NOTHING;
  assertions: Assertions = new Assertions(new KeySet());
  readonly live: Counter = new Counter("gatewright_session_live");
  readonly asked: Counter = new Counter("gatewright_session_asked");
  readonly block: HeaderBlock = new HeaderBlock();
  readonly cookies: RequestCookies = new RequestCookies();
  readonly forwarded: Forwarded = new Forwarded();
  /** There was an assertion that names headers: answers are looked at from then on. */
  forwards: bool = false;
  private request: SessionRequest | null = null;

  constructor(id: u32) { super(id, "gatewright.session", "{\"source\":\"route\",\"keys\":{…}} or {\"policy\":{…},\"id\":\"…\",\"keys\":{…}}"); }

  protected configure(json: Json): string {
    const reader = new SessionReader(json), source = reader.get(json.root, "source");
    if (source != ABSENT) {
      reader.allow(json.root, "", ["source", "keys"]);
      if (!json.is(source, utf8("route"))) reader.fail("source", "must be route");
      this.fromRoutes = new SessionRoutePolicies();
    } else {
      reader.allow(json.root, "", ["policy", "id", "keys"]);
      this.configured = reader.policy(reader.get(json.root, "policy"), "policy");
      this.policyId = reader.required(json.root, "id", "");
    }
    this.assertions = new Assertions(reader.keys(reader.get(json.root, "keys"), "keys"));
    return reader.problem;
  }

  /** One for all: no callback leaves anything of its request behind. */
  createContext(id: u32): HttpContext {
    let request = this.request;
    if (request == null) {
      request = new SessionRequest(id, this);
      this.request = request;
    }
    return request;
  }

  /** The policy of the request in hand; null: there is none to be read. */
  policy(): Policy | null {
    const fromRoutes = this.fromRoutes;
    if (fromRoutes == null) return this.configured;
    const policy = fromRoutes.find();
    this.policyId = fromRoutes.id;
    if (policy == null && this.policyId.byteLength > 0) log(LogLevel.Error, "gatewright.session: " + fromRoutes.problem);
    return policy;
  }
}

class SessionRequest extends HttpContext {
  constructor(id: u32, private root: SessionRoot) { super(id); }

  onRequestHeaders(endOfStream: bool): Action {
    const root = this.root, policy = root.policy();
    let assertion: Assertion | null = null;
    if (policy != null) assertion = this.assertion(policy);
    else if (root.policyId.byteLength == 0) {
      this.beside();
      this.nothing();
      return Action.Continue;
    }
    if (assertion != null && this.pass(assertion)) {
      root.live.increment();
      return Action.Continue;
    }
    this.nothing();
    root.asked.increment();
    return Action.Continue;
  }

  /** Every key is written: the first value of a stream stands, so nobody else's can. */
  private nothing(): void {
    setFilterState(VERDICT, NOTHING);
    setFilterState(SKIP, NOTHING);
    setFilterState(CLAIMS, NOTHING);
  }

  /** A route without a login, on a host that has one elsewhere: browsers bring the session here, too, and no upstream is to have it. */
  private beside(): void {
    const block = this.root.block, cookies = this.root.cookies;
    block.begin(headerBytes(MapType.HttpRequestHeaders));
    cookies.begin(NOBODYS);
    while (block.next()) cookies.look(block);
    if (cookies.ours) this.withoutOurs();
  }

  private withoutOurs(): void {
    const cookies = this.root.cookies.withoutOurs(this.root.block);
    if (cookies.byteLength == 0) removeHeader(MapType.HttpRequestHeaders, COOKIE);
    else replaceHeader(MapType.HttpRequestHeaders, COOKIE, cookies);
  }

  /** The service was asked: what it forwards need not be asked for again. */
  onResponseHeaders(endOfStream: bool): Action {
    if (!this.root.forwards) return Action.Continue;
    const name = property(FORWARD), list = property(FORWARDED);
    if (name != null && name.byteLength > 0 && list != null) this.root.forwarded.learn(name, list);
    return Action.Continue;
  }

  /** The assertion that the request passes by; null: the service decides. Takes away, in any case, what only a session may set. */
  private assertion(policy: Policy): Assertion | null {
    const block = this.root.block, cookies = this.root.cookies;
    let own = true;                                               // a request without a path, a CONNECT, is the service's
    block.begin(headerBytes(MapType.HttpRequestHeaders));
    cookies.begin(policy.cookie);
    while (block.next()) {
      if (block.named(PATH)) own = isOwn(block.bytes, block.valueStart, block.valueEnd, policy);
      cookies.look(block);
      for (let i = 0; i < policy.removeHeaders.length; i++) {
        if (passesFor(block.bytes, block.nameStart, block.nameEnd, policy.removeHeaders[i])) removeHeader(MapType.HttpRequestHeaders, slice(block.bytes, block.nameStart, block.nameEnd));
      }
    }
    if (own) return null;
    const found = cookies.assertion(block);
    if (found == null) return null;
    const assertion = this.root.assertions.verified(found);
    if (assertion == null || !holds(assertion, policy, this.root.policyId, now())) return null;
    return assertion;
  }

  /** False: the host refuses filter state, or what the assertion names is not known here; the service is to decide. */
  private pass(assertion: Assertion): bool {
    let forwarded: ArrayBuffer[] | null = null;
    if (assertion.forward.byteLength > 0) {
      this.root.forwards = true;
      forwarded = this.root.forwarded.find(assertion.forward);
      if (forwarded == null) return false;
    }
    const said = setFilterState(CLAIMS, assertion.claims) && setFilterState(VERDICT, this.root.policyId) && setFilterState(SKIP, YES);
    if (!said) return false;
    setHeaders(assertion.headers);
    if (forwarded != null) setHeaders(forwarded);
    this.withoutOurs();
    return true;
  }
}

function setHeaders(pairs: ArrayBuffer[]): void {
  for (let i = 0; i + 1 < pairs.length; i += 2) replaceHeader(MapType.HttpRequestHeaders, pairs[i], pairs[i + 1]);
}

registerRoot((id: u32): RootContext => new SessionRoot(id));
