// Base64url (RFC 4648 section 5) without padding, and standard Base64 for output.
import { byteAt, knownByte, setByte, setKnownByte } from "./memory";

const INVALID: u32 = 255;

/** The six bits of a base64url character, or 255. */
function sextet(c: u32): u32 {
  if (c - 0x41 < 26) return c - 0x41;
  if (c - 0x61 < 26) return c - 0x61 + 26;
  if (c - 0x30 < 10) return c - 0x30 + 52;
  if (c == 0x2d) return 62;
  if (c == 0x5f) return 63;
  return INVALID;
}

const table = new StaticArray<u8>(256);
for (let c: u32 = 0; c < 256; c++) unchecked(table[c] = <u8>sextet(c));

// @ts-ignore: decorator
@inline function bits(bytes: ArrayBuffer, i: i32): u32 { return <u32>unchecked(table[knownByte(bytes, i)]); }

/** How many bytes [start, end) can decode to at most. */
// @ts-ignore: decorator
@inline export function decodedSize(start: i32, end: i32): i32 { return ((end - start) >> 2) * 3 + 3; }

/**
 * Decodes [start, end) into `to`, which must have decodedSize() bytes. Returns the number of bytes, or -1 when the
 * input is not base64url or does not fit. Padding is refused (RFC 7515 section 2), and bits left over at the end must be
 * zero (RFC 4648 section 3.5): one token has one spelling.
 */
export function decode(from: ArrayBuffer, start: i32, end: i32, to: ArrayBuffer): i32 {
  if (start < 0 || end < start || end > from.byteLength || to.byteLength < decodedSize(start, end)) return -1;
  const whole = start + ((end - start) & ~3);
  let at = 0;
  let i = start;
  for (; i < whole; i += 4) {
    const a = bits(from, i), b = bits(from, i + 1), c = bits(from, i + 2), d = bits(from, i + 3);
    if ((a | b | c | d) > 63) return -1;
    const word = (a << 18) | (b << 12) | (c << 6) | d;
    setKnownByte(to, at, word >> 16);
    setKnownByte(to, at + 1, word >> 8);
    setKnownByte(to, at + 2, word);
    at += 3;
  }
  const rest = end - whole;
  if (rest == 0) return at;
  if (rest == 1) return -1;
  const a = bits(from, i), b = bits(from, i + 1), c = rest == 3 ? bits(from, i + 2) : 0;
  if ((a | b | c) > 63) return -1;
  const word = (a << 18) | (b << 12) | (c << 6);
  if (rest == 2 ? (word & 0xffff) != 0 : (word & 0xff) != 0) return -1;
  setByte(to, at++, word >> 16);
  if (rest == 3) setByte(to, at++, word >> 8);
  return at;
}

/** Standard Base64 with padding (RFC 4648 section 4) of [start, end). */
export function encodeBase64(bytes: ArrayBuffer, start: i32, end: i32): ArrayBuffer {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size = max(0, end - start);
  const result = new ArrayBuffer((size + 2) / 3 * 4);
  let at = 0;
  for (let i = start; i < end; i += 3) {
    const left = end - i;
    const word = (byteAt(bytes, i) << 16) | (left > 1 ? byteAt(bytes, i + 1) << 8 : 0) | (left > 2 ? byteAt(bytes, i + 2) : 0);
    setByte(result, at++, alphabet.charCodeAt((word >> 18) & 63));
    setByte(result, at++, alphabet.charCodeAt((word >> 12) & 63));
    setByte(result, at++, left > 1 ? alphabet.charCodeAt((word >> 6) & 63) : 0x3d);
    setByte(result, at++, left > 2 ? alphabet.charCodeAt(word & 63) : 0x3d);
  }
  return result;
}
