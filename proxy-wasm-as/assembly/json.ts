// A total JSON parser (RFC 8259): any bytes give a document or "no"; nothing traps, nothing recurses, nothing leaks.
// Strict: UTF-8 must be valid, a name may stand once in an object, nesting is limited, numbers must fit a double.
// The document is a tape: one entry a value, children behind their parent. Strings are unescaped in place.
import { copyBytes, equalBytes, knownByte, setKnownByte } from "./memory";
import { toDouble } from "./number";
import { utf8Length, writeUtf8 } from "./utf8";

export enum JsonType { Absent = 0, Null = 1, False = 2, True = 3, Number = 4, String = 5, Array = 6, Object = 7 }

/** How deep arrays and objects may nest. Envoy's own parser (protobuf's) stops at the same depth. */
export const MAX_DEPTH = 100;

/** "There is no such value": what every accessor answers with for anything absent, and accepts as a node. */
export const ABSENT = -1;

const ENTRY = 4;         // words of a tape entry: type, start, end, next
const NAME = 4;          // words of an entry of the table of names: generation, object, node, hash
const MAX_PROBES = 64;   // an honest document needs a handful; names chosen to collide are refused

/** One parsed document. Reusable: parse() forgets the one before and keeps its memory. */
export class Json {
  /** The text, which parse() copies here and unescapes in place. */
  bytes: ArrayBuffer = new ArrayBuffer(256);
  private tape: StaticArray<i32> = new StaticArray<i32>(ENTRY * 64);
  private count: i32 = 0;
  private size: i32 = 0;
  private at: i32 = 0;
  private depth: i32 = 0;
  private stack: StaticArray<i32> = new StaticArray<i32>(MAX_DEPTH + 1);
  // The names of all objects of the document, to find repeated ones: a hash table with open addressing.
  private names: StaticArray<u32> = new StaticArray<u32>(128);
  private generation: u32 = 0;

  /** Room for `size` bytes; write the text into `bytes`, then parseInPlace(size). */
  reserve(size: i32): void {
    if (this.bytes.byteLength < size) this.bytes = new ArrayBuffer(max(size, this.bytes.byteLength * 2));
  }

  /** Parses a copy of [start, end). False when that is not one JSON value. */
  parse(from: ArrayBuffer, start: i32, end: i32): bool {
    this.reserve(end - start);
    return this.parseInPlace(copyBytes(this.bytes, 0, from, start, end));
  }

  /** Parses the first `size` bytes of `bytes`. */
  parseInPlace(size: i32): bool {
    this.size = min(size, this.bytes.byteLength);
    this.at = 0;
    this.count = 0;
    this.clearNames();
    const good = this.values();
    if (!good) this.count = 0;
    return good;
  }

  /** The outermost value; ABSENT when parsing failed. */
  get root(): i32 { return this.count > 0 ? 0 : ABSENT; }

  type(node: i32): JsonType {
    return <u32>node < <u32>this.count ? <JsonType>unchecked(this.tape[node * ENTRY]) : JsonType.Absent;
  }

  /** Where the text of a string (unescaped, without quotes) or number begins in `bytes`. */
  start(node: i32): i32 { return <u32>node < <u32>this.count ? unchecked(this.tape[node * ENTRY + 1]) : 0; }
  end(node: i32): i32 { return <u32>node < <u32>this.count ? unchecked(this.tape[node * ENTRY + 2]) : 0; }

  /** First element of an array, or first name of an object. */
  first(node: i32): i32 {
    const type = this.type(node);
    if (type != JsonType.Array && type != JsonType.Object) return ABSENT;
    return node + 1 < this.afterwards(node) ? node + 1 : ABSENT;
  }

  /** The value beside `node` in `parent`; in an object names and values alternate. */
  next(node: i32, parent: i32): i32 {
    const after = this.afterwards(node);
    return after < this.afterwards(parent) ? after : ABSENT;
  }

  /** The value of a name of an object. */
  get(object: i32, name: ArrayBuffer): i32 {
    if (this.type(object) != JsonType.Object) return ABSENT;
    for (let node = this.first(object); node != ABSENT; node = this.next(node + 1, object)) {
      if (this.is(node, name)) return node + 1;
    }
    return ABSENT;
  }

  /** Whether a node is a string of exactly these bytes. */
  is(node: i32, value: ArrayBuffer): bool {
    return this.type(node) == JsonType.String && equalBytes(this.bytes, this.start(node), this.end(node), value);
  }

  /** A number as a double; 0 for anything else. */
  number(node: i32): f64 {
    if (this.type(node) != JsonType.Number) return 0;
    return toDouble(this.bytes, this.start(node), this.end(node));
  }

