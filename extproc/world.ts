// The outside world, handed in: production passes the real one, tests pass their own.

import { randomBytes } from 'node:crypto';

export interface World {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds that never go back, for durations. */
  readonly monotonic: () => number;
  readonly random: (bytes: number) => Uint8Array;
  readonly fetch: (url: URL, init?: RequestInit) => Promise<Response>;
  /** Calls back once, later. The function it returns calls that off. */
  readonly after: (milliseconds: number, call: () => void) => () => void;
}

export const realWorld: World = {
  now: Date.now,
  monotonic: () => performance.now(),
  random: (bytes) => randomBytes(bytes),
  fetch: (url, init) => fetch(url, init),
  after: (milliseconds, call) => {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
};
