// An ordered header map that keeps repeated headers as separate entries, as Envoy's does.

/** Headers as a test writes them: a record (a list repeats the header) or pairs. */
export type HeadersInput = Readonly<Record<string, string | readonly string[]>> | readonly (readonly [string, string])[];

/** Ordered, case-insensitive (names are kept in lower case), repeated headers kept apart. */
export class Headers {
  /** `[name, value, name, value, …]` */
  readonly flat: string[] = [];

  constructor(input?: HeadersInput) {
    if (input === undefined) return;
    if (Array.isArray(input)) {
      for (const [name, value] of input as readonly (readonly [string, string])[]) this.add(name, value);
      return;
    }
    for (const name in input) {
      const value = (input as Readonly<Record<string, string | readonly string[]>>)[name];
      if (typeof value === 'string') this.add(name, value);
      else if (value !== undefined) for (const one of value) this.add(name, one);
    }
  }

  /** How many entries there are; repeated headers count each time. */
  get size(): number {
    return this.flat.length >> 1;
  }

  /** Bytes of all names and values, as Envoy's HeaderMap::byteSize counts them. */
  get byteSize(): number {
    return this.flat.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** The first value, or undefined. */
  get(name: string): string | undefined {
    name = name.toLowerCase();
    const flat = this.flat;
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return flat[i + 1];
    return undefined;
  }

  /** Every value, in order. */
  all(name: string): string[] {
    name = name.toLowerCase();
    return this.flat.filter((_, i) => i % 2 === 1 && this.flat[i - 1] === name);
  }

  add(name: string, value: string): void {
    this.flat.push(name.toLowerCase(), value);
  }

  /** Sets the first entry of that name and removes the others; adds one when there was none. */
  set(name: string, value: string): void {
    name = name.toLowerCase();
    const flat = this.flat;
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i] !== name) continue;
      flat[i + 1] = value;
      for (let j = flat.length - 2; j > i; j -= 2) if (flat[j] === name) flat.splice(j, 2);
      return;
    }
    flat.push(name, value);
  }

  remove(name: string): void {
    name = name.toLowerCase();
    for (let i = this.flat.length - 2; i >= 0; i -= 2) if (this.flat[i] === name) this.flat.splice(i, 2);
  }

  /** Replaces everything with `[name, value, …]`. */
  replaceAll(flat: readonly string[]): void {
    this.flat.length = 0;
    for (let i = 0; i + 1 < flat.length; i += 2) this.add(flat[i] as string, flat[i + 1] as string);
  }

  /** Name to values joined by a comma, for `toEqual`. */
  toObject(): Record<string, string> {
    const object: Record<string, string> = {};
    for (let i = 0; i < this.flat.length; i += 2) {
      const name = this.flat[i] as string;
      const value = this.flat[i + 1] as string;
      object[name] = name in object ? `${object[name]},${value}` : value;
    }
    return object;
  }

  *[Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    for (let i = 0; i < this.flat.length; i += 2) yield [this.flat[i] as string, this.flat[i + 1] as string];
  }
}
