// Any number of timers over the one tick that a root context has. No tick while nothing waits; nobody waits longer when the clock is set.
import { nowNanoseconds, setTickPeriod, uptimeNanoseconds } from "./host";
import { AT_ONCE, Turns } from "./turns";

/** Something to be done later, once. */
export abstract class Timer {
  /** Nanoseconds of uptime. */
  due: i64 = 0;
  /** Place in the heap; -1: not in it. */
  place: i32 = -1;
  /** The time has come. Called from onTick: no stream is in effect; what waits on behalf of one calls enterContext first. */
  abstract onDue(): void;
}

/**
 * A binary heap by time. Its root context calls run() from onTick. Of those due together a few are called in one turn, and the others in the
 * turns after it: at once where there are `turns` (then the root context calls turn() from onQueueReady), else a tick of 1 ms later.
 */
export class Timers {
  private heap: Timer[] = [];
  private tickAt: i64 = 0;                                        // when the host will tick; 0: never
  private left: i32 = 0;                                          // that may still be called before the next tick
  constructor(private turns: Turns | null = null) {}

  get size(): i32 { return this.heap.length; }

  /** Calls timer.onDue() at `due` (milliseconds since the epoch, by the clock as it is now), and no sooner; one that waits already is moved. */
  set(timer: Timer, due: i64): void { this.at(timer, due * 1_000_000 - nowNanoseconds() + uptimeNanoseconds()); }

  /** The same, `due` in nanoseconds of uptime. */
  at(timer: Timer, due: i64): void {
    if (timer.place >= 0) this.take(timer.place);
    timer.due = due;
    timer.place = this.heap.length;
    this.heap.push(timer);
    this.up(timer.place);
    this.arm();
  }

  /** Does nothing for a timer that does not wait. */
  cancel(timer: Timer): void {
    if (timer.place < 0) return;
    this.take(timer.place);
    if (this.heap.length == 0) this.arm();                        // a tick too early finds nothing due, and costs less than moving it
  }

  /** Calls all that are due, in the order of their times; never more than waited when it began, so that one that sets itself anew cannot hold it up. */
  run(): void {
    this.tickAt = 0;
    this.left = this.heap.length;
    this.next();
  }

  /** Goes on where one turn was not enough. `token`: what onQueueReady was called with. */
  turn(token: u32): void {
    const turns = this.turns;
    if (turns != null && turns.taken(token)) this.next();
  }

  private next(): void {
    const time = uptimeNanoseconds();
    for (let i = 0; i < AT_ONCE && this.left > 0 && this.isDue(time); i++, this.left--) this.take(0).onDue();
    const turns = this.turns;
    if (turns != null && this.left > 0 && this.isDue(time)) turns.ask();
    this.arm();
  }

  private isDue(time: i64): bool { return this.heap.length > 0 && this.heap[0].due <= time; }

  /** Sets the tick to the first timer. The host repeats a tick, so it is set anew each time. */
  private arm(): void {
    if (this.heap.length == 0) {
      setTickPeriod(0);
      this.tickAt = 0;
      return;
    }
    const first = this.heap[0].due;
    if (this.tickAt != 0 && this.tickAt <= first) return;
    this.tickAt = first;
    setTickPeriod(<u32>min(max((first - uptimeNanoseconds() + 999_999) / 1_000_000, 1), 86_400_000));
  }

  private take(place: i32): Timer {
    const taken = this.heap[place];
    const last = this.heap.pop();
    if (place < this.heap.length) {
      this.heap[place] = last;
      last.place = place;
      this.up(place);
      this.down(last.place);
    }
    taken.place = -1;
    return taken;
  }

  private up(place: i32): void {
    const timer = this.heap[place];
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (this.heap[parent].due <= timer.due) break;
      this.put(this.heap[parent], place);
      place = parent;
    }
    this.put(timer, place);
  }

  private down(place: i32): void {
    const timer = this.heap[place];
    for (;;) {
      let child = place * 2 + 1;
      if (child >= this.heap.length) break;
      if (child + 1 < this.heap.length && this.heap[child + 1].due < this.heap[child].due) child++;
      if (this.heap[child].due >= timer.due) break;
      this.put(this.heap[child], place);
      place = child;
    }
    this.put(timer, place);
  }

  private put(timer: Timer, place: i32): void {
    this.heap[place] = timer;
    timer.place = place;
  }
}
