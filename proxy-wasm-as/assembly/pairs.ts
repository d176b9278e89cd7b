// Header maps on the wire: u32 count, then (u32 key size, u32 value size) each, then key\0 value\0 each.
import { copyBytes, setU32, u32At } from "./memory";
import { slice } from "./bytes";

/** Encodes [key, value, key, value, …]. */
export function encodePairs(flat: ArrayBuffer[]): ArrayBuffer {
  const count = flat.length >> 1;
  let size = 4 + count * 8;
  for (let i = 0; i < count * 2; i++) size += flat[i].byteLength + 1;
  const bytes = new ArrayBuffer(size);
  setU32(bytes, 0, count);
  let at = 4 + count * 8;
  for (let i = 0; i < count * 2; i++) {
    setU32(bytes, 4 + i * 4, flat[i].byteLength);
    copyBytes(bytes, at, flat[i], 0, flat[i].byteLength);
    at += flat[i].byteLength + 1;
  }
  return bytes;
}

/** Decodes to [key, value, key, value, …]; what does not lie wholly inside is left out. */
export function decodePairs(bytes: ArrayBuffer): ArrayBuffer[] {
  const flat: ArrayBuffer[] = [];
  const count = min(<i32>u32At(bytes, 0), bytes.byteLength / 8);
  let at = 4 + count * 8;
  for (let i = 0; i < count * 2; i++) {
    const size = <i32>u32At(bytes, 4 + i * 4);
    if (size < 0 || at + size > bytes.byteLength) return flat.slice(0, flat.length & ~1);
    flat.push(slice(bytes, at, at + size));
    at += size + 1;
  }
  return flat;
}
