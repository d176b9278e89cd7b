// Headers as Envoy sends them, decoded only when somebody looks.

/** In Envoy's order; names in lower case, pseudo-headers (`:path`, `:authority`, …) among them. */
export class HeaderList {
  readonly #bytes: Buffer;
  /** Four numbers a header: where its name and its value begin and end. */
  readonly #places: readonly number[];
  #pairs: (readonly [string, string])[] | undefined;

  constructor(bytes: Buffer, places: readonly number[]) {
    this.#bytes = bytes;
    this.#places = places;
  }

  static of(pairs: Iterable<readonly [string, string]>): HeaderList {
    const list = new HeaderList(Buffer.alloc(0), []);
    list.#pairs = [...pairs];
    return list;
  }

  /** All values as one: joined by ", " as HTTP says, Cookie by "; ". Undefined when there is no such header; an empty one is "". */
  get(name: string): string | undefined {
    let all: string | undefined;
    for (const [key, value] of this) if (key === name) all = all === undefined ? value : `${all}${name === 'cookie' ? '; ' : ', '}${value}`;
    return all;
  }

  /** Every value on its own: where two are one too many. */
  getAll(name: string): string[] {
    const values: string[] = [];
    for (const [key, value] of this) if (key === name) values.push(value);
    return values;
  }

  has(name: string): boolean {
    for (const [key] of this) if (key === name) return true;
    return false;
  }

  get size(): number { return this.#pairs?.length ?? this.#places.length / 4; }

  [Symbol.iterator](): Iterator<readonly [name: string, value: string]> { return this.#decoded()[Symbol.iterator](); }

  /** Nothing of a request is printed by mistake. */
  toJSON(): string { return `[${this.size} headers]`; }
  [Symbol.for('nodejs.util.inspect.custom')](): string { return this.toJSON(); }

  #decoded(): readonly (readonly [string, string])[] {
    if (this.#pairs !== undefined) return this.#pairs;
    const pairs: (readonly [string, string])[] = [];
    const places = this.#places as number[];
    for (let i = 0; i < places.length; i += 4) {
      pairs.push([this.#bytes.toString('latin1', places[i], places[i + 1]), this.#bytes.toString('utf8', places[i + 2], places[i + 3])]);
    }
    return (this.#pairs = pairs);
  }
}
