// The one timer a root context has.
import type { Clock, Timer } from './clock.ts';

/** Runs something once a period. Setting the period starts it anew; 0 stops it. */
export class Tick {
  /** Milliseconds; 0 when stopped. */
  period = 0;
  readonly #clock: Clock;
  readonly #run: () => void;
  #timer: Timer | undefined = undefined;

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock;
    this.#run = run;
  }

  set(period: number): void {
    this.#timer?.cancel();
    this.period = period;
    this.#timer = period > 0 ? this.#clock.after(period, () => this.#fire()) : undefined;
  }

  #fire(): void {
    this.#timer = undefined;
    this.#run();
    // What ran may have set the period, and with it the timer, itself.
    if (this.#timer === undefined && this.period > 0) this.set(this.period);
  }
}
