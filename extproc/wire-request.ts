// What Envoy says: envoy.service.ext_proc.v3.ProcessingRequest. Field numbers are Envoy 1.40's; a test compares them with its schema.
// A header's value is in `raw_value`; `value` is read where that is empty, for hosts other than Envoy 1.40.

import { HeaderList } from './header-list.ts';
import { Reader } from './protobuf.ts';
import type { BodyMode, Json } from './reply.ts';
import { readStruct } from './struct.ts';

export const METHOD = '/envoy.service.ext_proc.v3.ExternalProcessor/Process';

export type Phase = 'request_headers' | 'response_headers' | 'request_body' | 'response_body' | 'request_trailers' | 'response_trailers';

/** By the number of their field in ProcessingRequest, from 2 on. */
const received: readonly Phase[] = ['request_headers', 'response_headers', 'request_body', 'response_body', 'request_trailers', 'response_trailers'];
export const bodyModes: readonly BodyMode[] = ['NONE', 'STREAMED', 'BUFFERED', 'BUFFERED_PARTIAL', 'FULL_DUPLEX_STREAMED'];

/** One ProcessingRequest. */
export interface Incoming {
  phase: Phase | undefined;
  /** Of headers and trailers. */
  headers: HeaderList | undefined;
  headerBytes: number;
  body: Buffer | undefined;
  endOfStream: boolean;
  observability: boolean;
  attributes: readonly Reader[];
  metadata: Reader | undefined;
  /** Only in the first message of a stream. */
  modes: { readonly request: BodyMode; readonly response: BodyMode } | undefined;
}

const none: readonly Reader[] = [];

/** Throws on what is no ProcessingRequest. */
export function readMessage(bytes: Buffer): Incoming {
  const message: Incoming = { phase: undefined, headers: undefined, headerBytes: 0, body: undefined, endOfStream: false, observability: false, attributes: none, metadata: undefined, modes: undefined };
  const reader = new Reader(bytes);
  while (!reader.done) {
    const tag = reader.varint();
    switch (tag) {
      case 18: case 26: case 50: case 58: readHttpHeaders(reader.message(), message); break;
      case 34: case 42: readHttpBody(reader.message(), message); break;
      case 66: message.metadata = reader.message(); continue;
      case 74: message.attributes = [...message.attributes, reader.message()]; continue;
      case 80: message.observability = reader.varint() !== 0; continue;
      case 90: message.modes = readModes(reader.message()); continue;
      default: reader.passOver(tag); continue;
    }
    message.phase = received[(tag >> 3) - 2];
  }
  return message;
}

function readHttpHeaders(reader: Reader, into: Incoming): void {
  into.headerBytes = reader.end - reader.position;
  const places: number[] = [];
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === 10) {
      const map = reader.message();
      while (!map.done) {
        const each = map.varint();
        if (each === 10) readHeader(map.message(), places);
        else map.passOver(each);
      }
    } else if (tag === 24) into.endOfStream = reader.varint() !== 0;
    else reader.passOver(tag);
  }
  into.headers = new HeaderList(reader.bytes, places);
}

function readHeader(reader: Reader, places: number[]): void {
  let key = 0, keyEnd = 0, value = 0, valueEnd = 0;
  while (!reader.done) {
    const tag = reader.varint();
    if (tag !== 10 && tag !== 18 && tag !== 26) { reader.passOver(tag); continue; }
    const part = reader.varint();
    const at = reader.position;
    if (part > reader.end - at) throw new Error('message cut short');
    reader.position = at + part;
    if (tag === 10) { key = at; keyEnd = at + part; }
    else if (tag === 26 || valueEnd === value) { value = at; valueEnd = at + part; }
  }
  places.push(key, keyEnd, value, valueEnd);
}

function readHttpBody(reader: Reader, into: Incoming): void {
  into.body = Buffer.alloc(0);
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === 10) into.body = reader.slice();
    else if (tag === 16 || tag === 24) into.endOfStream ||= reader.varint() !== 0;
    else reader.passOver(tag);
  }
}

function readModes(reader: Reader): { request: BodyMode; response: BodyMode } {
  const modes: { request: BodyMode; response: BodyMode } = { request: 'NONE', response: 'NONE' };
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === 8 || tag === 16) modes[tag === 8 ? 'request' : 'response'] = bodyModes[reader.varint()] ?? 'NONE';
    else reader.passOver(tag);
  }
  return modes;
}

/** Envoy names the map's entry after the filter's type, whatever the filter is called; what counts are the names within. */
export function readAttributes(entries: readonly Reader[], into: Map<string, Json>): void {
  for (const { bytes, position, end } of entries) {
    for (const [name, value] of Object.entries(readEntry(new Reader(bytes, position, end))[1])) into.set(name, value);
  }
}

/** `filter_metadata` of envoy.config.core.v3.Metadata. */
export function readMetadata(metadata: Reader): ReadonlyMap<string, Readonly<Record<string, Json>>> {
  const found = new Map<string, Readonly<Record<string, Json>>>();
  const reader = new Reader(metadata.bytes, metadata.position, metadata.end);
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === 10) found.set(...readEntry(reader.message()));
    else reader.passOver(tag);
  }
  return found;
}

/** One entry of a map<string, Struct>. */
function readEntry(entry: Reader): [name: string, struct: Readonly<Record<string, Json>>] {
  let name = '';
  let struct: Readonly<Record<string, Json>> = {};
  while (!entry.done) {
    const tag = entry.varint();
    if (tag === 10) name = entry.text();
    else if (tag === 18) struct = readStruct(entry.message());
    else entry.passOver(tag);
  }
  return [name, struct];
}
