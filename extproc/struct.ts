// google.protobuf.Struct ↔ JSON values.

import type { BackwardWriter, Reader } from './protobuf.ts';
import type { Json } from './reply.ts';

type JsonObject = Readonly<Record<string, Json>>;

/** Structs within structs: deeper ones are refused rather than followed. */
const MAX_DEPTH = 64;

export function readStruct(reader: Reader, depth = 0): JsonObject {
  const object: Record<string, Json> = Object.create(null) as Record<string, Json>;
  while (!reader.done) {
    const tag = reader.varint();
    if (tag !== 10) reader.passOver(tag);
    else {
      const entry = reader.message();
      let key = '';
      let value: Json = null;
      while (!entry.done) {
        const part = entry.varint();
        if (part === 10) key = entry.text();
        else if (part === 18) value = readValue(entry.message(), depth + 1);
        else entry.passOver(part);
      }
      object[key] = value;
    }
  }
  return object;
}

function readValue(reader: Reader, depth: number): Json {
  if (depth > MAX_DEPTH) throw new Error('struct too deep');
  let value: Json = null;
  while (!reader.done) {
    const tag = reader.varint();
    switch (tag) {
      case 8: reader.varint(); value = null; break;
      case 17: value = reader.double(); break;
      case 26: value = reader.text(); break;
      case 32: value = reader.varint() !== 0; break;
      case 42: value = readStruct(reader.message(), depth); break;
      case 50: value = readList(reader.message(), depth); break;
      default: reader.passOver(tag);
    }
  }
  return value;
}

function readList(reader: Reader, depth: number): Json[] {
  const list: Json[] = [];
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === 10) list.push(readValue(reader.message(), depth + 1));
    else reader.passOver(tag);
  }
  return list;
}

/** The fields of a Struct; the caller closes the message. */
export function writeStruct(writer: BackwardWriter, object: JsonObject, depth = 0): void {
  if (depth > MAX_DEPTH) throw new Error('metadata too deep');
  const entries = Object.entries(object);
  for (let i = entries.length - 1; i >= 0; i--) {
    const [key, value] = entries[i] as [string, Json];
    const entry = writer.mark;
    const inner = writer.mark;
    writeValue(writer, value, depth + 1);
    writer.close(2, inner);
    writer.text(1, key);
    writer.close(1, entry);
  }
}

function writeValue(writer: BackwardWriter, value: Json, depth: number): void {
  switch (typeof value) {
    case 'string': writer.text(3, value); return;
    case 'number': writer.double(2, value); return;
    case 'boolean': writer.number(4, value ? 1 : 0); return;
    case 'object': break;
    default: throw new Error(`metadata cannot hold a ${typeof value}`);
  }
  if (value === null) { writer.number(1, 0); return; }
  const mark = writer.mark;
  if (isList(value)) {
    for (let i = value.length - 1; i >= 0; i--) {
      const item = writer.mark;
      writeValue(writer, value[i] as Json, depth + 1);
      writer.close(1, item);
    }
    writer.close(6, mark);
  } else {
    writeStruct(writer, value, depth);
    writer.close(5, mark);
  }
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);
