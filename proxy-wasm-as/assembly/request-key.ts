// What tells one client, user or request from another (policy/request-key.ts), read from the request in hand.
import { lowerCase, slice, text, utf8 } from "./bytes";
import { ConfigReader } from "./config-reader";
import { fromCookies } from "./cookies";
import { property, propertyPath } from "./host";
import { ABSENT } from "./json";
import { byteAt, equalBytes, setU64 } from "./memory";
import { Request } from "./request";
import { sipHash } from "./siphash";

const COOKIE = utf8("cookie");
const SOURCE_ADDRESS = propertyPath(["source", "address"]);

/** Longest name of a header, cookie or claim, and most values of one (policy/request-key.ts). */
const MAX_NAME = 253, MAX_VALUES = 128;

/** Of longer keys the end is a hash of the whole: what somebody invents is not kept whole, and tokens of one beginning are still told apart. */
const MAX_KEY = 1024;

export enum KeyType { Header = 0, Cookie = 1, Claim = 2, SourceIP = 3 }

export class RequestKey {
  type: KeyType = KeyType.SourceIP;
  name: ArrayBuffer = new ArrayBuffer(0);      // of the header or cookie; of a claim the path of its property

  /** Reads a RequestKey; problems are left in the reader. */
  static read(reader: ConfigReader, node: i32, path: string): RequestKey {
    const key = new RequestKey();
    reader.allow(node, path, ["type", "name"]);
    const type = text(reader.required(node, "type", path));
    key.type = type == "Header" ? KeyType.Header : type == "Cookie" ? KeyType.Cookie : type == "Claim" ? KeyType.Claim : KeyType.SourceIP;
    if (key.type == KeyType.SourceIP) {
      if (type != "SourceIP") reader.fail(path + ".type", "must be Header, Cookie, Claim or SourceIP");
      if (reader.get(node, "name") != ABSENT) reader.fail(path + ".name", "must be absent when type is SourceIP");
      return key;
    }
    const name = reader.bounded(node, "name", path, MAX_NAME);
    key.name = key.type == KeyType.Header ? lowerCase(name) : key.type == KeyType.Claim ? claimPath(name) : name;
    return key;
  }

  /** The request's value; null when it has none. */
  of(request: Request): ArrayBuffer | null {
    const value = this.whole(request);
    return value == null || value.byteLength == 0 ? null : value.byteLength > MAX_KEY ? shortened(value) : value;
  }

  private whole(request: Request): ArrayBuffer | null {
    if (this.type == KeyType.Header) return request.first(this.name);
    if (this.type == KeyType.Claim) return property(this.name);
    if (this.type == KeyType.SourceIP) return sourceIP();
    const cookies = request.values(COOKIE);
    const found: ArrayBuffer[] = [];
    for (let i = 0; i < cookies.length && found.length == 0; i++) fromCookies(cookies[i], this.name, found);
    return found.length > 0 ? found[0] : null;
  }
}

function shortened(value: ArrayBuffer): ArrayBuffer {
  const key = slice(value, 0, MAX_KEY);
  setU64(key, MAX_KEY - 8, sipHash(0, 0, value));
  return key;
}

/** Path of the property that filters/jwt publishes a claim under (policy/jwt.ts, publishClaims). */
export function claimPath(name: ArrayBuffer): ArrayBuffer { return propertyPath(["filter_state", "wasm.gatewright.claim." + text(name)]); }

/** The peer's address without its port: "192.0.2.1", "2001:db8::1". */
function sourceIP(): ArrayBuffer | null {
  const address = property(SOURCE_ADDRESS);
  if (address == null) return null;
  let end = address.byteLength;
  while (end > 0 && byteAt(address, end - 1) != 0x3a) end--;
  if (end == 0) return address;                                  // no port: a Unix socket, or a host that leaves it out
  const bracket = byteAt(address, 0) == 0x5b;
  return slice(address, bracket ? 1 : 0, end - (bracket ? 2 : 1));
}

/** One claim must be one of these values (policy/request-key.ts, ClaimMatch). */
export class ClaimMatch {
  constructor(private path: ArrayBuffer, private values: ArrayBuffer[]) {}

  /** Reads a list of them. */
  static readAll(reader: ConfigReader, node: i32, name: string, path: string): ClaimMatch[] {
    const matches: ClaimMatch[] = [];
    const list = reader.list(node, name, path);
    for (let item = reader.json.first(list), i = 0; item != ABSENT; item = reader.json.next(item, list), i++) {
      const place = `${path}.${name}[${i}]`;
      reader.allow(item, place, ["name", "values"]);
      const values = reader.words(item, "values", place, 1, MAX_VALUES);
      matches.push(new ClaimMatch(claimPath(reader.bounded(item, "name", place, MAX_NAME)), values));
    }
    return matches;
  }

  holds(): bool {
    const value = property(this.path);
    if (value == null) return false;
    for (let i = 0; i < this.values.length; i++) if (equalBytes(value, 0, value.byteLength, this.values[i])) return true;
    return false;
  }
}
