// Where tokens stand in a request: pure functions over header values and the path.
import { find, indexOf, slice } from "../../proxy-wasm-as/assembly/bytes";
import { byteAt, equalBytes } from "../../proxy-wasm-as/assembly/memory";
import { percentDecoded } from "../../proxy-wasm-as/assembly/percent";

/**
 * The token in a header value, or null when the prefix is not there. As Envoy: the prefix may stand anywhere (several
 * Authorization headers come joined by commas), what cannot begin a token is skipped, and all that follows belongs to it.
 * Unlike Envoy the prefix is found in any case (RFC 9110 section 11.1: schemes are case-insensitive).
 */
export function fromHeader(value: ArrayBuffer, prefix: ArrayBuffer): ArrayBuffer | null {
  if (prefix.byteLength == 0) return value;
  const found = find(value, 0, value.byteLength, prefix, true);
  if (found < 0) return null;
  let start = found + prefix.byteLength;
  while (start < value.byteLength && !isTokenByte(byteAt(value, start))) start++;
  return start == value.byteLength ? value : start == 0 ? value : slice(value, start);
}

function isTokenByte(c: u32): bool {
  return (c | 0x20) - 0x61 < 26 || c - 0x30 < 10 || c == 0x2d || c == 0x5f || c == 0x2e;
}

/** Every value of a query parameter, percent-decoded (names too). A second one is a token as well: it may not hide. */
export function fromQuery(path: ArrayBuffer, name: ArrayBuffer, found: ArrayBuffer[]): void {
  const query = indexOf(path, 0x3f, 0, path.byteLength);
  if (query < 0) return;
  let end = indexOf(path, 0x23, query, path.byteLength);
  if (end < 0) end = path.byteLength;
  let start = query + 1;
  while (start <= end) {
    let stop = indexOf(path, 0x26, start, end);
    if (stop < 0) stop = end;
    const equals = indexOf(path, 0x3d, start, stop);
    const key = percentDecoded(path, start, equals < 0 ? stop : equals);
    if (equalBytes(key, 0, key.byteLength, name)) found.push(equals < 0 ? new ArrayBuffer(0) : percentDecoded(path, equals + 1, stop));
    start = stop + 1;
  }
}
