// The policies that processors are asked about, by content id. They are here before a route names them and go after the last route that did.

import type { Secret } from '../policy/secret.ts';

export class Policies<P> {
  readonly #read: (document: unknown) => P;
  readonly #byId = new Map<string, P>();

  /** `read` makes of a parsed document what the processor works with; it throws when it cannot. */
  constructor(read: (document: unknown) => P) { this.#read = read; }

  /** `document` is JSON; it may hold client secrets and keys, so all of it is a Secret. Known ids stay: an id stands for its content. */
  add(id: string, document: Secret): void {
    if (id === '' || this.#byId.has(id)) return;
    let parsed: unknown;
    // JSON.parse quotes the text in its message.
    try { parsed = JSON.parse(document.reveal()); } catch { throw new Error(`policy ${id} is not JSON`); }
    this.#byId.set(id, this.#read(parsed));
  }

  /** Drops all others. Streams that are open keep theirs. */
  retain(ids: ReadonlySet<string>): void {
    for (const id of this.#byId.keys()) if (!ids.has(id)) this.#byId.delete(id);
  }

  get(id: string): P | undefined { return this.#byId.get(id); }
  get size(): number { return this.#byId.size; }
}
