// Where tokens stand in a request: pure functions over header values, the path and cookies.
import { find, indexOf, slice } from "../../proxy-wasm-as/assembly/bytes";
import { byteAt, copyBytes, equalBytes, setByte } from "../../proxy-wasm-as/assembly/memory";

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

/** Every value of a cookie (RFC 6265 section 4.2.1), without quotes around it. */
export function fromCookies(header: ArrayBuffer, name: ArrayBuffer, found: ArrayBuffer[]): void {
  let start = 0;
  while (start < header.byteLength) {
    let stop = indexOf(header, 0x3b, start, header.byteLength);
    if (stop < 0) stop = header.byteLength;
    const equals = indexOf(header, 0x3d, start, stop);
    if (equals >= 0) {
      const from = skipBlanks(header, start, equals), to = trimBlanks(header, from, equals);
      if (equalBytes(header, from, to, name)) {
        let valueFrom = skipBlanks(header, equals + 1, stop), valueTo = trimBlanks(header, valueFrom, stop);
        if (valueTo - valueFrom >= 2 && byteAt(header, valueFrom) == 0x22 && byteAt(header, valueTo - 1) == 0x22) {
          valueFrom++;
          valueTo--;
        }
        found.push(slice(header, valueFrom, valueTo));
      }
    }
    start = stop + 1;
  }
}

function skipBlanks(bytes: ArrayBuffer, start: i32, end: i32): i32 {
  while (start < end && (byteAt(bytes, start) == 0x20 || byteAt(bytes, start) == 0x09)) start++;
  return start;
}

function trimBlanks(bytes: ArrayBuffer, start: i32, end: i32): i32 {
  while (end > start && (byteAt(bytes, end - 1) == 0x20 || byteAt(bytes, end - 1) == 0x09)) end--;
  return end;
}

/** [start, end) with %XX decoded once; what is no escape stays. */
export function percentDecoded(bytes: ArrayBuffer, start: i32, end: i32): ArrayBuffer {
  if (indexOf(bytes, 0x25, start, end) < 0) return slice(bytes, start, end);
  const result = new ArrayBuffer(end - start);
  let at = 0;
  for (let i = start; i < end; i++) {
    const high = byteAt(bytes, i) == 0x25 && i + 2 < end ? hex(byteAt(bytes, i + 1)) : 16;
    const low = high < 16 ? hex(byteAt(bytes, i + 2)) : 16;
    if (low < 16) {
      setByte(result, at++, (high << 4) | low);
      i += 2;
    } else at += copyBytes(result, at, bytes, i, i + 1);
  }
  return slice(result, 0, at);
}

function hex(c: u32): u32 {
  if (c - 0x30 < 10) return c - 0x30;
  return (c | 0x20) - 0x61 < 6 ? (c | 0x20) - 0x61 + 10 : 16;
}
