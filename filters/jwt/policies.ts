// Which policy is a request's: the one its route carries (read once an id), or the first match in the plugin configuration.
import { text } from "../../proxy-wasm-as/assembly/bytes";
import { property, propertyPath } from "../../proxy-wasm-as/assembly/host";
import { ABSENT, Json } from "../../proxy-wasm-as/assembly/json";
import { equalBytes } from "../../proxy-wasm-as/assembly/memory";
import { ConfigReader, Keyring, MAX_CONFIGURATION_BYTES } from "./config";
import { Fetches } from "./fetches";
import { Generations } from "./generations";
import { KeySet } from "./key-set";
import { Policy } from "./policy";
import { RemoteKeys } from "./remote-keys";

/** Compiled policies and key sets kept, each; twice as many for a moment. */
const MAX_KEPT = 4096;

const ID = propertyPath(["xds", "route_metadata", "filter_metadata", "gatewright", "jwt"]);
const REASON = propertyPath(["xds", "route_metadata", "filter_metadata", "gatewright", "reason"]);
const POLICY = propertyPath(["xds", "route_metadata", "filter_metadata", "gatewright", "jwt_policy"]);

/** Key sets from the virtual host's metadata, where routes that share one carry it once. */
class HostKeyring extends Keyring {
  private kept: Generations<KeySet> = new Generations<KeySet>(MAX_KEPT);
  constructor(private fetches: Fetches) { super(); }

  keySet(id: ArrayBuffer): KeySet | null {
    const key = text(id);
    if (this.kept.has(key)) return this.kept.get(key);
    const jwks = property(propertyPath(["xds", "virtual_host_metadata", "filter_metadata", "gatewright", "keyset." + key]));
    if (jwks == null || jwks.byteLength > MAX_CONFIGURATION_BYTES) return null;
    const json = new Json();
    if (!json.parse(jwks, 0, jwks.byteLength)) return null;
    const keys = KeySet.read(json, json.root);
    if (keys.size > 0) this.kept.set(key, keys);
    return keys;
  }

  remote(cluster: ArrayBuffer, authority: ArrayBuffer, path: ArrayBuffer, timeout: i32, cache: i32, retry: i32): RemoteKeys {
    return this.fetches.remote(cluster, authority, path, timeout, cache, retry);
  }
}

/** Policies that routes carry in their metadata. */
export class RoutePolicies {
  private kept: Generations<Policy> = new Generations<Policy>(MAX_KEPT);
  private keyring: HostKeyring;
  /** Id of the policy found last; what the guard will demand as the verdict. */
  id: ArrayBuffer = new ArrayBuffer(0);
  private last: Policy | null = null;
  problem: string = "";
  /** Why the controller closed the route of the request in hand; null: it did not. */
  closed: ArrayBuffer | null = null;

  constructor(fetches: Fetches) { this.keyring = new HostKeyring(fetches); }

  /** The policy of the request in hand; null: none or unreadable, and `problem` says why. */
  find(): Policy | null {
    this.problem = "";
    this.closed = null;
    const id = property(ID);
    if (id == null || id.byteLength == 0) {
      this.closed = property(REASON);
      this.problem = "the route carries no policy";
      return null;
    }
    const last = this.last;
    if (last != null && equalBytes(id, 0, id.byteLength, this.id)) return last;
    const key = text(id);
    const policy = this.kept.has(key) ? this.kept.get(key) : this.read();
    if (policy == null) return null;
    this.kept.set(key, policy);
    this.id = id;
    this.last = policy;
    return policy;
  }

  private read(): Policy | null {
    const bytes = property(POLICY);
    if (bytes == null || bytes.byteLength > MAX_CONFIGURATION_BYTES) {
      this.problem = bytes == null ? "the route carries an id without a policy" : "the policy is too large";
      return null;
    }
    const json = new Json();
    if (!json.parse(bytes, 0, bytes.byteLength)) {
      this.problem = "the policy is not JSON";
      return null;
    }
    const reader = new ConfigReader(json, this.keyring);
    const policy = reader.policy(json.root, "policy");
    this.problem = reader.problem;
    return reader.problem.length == 0 ? policy : null;
  }
}

/** Key sets that the plugin configuration itself brings. */
export class ConfiguredKeyring extends Keyring {
  constructor(private fetches: Fetches, private json: Json, private keySets: i32) { super(); }

  keySet(id: ArrayBuffer): KeySet | null {
    const node = this.json.get(this.keySets, id);
    return node == ABSENT ? null : KeySet.read(this.json, node);
  }

  remote(cluster: ArrayBuffer, authority: ArrayBuffer, path: ArrayBuffer, timeout: i32, cache: i32, retry: i32): RemoteKeys {
    return this.fetches.remote(cluster, authority, path, timeout, cache, retry);
  }
}
