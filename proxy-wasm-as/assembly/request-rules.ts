// The policies of a plugin configuration, each with the requests it is for, in hosts where no route carries policies.
import { ConfigReader } from "./config-reader";
import { ABSENT } from "./json";
import { Request } from "./request";
import { RequestMatch } from "./request-match";

export class RequestRule<T> {
  constructor(readonly match: RequestMatch, readonly policy: T) {}
}

/** Reads configurations that have `rules`; problems are left in the reader. */
export abstract class RulesReader<T> extends ConfigReader {
  protected abstract rulePolicy(node: i32, path: string): T;

  /** `rules` of `node`, whose path in the document is empty or ends in a dot. */
  rules(node: i32, path: string): RequestRule<T>[] {
    const rules: RequestRule<T>[] = [];
    if (this.get(node, "rules") == ABSENT) this.fail(path + "rules", "source or rules is needed");
    const list = this.list(node, "rules", path);
    for (let item = this.json.first(list), i = 0; item != ABSENT; item = this.json.next(item, list), i++) {
      const place = `${path}rules[${i}]`;
      this.allow(item, place, ["match", "policy"]);
      const match = RequestMatch.read(this, this.get(item, "match"), place + ".match");
      rules.push(new RequestRule<T>(match, this.rulePolicy(this.get(item, "policy"), place + ".policy")));
    }
    return rules;
  }
}

/** The policy of the first rule that a request matches; null: of none. */
export function firstMatch<T>(rules: RequestRule<T>[], request: Request): T | null {
  for (let i = 0; i < rules.length; i++) if (rules[i].match.matches(request)) return rules[i].policy;
  return null;
}
