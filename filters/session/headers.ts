// Which headers a session may set, and which of a client's are taken for one of those. Pure.
import { find, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { byteAt, equalBytes } from "../../proxy-wasm-as/assembly/memory";

/** They say where a message ends, where it goes, or are the filter's own to write. */
const NEVER: ArrayBuffer[] = [
  utf8("connection"), utf8("content-length"), utf8("cookie"), utf8("host"), utf8("keep-alive"), utf8("proxy-connection"), utf8("te"), utf8("trailer"),
  utf8("transfer-encoding"), utf8("upgrade"),
];
/** Envoy's own: x-envoy-original-dst-host chooses an address. */
const ENVOY = utf8("x-envoy-");

/** As policy/session.ts says it: a–z 0–9, then also . _ - */
export function isHeaderName(name: ArrayBuffer): bool {
  for (let i = 0; i < name.byteLength; i++) {
    const c = byteAt(name, i);
    if (c - 0x61 >= 26 && c - 0x30 >= 10 && (i == 0 || (c != 0x2d && c != 0x2e && c != 0x5f))) return false;
  }
  return name.byteLength > 0;
}

export function maySet(name: ArrayBuffer, value: ArrayBuffer): bool {
  if (!isHeaderName(name) || find(name, 0, min(name.byteLength, ENVOY.byteLength), ENVOY) == 0) return false;
  for (let i = 0; i < NEVER.length; i++) if (equalBytes(name, 0, name.byteLength, NEVER[i])) return false;
  for (let i = 0; i < value.byteLength; i++) {
    const c = byteAt(value, i);
    if ((c < 0x20 && c != 0x09) || c == 0x7f) return false;
  }
  return true;
}

/** Whether an upstream may take the name in [start, end) for `name`: CGI and its heirs (WSGI, Rack, PHP) make `-` and `_` one. */
export function passesFor(bytes: ArrayBuffer, start: i32, end: i32, name: ArrayBuffer): bool {
  if (end - start != name.byteLength) return false;
  for (let i = 0; i < name.byteLength; i++) if (folded(byteAt(bytes, start + i)) != folded(byteAt(name, i))) return false;
  return true;
}

// @ts-ignore: decorator
@inline function folded(byte: u32): u32 { return byte == 0x5f ? 0x2d : byte; }
