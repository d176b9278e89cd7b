// Properties: looking up a path and encoding what is there, as Envoy 1.40 does (data-plane.md E.3, performance.md 4).
import { Status } from './abi.ts';
import { type Bytes, encodePairs } from './pairs.ts';

/** A leaf or node. Numbers are doubles inside metadata and 64-bit integers elsewhere, as in Envoy. */
export type PropertyValue =
  | string | number | bigint | boolean | null | Uint8Array
  | readonly PropertyValue[]
  | { readonly [segment: string]: PropertyValue };

/** Properties as nested objects: one key is one segment of the path, dots and all. */
export type Properties = { readonly [segment: string]: PropertyValue };

/** How many parsed paths are kept: filters ask for the same few again and again. */
const KEPT_PATHS = 256;
const parsed = new Map<string, readonly string[]>();

/** Splits a path at its NUL bytes; like Envoy it ignores one NUL at the end. */
export function segmentsOf(path: string): readonly string[] {
  let segments = parsed.get(path);
  if (segments === undefined) {
    segments = path.split('\0');
    if (segments.at(-1) === '') segments = segments.slice(0, -1);
    if (parsed.size >= KEPT_PATHS) parsed.clear();
    parsed.set(path, segments);
  }
  return segments;
}

/** The value at a path in nested objects and lists, or undefined. */
export function find(properties: Properties, segments: readonly string[]): PropertyValue | undefined {
  let node: PropertyValue = properties;
  for (const segment of segments) {
    if (!isNode(node)) return undefined;
    const next: PropertyValue | undefined = Object.hasOwn(node, segment) ? (node as Properties)[segment] : undefined;
    if (next === undefined) return undefined;
    node = next;
  }
  return node;
}

function isNode(value: PropertyValue): value is Properties | readonly PropertyValue[] {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}

/** Where below `filter_metadata` a path ends: 0 is the map of namespaces, 1 a namespace, 2 a key; -1 is not in metadata. */
function metadataDepth(segments: readonly string[]): number {
  if (segments[0] === 'metadata') return segments[1] === 'filter_metadata' ? segments.length - 2 : -1;
  const isMessage = segments[0] === 'xds' && segments[1]?.endsWith('_metadata') === true;
  return isMessage && segments[2] === 'filter_metadata' ? segments.length - 3 : -1;
}

/** The bytes a guest gets for a value found at that path, or the status it gets instead. */
export function encodeProperty(value: PropertyValue, segments: readonly string[]): Bytes | Status {
  if (typeof value === 'string') return value;
  const depth = metadataDepth(segments);
  if (isNode(value) && depth < 2 && !isEncodableNode(segments, depth)) return Status.SerializationFailure;
  return encode(value, depth >= 0) ?? Status.SerializationFailure;
}

/** Lists and maps outside metadata (request.headers) and inside a namespace are pairs; other nodes Envoy cannot serialise. */
function isEncodableNode(segments: readonly string[], depth: number): boolean {
  if (depth >= 0) return false;
  return (segments[0] === 'request' || segments[0] === 'response') && segments.length === 2;
}

function encode(value: PropertyValue, inMetadata: boolean): Bytes | undefined {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  if (value === null) return undefined;
  if (typeof value === 'boolean') return Uint8Array.of(value ? 1 : 0);
  if (typeof value === 'object') {
    const flat: Bytes[] = [];
    const isList = Array.isArray(value);
    for (const [key, item] of Object.entries(value)) {
      const bytes = encode(item, inMetadata);
      if (bytes === undefined) return undefined;
      if (isList) flat.push(bytes, '');
      else flat.push(key, bytes);
    }
    return encodePairs(flat);
  }
  const bytes = Buffer.alloc(8);
  if (typeof value === 'number' && (inMetadata || !Number.isInteger(value))) bytes.writeDoubleLE(value);
  else bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(value)));
  return bytes;
}
