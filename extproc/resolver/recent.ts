// A map of bounded size: what was not used for longest goes first.

export class Recent<V> {
  readonly #max: number;
  readonly #entries = new Map<string, V>();

  constructor(max: number) { this.#max = max; }

  get size(): number { return this.#entries.size; }

  /** Counts as a use. */
  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#max) return;
    for (const oldest of this.#entries.keys()) { this.#entries.delete(oldest); break; }
  }

  delete(key: string): void { this.#entries.delete(key); }
}
