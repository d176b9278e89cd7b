// The pairs block of the ABI: u32 count, then (u32 key size, u32 value size) for each, then key NUL value NUL.
import { maxPairsBytes, maxPairsCount } from './abi.ts';

/** Bytes or text; text is written as UTF-8. */
export type Bytes = string | Uint8Array;

/** Encodes keys and values given one after the other: `[key, value, key, value, …]`. */
export function encodePairs(flat: readonly Bytes[]): Uint8Array {
  const count = flat.length >> 1;
  const sizes = flat.map((item) => (typeof item === 'string' ? Buffer.byteLength(item) : item.length));
  const out = Buffer.alloc(4 + count * 8 + sizes.reduce((sum, size) => sum + size + 1, 0));
  out.writeUInt32LE(count, 0);
  let at = 4 + count * 8;
  flat.forEach((item, i) => {
    const size = sizes[i] ?? 0;
    out.writeUInt32LE(size, 4 + i * 4);
    if (typeof item === 'string') out.write(item, at, 'utf8');
    else out.set(item, at);
    at += size + 1;
  });
  return out;
}

/**
 * Decodes a block a guest wrote, into `[key, value, key, value, …]`.
 * A block over 1 MiB or 1024 pairs, or one that is malformed anywhere, is an empty list: Envoy says nothing either.
 */
export function decodePairs(block: Uint8Array): string[] {
  if (block.length > maxPairsBytes || block.length < 4) return [];
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  const count = bytes.readUInt32LE(0);
  if (count > maxPairsCount || 4 + count * 8 > bytes.length) return [];
  const flat: string[] = [];
  let at = 4 + count * 8;
  for (let i = 0; i < count * 2; i++) {
    const end = at + bytes.readUInt32LE(4 + i * 4);
    if (end >= bytes.length || bytes[end] !== 0) return [];
    flat.push(bytes.toString('utf8', at, end));
    at = end + 1;
  }
  return at === bytes.length ? flat : [];
}