  /** A copy of a string's bytes; empty for anything else. */
  string(node: i32): ArrayBuffer {
    if (this.type(node) != JsonType.String) return new ArrayBuffer(0);
    const copy = new ArrayBuffer(this.end(node) - this.start(node));
    copyBytes(copy, 0, this.bytes, this.start(node), this.end(node));
    return copy;
  }

  private afterwards(node: i32): i32 { return <u32>node < <u32>this.count ? unchecked(this.tape[node * ENTRY + 3]) : 0; }

  private push(type: JsonType, start: i32, end: i32): i32 {
    const node = this.count++;
    if (this.tape.length < this.count * ENTRY) {
      const larger = new StaticArray<i32>(this.tape.length * 2);
      for (let i = 0; i < this.tape.length; i++) unchecked(larger[i] = this.tape[i]);
      this.tape = larger;
    }
    const at = node * ENTRY;
    unchecked(this.tape[at] = type);
    unchecked(this.tape[at + 1] = start);
    unchecked(this.tape[at + 2] = end);
    unchecked(this.tape[at + 3] = node + 1);
    return node;
  }

  // @ts-ignore: decorator
  @inline private peek(): u32 { return this.at < this.size ? knownByte(this.bytes, this.at) : 0; }

  private space(): void {
    while (this.at < this.size) {
      const c = knownByte(this.bytes, this.at);
      if (c != 0x20 && c != 0x0a && c != 0x0d && c != 0x09) return;
      this.at++;
    }
  }

  /** The whole text: one value, with an explicit stack of the containers that are open. */
  private values(): bool {
    this.depth = 0;
    let more = true;
    while (more) {
      this.space();
      const c = this.peek();
      if (c == 0x7b || c == 0x5b) {
        if (this.depth == MAX_DEPTH) return false;
        const node = this.push(c == 0x7b ? JsonType.Object : JsonType.Array, this.at++, 0);
        unchecked(this.stack[this.depth++] = node);
        this.space();
        if (this.peek() != (c == 0x7b ? <u32>0x7d : <u32>0x5d)) {
          if (c == 0x7b && !this.name(node)) return false;
          continue;
        }
      } else if (!this.scalar(c)) return false;
      more = this.goOn();
    }
    return this.depth == 0 && this.at == this.size;
  }

  /** Behind a complete value: closes what ends here. True when a comma asks for another value. */
  private goOn(): bool {
    this.space();
    while (this.depth > 0) {
      const container = unchecked(this.stack[this.depth - 1]);
      const object = this.type(container) == JsonType.Object;
      const c = this.peek();
      if (c == 0x2c) {
        this.at++;
        return !object || this.name(container);
      }
      if (c != (object ? <u32>0x7d : <u32>0x5d)) return false;
      this.at++;
      unchecked(this.tape[container * ENTRY + 3] = this.count);
      this.depth--;
      this.space();
    }
    return false;
  }

  /** A name and the colon behind it. */
  private name(object: i32): bool {
    this.space();
    if (this.peek() != 0x22) return false;
    const node = this.count;
    if (!this.quoted() || !this.unheardOf(object, node)) return false;
    this.space();
    if (this.peek() != 0x3a) return false;
    this.at++;
    return true;
  }

  private scalar(c: u32): bool {
    if (c == 0x22) return this.quoted();
    if (c == 0x74) return this.word("true", JsonType.True);
    if (c == 0x66) return this.word("false", JsonType.False);
    if (c == 0x6e) return this.word("null", JsonType.Null);
    return this.digits();
  }

  private word(word: string, type: JsonType): bool {
    for (let i = 0; i < word.length; i++) {
      if (this.peek() != <u32>word.charCodeAt(i)) return false;
      this.at++;
    }
    this.push(type, this.at - word.length, this.at);
    return true;
  }

  /** number = [ minus ] int [ frac ] [ exp ] */
  private digits(): bool {
    const start = this.at;
    if (this.peek() == 0x2d) this.at++;
    if (this.peek() == 0x30) this.at++;
    else if (!this.run()) return false;
    if (this.peek() == 0x2e) {
      this.at++;
      if (!this.run()) return false;
    }
    if ((this.peek() | 0x20) == 0x65) {
      this.at++;
      if (this.peek() == 0x2b || this.peek() == 0x2d) this.at++;
      if (!this.run()) return false;
    }
    if (!isFinite(toDouble(this.bytes, start, this.at))) return false;
    this.push(JsonType.Number, start, this.at);
    return true;
  }

  private run(): bool {
    const start = this.at;
    while (this.peek() - 0x30 < 10) this.at++;
    return this.at > start;
  }

