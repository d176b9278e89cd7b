// A response at so many bytes a second: a piece goes on once its time has come, counted from the first.

const NANOSECONDS: f64 = 1_000_000_000, KIBIBYTE: f64 = 1024;

/** A hundred years. */
const MOST: f64 = 3.15e18;

export class Throttle {
  private bytes: f64 = 0;
  /** `start`: nanoseconds of uptime. */
  constructor(private kibibytes: f64, private start: i64) {}

  /** When a piece of so many bytes may go on, and all before it. */
  due(size: u32): i64 {
    this.bytes += <f64>size;
    return this.start + <i64>Math.ceil(min(this.bytes * NANOSECONDS / (this.kibibytes * KIBIBYTE), MOST));
  }
}
