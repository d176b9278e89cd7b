// Time that a test moves by hand.

export class Clock {
  #now = 0;
  #timers: { readonly at: number; readonly call: () => void }[] = [];

  readonly monotonic = (): number => this.#now;
  readonly after = (milliseconds: number, call: () => void): (() => void) => {
    const timer = { at: this.#now + milliseconds, call };
    this.#timers.push(timer);
    return () => { this.#timers = this.#timers.filter((each) => each !== timer); };
  };
  get timers(): number { return this.#timers.length; }

  /** Runs what comes due, in order, and lets promises settle in between. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await settle();
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#now = next.at;
      next.call();
      await settle();
    }
    this.#now = end;
  }
}

/** Lets all promises that can settle do so. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => { setImmediate(resolve); });
}
