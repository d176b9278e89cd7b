// A buffer of the ABI: request body, response body, connection data, configuration.
import { Status } from './abi.ts';

const empty = new Uint8Array(0);

/** Bytes a guest may read and, when `writable`, change the three ways Envoy allows. */
export class Body {
  bytes: Uint8Array;
  readonly writable: boolean;

  constructor(bytes: Uint8Array = empty, writable = false) {
    this.bytes = bytes;
    this.writable = writable;
  }

  /** Prepend (0,0), replace (0, all or more) or append (start at or past the end). Any other slice is BadArgument in Envoy. */
  set(start: number, length: number, data: Uint8Array): Status {
    if (!this.writable) return Status.BadArgument;
    if (start === 0 && length === 0) this.bytes = concat(data, this.bytes);
    else if (start === 0 && length >= this.bytes.length) this.bytes = data;
    else if (start >= this.bytes.length) this.bytes = concat(this.bytes, data);
    else return Status.BadArgument;
    return Status.Ok;
  }

  append(data: Uint8Array): void {
    this.bytes = this.bytes.length === 0 ? data : concat(this.bytes, data);
  }
}

/** Both, one after the other; a part that is empty costs nothing. */
export function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  return Buffer.concat([a, b]);
}
