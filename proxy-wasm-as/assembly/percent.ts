// Percent-encoding (RFC 3986 section 2.1).
import { indexOf, slice } from "./bytes";
import { byteAt, copyBytes, setByte } from "./memory";

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
