// Something that is asked for again and again. The last good answer is kept for ever; one question is under way at a time, and none sooner than a second after the one before.
import type { World } from '../world.ts';

const LEAST_PAUSE_MS = 1_000;

export class Kept<T> {
  readonly #ask: () => Promise<T>;
  readonly #world: Pick<World, 'monotonic' | 'now'>;
  readonly #news: () => void;
  #flight: Promise<T> | undefined;
  #failure: unknown;
  #notBefore = Number.NEGATIVE_INFINITY;
  value: T | undefined;
  /** When it came, in milliseconds since the epoch. */
  at = 0;

  constructor(ask: () => Promise<T>, world: Pick<World, 'monotonic' | 'now'>, news: () => void) {
    this.#ask = ask;
    this.#world = world;
    this.#news = news;
  }

  get underWay(): boolean { return this.#flight !== undefined; }

  async get(): Promise<T> { return this.value ?? this.renew(); }

  /** Fails at once while the last failure is fresh. */
  async renew(): Promise<T> {
    if (this.#flight !== undefined) return this.#flight;
    if (this.#world.monotonic() < this.#notBefore) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.value !== undefined) return this.value;
    }
    return this.renewNow();
  }

  /** For who has a limit of its own. */
  async renewNow(): Promise<T> {
    this.#flight ??= this.#renewed();
    return this.#flight;
  }

  async #renewed(): Promise<T> {
    this.#notBefore = this.#world.monotonic() + LEAST_PAUSE_MS;
    try {
      const value = await this.#ask();
      this.#failure = undefined;
      this.value = value;
      this.at = this.#world.now();
      this.#news();
      return value;
    } catch (error) {
      this.#failure = error;
      throw error;
    } finally {
      this.#flight = undefined;
    }
  }
}
