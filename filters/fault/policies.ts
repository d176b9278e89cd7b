// Which policy is a request's: the one its route carries (read once an id), or the first match in the plugin configuration.
import { utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { ABSENT, Json } from "../../proxy-wasm-as/assembly/json";
import { RequestMatch } from "../../proxy-wasm-as/assembly/request-match";
import { RoutePolicies } from "../../proxy-wasm-as/assembly/route-policies";
import { sipHash } from "../../proxy-wasm-as/assembly/siphash";
import { PolicyReader } from "./config";
import { Policy } from "./policy";

/** Policies that routes carry in their metadata. */
export class FaultRoutePolicies extends RoutePolicies<Policy> {
  protected read(json: Json): Policy {
    const reader = new PolicyReader(json);
    const policy = reader.policy(json.root, "policy", this.id);
    this.problem = reader.problem;
    return policy;
  }
}

/** A policy of the plugin configuration, and the requests it is for. */
export class PolicyRule {
  constructor(readonly match: RequestMatch, readonly policy: Policy) {}
}

/** Reads `rules` of a plugin configuration; problems are left in the reader. */
export function readRules(reader: PolicyReader, configuration: ArrayBuffer): PolicyRule[] {
  const rules: PolicyRule[] = [];
  const content = sipHash(0, 0, configuration).toString(16);
  const root = reader.json.root;
  const list = reader.list(root, "rules", "");
  for (let node = reader.json.first(list), i = 0; node != ABSENT; node = reader.json.next(node, list), i++) {
    const path = `rules[${i}]`;
    reader.allow(node, path, ["match", "policy"]);
    const match = RequestMatch.read(reader, reader.get(node, "match"), path + ".match");
    rules.push(new PolicyRule(match, reader.policy(reader.get(node, "policy"), path + ".policy", utf8(content + path))));
  }
  return rules;
}
