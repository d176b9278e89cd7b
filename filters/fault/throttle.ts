// A response at so many bytes a second: a piece goes on once its time has come, counted from the first.

const MILLISECONDS: f64 = 1000, KIBIBYTE: f64 = 1024;

export class Throttle {
  private bytes: f64 = 0;
  /** `start`: milliseconds since the epoch. */
  constructor(private kibibytes: f64, private start: i64) {}

  /** When a piece of so many bytes may go on, and all before it. */
  due(size: u32): i64 {
    this.bytes += <f64>size;
    return this.start + <i64>Math.ceil(this.bytes * MILLISECONDS / (this.kibibytes * KIBIBYTE));
  }
}
