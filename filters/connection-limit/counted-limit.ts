// A limit with its counts and its metrics, and what one connection or request has taken of them.
import { Counter } from "../../proxy-wasm-as/assembly/metrics";
import { SharedCounts } from "../../proxy-wasm-as/assembly/shared-counts";
import { Timers } from "../../proxy-wasm-as/assembly/timers";
import { NONE } from "./limits";

/** One more under one limit. */
class Share {
  constructor(readonly counts: SharedCounts, readonly key: ArrayBuffer, readonly counted: bool, readonly interval: i64, readonly next: Share | null) {}
}

/** All that one connection or request has taken. */
export class Taken {
  private last: Share | null = null;

  add(counts: SharedCounts, key: ArrayBuffer, counted: bool, interval: i64): void { this.last = new Share(counts, key, counted, interval, this.last); }

  /** It is over. */
  release(): void { this.empty(false); }

  /** It did not happen: another limit refused it. */
  undo(): void { this.empty(true); }

  private empty(unmade: bool): void {
    let share = this.last;
    this.last = null;
    while (share != null) {
      if (share.counted) share.counts.release(share.key);
      if (unmade && share.interval != NONE) share.counts.returnRate(share.key, share.interval);
      share = share.next;
    }
  }
}

/** How often one of a limit's two reasons refused. Labels stand in the name, for Envoy's stats_tags to take out. */
class Refusals {
  private counter: Counter;
  constructor(what: string, name: string, reason: string, private dryRun: bool) {
    this.counter = new Counter(`${what}_refused${dryRun ? "_dry_run" : ""}.limit.${name}.reason.${reason}`);
  }

  /** Whether that is the end of it. */
  count(): bool {
    this.counter.increment();
    return !this.dryRun;
  }
}

export class CountedLimit {
  private counts: SharedCounts;
  private byValue: Refusals | null = null;
  private byRate: Refusals | null = null;

  /** `what` begins the names of metrics. NONE for a value or an interval: no such limit. */
  constructor(
    what: string, scope: string, name: string, private value: i32, private interval: i64, private burst: i32, dryRun: bool, timers: Timers,
  ) {
    this.counts = new SharedCounts(scope, timers, value == NONE ? "" : `${what}_active.limit.${name}`);
    if (value != NONE) this.byValue = new Refusals(what, name, "value", dryRun);
    if (interval != NONE) this.byRate = new Refusals(what, name, "rate", dryRun);
  }

  /** One more of a key, noted in `taken`. False: it is one too many. A dry run says so in the metrics alone, and counts it all the same. */
  take(key: ArrayBuffer, taken: Taken): bool {
    let counted = false;
    const byValue = this.byValue, byRate = this.byRate;
    if (byValue != null) {
      counted = this.counts.tryAdd(key, this.value);
      if (!counted) {
        if (byValue.count()) return false;
        counted = this.counts.tryAdd(key, i32.MAX_VALUE);
      }
    }
    let charged = false;
    if (byRate != null) {
      charged = this.counts.tryRate(key, this.interval, this.burst);
      if (!charged && byRate.count()) {
        if (counted) this.counts.release(key);
        return false;
      }
    }
    if (counted || charged) taken.add(this.counts, key, counted, charged ? this.interval : NONE);
    return true;
  }
}
