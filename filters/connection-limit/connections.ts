// Limits on connections, as a network filter: counted when it opens (by client certificate: when the client first sends), until it closes.
import { Action } from "../../proxy-wasm-as/assembly/abi";
import { lowerCase } from "../../proxy-wasm-as/assembly/bytes";
import { peerAddress } from "../../proxy-wasm-as/assembly/cidr";
import { ConnectionContext } from "../../proxy-wasm-as/assembly/context";
import { closeConnection, enterContext, now, property, propertyPath } from "../../proxy-wasm-as/assembly/host";
import { Timer, Timers } from "../../proxy-wasm-as/assembly/timers";
import { CountedLimit, Taken } from "./counted-limit";
import { Facts, keyUnder } from "./decide";
import { ConnectionLimit, ListenerLimits, Per } from "./limits";

const SOURCE_ADDRESS = propertyPath(["source", "address"]);
const SERVER_NAME = propertyPath(["connection", "requested_server_name"]);
const CERTIFICATE = propertyPath(["connection", "sha256_peer_certificate_digest"]);

class Limited {
  constructor(readonly limit: ConnectionLimit, readonly counted: CountedLimit) {}
}

/** The limits of one listener, and which facts they need. */
export class Connections {
  private atOpening: Limited[] = [];
  private atData: Limited[] = [];
  private needsAddress: bool = false;
  private needsServerName: bool = false;
  private listener: ArrayBuffer;

  constructor(limits: ListenerLimits, readonly timers: Timers) {
    this.listener = limits.listener;
    for (let i = 0; i < limits.limits.length; i++) {
      const limit = limits.limits[i];
      const scope = `connections/${limit.per}/${limit.name}`;
      const counted = new CountedLimit("gatewright_connections", scope, limit.name, limit.value, limit.rateInterval, limit.rateBurst, limit.dryRun, timers);
      (limit.per == Per.ClientCertificate ? this.atData : this.atOpening).push(new Limited(limit, counted));
      if (limit.per == Per.SourceIP || limit.sources.length > 0 || limit.allow.length > 0) this.needsAddress = true;
      if (limit.per == Per.ServerName) this.needsServerName = true;
    }
  }

  get decideAtData(): bool { return this.atData.length > 0; }

  /** The limit that refuses a connection now; null: none does, and `taken` holds its counts. */
  refusal(taken: Taken, atData: bool): ConnectionLimit | null {
    const limits = atData ? this.atData : this.atOpening;
    if (limits.length == 0) return null;
    const facts = this.facts(atData);
    for (let i = 0; i < limits.length; i++) {
      const key = keyUnder(limits[i].limit, this.listener, facts);
      if (key == null || limits[i].counted.take(key, taken)) continue;
      taken.undo();
      return limits[i].limit;
    }
    return null;
  }

  private facts(atData: bool): Facts {
    const facts = new Facts();
    if (this.needsAddress) {
      const address = property(SOURCE_ADDRESS);
      if (address != null) facts.address = peerAddress(address);
    }
    if (this.needsServerName && !atData) {
      const name = property(SERVER_NAME);
      if (name != null) facts.serverName = lowerCase(name);
    }
    if (atData) {
      const certificate = property(CERTIFICATE);
      if (certificate != null && certificate.byteLength > 0) facts.certificate = certificate;
    }
    return facts;
  }
}

enum Stage { Undecided = 0, Refused = 1, Admitted = 2 }

export class LimitedConnection extends ConnectionContext {
  private stage: Stage = Stage.Undecided;
  private taken: Taken = new Taken();
  private closing: Closing | null = null;

  constructor(id: u32, private connections: Connections) { super(id); }

  onNewConnection(): Action {
    const refusal = this.connections.refusal(this.taken, false);
    if (refusal != null) return this.refuse(refusal);
    if (!this.connections.decideAtData) this.stage = Stage.Admitted;
    return Action.Continue;
  }

  /** What a refused connection sends reaches no later filter. */
  onDownstreamData(size: u32, endOfStream: bool): Action {
    if (this.stage == Stage.Admitted) return Action.Continue;
    if (this.stage == Stage.Refused) return Action.StopIteration;
    const refusal = this.connections.refusal(this.taken, true);
    if (refusal != null) return this.refuse(refusal);
    this.stage = Stage.Admitted;
    return Action.Continue;
  }

  onDelete(): void {
    this.taken.release();
    const closing = this.closing;
    if (closing != null) this.connections.timers.cancel(closing);
  }

  private refuse(limit: ConnectionLimit): Action {
    this.stage = Stage.Refused;
    if (limit.closeDelay == 0) closeConnection();
    else {
      const closing = new Closing(this.id);
      this.closing = closing;
      this.connections.timers.set(closing, now() + limit.closeDelay);
    }
    return Action.StopIteration;
  }
}

/** Closes a refused connection that had to wait for it. */
class Closing extends Timer {
  constructor(private connection: u32) { super(); }
  onDue(): void { if (enterContext(this.connection)) closeConnection(); }
}
