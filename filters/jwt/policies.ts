// Which policy is a request's: the one its route carries (read once an id), or the first match in the plugin configuration.
import { text } from "../../proxy-wasm-as/assembly/bytes";
import { MAX_CONFIGURATION_BYTES } from "../../proxy-wasm-as/assembly/config-reader";
import { Generations } from "../../proxy-wasm-as/assembly/generations";
import { property, propertyPath } from "../../proxy-wasm-as/assembly/host";
import { ABSENT, Json } from "../../proxy-wasm-as/assembly/json";
import { MAX_KEPT, RoutePolicies, weightOf } from "../../proxy-wasm-as/assembly/route-policies";
import { KeySet } from "../../proxy-wasm-as/assembly/jws/key-set";
import { Keyring, PolicyReader } from "./config";
import { Fetches } from "./fetches";
import { Policy } from "./policy";
import { RemoteKeys } from "./remote-keys";

const REASON = propertyPath(["xds", "route_metadata", "filter_metadata", "gatewright", "reason"]);

/** Key sets from the virtual host's metadata, where routes that share one carry it once. */
class HostKeyring extends Keyring {
  private kept: Generations<KeySet> = new Generations<KeySet>(MAX_KEPT);
  /** Of all that were handed out. A policy holds on to its key sets, when they are forgotten here too. */
  weight: i32 = 0;
  constructor(private fetches: Fetches) { super(); }

  keySet(id: ArrayBuffer): KeySet | null {
    const key = text(id);
    const keys = this.kept.has(key) ? this.kept.get(key) : this.load(key);
    if (keys != null) this.weight += keys.weight;
    return keys;
  }

  private load(key: string): KeySet | null {
    const jwks = property(propertyPath(["xds", "virtual_host_metadata", "filter_metadata", "gatewright", "keyset." + key]));
    if (jwks == null || jwks.byteLength > MAX_CONFIGURATION_BYTES) return null;
    const json = new Json();
    if (!json.parse(jwks, 0, jwks.byteLength)) return null;
    const keys = KeySet.read(json, json.root);
    keys.weight = weightOf(jwks);
    if (keys.size > 0) this.kept.set(key, keys, keys.weight);
    return keys;
  }

  remote(cluster: ArrayBuffer, authority: ArrayBuffer, path: ArrayBuffer, timeout: i32, cache: i32, retry: i32): RemoteKeys {
    return this.fetches.remote(cluster, authority, path, timeout, cache, retry);
  }
}

/** Policies that routes carry in their metadata; of a route that the controller closed, why. */
export class JwtRoutePolicies extends RoutePolicies<Policy> {
  private keyring: HostKeyring;
  /** Why the controller closed the route of the request in hand; null: it did not. */
  closed: ArrayBuffer | null = null;

  constructor(fetches: Fetches) {
    super("jwt");
    this.keyring = new HostKeyring(fetches);
  }

  protected read(json: Json): Policy {
    const reader = new PolicyReader(json, this.keyring);
    this.keyring.weight = 0;
    const policy = reader.policy(json.root, "policy");
    this.besides = this.keyring.weight;
    this.problem = reader.problem;
    return policy;
  }

  find(): Policy | null {
    const policy = super.find();
    this.closed = policy == null && this.id.byteLength == 0 ? property(REASON) : null;
    return policy;
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