  /** A string; its bytes move together over the escapes that are taken out. */
  private quoted(): bool {
    const start = ++this.at;
    // Most strings have neither an escape nor a byte outside ASCII.
    while (this.at < this.size) {
      const c = knownByte(this.bytes, this.at);
      if (c == 0x22) {
        this.push(JsonType.String, start, this.at++);
        return true;
      }
      if (c < 0x20) return false;
      if (c == 0x5c || c >= 0x80) break;
      this.at++;
    }
    let to = this.at;
    while (this.at < this.size) {
      const c = knownByte(this.bytes, this.at);
      if (c == 0x22) {
        this.push(JsonType.String, start, to);
        this.at++;
        return true;
      }
      if (c < 0x20) return false;
      if (c == 0x5c) {
        to = this.escape(to);
        if (to < 0) return false;
      } else {
        const length = utf8Length(this.bytes, this.at, this.size);
        if (length == 0) return false;
        for (let i = 0; i < length; i++) setKnownByte(this.bytes, to++, knownByte(this.bytes, this.at++));
      }
    }
    return false;
  }

  /** Writes what an escape stands for at `to`; returns the place behind it, or -1. */
  private escape(to: i32): i32 {
    this.at++;
    const c = this.peek();
    this.at++;
    let plain: u32 = 0;
    switch (c) {
      case 0x22: case 0x5c: case 0x2f: plain = c; break;
      case 0x62: plain = 8; break;
      case 0x66: plain = 12; break;
      case 0x6e: plain = 10; break;
      case 0x72: plain = 13; break;
      case 0x74: plain = 9; break;
      case 0x75: break;
      default: return -1;
    }
    if (c != 0x75) {
      setKnownByte(this.bytes, to, plain);
      return to + 1;
    }
    let point = this.hex4();
    if (point < 0) return -1;
    if (point >= 0xdc00 && point <= 0xdfff) return -1;
    if (point >= 0xd800 && point <= 0xdbff) {
      if (this.peek() != 0x5c) return -1;
      this.at++;
      if (this.peek() != 0x75) return -1;
      this.at++;
      const low = this.hex4();
      if (low < 0xdc00 || low > 0xdfff) return -1;
      point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    return writeUtf8(this.bytes, to, point);
  }

  private hex4(): i32 {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const c = this.peek();
      const digit = c - 0x30 < 10 ? c - 0x30 : (c | 0x20) - 0x61 < 6 ? (c | 0x20) - 0x61 + 10 : 16;
      if (digit == 16) return -1;
      value = (value << 4) | <i32>digit;
      this.at++;
    }
    return value;
  }

  /** Lets go of what only parsing needs, and of the room that larger documents before this one took. */
  compact(): void {
    this.names = new StaticArray<u32>(NAME * 2);
    const bytes = new ArrayBuffer(this.size);
    copyBytes(bytes, 0, this.bytes, 0, this.size);
    this.bytes = bytes;
    const tape = new StaticArray<i32>(this.count * ENTRY);
    for (let i = 0; i < tape.length; i++) unchecked(tape[i] = this.tape[i]);
    this.tape = tape;
  }

  private clearNames(): void {
    // `"":0,` is the shortest member, so a document of n bytes has at most n / 5 + 1 names: the table stays half empty.
    let slots = this.names.length;
    while (slots < (this.size / 5 + 1) * 2 * NAME) slots *= 2;
    if (slots != this.names.length || this.generation == u32.MAX_VALUE) {
      this.names = new StaticArray<u32>(slots);
      this.generation = 0;
    }
    this.generation++;
  }

  /** Notes a name of an object; false when the object has it already (or when names are made to collide). */
  private unheardOf(object: i32, node: i32): bool {
    let hash = (2166136261 ^ <u32>object) * 16777619;                                     // FNV-1a
    for (let i = this.start(node); i < this.end(node); i++) hash = (hash ^ knownByte(this.bytes, i)) * 16777619;
    const mask = this.names.length - NAME;
    let slot = <i32>(hash << 2) & mask;
    for (let probes = 0; probes < MAX_PROBES; probes++) {
      if (unchecked(this.names[slot]) != this.generation) {
        unchecked(this.names[slot] = this.generation);
        unchecked(this.names[slot + 1] = <u32>object);
        unchecked(this.names[slot + 2] = <u32>node);
        unchecked(this.names[slot + 3] = hash);
        return true;
      }
      const same = unchecked(this.names[slot + 3]) == hash && <i32>unchecked(this.names[slot + 1]) == object;
      if (same && this.sameText(<i32>unchecked(this.names[slot + 2]), node)) return false;
      slot = (slot + NAME) & mask;
    }
    return false;
  }

  private sameText(a: i32, b: i32): bool {
    const size = this.end(a) - this.start(a);
    if (size != this.end(b) - this.start(b)) return false;
    for (let i = 0; i < size; i++) {
      if (knownByte(this.bytes, this.start(a) + i) != knownByte(this.bytes, this.start(b) + i)) return false;
    }
    return true;
  }
}
