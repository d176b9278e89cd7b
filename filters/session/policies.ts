// Policies that routes carry. The id is that of the login service's policy: both speak of one thing, and the guard compares one id.
import { Json } from "../../proxy-wasm-as/assembly/json";
import { RoutePolicies } from "../../proxy-wasm-as/assembly/route-policies";
import { SessionReader } from "./config";
import { Policy } from "./policy";

export class SessionRoutePolicies extends RoutePolicies<Policy> {
  constructor() { super("session", "oidc"); }

  protected read(json: Json): Policy {
    const reader = new SessionReader(json);
    const policy = reader.policy(json.root, "policy");
    this.problem = reader.problem;
    return policy;
  }
}
