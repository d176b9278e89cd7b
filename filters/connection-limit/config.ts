// Reads the JSON that policy/connection-limit.ts describes, whole and strictly: a problem names the field, unknown fields are problems.
import { text } from "../../proxy-wasm-as/assembly/bytes";
import { Cidr } from "../../proxy-wasm-as/assembly/cidr";
import { ABSENT, JsonType } from "../../proxy-wasm-as/assembly/json";
import { ClaimMatch, RequestKey } from "../../proxy-wasm-as/assembly/request-key";
import { RulesReader } from "../../proxy-wasm-as/assembly/request-rules";
import { isLimitName, isQualifiedName } from "./names";
import { ConcurrencyLimit, ConcurrencyPolicy, ConnectionLimit, ListenerLimits, NONE, Per } from "./limits";

const MOST = 1_000_000;

export class LimitReader extends RulesReader<ConcurrencyPolicy> {
  listener(node: i32, path: string): ListenerLimits {
    const listener = new ListenerLimits();
    this.allow(node, path, ["listener", "limits"]);
    listener.listener = this.bounded(node, "listener", path, 600);
    if (this.get(node, "limits") == ABSENT) this.fail(path + ".limits", "is needed");
    const list = this.items(node, "limits", path, 0, 17);
    const names: string[] = [];
    for (let item = this.json.first(list), i = 0; item != ABSENT; item = this.json.next(item, list), i++) {
      const limit = this.connectionLimit(item, `${path}.limits[${i}]`);
      this.unique(names, limit.name, `${path}.limits[${i}]`);
      listener.limits.push(limit);
    }
    return listener;
  }

  private connectionLimit(node: i32, path: string): ConnectionLimit {
    const limit = new ConnectionLimit();
    this.allow(node, path, ["name", "per", "ipv4PrefixLength", "ipv6PrefixLength", "value", "rate", "closeDelay", "sources", "allow", "dryRun"]);
    const name = this.required(node, "name", path);
    if (!isQualifiedName(name)) this.fail(path + ".name", "must be a lower-case name such as per-client, or namespace/policy/per-client");
    limit.name = text(name);
    limit.per = this.per(node, path);
    limit.ipv4PrefixLength = this.integer(node, "ipv4PrefixLength", path, 1, 32, 32);
    limit.ipv6PrefixLength = this.integer(node, "ipv6PrefixLength", path, 1, 128, 64);
    limit.value = this.integer(node, "value", path, 1, MOST, NONE);
    const rate = this.get(node, "rate");
    if (rate != ABSENT) this.rate(rate, path + ".rate", limit);
    else if (limit.value == NONE) this.fail(path, "must have value or rate");
    limit.closeDelay = this.positive(node, "closeDelay", path, 0);
    limit.sources = this.networks(node, "sources", path);
    limit.allow = this.networks(node, "allow", path);
    limit.dryRun = this.bool(node, "dryRun", path);
    return limit;
  }

  private per(node: i32, path: string): Per {
    const value = this.get(node, "per");
    if (value == ABSENT || this.json.is(value, String.UTF8.encode("Listener"))) return Per.Listener;
    const word = text(this.json.string(value));
    if (word == "Gateway") return Per.Gateway;
    if (word == "SourceIP") return Per.SourceIP;
    if (word == "ServerName") return Per.ServerName;
    if (word != "ClientCertificate") this.fail(path + ".per", "must be Listener, Gateway, SourceIP, ServerName or ClientCertificate");
    return Per.ClientCertificate;
  }

  private rate(node: i32, path: string, limit: ConnectionLimit): void {
    this.allow(node, path, ["connections", "per", "burst"]);
    const connections = this.integer(node, "connections", path, 1, MOST, 0);
    if (connections == 0) {
      this.fail(path + ".connections", "is needed");
      return;
    }
    limit.rateInterval = max(this.positive(node, "per", path, 1_000) * 1_000_000 / connections, 1);
    limit.rateBurst = this.integer(node, "burst", path, 1, MOST, connections);
  }

  /** Milliseconds, more than none. */
  private positive(node: i32, name: string, path: string, otherwise: i64): i64 {
    const duration = this.duration(node, name, path, otherwise);
    if (duration == 0 && this.get(node, name) != ABSENT) this.fail(path + "." + name, "must be more than 0");
    return duration;
  }

  private networks(node: i32, name: string, path: string): Cidr[] {
    const networks: Cidr[] = [];
    this.items(node, name, path, 0, 128);
    const given = this.strings(node, name, path);
    for (let i = 0; i < given.length; i++) {
      const network = Cidr.parse(given[i]);
      if (network != null) networks.push(network);
      else this.fail(`${path}.${name}[${i}]`, "must be a network such as 10.0.0.0/8 or 2001:db8::/32");
    }
    return networks;
  }

  policy(node: i32, path: string): ConcurrencyPolicy {
    const policy = new ConcurrencyPolicy();
    this.allow(node, path, ["name", "limits"]);
    policy.name = text(this.bounded(node, "name", path, 253));
    const list = this.items(node, "limits", path, 1, 16);
    const names: string[] = [];
    for (let item = this.json.first(list), i = 0; item != ABSENT; item = this.json.next(item, list), i++) {
      const limit = this.concurrencyLimit(item, `${path}.limits[${i}]`);
      this.unique(names, limit.name, `${path}.limits[${i}]`);
      policy.limits.push(limit);
    }
    return policy;
  }

  private concurrencyLimit(node: i32, path: string): ConcurrencyLimit {
    const limit = new ConcurrencyLimit();
    this.allow(node, path, ["name", "key", "value", "claims", "httpStatus", "dryRun"]);
    const name = this.required(node, "name", path);
    if (!isLimitName(name)) this.fail(path + ".name", "must be a lower-case name such as per-client");
    limit.name = text(name);
    const key = this.get(node, "key");
    if (key != ABSENT) limit.key = RequestKey.read(this, key, path + ".key");
    limit.value = this.integer(node, "value", path, 1, MOST, 0);
    if (limit.value == 0) this.fail(path + ".value", "is needed");
    this.items(node, "claims", path, 0, 16);
    limit.claims = ClaimMatch.readAll(this, node, "claims", path);
    limit.httpStatus = this.integer(node, "httpStatus", path, 429, 503, 429);
    if (limit.httpStatus != 429 && limit.httpStatus != 503) this.fail(path + ".httpStatus", "must be 429 or 503");
    limit.dryRun = this.bool(node, "dryRun", path);
    return limit;
  }

  protected rulePolicy(node: i32, path: string): ConcurrencyPolicy { return this.policy(node, path); }

  /** A list of so many; ABSENT counts as none, and may be so only where none may be given. */
  private items(node: i32, name: string, path: string, least: i32, most: i32): i32 {
    const list = this.list(node, name, path);
    let count = 0;
    if (this.json.type(list) == JsonType.Array) for (let item = this.json.first(list); item != ABSENT; item = this.json.next(item, list)) count++;
    if (count < least || count > most) this.fail(path + "." + name, `must have from ${least} to ${most}`);
    return list;
  }

  private unique(names: string[], name: string, path: string): void {
    if (names.includes(name)) this.fail(path + ".name", "must be unique within the policy");
    names.push(name);
  }
}
