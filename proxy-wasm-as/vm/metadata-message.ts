// A whole metadata message as Envoy hands it to a guest: protobuf envoy.config.core.v3.Metadata, of google.protobuf.Struct.
import type { PropertyValue } from './properties.ts';
import { encodeBytes } from './protobuf.ts';

/** `{ filter_metadata: { <namespace>: { … } } }` serialized; anything else in the message is left out. */
export function encodeMetadata(metadata: PropertyValue): Uint8Array {
  const namespaces = isObject(metadata) ? metadata.filter_metadata : undefined;
  if (namespaces === undefined || !isObject(namespaces)) return new Uint8Array(0);
  return encodeMap(namespaces, encodeStruct);
}

function encodeStruct(value: PropertyValue): Uint8Array {
  return isObject(value) ? encodeMap(value, encodeValue) : new Uint8Array(0);
}

/** A protobuf map in field 1: entries of {1 key, 2 value}. */
function encodeMap(object: { readonly [key: string]: PropertyValue }, encode: (value: PropertyValue) => Uint8Array): Uint8Array {
  const entries = Object.entries(object).map(([key, value]) =>
    encodeBytes(1, Buffer.concat([encodeBytes(1, Buffer.from(key)), encodeBytes(2, encode(value))])));
  return Buffer.concat(entries);
}

/** google.protobuf.Value: 1 null, 2 number, 3 string, 4 bool, 5 struct, 6 list. */
function encodeValue(value: PropertyValue): Uint8Array {
  if (value === null) return Uint8Array.of(0x08, 0);
  if (typeof value === 'string' || value instanceof Uint8Array) return encodeBytes(3, Buffer.from(value));
  if (typeof value === 'boolean') return Uint8Array.of(0x20, value ? 1 : 0);
  if (typeof value === 'object') {
    return isObject(value) ? encodeBytes(5, encodeStruct(value)) : encodeBytes(6, Buffer.concat((value as readonly PropertyValue[]).map((item) => encodeBytes(1, encodeValue(item)))));
  }
  const bytes = Buffer.alloc(9);
  bytes[0] = 0x11;
  bytes.writeDoubleLE(Number(value), 1);
  return bytes;
}

function isObject(value: PropertyValue): value is { readonly [key: string]: PropertyValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
