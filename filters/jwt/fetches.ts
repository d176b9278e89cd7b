// All remote key sets of a worker, and the one tick that drives them.
import { BufferType, MapType } from "../../proxy-wasm-as/assembly/abi";
import { same, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { buffer, header, httpCall, now, setTickPeriod } from "../../proxy-wasm-as/assembly/host";
import { Json } from "../../proxy-wasm-as/assembly/json";
import { Counter } from "../../proxy-wasm-as/assembly/metrics";
import { equalBytes } from "../../proxy-wasm-as/assembly/memory";
import { FetchState, MAX_JWKS_BYTES, RemoteKeys } from "./remote-keys";

const METHOD = utf8(":method"), GET = utf8("GET"), PATH = utf8(":path"), AUTHORITY = utf8(":authority"), SCHEME = utf8(":scheme");
const HTTPS = utf8("https"), ACCEPT = utf8("accept"), JSON_TYPES = utf8("application/jwk-set+json, application/json"), STATUS = utf8(":status"), OK = utf8("200");

export class Fetches {
  /** The ones in use; a policy keeps the others and brings them back. */
  private remotes: RemoteKeys[] = [];
  private inFlight: Map<u32, RemoteKeys> = new Map();
  private json: Json = new Json();
  private succeeded: Counter = new Counter("gatewright_jwt_jwks_fetch_success");
  private refused: Counter = new Counter("gatewright_jwt_jwks_fetch_failed");

  /** The RemoteKeys for a place and its settings; policies share one that is in use. */
  remote(cluster: ArrayBuffer, authority: ArrayBuffer, path: ArrayBuffer, timeout: i32, cache: i32, retry: i32): RemoteKeys {
    for (let i = 0; i < this.remotes.length; i++) {
      const known = this.remotes[i];
      if (same(known.path, path) && same(known.cluster, cluster) && same(known.authority, authority) && known.suits(timeout, cache, retry)) return known;
    }
    return new RemoteKeys(cluster, authority, path, timeout, cache, retry);
  }

  /** Makes a request wait for keys; the tick, a millisecond away, sends for them. */
  hold(remote: RemoteKeys, request: u32): void {
    remote.waiting.push(request);
    if (!this.remotes.includes(remote)) this.remotes.push(remote);
    if (remote.state == FetchState.Wanted) setTickPeriod(1);
  }

  /** Sends what is due and sets the tick for what is due next. Returns the requests whose wait is over. */
  run(): u32[] {
    const time = now();
    const released: u32[] = [];
    let next: i64 = 0;
    for (let i = this.remotes.length - 1; i >= 0; i--) {
      const remote = this.remotes[i];
      if (remote.due(time)) this.send(remote, time, released);
      if (remote.unused) this.remotes.splice(i, 1);
      const due = remote.nextDue;
      if (due != 0 && (next == 0 || due < next)) next = due;
    }
    setTickPeriod(next == 0 ? 0 : <u32>max<i64>(1, min<i64>(next - time, 3_600_000)));
    return released;
  }

  private send(remote: RemoteKeys, time: i64, released: u32[]): void {
    const headers: ArrayBuffer[] = [METHOD, GET, PATH, remote.path, AUTHORITY, remote.authority, SCHEME, HTTPS, ACCEPT, JSON_TYPES];
    const token = httpCall(remote.cluster, headers, remote.timeout);
    if (token != 0) {
      remote.sent();
      this.inFlight.set(token, remote);
    } else if (remote.notSent(time)) {
      this.refused.increment();
      release(remote, released);
    }
  }

  /** The answer to a fetch. Returns the requests that waited for it. */
  answered(token: u32, headerCount: u32, bodySize: u32): u32[] {
    const released: u32[] = [];
    if (!this.inFlight.has(token)) return released;
    const remote = this.inFlight.get(token);
    this.inFlight.delete(token);
    const time = now();
    let good = false;
    if (headerCount > 0 && bodySize <= MAX_JWKS_BYTES) {
      const status = header(MapType.HttpCallResponseHeaders, STATUS);
      // Redirects are not followed: the keys come from the host that was named.
      if (status != null && equalBytes(status, 0, status.byteLength, OK)) {
        good = remote.arrived(time, this.json, buffer(BufferType.HttpCallResponseBody, <i32>bodySize));
      }
    }
    if (good) this.succeeded.increment();
    else {
      this.refused.increment();
      if (remote.state == FetchState.InFlight) remote.failed(time);
    }
    release(remote, released);
    return released;
  }
}

function release(remote: RemoteKeys, released: u32[]): void {
  for (let i = 0; i < remote.waiting.length; i++) released.push(remote.waiting[i]);
  remote.waiting = [];
}
