// Reads the JSON that policy/jwt.ts describes, whole and strictly: a problem names the field, unknown fields are problems.
import { find, lowerCase, slice, text, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { ABSENT, Json, JsonType } from "../../proxy-wasm-as/assembly/json";
import { byteAt, equalBytes } from "../../proxy-wasm-as/assembly/memory";
import { KeySet } from "./key-set";
import { ClaimCondition, ClaimHeader, HeaderSource, Policy, Provider, Rule } from "./policy";
import { RemoteKeys } from "./remote-keys";

/** Policies and plugin configurations beyond this size are refused unread. */
export const MAX_CONFIGURATION_BYTES = 4 * 1024 * 1024;

const HTTP = utf8("http://"), HTTPS = utf8("https://");

/** What is not in the policy itself: key sets by id, and the one fetcher that each remote key set has. */
export abstract class Keyring {
  abstract keySet(id: ArrayBuffer): KeySet | null;
  abstract remote(cluster: ArrayBuffer, authority: ArrayBuffer, path: ArrayBuffer, timeout: i32, cache: i32, retry: i32): RemoteKeys;
}

/** Reads one document. `problem` is empty as long as all is well; then it says what is wrong first, and where. */
export class ConfigReader {
  problem: string = "";
  constructor(readonly json: Json, private keyring: Keyring) {}

  policy(node: i32, path: string): Policy {
    const policy = new Policy();
    this.allow(node, path, ["providers", "missing", "claimHeaders", "authorization"]);
    const providers = this.list(node, "providers", path);
    for (let item = this.json.first(providers), i = 0; item != ABSENT; item = this.json.next(item, providers), i++) {
      policy.providers.push(this.provider(item, `${path}.providers[${i}]`));
    }
    policy.missingAllowed = this.choice(node, "missing", path, "Deny", "Allow") == 1;
    policy.setsRequestHeaders = this.choice(node, "claimHeaders", path, "FilterState", "Request") == 1;
    const authorization = this.get(node, "authorization");
    if (authorization == ABSENT) return policy;
    policy.authorizes = true;
    this.allow(authorization, path + ".authorization", ["defaultAction", "rules"]);
    policy.defaultAllow = this.choice(authorization, "defaultAction", path + ".authorization", "Deny", "Allow") == 1;
    const rules = this.list(authorization, "rules", path + ".authorization");
    for (let item = this.json.first(rules), i = 0; item != ABSENT; item = this.json.next(item, rules), i++) {
      policy.rules.push(this.rule(item, `${path}.authorization.rules[${i}]`, policy));
    }
    return policy;
  }

  private provider(node: i32, path: string): Provider {
    const provider = new Provider();
    this.allow(node, path, ["name", "issuer", "audiences", "keys", "from", "claimToHeaders"]);
    provider.name = this.required(node, "name", path);
    if (this.get(node, "issuer") != ABSENT) provider.issuer = this.required(node, "issuer", path);
    const audiences = this.strings(node, "audiences", path);
    for (let i = 0; i < audiences.length; i++) provider.audiences.push(bareAudience(audiences[i]));
    this.keys(this.get(node, "keys"), path + ".keys", provider);
    const from = this.get(node, "from");
    this.allow(from, path + ".from", ["headers", "params", "cookies"]);
    const headers = this.list(from, "headers", path + ".from");
    for (let item = this.json.first(headers), i = 0; item != ABSENT; item = this.json.next(item, headers), i++) {
      const place = `${path}.from.headers[${i}]`;
      this.allow(item, place, ["name", "prefix"]);
      provider.headers.push(new HeaderSource(lowerCase(this.required(item, "name", place)), lowerCase(this.optional(item, "prefix", place))));
    }
    provider.params = this.strings(from, "params", path + ".from");
    provider.cookies = this.strings(from, "cookies", path + ".from");
    const claims = this.list(node, "claimToHeaders", path);
    for (let item = this.json.first(claims), i = 0; item != ABSENT; item = this.json.next(item, claims), i++) {
      const place = `${path}.claimToHeaders[${i}]`;
      this.allow(item, place, ["header", "claim"]);
      const header = lowerCase(this.required(item, "header", place));
      provider.claimHeaders.push(new ClaimHeader(header, utf8("gatewright.header." + text(header)), this.claim(item, place)));
    }
    return provider;
  }

  private keys(node: i32, path: string, provider: Provider): void {
    this.allow(node, path, ["jwks", "keySet", "remote"]);
    const jwks = this.get(node, "jwks"), id = this.get(node, "keySet"), remote = this.get(node, "remote");
    let given: i32 = 0;                     // said to be i32: inside a condition AssemblyScript would add booleans
    if (jwks != ABSENT) given++;
    if (id != ABSENT) given++;
    if (remote != ABSENT) given++;
    if (given != 1) {
      this.fail(path, "exactly one of jwks, keySet, remote is needed");
    } else if (jwks != ABSENT) {
      provider.keys = KeySet.read(this.json, jwks);
      this.usable(provider.keys, path + ".jwks");
    } else if (id != ABSENT) {
      provider.keys = this.keyring.keySet(this.json.string(id));
      this.usable(provider.keys, path + ".keySet");
    } else {
      const place = path + ".remote";
      this.allow(remote, place, ["cluster", "authority", "path", "timeoutMs", "cacheMs", "retryMs"]);
      provider.remote = this.keyring.remote(
        this.required(remote, "cluster", place), this.required(remote, "authority", place), this.required(remote, "path", place),
        this.milliseconds(remote, "timeoutMs", place, 5_000), this.milliseconds(remote, "cacheMs", place, 300_000),
        this.milliseconds(remote, "retryMs", place, 1_000));
    }
  }

  private usable(keys: KeySet | null, path: string): void {
    if (keys == null || keys.size == 0) this.fail(path, "no usable key: RSA of at least 2048 bits, or EC P-256, P-384, P-521");
  }

  private rule(node: i32, path: string, policy: Policy): Rule {
    const rule = new Rule();
    this.allow(node, path, ["name", "action", "jwt"]);
    rule.name = text(this.optional(node, "name", path));
    rule.allow = this.choice(node, "action", path, "Deny", "Allow") == 1;
    if (this.get(node, "action") == ABSENT) this.fail(path + ".action", "is needed");
    const principal = this.get(node, "jwt");
    if (principal == ABSENT) return rule;
    path += ".jwt";
    this.allow(principal, path, ["provider", "scopes", "claims"]);
    const name = this.required(principal, "provider", path);
    for (let i = 0; i < policy.providers.length; i++) {
      if (equalBytes(name, 0, name.byteLength, policy.providers[i].name)) rule.provider = i;
    }
    if (rule.provider == -1) this.fail(path + ".provider", "no provider of that name");
    rule.scopes = this.strings(principal, "scopes", path);
    const claims = this.list(principal, "claims", path);
    for (let item = this.json.first(claims), i = 0; item != ABSENT; item = this.json.next(item, claims), i++) {
      const place = `${path}.claims[${i}]`;
      const condition = new ClaimCondition();
      this.allow(item, place, ["claim", "type", "values"]);
      condition.claim = this.claim(item, place);
      condition.array = this.choice(item, "type", place, "String", "StringArray") == 1;
      condition.values = this.strings(item, "values", place);
      if (condition.values.length == 0) this.fail(place + ".values", "at least one is needed");
      rule.claims.push(condition);
    }
    return rule;
  }

  private claim(node: i32, path: string): ArrayBuffer[] {
    const names = this.strings(node, "claim", path);
    if (names.length == 0) this.fail(path + ".claim", "at least one name is needed");
    return names;
  }

  get(node: i32, name: string): i32 { return this.json.get(node, utf8(name)); }

  fail(path: string, message: string): void {
    if (this.problem.length == 0) this.problem = path + ": " + message;
  }

  /** An object with none but these names. */
  allow(node: i32, path: string, names: string[]): void {
    if (this.json.type(node) != JsonType.Object) {
      this.fail(path, "an object is needed");
      return;
    }
    for (let name = this.json.first(node); name != ABSENT; name = this.json.next(name + 1, node)) {
      const found = text(this.json.string(name));
      if (!names.includes(found)) this.fail(path + "." + found, "unknown field");
    }
  }

  /** A list, or ABSENT. */
  list(node: i32, name: string, path: string): i32 {
    const list = this.get(node, name);
    if (list != ABSENT && this.json.type(list) != JsonType.Array) this.fail(path + "." + name, "a list is needed");
    return list;
  }

  strings(node: i32, name: string, path: string): ArrayBuffer[] {
    const list = this.list(node, name, path);
    const strings: ArrayBuffer[] = [];
    for (let item = this.json.first(list); item != ABSENT; item = this.json.next(item, list)) {
      if (this.json.type(item) != JsonType.String) this.fail(path + "." + name, "a list of strings is needed");
      strings.push(this.json.string(item));
    }
    return strings;
  }

  /** Empty when the field is absent. */
  optional(node: i32, name: string, path: string): ArrayBuffer {
    const value = this.get(node, name);
    if (value != ABSENT && this.json.type(value) != JsonType.String) this.fail(path + "." + name, "a string is needed");
    return this.json.string(value);
  }

  private required(node: i32, name: string, path: string): ArrayBuffer {
    const value = this.json.string(this.get(node, name));
    if (value.byteLength == 0) this.fail(path + "." + name, "a string is needed");
    return value;
  }

  /** 0 or 1; 0 when the field is absent. */
  private choice(node: i32, name: string, path: string, zero: string, one: string): i32 {
    const value = this.get(node, name);
    if (this.json.is(value, utf8(one))) return 1;
    if (value != ABSENT && !this.json.is(value, utf8(zero))) this.fail(path + "." + name, `must be ${zero} or ${one}`);
    return 0;
  }

  private milliseconds(node: i32, name: string, path: string, otherwise: i32): i32 {
    const value = this.get(node, name);
    if (value == ABSENT) return otherwise;
    const number = this.json.number(value);
    if (!(number >= 1 && number <= 86_400_000)) {
      this.fail(path + "." + name, "must be milliseconds, from 1 to 86400000");
      return otherwise;
    }
    return <i32>number;
  }
}

/** An audience as it is compared: without scheme and without a slash at the end (decide.ts does the same to the token's). */
function bareAudience(audience: ArrayBuffer): ArrayBuffer {
  const start = find(audience, 0, 7, HTTP) == 0 ? 7 : find(audience, 0, 8, HTTPS) == 0 ? 8 : 0;
  const slash = audience.byteLength > start && byteAt(audience, audience.byteLength - 1) == 0x2f;
  return slice(audience, start, audience.byteLength - (slash ? 1 : 0));
}
