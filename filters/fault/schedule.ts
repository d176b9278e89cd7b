// When a fault is on.

export class Schedule {
  start: i64 = i64.MIN_VALUE;
  end: i64 = i64.MAX_VALUE;
  ramp: i64 = 0;                            // 0: at once

  /** How much of a chance is in force: 0 outside, 1 when the ramp is over. `now` in milliseconds since the epoch. */
  share(now: i64): f64 {
    if (now < this.start || now >= this.end) return 0;
    return this.ramp == 0 || now - this.start >= this.ramp ? 1 : <f64>(now - this.start) / <f64>this.ramp;
  }
}
