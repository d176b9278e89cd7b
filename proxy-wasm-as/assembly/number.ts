// Decimal text to a double.
import { text } from "./bytes";
import { byteAt } from "./memory";

/** The double that JSON number text [start, end) stands for; Infinity when it is too large. */
export function toDouble(bytes: ArrayBuffer, start: i32, end: i32): f64 {
  // Up to 15 digits are exact in a double: timestamps and counts take this way, without a string being made.
  const negative = byteAt(bytes, start) == 0x2d;
  const from = negative ? start + 1 : start;
  if (end - from <= 15) {
    let value: i64 = 0;
    let i = from;
    for (; i < end; i++) {
      const digit = byteAt(bytes, i) - 0x30;
      if (digit > 9) break;
      value = value * 10 + <i64>digit;
    }
    if (i == end) return negative ? -<f64>value : <f64>value;
  }
  return f64.parse(text(bytes, start, end));
}
