// Guest memory as the host sees it. Every access is checked: a bad guest pointer is a status, never a host crash.

/** A window on the linear memory of one wasm instance. Views are remade only after the memory has grown. */
export class Memory {
  readonly #memory: WebAssembly.Memory;
  #bytes: Buffer;
  #view: DataView;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.#bytes = Buffer.from(memory.buffer);
    this.#view = new DataView(memory.buffer);
  }

  /** 64 KiB pages now in use; linear memory never shrinks. */
  get pages(): number {
    return this.#memory.buffer.byteLength / 65536;
  }

  /** The whole memory. Do not keep it: it is detached when the guest grows its memory. */
  get bytes(): Buffer {
    // A grown memory detaches its old ArrayBuffer, which then has length 0.
    if (this.#bytes.length === 0) {
      this.#bytes = Buffer.from(this.#memory.buffer);
      this.#view = new DataView(this.#memory.buffer);
    }
    return this.#bytes;
  }

  /** Whether `size` bytes from `address` lie inside the memory. Both are unsigned. */
  holds(address: number, size: number): boolean {
    return address + size <= this.bytes.length;
  }

  /** The UTF-8 text at an address, or null when it is outside the memory. */
  text(address: number, size: number): string | null {
    address >>>= 0;
    size >>>= 0;
    if (!this.holds(address, size)) return null;
    return size === 0 ? '' : this.#bytes.toString('utf8', address, address + size);
  }

  /** A copy of the bytes at an address, or null when they are outside the memory. */
  copy(address: number, size: number): Uint8Array | null {
    address >>>= 0;
    size >>>= 0;
    if (!this.holds(address, size)) return null;
    // Not Buffer's slice, which would alias guest memory.
    return new Uint8Array(this.#bytes.subarray(address, address + size));
  }

  /** Writes bytes; false when they do not fit inside the memory. */
  write(address: number, bytes: Uint8Array): boolean {
    address >>>= 0;
    if (!this.holds(address, bytes.length)) return false;
    this.#bytes.set(bytes, address);
    return true;
  }

  /** Reads an unsigned 32-bit word; the caller has checked the address. */
  word(address: number): number {
    return this.#view.getUint32(address >>> 0, true);
  }

  /** Writes a 32-bit word; false when the address is outside the memory. */
  setWord(address: number, value: number): boolean {
    address >>>= 0;
    if (!this.holds(address, 4)) return false;
    this.#view.setUint32(address, value, true);
    return true;
  }

  /** Writes a 64-bit word; false when the address is outside the memory. */
  setLong(address: number, value: bigint): boolean {
    address >>>= 0;
    if (!this.holds(address, 8)) return false;
    this.#view.setBigUint64(address, BigInt.asUintN(64, value), true);
    return true;
  }
}
