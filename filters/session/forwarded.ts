// Headers with tokens, as the service gave them: an assertion only names them, for browsers can read it. Each worker remembers for itself, bounded by bytes.
import { text } from "../../proxy-wasm-as/assembly/bytes";
import { Generations } from "../../proxy-wasm-as/assembly/generations";
import { Json, JsonType } from "../../proxy-wasm-as/assembly/json";
import { headerPairs } from "./assertions";

/** What one generation may hold; there are two. */
const MAX_BYTES = 2 * 1024 * 1024;
/** Of an entry beside its texts, roughly. */
const ENTRY_BYTES = 256;

export class Forwarded {
  private known: Generations<ArrayBuffer[]> = new Generations<ArrayBuffer[]>(MAX_BYTES);
  private json: Json = new Json();

  /** [name, value, …]; null: the service has to be asked. */
  find(name: ArrayBuffer): ArrayBuffer[] | null {
    const key = text(name);
    return this.known.has(key) ? this.known.get(key) : null;
  }

  /** `list`: JSON, [[name, value], …]. The name stands for it, so what is known stays. */
  learn(name: ArrayBuffer, list: ArrayBuffer): void {
    const key = text(name);
    if (this.known.has(key)) return;
    const json = this.json;
    if (!json.parse(list, 0, list.byteLength) || json.type(json.root) != JsonType.Array) return;
    const headers = headerPairs(json, json.root);
    if (headers != null) this.known.set(key, headers, ENTRY_BYTES + name.byteLength + list.byteLength);
  }
}
