// Which of the VMs that share data are alive: each holds a lease that it renews. The ABI tells neither a worker's name nor its death.
import { uptime } from "./host";
import { setU64, u64At } from "./memory";
import { SharedValue } from "./shared-data";
import { utf8 } from "./bytes";

/** Milliseconds a VM counts as alive after it last said so: what a dead VM held comes back this much later. */
export const LEASE: i64 = 10_000;
/** A lease is renewed at this age: four renewals may be late or lost before others take the VM for dead. */
export const RENEW: i64 = 2_000;

/** A write that lost this many races gives up: each loss is somebody else's success, so it hardly happens to anybody. */
export const MAX_TRIES = 100;

const HEAD = 8;                                                     // the next free id
const LEASE_BYTES = 16;                                             // id, end in milliseconds of uptime()

export class Leases {
  private table: SharedValue = new SharedValue(utf8("gatewright.counts.leases"));
  private seen: ArrayBuffer = new ArrayBuffer(0);                   // the table as it was read last
  private isNew: bool = false;                                      // read after what is being judged was
  /** This VM's own id; 0: it has none yet. Ids are given out in order and never again. */
  id: u64 = 0;
  /** When this VM's lease ends. */
  end: i64 = 0;
  /** Set when renew() found another's lease run out and took it from the table. */
  othersLapsed: bool = false;
  /** Set when this VM's own had run out: others may have dropped what it held. */
  lapsed: bool = false;

  /** What alive() is asked from here on is about entries that have just been read: the table must be as new as they are. */
  outdate(): void { this.isNew = false; }

  /** Whether the VM of that id is alive. An older table is believed only when it says so: leases are made longer, and never shorter. */
  alive(id: u64, time: i64): bool {
    if (id == this.id || endOf(this.seen, id) > time) return true;
    if (this.isNew) return false;
    this.seen = this.table.read();
    this.isNew = true;
    return endOf(this.seen, id) > time;
  }

  /** Begins or extends this VM's lease. False: others were always quicker. */
  renew(): bool {
    this.othersLapsed = false;
    for (let i = 0; i < MAX_TRIES; i++) {
      const time = uptime();
      const old = this.table.read();
      const id = this.id != 0 ? this.id : max<u64>(u64At(old, 0), 1);
      if (!this.write(old, id, time + LEASE, time)) continue;
      this.lapsed = uptime() >= this.end;                           // looked at again now: the write may have come too late
      this.id = id;
      this.end = time + LEASE;
      return true;
    }
    return false;
  }

  /** Gives the lease back: nothing is held any more. */
  leave(): void {
    this.end = 0;
    for (let i = 0; i < MAX_TRIES; i++) if (this.write(this.table.read(), this.id, 0, uptime())) return;
  }

  /** Puts the end of this VM's lease into the table just read, and takes out what ran out. An end of 0 takes its own out. */
  private write(old: ArrayBuffer, own: u64, end: i64, time: i64): bool {
    const size = max(old.byteLength, HEAD);
    const table = new ArrayBuffer(size + LEASE_BYTES);
    let at = HEAD;
    let othersLapsed = false;
    for (let i = HEAD; i < size; i += LEASE_BYTES) {
      const id = u64At(old, i);
      if (id == own) continue;
      if (<i64>u64At(old, i + 8) <= time) {
        othersLapsed = true;
        continue;
      }
      setU64(table, at, id);
      setU64(table, at + 8, u64At(old, i + 8));
      at += LEASE_BYTES;
    }
    if (end != 0) {
      setU64(table, at, own);
      setU64(table, at + 8, end);
      at += LEASE_BYTES;
    }
    setU64(table, 0, max(u64At(old, 0), own + 1));
    const written = table.slice(0, at);
    if (!this.table.write(written)) return false;
    this.seen = written;
    this.othersLapsed = othersLapsed;
    return true;
  }
}

/** When the lease of an id ends; 0 when the table has none. */
function endOf(table: ArrayBuffer, id: u64): i64 {
  for (let i = HEAD; i + LEASE_BYTES <= table.byteLength; i += LEASE_BYTES) if (u64At(table, i) == id) return <i64>u64At(table, i + 8);
  return 0;
}
