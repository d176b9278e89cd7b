// Protocol buffers by hand, for messages that come by the ten thousand a second: read without objects, written without knowing lengths first.

/** Reads fields in order. Throws on anything that does not fit: the peer is Envoy, and what it does not write is not guessed at. */
export class Reader {
  readonly bytes: Buffer;
  position: number;
  readonly end: number;

  constructor(bytes: Buffer, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  get done(): boolean { return this.position >= this.end; }

  /** Up to 53 bits exactly; what is above is of no field that we read. */
  varint(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      if (this.position >= this.end) throw new Error('message cut short');
      const byte = this.bytes[this.position++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw new Error('varint too long');
  }

  double(): number {
    const at = this.#take(8);
    return this.bytes.readDoubleLE(at);
  }

  /** The bytes themselves, not a copy. */
  slice(): Buffer {
    const size = this.varint();
    const at = this.#take(size);
    return this.bytes.subarray(at, at + size);
  }

  text(): string {
    const size = this.varint();
    const at = this.#take(size);
    return this.bytes.toString('utf8', at, at + size);
  }

  message(): Reader {
    const size = this.varint();
    const at = this.#take(size);
    return new Reader(this.bytes, at, at + size);
  }

  /** Passes over the value of a field that is not read. */
  passOver(tag: number): void {
    switch (tag & 7) {
      case 0: this.varint(); return;
      case 1: this.#take(8); return;
      case 2: this.#take(this.varint()); return;
      case 5: this.#take(4); return;
      default: throw new Error(`wire type ${tag & 7}`);
    }
  }

  #take(size: number): number {
    const at = this.position;
    if (size > this.end - at) throw new Error('message cut short');
    this.position = at + size;
    return at;
  }
}

const VARINT = 0, DOUBLE = 1, LENGTH = 2;
// What is larger gets a buffer of its own size for the one time.
const SCRATCH_BYTES = 64 * 1024;
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/**
 * Writes from the end to the beginning: the length of a message is then known when it is written. So the LAST field comes first, and what is repeated
 * comes in reverse. One at a time: begin … finish, nothing in between that waits.
 */
export class BackwardWriter {
  #bytes: Buffer = scratch;
  #at = SCRATCH_BYTES;

  begin(): this {
    this.#bytes = scratch;
    this.#at = SCRATCH_BYTES;
    return this;
  }

  /** A copy of what is written. */
  finish(): Buffer {
    const whole = Buffer.allocUnsafe(this.#bytes.length - this.#at);
    this.#bytes.copy(whole, 0, this.#at);
    return whole;
  }

  /** For `close`. */
  get mark(): number { return this.#bytes.length - this.#at; }

  /** All that was written since `mark` is the message of this field. */
  close(field: number, mark: number): void {
    this.#head(field, this.mark - mark);
  }

  text(field: number, value: string): void {
    const size = Buffer.byteLength(value);
    this.#room(size);
    this.#at -= size;
    this.#bytes.write(value, this.#at, size, 'utf8');
    this.#head(field, size);
  }

  blob(field: number, value: Uint8Array): void {
    this.#room(value.length);
    this.#at -= value.length;
    this.#bytes.set(value, this.#at);
    this.#head(field, value.length);
  }

  number(field: number, value: number): void {
    this.#varint(value);
    this.#varint(field * 8 + VARINT);
  }

  double(field: number, value: number): void {
    this.#room(8);
    this.#at -= 8;
    this.#bytes.writeDoubleLE(value, this.#at);
    this.#varint(field * 8 + DOUBLE);
  }

  /** gRPC: not compressed, and how long the message is. */
  frameHeader(): void {
    const size = this.mark;
    this.#room(5);
    this.#at -= 5;
    this.#bytes[this.#at] = 0;
    this.#bytes.writeUInt32BE(size, this.#at + 1);
  }

  #head(field: number, size: number): void {
    this.#varint(size);
    this.#varint(field * 8 + LENGTH);
  }

  #varint(value: number): void {
    let size = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
    this.#room(size);
    this.#at -= size;
    let at = this.#at;
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#bytes[at++] = (rest % 128) + 128;
    this.#bytes[at] = rest;
  }

  #room(size: number): void {
    if (this.#at >= size) return;
    const used = this.mark;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, used + size + 1024));
    this.#bytes.copy(larger, larger.length - used, this.#at);
    this.#bytes = larger;
    this.#at = larger.length - used;
  }
}
