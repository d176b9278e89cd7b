// Policies of routes: there is no per-route configuration for wasm, so metadata carries them. Each is read once an id.
import { same, slice, text } from "./bytes";
import { MAX_CONFIGURATION_BYTES } from "./config-reader";
import { Generations } from "./generations";
import { property, propertyOver, propertyPath } from "./host";
import { Json } from "./json";

/** Compiled policies kept; twice as many for a moment. */
export const MAX_KEPT = 4096;
/** What a document may have to count as one: of those that are larger fewer are kept, or they would fill the VM's memory. */
const USUAL_BYTES = 4096;

/** What compiled ones of a document count as. */
export function weightOf(document: ArrayBuffer): i32 { return 1 + document.byteLength / USUAL_BYTES; }

const NOTHING = new ArrayBuffer(0);

/**
 * Reads filter_metadata.gatewright: of the route `<kind>`, the policy's id, and of its virtual host `<kind>_policy.<id>`, the policy in JSON, which all
 * routes of the host share. The id says the content (a hash), so a policy that changes has another, and one that was read stays read.
 */
export abstract class RoutePolicies<T> {
  private kept: Generations<T> = new Generations<T>(MAX_KEPT);
  private idPath: ArrayBuffer;
  private idRead: ArrayBuffer = NOTHING;                          // read anew each time, mostly into itself
  private lastId: ArrayBuffer = NOTHING;
  private last: T | null = null;
  /** Id of the policy found last; empty when the route carries none. */
  id: ArrayBuffer = NOTHING;
  /** Why find() answered null. */
  problem: string = "";
  /** What read() took in besides the document: what that counts as. */
  protected besides: i32 = 0;

  /** `leaf`: of the route, where it is not the kind itself: what two filters know of one policy goes by one id. */
  constructor(private kind: string, leaf: string = kind) {
    this.idPath = propertyPath(["xds", "route_metadata", "filter_metadata", "gatewright", leaf]);
  }

  /** The policy in a document; what is wrong with it goes to `problem`. */
  protected abstract read(json: Json): T;

  /** The policy of the request in hand; null: none or unreadable, and `problem` says why. */
  find(): T | null {
    this.problem = "";
    const read = propertyOver(this.idPath, this.idRead);
    if (read == null || read.byteLength == 0) {
      this.id = NOTHING;
      this.problem = "the route carries no policy";
      return null;
    }
    if (this.last != null && same(read, this.lastId)) {
      this.id = this.lastId;
      return this.last;
    }
    const id = slice(read, 0);
    this.idRead = read;
    this.id = id;
    const key = text(id);
    const policy = this.kept.has(key) ? this.kept.get(key) : this.load(key);
    if (policy == null) return null;
    this.lastId = id;
    this.last = policy;
    return policy;
  }

  private load(key: string): T | null {
    const bytes = property(propertyPath(["xds", "virtual_host_metadata", "filter_metadata", "gatewright", this.kind + "_policy." + key]));
    if (bytes == null || bytes.byteLength > MAX_CONFIGURATION_BYTES) {
      this.problem = bytes == null ? "the virtual host carries no policy of the route's id" : "the policy is too large";
      return null;
    }
    const json = new Json();
    if (!json.parse(bytes, 0, bytes.byteLength)) {
      this.problem = "the policy is not JSON";
      return null;
    }
    this.besides = 0;
    const policy = this.read(json);
    if (this.problem.length > 0) return null;
    this.kept.set(key, policy, weightOf(bytes) + this.besides);
    return policy;
  }
}
