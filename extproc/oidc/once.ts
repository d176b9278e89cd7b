// Something that is to happen once although several processes want it at the same time: a refresh with a refresh token that is good for one use. Workers ask the
// process in charge (once-keeper.ts); it says whose turn it is.
import type { World } from '../world.ts';
import { OnceKeeper } from './once-keeper.ts';

export interface Once {
  /**
   * `compute` runs once for all who ask with this key at the same time in any process, and its answer is good for `keepMs` more. Where it fails, all who wait get the
   * failure (OnceFailed, but the one that computed its own), and the next one tries anew. The answer passes through other hands: text without secrets in the clear.
   */
  run(key: string, keepMs: number, compute: () => Promise<string>): Promise<string>;
  /** True for the first within `ttlMs`. */
  claim(key: string, ttlMs: number): Promise<boolean>;
  /** Whether a claim holds. */
  claimed(key: string): Promise<boolean>;
}

/** What another has tried for us failed. `reason` is the `reason` of its error, else the error's name. */
export class OnceFailed extends Error {
  override readonly name = 'OnceFailed';
  readonly reason: string;
  constructor(reason: string) {
    super(`failed elsewhere: ${reason}`);
    this.reason = reason;
  }
}

/** A word; a message may quote a secret. */
export function reasonOf(error: unknown): string {
  const { reason, name } = error as { reason?: unknown; name?: unknown };
  return [reason, name].find((word): word is string => typeof word === 'string' && /^\w{1,64}$/.test(word)) ?? 'error';
}

/** Those of this process that want the same wait together. */
export class Together {
  readonly #flights = new Map<string, Promise<string>>();

  run(key: string, start: () => Promise<string>): Promise<string> {
    const known = this.#flights.get(key);
    if (known !== undefined) return known;
    const flight = start().finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }
}

export type Question =
  /** Answered with a Turn: at once, or when the one whose turn it is has done. */
  | { readonly once: 'join'; readonly key: string }
  | { readonly once: 'done'; readonly key: string; readonly turn: number; readonly text: string; readonly keepMs: number }
  | { readonly once: 'failed'; readonly key: string; readonly turn: number; readonly reason: string }
  /** Answered with a boolean. */
  | { readonly once: 'claim'; readonly key: string; readonly ttlMs: number }
  /** Answered with a boolean. */
  | { readonly once: 'claimed'; readonly key: string };

export type Turn =
  | { readonly kind: 'yours'; readonly turn: number }
  | { readonly kind: 'done'; readonly text: string }
  | { readonly kind: 'failed'; readonly reason: string };

export function onceBy(ask: (question: Question) => Promise<unknown>): Once {
  const together = new Together();
  return {
    run: (key, keepMs, compute) => together.run(key, async () => {
      const turn = await ask({ once: 'join', key }) as Turn;
      switch (turn.kind) {
        case 'done': return turn.text;
        case 'failed': throw new OnceFailed(turn.reason);
        case 'yours': {
          // Where the process in charge is gone there is nobody left to tell.
          const tell = (question: Question): Promise<unknown> => ask(question).catch(() => undefined);
          try {
            const text = await compute();
            await tell({ once: 'done', key, turn: turn.turn, text, keepMs });
            return text;
          } catch (error) {
            await tell({ once: 'failed', key, turn: turn.turn, reason: reasonOf(error) });
            throw error;
          }
        }
      }
    }),
    claim: async (key, ttlMs) => await ask({ once: 'claim', key, ttlMs }) === true,
    claimed: async (key) => await ask({ once: 'claimed', key }) === true,
  };
}

/** In one process. */
export function onceAlone(world: Pick<World, 'monotonic' | 'after'>): Once {
  const keeper = new OnceKeeper(world);
  const { signal } = new AbortController();
  return onceBy((question) => keeper.answer(question, signal));
}
