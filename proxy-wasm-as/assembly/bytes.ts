// Text as UTF-8 bytes: header values, tokens and claims are compared as they came, never decoded to be looked at.
import { byteAt, copyBytes, equalBytes, u64At } from "./memory";

/** UTF-8 bytes of a string. */
// @ts-ignore: decorator
@inline export function utf8(text: string): ArrayBuffer { return String.UTF8.encode(text); }

/** The string that [start, end) spells; bytes that are not UTF-8 become U+FFFD. */
export function text(bytes: ArrayBuffer, start: i32 = 0, end: i32 = i32.MAX_VALUE): string {
  return String.UTF8.decode(slice(bytes, start, end));
}

/** A copy of [start, end), cut to what there is. */
export function slice(bytes: ArrayBuffer, start: i32, end: i32 = i32.MAX_VALUE): ArrayBuffer {
  const from = max(0, min(start, bytes.byteLength));
  const to = max(from, min(end, bytes.byteLength));
  const copy = new ArrayBuffer(to - from);
  copyBytes(copy, 0, bytes, from, to);
  return copy;
}

export function same(a: ArrayBuffer, b: ArrayBuffer): bool { return equalBytes(a, 0, a.byteLength, b); }

/** First index of `byte` in [start, end), or -1. */
export function indexOf(bytes: ArrayBuffer, byte: u32, start: i32, end: i32): i32 {
  let i = max(start, 0);
  // Eight at a time, as far as none of them is it: the lowest byte that is zero in `differ`, and perhaps others, have their high bit set.
  const eight = <u64>(byte & 0xff) * 0x0101010101010101;
  for (const last = min(end, bytes.byteLength) - 8; i <= last; i += 8) {
    const differ = u64At(bytes, i) ^ eight;
    if (((differ - 0x0101010101010101) & ~differ & 0x8080808080808080) != 0) break;
  }
  for (; i < end; i++) if (byteAt(bytes, i) == byte) return i;
  return -1;
}

/** First index in [start, end) where `needle` stands, or -1. `caseless` folds ASCII letters; `needle` is in lower case then. */
export function find(bytes: ArrayBuffer, start: i32, end: i32, needle: ArrayBuffer, caseless: bool = false): i32 {
  const size = needle.byteLength;
  for (let i = max(start, 0); i + size <= end; i++) {
    let j = 0;
    while (j < size) {
      const byte = byteAt(bytes, i + j);
      if ((caseless ? lower(byte) : byte) != byteAt(needle, j)) break;
      j++;
    }
    if (j == size) return i;
  }
  return -1;
}

// @ts-ignore: decorator
@inline export function lower(byte: u32): u32 { return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte; }

/** A copy with ASCII capitals made small. */
export function lowerCase(bytes: ArrayBuffer): ArrayBuffer {
  const result = slice(bytes, 0);
  const view = Uint8Array.wrap(result);
  for (let i = 0; i < view.length; i++) view[i] = <u8>lower(view[i]);
  return result;
}

/** All parts in one buffer. */
export function concat(parts: ArrayBuffer[]): ArrayBuffer {
  let size = 0;
  for (let i = 0; i < parts.length; i++) size += parts[i].byteLength;
  const result = new ArrayBuffer(size);
  let at = 0;
  for (let i = 0; i < parts.length; i++) at += copyBytes(result, at, parts[i], 0, parts[i].byteLength);
  return result;
}
