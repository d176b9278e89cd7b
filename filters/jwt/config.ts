// Reads the JSON that policy/jwt.ts describes, whole and strictly: a problem names the field, unknown fields are problems.
import { find, lowerCase, slice, text, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { ABSENT, Json } from "../../proxy-wasm-as/assembly/json";
import { byteAt, equalBytes } from "../../proxy-wasm-as/assembly/memory";
import { RulesReader } from "../../proxy-wasm-as/assembly/request-rules";
import { KeySet } from "../../proxy-wasm-as/assembly/jws/key-set";
import { ClaimCondition, ClaimHeader, HeaderSource, Policy, Provider, PublishedClaim, Rule } from "./policy";
import { RemoteKeys } from "./remote-keys";

const HTTP = utf8("http://"), HTTPS = utf8("https://");

/** What is not in the policy itself: key sets by id, and the one fetcher that each remote key set has. */
export abstract class Keyring {
  abstract keySet(id: ArrayBuffer): KeySet | null;
  abstract remote(cluster: ArrayBuffer, authority: ArrayBuffer, path: ArrayBuffer, timeout: i32, cache: i32, retry: i32): RemoteKeys;
}

export class PolicyReader extends RulesReader<Policy> {
  constructor(json: Json, private keyring: Keyring) { super(json); }

  /** No route of ours adds the headers here: the filter does. */
  protected rulePolicy(node: i32, path: string): Policy {
    const policy = this.policy(node, path);
    policy.setsRequestHeaders = true;
    return policy;
  }

  policy(node: i32, path: string): Policy {
    const policy = new Policy();
    this.allow(node, path, ["providers", "missing", "claimHeaders", "publishClaims", "authorization"]);
    const providers = this.list(node, "providers", path);
    for (let item = this.json.first(providers), i = 0; item != ABSENT; item = this.json.next(item, providers), i++) {
      policy.providers.push(this.provider(item, `${path}.providers[${i}]`));
    }
    policy.missingAllowed = this.choice(node, "missing", path, "Deny", "Allow") == 1;
    policy.setsRequestHeaders = this.choice(node, "claimHeaders", path, "FilterState", "Request") == 1;
    const published = this.list(node, "publishClaims", path);
    for (let item = this.json.first(published), i = 0; item != ABSENT; item = this.json.next(item, published), i++) {
      const claim = this.texts(item, `${path}.publishClaims[${i}]`);
      if (claim.length == 0) this.fail(`${path}.publishClaims[${i}]`, "at least one name is needed");
      policy.published.push(new PublishedClaim(claimStateKey(claim), claim));
    }
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
    const places = provider.headers.length + provider.params.length + provider.cookies.length;
    if (provider.session && places > 0) this.fail(path + ".from", "a session is nowhere in the request");
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
    this.allow(node, path, ["jwks", "keySet", "remote", "session"]);
    const jwks = this.get(node, "jwks"), id = this.get(node, "keySet"), remote = this.get(node, "remote"), session = this.get(node, "session");
    if (this.given(node, ["jwks", "keySet", "remote", "session"]) != 1) {
      this.fail(path, "exactly one of jwks, keySet, remote, session is needed");
    } else if (session != ABSENT) {
      if (!this.bool(node, "session", path)) this.fail(path + ".session", "must be true");
      provider.session = true;
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
}

/** An audience as it is compared: without scheme and without a slash at the end (decide.ts does the same to the token's). */
function bareAudience(audience: ArrayBuffer): ArrayBuffer {
  const start = find(audience, 0, 7, HTTP) == 0 ? 7 : find(audience, 0, 8, HTTPS) == 0 ? 8 : 0;
  const slash = audience.byteLength > start && byteAt(audience, audience.byteLength - 1) == 0x2f;
  return slice(audience, start, audience.byteLength - (slash ? 1 : 0));
}

/** policy/jwt.ts, publishClaims: names joined by dots. */
function claimStateKey(claim: ArrayBuffer[]): ArrayBuffer {
  let key = "gatewright.claim";
  for (let i = 0; i < claim.length; i++) key += "." + text(claim[i]);
  return utf8(key);
}
