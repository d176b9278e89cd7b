// What a request brings to be judged: its tokens, and the realm of a challenge.
import { MapType } from "../../proxy-wasm-as/assembly/abi";
import { concat, indexOf, same, slice, text, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { fromCookies } from "../../proxy-wasm-as/assembly/cookies";
import { header, property, propertyPath } from "../../proxy-wasm-as/assembly/host";
import { byteAt, setByte } from "../../proxy-wasm-as/assembly/memory";
import { Request } from "../../proxy-wasm-as/assembly/request";
import { Provider } from "./policy";
import { fromHeader, fromQuery } from "./sources";

const AUTHORIZATION = utf8("authorization"), COOKIE = utf8("cookie"), SCHEME = utf8(":scheme");
const FORWARDED_PROTO = utf8("x-forwarded-proto"), ORIGINAL_PATH = utf8("x-envoy-original-path");
/** Of filters/session, where it let the request pass; of the login service, where that was asked. No client can write either. */
const PASSED = propertyPath(["filter_state", "wasm.gatewright.oidc.claims"]), ASKED = propertyPath(["metadata", "filter_metadata", "gatewright.oidc", "claims"]);
const HEX = "0123456789ABCDEF";

/** Characters of the path that a realm shows; Envoy cuts it there too. */
const MAX_REALM_PATH = 256;
/** A DNS name has 253 characters at most (RFC 1035 section 2.3.4); a port may follow. */
const MAX_REALM_HOST = 260;

export class Facts extends Request {
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

  /** The claims of the request's session, as JSON; null or empty: it has none. */
  get sessionClaims(): ArrayBuffer | null {
    const passed = property(PASSED);
    return passed != null && passed.byteLength > 0 ? passed : property(ASKED);
  }

  /** The realm of a challenge (RFC 6750 section 3): the URL without its query, which may hold a token. */
  realm(): string {
    const forwarded = header(MapType.HttpRequestHeaders, FORWARDED_PROTO);
    const original = header(MapType.HttpRequestHeaders, ORIGINAL_PATH);
    const path = original == null ? this.path : original;
    const query = indexOf(path, 0x3f, 0, path.byteLength);
    const shown = slice(path, 0, min(query < 0 ? path.byteLength : query, MAX_REALM_PATH));
    const url = concat([forwarded == null ? this.first(SCHEME) : slice(forwarded, 0, 16), utf8("://"), slice(this.authority, 0, MAX_REALM_HOST), shown]);
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

function add(found: ArrayBuffer[], token: ArrayBuffer | null): void {
  if (token != null) found.push(token);
}
