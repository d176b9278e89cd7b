// DER (ITU-T X.690), as much as public keys and ECDSA signatures need.
import { byteAt, copyBytes, setByte } from "../memory";
import { concat, slice } from "../bytes";

/** Raw bytes from numbers. */
export function raw(values: u8[]): ArrayBuffer {
  const bytes = new ArrayBuffer(values.length);
  for (let i = 0; i < values.length; i++) setByte(bytes, i, values[i]);
  return bytes;
}

/** tag, length, content. */
export function element(tag: u8, content: ArrayBuffer): ArrayBuffer {
  const size = content.byteLength;
  if (size < 0x80) return concat([raw([tag, <u8>size]), content]);
  if (size < 0x100) return concat([raw([tag, 0x81, <u8>size]), content]);
  return concat([raw([tag, 0x82, <u8>(size >> 8), <u8>size]), content]);
}

/** INTEGER of a big-endian unsigned number. */
export function integer(bytes: ArrayBuffer, start: i32, end: i32): ArrayBuffer {
  let from = start;
  while (from < end - 1 && byteAt(bytes, from) == 0) from++;
  const digits = slice(bytes, from, end);
  return element(0x02, byteAt(digits, 0) >= 0x80 ? concat([raw([0]), digits]) : digits);
}

/** SEQUENCE of two parts. */
export function sequence(first: ArrayBuffer, second: ArrayBuffer): ArrayBuffer { return element(0x30, concat([first, second])); }

/** BIT STRING without unused bits. */
export function bitString(content: ArrayBuffer): ArrayBuffer { return element(0x03, concat([raw([0]), content])); }

/** A big-endian number in exactly `size` bytes, or null when it does not fit. */
export function padded(bytes: ArrayBuffer, size: i32): ArrayBuffer | null {
  let from = 0;
  while (from < bytes.byteLength && bytes.byteLength - from > size && byteAt(bytes, from) == 0) from++;
  if (bytes.byteLength - from > size) return null;
  const result = new ArrayBuffer(size);
  copyBytes(result, size - (bytes.byteLength - from), bytes, from, bytes.byteLength);
  return result;
}
