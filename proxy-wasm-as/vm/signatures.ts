// Reads the types of a module's imports and exports out of its bytes: the WebAssembly JS API does not show them,
// and Envoy refuses a module over them.
import type { Signature } from './abi.ts';

export interface FunctionTypes {
  /** `module.name` to signature. */
  readonly imports: ReadonlyMap<string, Signature>;
  /** Export name to signature. */
  readonly exports: ReadonlyMap<string, Signature>;
}

const letters: Readonly<Record<number, string>> = { 0x7f: 'i', 0x7e: 'I', 0x7d: 'f', 0x7c: 'F', 0x7b: 'v', 0x70: 'r', 0x6f: 'x' };

const section = { types: 1, imports: 2, functions: 3, exports: 7 } as const;

/** A cursor over bytes that V8 has already validated. */
class Reader {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    return this.bytes[this.at++] ?? 0;
  }

  /** An unsigned LEB128 of up to 32 bits. */
  number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  name(): string {
    const size = this.number();
    this.at += size;
    return Buffer.from(this.bytes.subarray(this.at - size, this.at)).toString('utf8');
  }

  /** Value types of one function; more exotic ones than the ABI uses read as `?`. */
  values(): string {
    let types = '';
    for (let n = this.number(); n > 0; n--) types += letters[this.byte()] ?? '?';
    return types;
  }

  /** Skips the limits of a table or memory. */
  limits(): void {
    const flags = this.byte();
    this.number();
    if ((flags & 1) !== 0) this.number();
  }
}

/** The function types of a valid module. A module with garbage-collected types (proposal GC) yields none: they are not checked. */
export function functionTypes(bytes: Uint8Array): FunctionTypes {
  const types: Signature[] = [];
  const functions: Signature[] = [];
  const imports = new Map<string, Signature>();
  const exports = new Map<string, Signature>();
  const reader = new Reader(bytes, 8);
  while (reader.at < bytes.length) {
    const id = reader.byte();
    const size = reader.number();
    const end = reader.at + size;
    if (id === section.types) {
      for (let n = reader.number(); n > 0; n--) {
        if (reader.byte() !== 0x60) return { imports, exports };
        const parameters = reader.values();
        types.push(`${parameters}>${reader.values()}`);
      }
    } else if (id === section.imports) {
      for (let n = reader.number(); n > 0; n--) readImport(reader, types, functions, imports);
    } else if (id === section.functions) {
      for (let n = reader.number(); n > 0; n--) functions.push(types[reader.number()] ?? '?');
    } else if (id === section.exports) {
      for (let n = reader.number(); n > 0; n--) {
        const name = reader.name();
        const kind = reader.byte();
        const signature = functions[reader.number()];
        if (kind === 0 && signature !== undefined) exports.set(name, signature);
      }
    }
    reader.at = end;
  }
  return { imports, exports };
}

function readImport(reader: Reader, types: readonly Signature[], functions: Signature[], imports: Map<string, Signature>): void {
  const key = `${reader.name()}.${reader.name()}`;
  const kind = reader.byte();
  if (kind === 0) {
    const signature = types[reader.number()] ?? '?';
    functions.push(signature);
    imports.set(key, signature);
  } else if (kind === 1) {
    reader.byte();
    reader.limits();
  } else if (kind === 2) {
    reader.limits();
  } else if (kind === 3) {
    reader.at += 2;
  } else {
    reader.byte();
    reader.number();
  }
}

const words: Readonly<Record<string, string>> = { i: 'i32', I: 'i64', f: 'f32', F: 'f64', r: 'funcref', x: 'externref' };

/** `ii>` as Envoy prints it: `i32 i32 -> void`. */
export function printSignature(signature: Signature): string {
  const side = (text: string): string => [...text].map((letter) => words[letter] ?? 'unknown').join(' ') || 'void';
  const [parameters = '', results = ''] = signature.split('>');
  return `${side(parameters)} -> ${side(results)}`;
}
