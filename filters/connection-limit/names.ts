// Names of limits. They become parts of metrics' names, so they are what policy/connection-limit.ts says and nothing else.
import { byteAt } from "../../proxy-wasm-as/assembly/memory";

const DASH = 0x2d, DOT = 0x2e, SLASH = 0x2f;

// @ts-ignore: decorator
@inline function isAlphanumeric(c: u32): bool { return c - 0x61 < 26 || c - 0x30 < 10; }

/** Lower-case letters, digits and dashes in [start, end), no dash at either end. */
function isName(text: ArrayBuffer, start: i32, end: i32): bool {
  if (start >= end || !isAlphanumeric(byteAt(text, start)) || !isAlphanumeric(byteAt(text, end - 1))) return false;
  for (let i = start; i < end; i++) if (!isAlphanumeric(byteAt(text, i)) && byteAt(text, i) != DASH) return false;
  return true;
}

export function isLimitName(text: ArrayBuffer): bool { return text.byteLength <= 63 && isName(text, 0, text.byteLength); }

/** A name, or namespace/object/name. */
export function isQualifiedName(text: ArrayBuffer): bool {
  const size = text.byteLength;
  if (size > 381) return false;
  let first = -1, second = -1;
  for (let i = 0; i < size; i++) {
    if (byteAt(text, i) != SLASH) continue;
    if (second >= 0) return false;
    if (first < 0) first = i;
    else second = i;
  }
  if (first < 0) return isName(text, 0, size);
  if (first == 0 || second <= first + 1) return false;
  for (let i = 0; i < second; i++) {
    const c = byteAt(text, i);
    if (i != first && !isAlphanumeric(c) && c != DASH && (c != DOT || i < first)) return false;
  }
  return isName(text, second + 1, size);
}
