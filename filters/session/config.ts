// Reads the JSON that policy/session.ts describes, and the keys, whole and strictly: a problem names the field, unknown fields are problems.
import { utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { ConfigReader } from "../../proxy-wasm-as/assembly/config-reader";
import { ABSENT, JsonType } from "../../proxy-wasm-as/assembly/json";
import { KeySet } from "../../proxy-wasm-as/assembly/jws/key-set";
import { byteAt } from "../../proxy-wasm-as/assembly/memory";
import { isHeaderName } from "./headers";
import { OwnPath, Policy } from "./policy";

const MAX_PATHS = 8, MAX_HEADERS = 64;
const KTY = utf8("kty"), EC = utf8("EC"), CRV = utf8("crv"), P256 = utf8("P-256"), KID = utf8("kid");

export class SessionReader extends ConfigReader {
  policy(node: i32, path: string): Policy {
    const policy = new Policy();
    this.allow(node, path, ["scope", "cookie", "paths", "removeHeaders"]);
    policy.scope = this.required(node, "scope", path);
    policy.cookie = this.required(node, "cookie", path);
    const paths = this.needed(node, "paths", path, MAX_PATHS);
    for (let i = 0; i < paths.length; i++) {
      if (byteAt(paths[i], 0) != 0x2f) this.fail(`${path}.paths[${i}]`, "must begin with a slash");
      policy.paths.push(new OwnPath(paths[i]));
    }
    policy.removeHeaders = this.needed(node, "removeHeaders", path, MAX_HEADERS);
    for (let i = 0; i < policy.removeHeaders.length; i++) {
      if (!isHeaderName(policy.removeHeaders[i])) this.fail(`${path}.removeHeaders[${i}]`, "must be the name of a header, in lower case");
    }
    return policy;
  }

  /** Public keys of the login service. None is fine: nothing passes then without asking. */
  keys(node: i32, path: string): KeySet {
    this.allow(node, path, ["keys"]);
    const list = this.list(node, "keys", path);
    if (list == ABSENT) this.fail(path + ".keys", "is needed");
    let count = 0;
    for (let key = this.json.first(list); key != ABSENT; key = this.json.next(key, list)) {
      const fits = this.json.is(this.json.get(key, KTY), EC) && this.json.is(this.json.get(key, CRV), P256) && this.json.string(this.json.get(key, KID)).byteLength > 0;
      if (!fits) this.fail(`${path}.keys[${count}]`, "must be an EC key on P-256 with a kid");
      count++;
    }
    const keys = KeySet.read(this.json, node);
    if (keys.size != count) this.fail(path + ".keys", "a key is not usable");
    return keys;
  }

  private needed(node: i32, name: string, path: string, most: i32): ArrayBuffer[] {
    if (this.json.type(this.get(node, name)) != JsonType.Array) this.fail(path + "." + name, "a list is needed");
    return this.words(node, name, path, 0, most);
  }
}
