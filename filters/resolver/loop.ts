// CDN-Loop (RFC 8586): behind NAT or a load balancer a gateway does not know its own public address. Asked for it, it would ask itself, again and again.
import { find, lower } from "../../proxy-wasm-as/assembly/bytes";
import { byteAt } from "../../proxy-wasm-as/assembly/memory";

const QUOTE = 0x22, BACKSLASH = 0x5c;

/** Whether all of it is a token (RFC 9110 section 5.6.2) of no more than 127 bytes. */
export function isToken(bytes: ArrayBuffer): bool {
  for (let i = 0; i < bytes.byteLength; i++) if (!isTokenByte(byteAt(bytes, i))) return false;
  return bytes.byteLength > 0 && bytes.byteLength <= 127;
}

/**
 * Whether a field's value names us, a token in lower case. Wherever it stands: what is quoted or badly written is no reason to go round once more, and whoever
 * puts our name there himself has only himself to blame.
 */
export function names(value: ArrayBuffer, us: ArrayBuffer): bool {
  const size = us.byteLength, end = value.byteLength;
  for (let at = find(value, 0, end, us, true); at >= 0; at = find(value, at + 1, end, us, true)) {
    if ((at == 0 || !isTokenByte(byteAt(value, at - 1))) && (at + size == end || !isTokenByte(byteAt(value, at + size)))) return true;
  }
  return false;
}

/** Whether what is put behind a field's value is an entry of its own: no quotation is left open. */
export function isWhole(value: ArrayBuffer): bool {
  let quoted = false;
  for (let i = 0; i < value.byteLength; i++) {
    const byte = byteAt(value, i);
    if (byte == QUOTE) quoted = !quoted;
    else if (quoted && byte == BACKSLASH && ++i == value.byteLength) return false;
  }
  return !quoted;
}

/** ALPHA DIGIT !#$%&'*+-.^_`|~ */
function isTokenByte(byte: u32): bool {
  if (lower(byte) - 0x61 < 26 || byte - 0x30 < 10) return true;
  return byte == 0x21 || (byte >= 0x23 && byte <= 0x27) || byte == 0x2a || byte == 0x2b || byte == 0x2d || byte == 0x2e || byte == 0x5e || byte == 0x5f || byte == 0x60 || byte == 0x7c || byte == 0x7e;
}
