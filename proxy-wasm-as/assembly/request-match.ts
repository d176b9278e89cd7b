// Which requests a policy of a plugin configuration is for (policy/request-match.ts), in hosts where no route carries policies.
import { find, indexOf, lowerCase, same, slice } from "./bytes";
import { ConfigReader } from "./config-reader";
import { byteAt } from "./memory";
import { normalPath } from "./normal-path";
import { Request } from "./request";

/** Longest name of a route or host (policy/request-match.ts). */
const MAX_NAME = 253;

export class RequestMatch {
  route: ArrayBuffer = new ArrayBuffer(0);       // empty: any, as all below
  host: ArrayBuffer = new ArrayBuffer(0);
  path: ArrayBuffer = new ArrayBuffer(0);
  prefix: ArrayBuffer = new ArrayBuffer(0);
  methods: ArrayBuffer[] = [];

  /** Reads `match` of one rule; problems are left in the reader. */
  static read(reader: ConfigReader, node: i32, path: string): RequestMatch {
    const match = new RequestMatch();
    reader.allow(node, path, ["route", "host", "path", "prefix", "methods"]);
    match.route = reader.boundedIfGiven(node, "route", path, MAX_NAME);
    match.host = bareHost(reader.boundedIfGiven(node, "host", path, MAX_NAME));
    match.path = RequestMatch.readPath(reader, node, "path", path);
    match.prefix = RequestMatch.readPath(reader, node, "prefix", path);
    match.methods = reader.words(node, "methods", path, 0, i32.MAX_VALUE);
    return match;
  }

  private static readPath(reader: ConfigReader, node: i32, name: string, path: string): ArrayBuffer {
    const value = reader.boundedIfGiven(node, name, path, i32.MAX_VALUE);
    if (value.byteLength > 0 && byteAt(value, 0) != 0x2f) reader.fail(path + "." + name, "must begin with a slash");
    return value;
  }

  matches(request: Request): bool {
    if (this.route.byteLength > 0 && !same(request.routeName, this.route)) return false;
    if (this.host.byteLength > 0 && !same(bareHost(request.authority), this.host)) return false;
    if (this.path.byteLength > 0 || this.prefix.byteLength > 0) {
      const path = normalPath(request.path);
      if (this.path.byteLength > 0 && !same(path, this.path)) return false;
      if (this.prefix.byteLength > 0 && !under(path, this.prefix)) return false;
    }
    if (this.methods.length == 0) return true;
    const method = request.method;
    for (let i = 0; i < this.methods.length; i++) if (same(method, this.methods[i])) return true;
    return false;
  }
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
