// As much of the protobuf wire format as the arguments of Envoy's foreign functions need.

/** Field number to its last value: bytes for wire type 2, a number for a varint; undefined when the bytes are no message. */
export type Fields = ReadonlyMap<number, Uint8Array | number>;

/** Reads one flat message; unknown fields are kept, groups and anything cut short make it undefined. */
export function parseFields(bytes: Uint8Array): Fields | undefined {
  const fields = new Map<number, Uint8Array | number>();
  let at = 0;
  const varint = (): number | undefined => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const key = varint();
    if (key === undefined || key < 8) return undefined;
    const number = Math.floor(key / 8);
    const wire = key % 8;
    if (wire === 0) {
      const value = varint();
      if (value === undefined) return undefined;
      fields.set(number, value);
      continue;
    }
    const size = wire === 2 ? varint() : wire === 1 ? 8 : wire === 5 ? 4 : undefined;
    if (size === undefined || at + size > bytes.length) return undefined;
    fields.set(number, bytes.subarray(at, at + size));
    at += size;
  }
  return fields;
}

/** A bytes field, empty when absent (proto3), undefined when the field has another wire type. */
export function bytesField(fields: Fields, number: number): Uint8Array | undefined {
  const value = fields.get(number) ?? new Uint8Array(0);
  return typeof value === 'number' ? undefined : value;
}

/** A string field as text, or undefined as for bytes. */
export function textField(fields: Fields, number: number): string | undefined {
  const value = bytesField(fields, number);
  return value === undefined ? undefined : Buffer.from(value).toString('utf8');
}

/** One length-delimited field. */
export function encodeBytes(number: number, bytes: Uint8Array): Uint8Array {
  const head: number[] = [number * 8 + 2];
  let size = bytes.length;
  for (; size >= 0x80; size = Math.floor(size / 128)) head.push((size % 128) + 0x80);
  head.push(size);
  return Buffer.concat([Uint8Array.from(head), bytes]);
}
