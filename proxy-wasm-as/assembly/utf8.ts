// UTF-8 (RFC 3629): is it valid, and how is a code point written.
import { byteAt, setByte } from "./memory";

// @ts-ignore: decorator
@inline function follows(bytes: ArrayBuffer, index: i32): bool { return (byteAt(bytes, index) & 0xc0) == 0x80; }

/** Length of the well-formed sequence at an index, 1 to 4; 0 when there is none before `end`. */
export function utf8Length(bytes: ArrayBuffer, index: i32, end: i32): i32 {
  const first = byteAt(bytes, index);
  if (first < 0x80) return 1;
  const second = byteAt(bytes, index + 1);
  if (first >= 0xc2 && first <= 0xdf) return index + 1 < end && follows(bytes, index + 1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (index + 2 >= end || !follows(bytes, index + 1) || !follows(bytes, index + 2)) return 0;
    if (first == 0xe0 && second < 0xa0) return 0;                       // overlong
    return first == 0xed && second > 0x9f ? 0 : 3;                      // surrogates
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (index + 3 >= end || !follows(bytes, index + 1) || !follows(bytes, index + 2) || !follows(bytes, index + 3)) return 0;
    if (first == 0xf0 && second < 0x90) return 0;                       // overlong
    return first == 0xf4 && second > 0x8f ? 0 : 4;                      // beyond U+10FFFF
  }
  return 0;
}

/** Writes a code point at an index and returns the index behind it. */
export function writeUtf8(bytes: ArrayBuffer, index: i32, point: i32): i32 {
  if (point < 0x80) {
    setByte(bytes, index, point);
    return index + 1;
  }
  if (point < 0x800) {
    setByte(bytes, index, 0xc0 | (point >> 6));
    setByte(bytes, index + 1, 0x80 | (point & 63));
    return index + 2;
  }
  if (point < 0x10000) {
    setByte(bytes, index, 0xe0 | (point >> 12));
    setByte(bytes, index + 1, 0x80 | ((point >> 6) & 63));
    setByte(bytes, index + 2, 0x80 | (point & 63));
    return index + 3;
  }
  setByte(bytes, index, 0xf0 | (point >> 18));
  setByte(bytes, index + 1, 0x80 | ((point >> 12) & 63));
  setByte(bytes, index + 2, 0x80 | ((point >> 6) & 63));
  setByte(bytes, index + 3, 0x80 | (point & 63));
  return index + 4;
}
