// Finds the protobuf schema that a C++ program carries in itself (protoc's C++ output keeps every
// FileDescriptorProto as plain bytes in .rodata), so that the types we generate are those of the very Envoy we run.

/**
 * Every serialized google.protobuf.FileDescriptorProto in `program`, by file name ("envoy/type/v3/percent.proto").
 * Envoy holds the common ones twice (C++ and upb tables); the longer wins, for upb may lack options.
 */
export function embeddedDescriptors(program: Buffer): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (let at = program.indexOf(SUFFIX); at >= 0; at = program.indexOf(SUFFIX, at + 1)) {
    const start = startOfDescriptor(program, at + SUFFIX.length);
    if (start < 0) continue;
    const end = endOfDescriptor(program, start);
    const name = program.toString('latin1', start + 2, at + SUFFIX.length);
    const size = found.get(name)?.length ?? MIN_DESCRIPTOR_BYTES;
    if (end - start > size) found.set(name, program.subarray(start, end));
  }
  return found;
}

const SUFFIX = '.proto';
// A name alone, repeated elsewhere behind a byte that looks like its length, is no descriptor.
const MIN_DESCRIPTOR_BYTES = 32;

// descriptor.proto, FileDescriptorProto: 1 name, 2 package, 3 dependency, 4 message_type, 5 enum_type, 6 service, 7 extension,
// 8 options, 9 source_code_info, 10 public_dependency, 11 weak_dependency, 12 syntax, 14 edition, 15 option_dependency.
const NAME = 1;
const LAST_FIELD = 15;
const REPEATED = new Set([3, 4, 5, 6, 7, 10, 11, 15]);
const VARINT_FIELDS = new Set([10, 11, 14]);

/** Where the descriptor whose name ends at `nameEnd` begins: its tag and a one-byte length just before the name. -1: it is no descriptor. */
function startOfDescriptor(bytes: Buffer, nameEnd: number): number {
  for (let length = SUFFIX.length + 1; length < 128; length++) {
    const start = nameEnd - length - 2;
    if (start >= 0 && bytes[start] === ((NAME << 3) | 2) && bytes[start + 1] === length) return start;
  }
  return -1;
}

/** protoc writes fields in the order of their numbers, so the first tag that is no later field of a FileDescriptorProto is past the end. */
function endOfDescriptor(bytes: Buffer, start: number): number {
  let at = start;
  let previous = 0;
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0;
    const field = tag >> 3;
    const wireType = tag & 7;
    if (tag >= 128 || field === 0 || field > LAST_FIELD || field < previous || (field === previous && !REPEATED.has(field))) return at;
    if (wireType !== (VARINT_FIELDS.has(field) ? 0 : 2)) return at;
    const [value, next] = varint(bytes, at + 1);
    at = wireType === 2 ? next + value : next;
    previous = field;
  }
  return at;
}

function varint(bytes: Buffer, at: number): [value: number, next: number] {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  return [value, at];
}
