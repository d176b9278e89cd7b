// Exact counts over all workers: how many of a key are held now, and how often a key came of late.
// What a VM that died held comes back within ten seconds (leases.ts); a change of the configuration loses nothing.
import { CountLedger } from "./count-ledger";
import { now } from "./host";
import { RENEW } from "./leases";
import { u64At } from "./memory";
import { sipHash } from "./siphash";
import { Timer, Timers } from "./timers";

const ledger = new CountLedger();

/** So that a rate's key has nothing to do with the same key's count. */
const RATE: u64 = 0x9e3779b97f4a7c15;

/** Counts of the keys of one scope. Make one a scope and root context; those of one scope, in all VMs that share data, are the same counts. */
export class SharedCounts extends Timer {
  private secret: ArrayBuffer;
  private tag: u32;
  /** How many this one holds. */
  private held: i32 = 0;

  /** `timers`: of the root context, which outlives what is held. `gauge`: name of a metric that shows how many are held in all. */
  constructor(scope: string, private timers: Timers, gauge: string = "") {
    super();
    this.secret = ledger.keyOf(String.UTF8.encode(scope));
    this.tag = ledger.tagOf(gauge);
  }

  /** Takes one, unless `limit` are held in all. Each one taken must be released, of the same SharedCounts. */
  tryAdd(key: ArrayBuffer, limit: i32): bool {
    if (!ledger.tryAdd(this.hash(key), this.tag, limit)) return false;
    this.held++;
    this.watch();
    return true;
  }

  release(key: ArrayBuffer): void {
    if (ledger.release(this.hash(key))) this.held--;
  }

  /** One more event, unless there were `burst` of late and not one less every `interval` nanoseconds since. */
  tryRate(key: ArrayBuffer, interval: i64, burst: i32): bool {
    const ahead = min(<f64>interval * <f64>(burst - 1), 4e18);      // beyond a hundred years it makes no difference, and must not overflow
    return ledger.tryCharge(this.hash(key) ^ RATE, interval, <i64>ahead);
  }

  /** Takes back what tryRate() let pass: the event did not happen after all. */
  returnRate(key: ArrayBuffer, interval: i64): void { ledger.uncharge(this.hash(key) ^ RATE, interval); }

  /** A heartbeat. */
  onDue(): void {
    ledger.beat();
    if (this.held > 0 || ledger.behind) this.watch();
  }

  /** The last beat is the one that finds nothing held. All beats of a VM fall together: one tick serves them. */
  private watch(): void {
    if (this.place < 0) this.timers.set(this, (now() / RENEW + 1) * RENEW);
  }

  private hash(key: ArrayBuffer): u64 { return sipHash(u64At(this.secret, 0), u64At(this.secret, 8), key); }
}
