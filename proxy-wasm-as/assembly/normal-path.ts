// A path as a careful upstream reads it. In Envoys that others configure nobody may have normalised it: `//admin`,
// `/./admin`, `/%61dmin` and `/x/../admin` all lead to /admin (RFC 3986 section 6.2.2), and must all meet its policy.
import { slice } from "./bytes";
import { byteAt, setByte } from "./memory";
import { percentDecoded } from "./percent";

/** Without query and fragment, percent-decoded once, backslashes as slashes, empty and dot segments resolved. */
export function normalPath(path: ArrayBuffer): ArrayBuffer {
  let end = path.byteLength;
  for (let i = 0; i < end; i++) if (byteAt(path, i) == 0x3f || byteAt(path, i) == 0x23) end = i;
  const decoded = percentDecoded(path, 0, end);
  const result = new ArrayBuffer(decoded.byteLength + 1);
  let at = 0;
  let start = 0;
  let trailing = false;
  while (start <= decoded.byteLength) {
    let stop = start;
    while (stop < decoded.byteLength && byteAt(decoded, stop) != 0x2f && byteAt(decoded, stop) != 0x5c) stop++;
    const size = stop - start;
    const dot = byteAt(decoded, start) == 0x2e;
    trailing = size == 0 || (size == 1 && dot);
    if (size == 2 && dot && byteAt(decoded, start + 1) == 0x2e) {
      at = max(lastSlash(result, at), 0);
      trailing = true;
    } else if (!trailing) {
      setByte(result, at++, 0x2f);
      for (let i = start; i < stop; i++) setByte(result, at++, byteAt(decoded, i));
    }
    start = stop + 1;
  }
  if (trailing || at == 0) setByte(result, at++, 0x2f);
  return slice(result, 0, at);
}

function lastSlash(bytes: ArrayBuffer, end: i32): i32 {
  for (let i = end - 1; i >= 0; i--) if (byteAt(bytes, i) == 0x2f) return i;
  return -1;
}
