// Policies that routes carry in their metadata, read once an id.
import { Json } from "../../proxy-wasm-as/assembly/json";
import { RoutePolicies } from "../../proxy-wasm-as/assembly/route-policies";
import { PolicyReader } from "./config";
import { Policy } from "./policy";

export class FaultRoutePolicies extends RoutePolicies<Policy> {
  protected read(json: Json): Policy {
    const reader = new PolicyReader(json);
    const policy = reader.policy(json.root, "policy", this.id);
    this.problem = reader.problem;
    return policy;
  }
}
