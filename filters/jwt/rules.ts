// The plugin configuration in hosts where no route carries a policy: which requests each policy is for. Matching is pure.
import { indexOf, lowerCase, slice } from "../../proxy-wasm-as/assembly/bytes";
import { ABSENT, Json } from "../../proxy-wasm-as/assembly/json";
import { byteAt, equalBytes } from "../../proxy-wasm-as/assembly/memory";
import { ConfigReader } from "./config";
import { Facts } from "./facts";
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
    if (this.host.byteLength > 0 && !same(hostOf(facts.authority), this.host)) return false;
    const query = indexOf(facts.path, 0x3f, 0, facts.path.byteLength);
    const end = query < 0 ? facts.path.byteLength : query;
    if (this.path.byteLength > 0 && !equalBytes(facts.path, 0, end, this.path)) return false;
    if (this.prefix.byteLength > 0 && !under(facts.path, end, this.prefix)) return false;
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
    rule.route = json.string(reader.get(match, "route"));
    rule.host = lowerCase(json.string(reader.get(match, "host")));
    rule.path = json.string(reader.get(match, "path"));
    rule.prefix = json.string(reader.get(match, "prefix"));
    rule.methods = reader.strings(match, "methods", path + ".match");
    rule.policy = reader.policy(reader.get(node, "policy"), path + ".policy");
    // No route of ours adds the headers here: the filter does.
    rule.policy.setsRequestHeaders = true;
    rules.push(rule);
  }
  return rules;
}

function same(a: ArrayBuffer, b: ArrayBuffer): bool { return equalBytes(a, 0, a.byteLength, b); }

/** The authority without its port, in lower case. */
function hostOf(authority: ArrayBuffer): ArrayBuffer {
  const bracket = indexOf(authority, 0x5d, 0, authority.byteLength);
  const colon = indexOf(authority, 0x3a, max(bracket, 0), authority.byteLength);
  return lowerCase(slice(authority, 0, colon < 0 ? authority.byteLength : colon));
}

/** Gateway API's PathPrefix: whole path elements. */
function under(path: ArrayBuffer, end: i32, prefix: ArrayBuffer): bool {
  let size = prefix.byteLength;
  if (byteAt(prefix, size - 1) == 0x2f) size--;
  if (end < size || !equalBytes(slice(path, 0, size), 0, size, slice(prefix, 0, size))) return false;
  return end == size || byteAt(path, size) == 0x2f;
}
