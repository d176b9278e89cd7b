// The policies of a plugin configuration, each with the requests it is for.
import { ABSENT } from "../../proxy-wasm-as/assembly/json";
import { RequestMatch } from "../../proxy-wasm-as/assembly/request-match";
import { PolicyReader } from "./config";
import { Policy } from "./policy";

export class PolicyRule {
  constructor(readonly match: RequestMatch, readonly policy: Policy) {}
}

/** Reads `rules`; problems are left in the reader. */
export function readRules(reader: PolicyReader, root: i32): PolicyRule[] {
  const rules: PolicyRule[] = [];
  const list = reader.list(root, "rules", "");
  for (let node = reader.json.first(list), i = 0; node != ABSENT; node = reader.json.next(node, list), i++) {
    const path = `rules[${i}]`;
    reader.allow(node, path, ["match", "policy"]);
    const rule = new PolicyRule(RequestMatch.read(reader, reader.get(node, "match"), path + ".match"), reader.policy(reader.get(node, "policy"), path + ".policy"));
    // No route of ours adds the headers here: the filter does.
    rule.policy.setsRequestHeaders = true;
    rules.push(rule);
  }
  return rules;
}
