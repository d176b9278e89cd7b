// JWT authentication and claim authorization: gathers the facts of a request, has them judged, carries out the verdict.
import { Action, LogLevel, MapType } from "../../proxy-wasm-as/assembly/abi";
import { utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { ConfiguredRoot } from "../../proxy-wasm-as/assembly/configured-root";
import { HttpContext, RootContext, registerRoot } from "../../proxy-wasm-as/assembly/context";
import {
  enterContext, log, now, removeHeader, replaceHeader, respond, resumeRequest, setFilterState, setTickPeriod,
} from "../../proxy-wasm-as/assembly/host";
import { Counter } from "../../proxy-wasm-as/assembly/metrics";
import { IdMap } from "../../proxy-wasm-as/assembly/id-map";
import { ABSENT, Json, JsonType } from "../../proxy-wasm-as/assembly/json";
import { RequestRule, firstMatch } from "../../proxy-wasm-as/assembly/request-rules";
import { AT_ONCE, Turns } from "../../proxy-wasm-as/assembly/turns";
import { Outcome, outcomeStatus, outcomeText } from "../../proxy-wasm-as/assembly/jws/outcome";
import { Token } from "../../proxy-wasm-as/assembly/jws/token";
import { VerifiedTokens } from "../../proxy-wasm-as/assembly/jws/verified-tokens";
import { headerValue } from "./claims";
import { PolicyReader } from "./config";
import { authorize } from "./decide";
import { Facts } from "./facts";
import { Fetches } from "./fetches";
import { ConfiguredKeyring, JwtRoutePolicies } from "./policies";
import { Policy } from "./policy";
import { RemoteKeys } from "./remote-keys";
import { Verifier } from "./verifier";

export {
  proxy_abi_version_0_2_1, proxy_on_memory_allocate, proxy_on_context_create, proxy_on_vm_start, proxy_on_configure, proxy_on_tick, proxy_on_queue_ready,
  proxy_on_request_headers, proxy_on_http_call_response, proxy_on_delete,
} from "../../proxy-wasm-as/assembly/exports";

const VERDICT = utf8("gatewright.jwt");
const CHALLENGE = utf8("www-authenticate");

class JwtRoot extends ConfiguredRoot {
  readonly fetches: Fetches = new Fetches();
  fromRoutes: JwtRoutePolicies | null = null;
  private rules: RequestRule<Policy>[] = [];
  verifier: Verifier = new Verifier(new VerifiedTokens<Token>());
  readonly allowed: Counter = new Counter("gatewright_jwt_allowed");
  readonly denied: Counter = new Counter("gatewright_jwt_denied");
  private held: IdMap<JwtRequest> = new IdMap<JwtRequest>();
  /** Whose wait is over, and whose turn has not come. */
  private released: u32[] = [];
  private turns: Turns = new Turns();

  constructor(id: u32) { super(id, "gatewright.jwt", "{\"source\":\"route\"} or {\"rules\":[…]}"); }

  protected configure(json: Json): string {
    const source = json.get(json.root, utf8("source"));
    const reader = new PolicyReader(json, new ConfiguredKeyring(this.fetches, json, json.get(json.root, utf8("keySets"))));
    if (source != ABSENT) {
      reader.allow(json.root, "", ["source", "tokenCache"]);
      if (!json.is(source, utf8("route"))) reader.fail("source", "must be route");
      this.fromRoutes = new JwtRoutePolicies(this.fetches);
    } else {
      reader.allow(json.root, "", ["rules", "keySets", "tokenCache"]);
      this.rules = reader.rules(json.root, "");
    }
    const tokenCache = json.get(json.root, utf8("tokenCache"));
    if (json.type(tokenCache) == JsonType.False) this.verifier = new Verifier(null);
    else if (tokenCache != ABSENT && json.type(tokenCache) != JsonType.True) reader.fail("tokenCache", "must be true or false");
    return reader.problem;
  }

  createContext(id: u32): HttpContext { return new JwtRequest(id, this); }

  onTick(): void {
    this.release(this.fetches.run());
    if (this.released.length > 0) setTickPeriod(1);                // for hosts without queues
  }

  onQueueReady(token: u32): void { if (this.turns.taken(token)) this.letGo(); }

  onHttpCallResponse(token: u32, headerCount: u32, bodySize: u32): void {
    this.release(this.fetches.answered(token, headerCount, bodySize));
    this.release(this.fetches.run());
  }

  hold(request: JwtRequest): void { this.held.set(request.id, request); }
  drop(request: JwtRequest): void { this.held.delete(request.id); }

  private release(requests: u32[]): void {
    this.released = this.released.concat(requests);
    this.letGo();
  }

  /** A few in one turn: each goes on within the one before, and stacks have an end. */
  private letGo(): void {
    const count = min(AT_ONCE, this.released.length);
    const requests = this.released.splice(0, count);
    for (let i = 0; i < count; i++) {
      const id = requests[i];
      const request = this.held.get(id);
      if (request == null) continue;                           // its client left
      this.held.delete(id);
      if (enterContext(id) && request.judge() == Action.Continue) resumeRequest();
    }
    enterContext(this.id);
    if (this.released.length > 0) this.turns.ask();
  }

  /** The policy of the request in hand; null with an empty problem: none applies. */
  policyFor(facts: Facts, request: JwtRequest): Policy | null {
    const fromRoutes = this.fromRoutes;
    if (fromRoutes != null) {
      const policy = fromRoutes.find();
      request.verdict = fromRoutes.id;
      request.problem = fromRoutes.problem;
      return policy;
    }
    return firstMatch<Policy>(this.rules, facts);
  }
}

class JwtRequest extends HttpContext {
  /** The policy's id, which the guard compares; empty where no guard is. */
  verdict: ArrayBuffer = new ArrayBuffer(0);
  problem: string = "";
  /** Keys that this request has been held for. */
  private waited: RemoteKeys[] = [];

  constructor(id: u32, private root: JwtRoot) { super(id); }

  onRequestHeaders(endOfStream: bool): Action { return this.judge(); }
  onDelete(): void { this.root.drop(this); }

  /** The whole verdict; called again when keys that were awaited came or did not. */
  judge(): Action {
    const root = this.root;
    const facts = new Facts();
    const policy = root.policyFor(facts, this);
    if (policy == null) return this.problem.length == 0 ? Action.Continue : this.withoutPolicy();
    const verifier = root.verifier;
    verifier.verify(policy, facts, this.waited, now());
    if (verifier.outcome == Outcome.Pending) {
      const awaited = verifier.awaited;
      if (awaited == null) return this.refuse(Outcome.FetchFailed, facts);
      this.waited.push(awaited);
      root.hold(this);
      root.fetches.hold(awaited, this.id);
      return Action.StopIteration;
    }
    if (verifier.outcome != Outcome.Accepted) return this.refuse(verifier.outcome, facts);
    if (policy.authorizes) {
      const decision = authorize(policy, verifier.provider, verifier.token.payload);
      if (!decision.allowed) return this.forbid(decision.reason);
    }
    this.passOnClaims(policy, verifier.provider);
    if (this.verdict.byteLength > 0 && !setFilterState(VERDICT, this.verdict)) {
      this.problem = "the host refuses filter state";
      return this.unreadable();
    }
    root.allowed.increment();
    return Action.Continue;
  }

  /** Claims of the accepted token as headers; nobody else's copies of them get through. */
  private passOnClaims(policy: Policy, accepted: i32): void {
    for (let i = 0; i < policy.providers.length; i++) {
      const claimHeaders = policy.providers[i].claimHeaders;
      if (policy.setsRequestHeaders) for (let j = 0; j < claimHeaders.length; j++) removeHeader(MapType.HttpRequestHeaders, claimHeaders[j].header);
    }
    if (accepted < 0) return;
    const payload = this.root.verifier.token.payload;
    for (let i = 0; i < policy.published.length; i++) {
      const value = headerValue(payload, policy.published[i].claim);
      if (value != null) setFilterState(policy.published[i].stateKey, value);
    }
    const claimHeaders = policy.providers[accepted].claimHeaders;
    for (let j = 0; j < claimHeaders.length; j++) {
      const value = headerValue(payload, claimHeaders[j].claim);
      if (value == null) continue;
      if (policy.setsRequestHeaders) replaceHeader(MapType.HttpRequestHeaders, claimHeaders[j].header, value);
      else setFilterState(claimHeaders[j].stateKey, value);
    }
  }

  private refuse(outcome: Outcome, facts: Facts): Action {
    const error = outcome == Outcome.Missing ? "" : ", error=\"invalid_token\"";
    const challenge = "Bearer realm=\"" + facts.realm() + "\"" + error;
    return this.answer(outcomeStatus(outcome), "jwt_authn_access_denied{" + outcomeText(outcome) + "}", outcomeText(outcome), [CHALLENGE, utf8(challenge)]);
  }

  private forbid(reason: string): Action {
    return this.answer(403, "rbac_access_denied_matched_policy[" + reason + "]", "RBAC: access denied", []);
  }

  /** A route that the controller closed says why in the details; any other without a readable policy is a fault. */
  private withoutPolicy(): Action {
    const fromRoutes = this.root.fromRoutes;
    let closed: ArrayBuffer | null = null;
    if (fromRoutes != null) closed = fromRoutes.closed;
    if (closed == null) return this.unreadable();
    respond(500, closed, utf8(""), []);
    return Action.StopIteration;
  }

  /** No readable policy on a route that is to have one: closed, and the log says why. */
  private unreadable(): Action {
    log(LogLevel.Error, "gatewright.jwt: " + this.problem);
    return this.answer(500, "gatewright_jwt_policy_unreadable", "", []);
  }

  private answer(status: u32, details: string, body: string, headers: ArrayBuffer[]): Action {
    this.root.denied.increment();
    respond(status, utf8(details), utf8(body), headers);
    return Action.StopIteration;
  }
}

registerRoot((id: u32): RootContext => new JwtRoot(id));
