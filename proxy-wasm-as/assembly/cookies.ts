// Cookies of a request, as a Cookie header lists them.
import { indexOf, slice } from "./bytes";
import { byteAt, equalBytes } from "./memory";

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
