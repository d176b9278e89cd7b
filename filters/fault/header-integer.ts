// Integers that requests bring in headers, read as Envoy reads them (absl::SimpleAtoi): blanks around, a sign, digits, nothing else.
import { byteAt } from "../../proxy-wasm-as/assembly/memory";

/** "Not an integer", or one beyond 64 bits. */
export const NO_INTEGER: i64 = i64.MIN_VALUE;

export function integer(text: ArrayBuffer): i64 {
  let at = 0, end = text.byteLength;
  while (at < end && isBlank(byteAt(text, at))) at++;
  while (end > at && isBlank(byteAt(text, end - 1))) end--;
  const sign = byteAt(text, at);
  if (sign == 0x2b || sign == 0x2d) at++;
  if (at == end) return NO_INTEGER;
  let value: i64 = 0;
  for (; at < end; at++) {
    const digit = byteAt(text, at) - 0x30;
    if (digit > 9 || value > (i64.MAX_VALUE - <i64>digit) / 10) return NO_INTEGER;
    value = value * 10 + <i64>digit;
  }
  return sign == 0x2d ? -value : value;
}

/** One that has no minus sign, up to `most`; otherwise NO_INTEGER. */
export function unsigned(text: ArrayBuffer, most: i64): i64 {
  const value = integer(text);
  for (let i = 0; i < text.byteLength; i++) if (byteAt(text, i) == 0x2d) return NO_INTEGER;   // -0
  return value > most ? NO_INTEGER : value;
}

function isBlank(byte: u32): bool { return byte == 0x20 || (byte >= 0x09 && byte <= 0x0d); }
