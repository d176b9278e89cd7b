// Time in the hands of the test: it moves only when told to, and everything due happens at exactly its due time.

/** A thing to happen at a due time; `cancel` forgets it. */
export interface Timer {
  cancel(): void;
}

interface Entry extends Timer {
  readonly due: number;
  readonly order: number;
  readonly run: () => void;
}

/** A wall clock and timers. Several VMs may share one. Times are milliseconds since the epoch unless said. */
export class Clock {
  #now: number;
  #nanoseconds: bigint;
  /** By how much the wall clock was set since the start, in milliseconds. */
  #offset = 0;
  #order = 0;
  readonly #entries: Entry[] = [];

  /** Starts at 2025-01-01T00:00:00Z unless told otherwise. */
  constructor(start: number | string | Date = '2025-01-01T00:00:00Z') {
    this.#now = new Date(start).getTime();
    this.#nanoseconds = BigInt(this.#now) * 1_000_000n;
  }

  /** Milliseconds since the epoch. */
  get now(): number {
    return this.#now + this.#offset;
  }

  /** Nanoseconds since the epoch: what `proxy_get_current_time_nanoseconds` answers. */
  get nanoseconds(): bigint {
    return this.#nanoseconds + BigInt(this.#offset) * 1_000_000n;
  }

  /** Nanoseconds of the clock that nobody sets: WASI's monotonic one. */
  get monotonicNanoseconds(): bigint {
    return this.#nanoseconds;
  }

  /** Sets the wall clock forward, or back, by whole milliseconds. No time passes, and timers do not notice. */
  step(milliseconds: number): void {
    this.#offset += milliseconds;
  }

  /** Runs `run` when `delay` milliseconds have passed; at the same due time, in the order of the calls. */
  after(delay: number, run: () => void): Timer {
    const due = this.#now + delay;
    const entry: Entry = {
      due, order: this.#order++, run,
      cancel: () => {
        const at = this.#entries.indexOf(entry);
        if (at >= 0) this.#entries.splice(at, 1);
      },
    };
    let at = this.#entries.length;
    while (at > 0 && (this.#entries[at - 1] as Entry).due > due) at--;
    this.#entries.splice(at, 0, entry);
    return entry;
  }

  /** Moves the time forward and runs what falls due, each at its due time, including what that schedules in turn. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (let next = this.#entries[0]; next !== undefined && next.due <= end; next = this.#entries[0]) {
      this.#entries.shift();
      this.#set(Math.max(next.due, this.#now));
      next.run();
    }
    this.#set(end);
  }

  /** Lets time pass in which nothing can run, as on a worker that hangs. What falls due meanwhile runs late, with the next advance(). */
  stall(milliseconds: number): void {
    this.#set(this.#now + milliseconds);
  }

  /** Milliseconds until the next timer, or undefined when nothing waits. */
  get untilNext(): number | undefined {
    const next = this.#entries[0];
    return next === undefined ? undefined : next.due - this.#now;
  }

  #set(now: number): void {
    if (now === this.#now) return;
    this.#now = now;
    this.#nanoseconds = BigInt(Math.round(now)) * 1_000_000n + BigInt(Math.round((now - Math.round(now)) * 1e6));
  }
}
