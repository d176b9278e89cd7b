// Properties: looking up a path and encoding what is there, as Envoy 1.40 does (data-plane.md E.3, performance.md 4).
import { Status } from './abi.ts';
import { encodeMetadata } from './metadata-message.ts';
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

/** Messages that carry metadata: `metadata` and the `_metadata` ones of xds. */
function metadataRoot(segments: readonly string[]): number {
  if (segments[0] === 'metadata') return 1;
  return segments[0] === 'xds' && segments[1]?.endsWith('_metadata') === true ? 2 : 0;
}

/** Roots that are no value themselves; asked for whole they cannot be serialised. */
const namespaces = new Set(['request', 'response', 'source', 'destination', 'connection', 'upstream', 'xds', 'filter_state', 'upstream_filter_state']);

/** Names that set_property cannot shadow: Envoy looks them up before its own `wasm.` filter state. */
export function isReserved(name: string): boolean {
  return namespaces.has(name) || name === 'metadata' || name === 'plugin_name' || name === 'plugin_root_id' || name === 'plugin_vm_id';
}

/**
 * What is there when neither the test nor the stream knows better: metadata is an empty message or map, a namespace cannot
 * be serialised, anything else is absent.
 */
export function missingProperty(segments: readonly string[]): Bytes | Status {
  const root = metadataRoot(segments);
  if (root > 0 && segments.length === root) return '';
  if (root > 0 && segments.length === root + 1 && segments[root] === 'filter_metadata') return encodePairs([]);
  return segments.length === 1 && namespaces.has(segments[0] ?? '') ? Status.SerializationFailure : Status.NotFound;
}

/** The bytes a guest gets for a value found at that path, or the status it gets instead. */
export function encodeProperty(value: PropertyValue, segments: readonly string[]): Bytes | Status {
  if (typeof value === 'string') return value;
  const root = metadataRoot(segments);
  if (root > 0 && segments.length === root) return encodeMetadata(value);
  if (segments.length === 1 && isNode(value)) return Status.SerializationFailure;
  return encode(value, root > 0) ?? Status.SerializationFailure;
}

/** Maps and lists are pairs blocks, nested ones too; a null anywhere inside makes the whole undefined. */
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
