// Connection limits as a network filter, limits on requests in flight as an HTTP filter: the plugin configuration says which.
import { utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { ConfiguredRoot } from "../../proxy-wasm-as/assembly/configured-root";
import { RootContext, StreamContext, connectionOf, registerRoot, requestOf } from "../../proxy-wasm-as/assembly/context";
import { proxy_on_new_connection as onNewConnection, proxy_on_request_headers as onRequestHeaders } from "../../proxy-wasm-as/assembly/exports";
import { closeConnection, respond } from "../../proxy-wasm-as/assembly/host";
import { ABSENT, Json } from "../../proxy-wasm-as/assembly/json";
import { Timers } from "../../proxy-wasm-as/assembly/timers";
import { Turns } from "../../proxy-wasm-as/assembly/turns";
import { LimitReader } from "./config";
import { Connections, LimitedConnection } from "./connections";
import { ListenerLimits } from "./limits";
import { LimitedRequest, Requests, RequestsByRoute, RequestsByRule } from "./requests";

export {
  proxy_abi_version_0_2_1, proxy_on_memory_allocate, proxy_on_context_create, proxy_on_vm_start, proxy_on_configure, proxy_on_tick, proxy_on_queue_ready,
  proxy_on_downstream_data, proxy_on_delete,
} from "../../proxy-wasm-as/assembly/exports";

const MISPLACED = utf8("gatewright_connection_limit_misplaced"), NOTHING = new ArrayBuffer(0);

/** A network filter that was configured for requests is closed, and does not leave its clients waiting. */
export function proxy_on_new_connection(id: u32): u32 {
  if (connectionOf(id) == null) closeConnection();
  return onNewConnection(id);
}

/** An HTTP filter that was configured for connections likewise. */
export function proxy_on_request_headers(id: u32, count: u32, endOfStream: u32): u32 {
  if (requestOf(id) == null) respond(500, MISPLACED, NOTHING, []);
  return onRequestHeaders(id, count, endOfStream);
}

class LimitRoot extends ConfiguredRoot {
  private timers: Timers = new Timers(new Turns());
  private connections: Connections = new Connections(new ListenerLimits(), this.timers);
  private requests: Requests | null = null;

  constructor(id: u32) { super(id, "gatewright.connection_limit", "{\"connections\":{…}} or {\"requests\":{…}}"); }

  protected configure(json: Json): string {
    const reader = new LimitReader(json);
    const connections = reader.get(json.root, "connections"), requests = reader.get(json.root, "requests");
    reader.allow(json.root, "configuration", ["connections", "requests"]);
    if ((connections == ABSENT) == (requests == ABSENT)) return "exactly one of connections, requests is needed";
    if (connections != ABSENT) {
      const limits = reader.listener(connections, "connections");
      if (reader.problem.length == 0) this.connections = new Connections(limits, this.timers);
      return reader.problem;
    }
    const source = reader.get(requests, "source");
    if (source != ABSENT) {
      reader.allow(requests, "requests", ["source"]);
      if (!json.is(source, utf8("route"))) reader.fail("requests.source", "must be route");
      if (reader.problem.length == 0) this.requests = new RequestsByRoute(this.timers);
    } else {
      reader.allow(requests, "requests", ["rules"]);
      const rules = reader.rules(requests, "requests.");
      if (reader.problem.length == 0) this.requests = new RequestsByRule(rules, this.timers);
    }
    return reader.problem;
  }

  createContext(id: u32): StreamContext {
    const requests = this.requests;
    return requests != null ? new LimitedRequest(id, requests) : new LimitedConnection(id, this.connections);
  }

  onTick(): void { this.timers.run(); }
  onQueueReady(token: u32): void { this.timers.turn(token); }
}

registerRoot((id: u32): RootContext => new LimitRoot(id));
