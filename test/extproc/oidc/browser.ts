// The cookie jar of a browser, as far as names go.

export class Browser {
  readonly #cookies = new Map<string, string>();

  /** Takes Set-Cookie values, and gives them back. */
  take(lines: readonly string[]): string[] {
    for (const line of lines) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (line.includes('Max-Age=0;')) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return [...lines];
  }

  sent(): ReadonlyMap<string, string> { return new Map(this.#cookies); }
  get names(): string[] { return [...this.#cookies.keys()]; }
  get bytes(): number { return [...this.#cookies].reduce((sum, [name, value]) => sum + name.length + value.length + 3, 0); }
}
