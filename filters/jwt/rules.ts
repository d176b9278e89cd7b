// The plugin configuration in hosts where no route carries a policy: which requests each policy is for. Matching is pure.
import { find, indexOf, lowerCase, same, slice } from "../../proxy-wasm-as/assembly/bytes";
import { ABSENT, Json } from "../../proxy-wasm-as/assembly/json";
import { byteAt } from "../../proxy-wasm-as/assembly/memory";
import { ConfigReader } from "./config";
import { Facts } from "./facts";
import { normalPath } from "./normal-path";
import { Policy } from "./policy";

export class RequestRule {
  route: ArrayBuffer = new ArrayBuffer(0);       // empty: any, as all below
  host: ArrayBuffer = new ArrayBuffer(0);
  path: ArrayBuffer = new ArrayBuffer(0);
  prefix: ArrayBuffer = new ArrayBuffer(0);
  methods: ArrayBuffer[] = [];
  policy: Policy = new Policy();

  matches(facts: Facts): bool {
    if (this.route.byteLength > 0 && !same(facts.routeName, this.route)) return false;
    if (this.host.byteLength > 0 && !same(bareHost(facts.authority), this.host)) return false;
    if (this.path.byteLength > 0 || this.prefix.byteLength > 0) {
      const path = normalPath(facts.path);
      if (this.path.byteLength > 0 && !same(path, this.path)) return false;
      if (this.prefix.byteLength > 0 && !under(path, this.prefix)) return false;
    }
    if (this.methods.length == 0) return true;
    const method = facts.method;
    for (let i = 0; i < this.methods.length; i++) if (same(method, this.methods[i])) return true;
    return false;
  }
}

/** Reads `rules`; problems are left in the reader. */
export function readRules(reader: ConfigReader, root: i32): RequestRule[] {
  const json = reader.json;
  const rules: RequestRule[] = [];
  const list = reader.list(root, "rules", "");
  for (let node = json.first(list), i = 0; node != ABSENT; node = json.next(node, list), i++) {
    const path = `rules[${i}]`;
    const rule = new RequestRule();
    reader.allow(node, path, ["match", "policy"]);
    const match = reader.get(node, "match");
    reader.allow(match, path + ".match", ["route", "host", "path", "prefix", "methods"]);
    rule.route = reader.optional(match, "route", path + ".match");
    rule.host = bareHost(reader.optional(match, "host", path + ".match"));
    rule.path = reader.optional(match, "path", path + ".match");
    rule.prefix = reader.optional(match, "prefix", path + ".match");
    rule.methods = reader.strings(match, "methods", path + ".match");
    rule.policy = reader.policy(reader.get(node, "policy"), path + ".policy");
    // No route of ours adds the headers here: the filter does.
    rule.policy.setsRequestHeaders = true;
    rules.push(rule);
  }
  return rules;
}

/** The authority without its port and the dot at its end, in lower case. */
function bareHost(authority: ArrayBuffer): ArrayBuffer {
  const bracket = indexOf(authority, 0x5d, 0, authority.byteLength);
  const colon = indexOf(authority, 0x3a, max(bracket, 0), authority.byteLength);
  let end = colon < 0 ? authority.byteLength : colon;
  if (end > 0 && byteAt(authority, end - 1) == 0x2e) end--;
  return lowerCase(slice(authority, 0, end));
}

/** Gateway API's PathPrefix: whole path elements. */
function under(path: ArrayBuffer, prefix: ArrayBuffer): bool {
  let size = prefix.byteLength;
  if (byteAt(prefix, size - 1) == 0x2f) size--;
  if (find(path, 0, min(size, path.byteLength), slice(prefix, 0, size)) != 0) return false;
  return path.byteLength == size || byteAt(path, size) == 0x2f;
}
