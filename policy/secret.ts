// A secret is a type that cannot be printed: tokens, private keys, client secrets.

/** Holds a secret value. Every way of printing it gives `[redacted]`. */
export class Secret {
  readonly #value: string;
  constructor(value: string) { this.#value = value; }
  /** The only way out. Call it where the bytes leave the process and nowhere else. */
  reveal(): string { return this.#value; }
  toString(): string { return '[redacted]'; }
  toJSON(): string { return '[redacted]'; }
  [Symbol.for('nodejs.util.inspect.custom')](): string { return '[redacted]'; }
}

/** A copy of plain data with something else in the place of every secret. */
export function replaceSecrets(value: unknown, by: (secret: Secret) => unknown): unknown {
  if (value instanceof Secret) return by(value);
  if (Array.isArray(value)) return value.map((each) => replaceSecrets(each, by));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, replaceSecrets(member, by)]));
}
