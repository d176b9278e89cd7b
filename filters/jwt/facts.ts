// What a request brings, fetched from the host when first asked for.
import { MapType } from "../../proxy-wasm-as/assembly/abi";
import { concat, indexOf, same, slice, text, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { header, headers, property, propertyPath } from "../../proxy-wasm-as/assembly/host";
import { byteAt, setByte } from "../../proxy-wasm-as/assembly/memory";
import { Provider } from "./policy";
import { fromCookies, fromHeader, fromQuery } from "./sources";

const AUTHORIZATION = utf8("authorization"), COOKIE = utf8("cookie"), PATH = utf8(":path"), AUTHORITY = utf8(":authority");
const SCHEME = utf8(":scheme"), FORWARDED_PROTO = utf8("x-forwarded-proto"), ORIGINAL_PATH = utf8("x-envoy-original-path"), METHOD = utf8(":method");
const ROUTE_NAME = propertyPath(["xds", "route_name"]);
const HEX = "0123456789ABCDEF";
const NOTHING = new ArrayBuffer(0);

/** Characters of the path that a realm shows; Envoy cuts it there too. */
const MAX_REALM_PATH = 256;
/** A DNS name has 253 characters at most (RFC 1035 section 2.3.4); a port may follow. */
const MAX_REALM_HOST = 260;

export class Facts {
  private pathRead: ArrayBuffer | null = null;
  private all: ArrayBuffer[] | null = null;

  get path(): ArrayBuffer {
    let path = this.pathRead;
    if (path == null) {
      path = first(PATH);
      this.pathRead = path;
    }
    return path;
  }

  get method(): ArrayBuffer { return first(METHOD); }
  get authority(): ArrayBuffer { return first(AUTHORITY); }
  get routeName(): ArrayBuffer {
    const name = property(ROUTE_NAME);
    return name == null ? NOTHING : name;
  }

  /** Every token of the request that is this provider's to judge, in the order of its sources. */
  tokens(provider: Provider): ArrayBuffer[] {
    const found: ArrayBuffer[] = [];
    for (let i = 0; i < provider.headers.length; i++) {
      const source = provider.headers[i];
      // Envoy joins repeated Authorization headers; of any other name every copy is looked at.
      if (same(source.name, AUTHORIZATION)) {
        const value = header(MapType.HttpRequestHeaders, AUTHORIZATION);
        if (value != null) add(found, fromHeader(value, source.prefix));
      } else {
        const values = this.values(source.name);
        for (let j = 0; j < values.length; j++) add(found, fromHeader(values[j], source.prefix));
      }
    }
    for (let i = 0; i < provider.params.length; i++) fromQuery(this.path, provider.params[i], found);
    if (provider.cookies.length > 0) {
      const cookies = this.values(COOKIE);
      for (let i = 0; i < provider.cookies.length; i++) {
        for (let j = 0; j < cookies.length; j++) fromCookies(cookies[j], provider.cookies[i], found);
      }
    }
    return found;
  }

  private values(name: ArrayBuffer): ArrayBuffer[] {
    let all = this.all;
    if (all == null) {
      all = headers(MapType.HttpRequestHeaders);
      this.all = all;
    }
    const values: ArrayBuffer[] = [];
    for (let i = 0; i + 1 < all.length; i += 2) if (same(all[i], name)) values.push(all[i + 1]);
    return values;
  }

  /** The realm of a challenge (RFC 6750 section 3): the URL without its query, which may hold a token. */
  realm(): string {
    const forwarded = header(MapType.HttpRequestHeaders, FORWARDED_PROTO);
    const original = header(MapType.HttpRequestHeaders, ORIGINAL_PATH);
    const path = original == null ? this.path : original;
    const query = indexOf(path, 0x3f, 0, path.byteLength);
    const shown = slice(path, 0, min(query < 0 ? path.byteLength : query, MAX_REALM_PATH));
    const url = concat([forwarded == null ? first(SCHEME) : slice(forwarded, 0, 16), utf8("://"), slice(this.authority, 0, MAX_REALM_HOST), shown]);
    // Inside a quoted string: what would end it, or is no printable ASCII, is percent-encoded.
    const quoted = new ArrayBuffer(url.byteLength * 3);
    let at = 0;
    for (let i = 0; i < url.byteLength; i++) {
      const c = byteAt(url, i);
      if (c > 0x20 && c < 0x7f && c != 0x22 && c != 0x5c) setByte(quoted, at++, c);
      else {
        setByte(quoted, at++, 0x25);
        setByte(quoted, at++, HEX.charCodeAt(c >> 4));
        setByte(quoted, at++, HEX.charCodeAt(c & 15));
      }
    }
    return text(quoted, 0, at);
  }
}

function first(name: ArrayBuffer): ArrayBuffer {
  const value = header(MapType.HttpRequestHeaders, name);
  return value == null ? NOTHING : value;
}

function add(found: ArrayBuffer[], token: ArrayBuffer | null): void {
  if (token != null) found.push(token);
}
