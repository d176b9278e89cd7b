// The book of all counts, in shared data. A fixed number of shared values (the ABI has no delete), each a list of entries;
// entries at zero are left out, so it is as large as what is held now. Every change is one compare and swap of one value.
import { text, utf8 } from "./bytes";
import { uptime, uptimeNanoseconds } from "./host";
import { LEASE, Leases, MAX_TRIES, RENEW } from "./leases";
import { copyBytes, setU32, setU64, u32At, u64At } from "./memory";
import { Gauge } from "./metrics";
import { random64 } from "./random";
import { SharedValue } from "./shared-data";
import { sipHash } from "./siphash";

/** 100,000 keys held at once make entries of 2 KiB a value: little to copy for one change. */
const BUCKETS = 1024;

/** key's hash u64, owner's lease u64, count u32, tag of its gauge u32. Of a rate: hash, 0, the time it is charged up to i64. */
const ENTRY = 24;
const RATE_OWNER: u64 = 0;

/** Keys with a rate, a bucket: half a million in all, 12 MiB. Beyond that the one that is forgiven soonest goes: a client may invent keys. */
const MAX_RATES = 512;

/** What this VM holds of one key. */
class Own {
  count: u32 = 1;
  constructor(readonly hash: u64, readonly tag: u32) {}
}

class Bucket {
  readonly shared: SharedValue;
  readonly own: Own[] = [];
  /** What is held is not in shared data as it should be: others were always quicker. */
  stale: bool = false;
  constructor(index: i32) { this.shared = new SharedValue(utf8("gatewright.counts." + index.toString())); }

  find(hash: u64): i32 {
    for (let i = 0; i < this.own.length; i++) if (this.own[i].hash == hash) return i;
    return -1;
  }
}

/** One a VM: all its root contexts share it, so counts outlive a configuration. */
export class CountLedger {
  private buckets: StaticArray<Bucket | null> = new StaticArray<Bucket | null>(BUCKETS);
  private leases: Leases = new Leases();
  private secret: ArrayBuffer = new ArrayBuffer(0);
  private gauges: Map<u32, Gauge> = new Map();
  private held: i32 = 0;                                            // entries of this VM's own
  private staleBuckets: i32 = 0;
  /** By how much the gauges change when the write that is being made succeeds. */
  private tags: u32[] = [];
  private changes: i32[] = [];

  /** One more of a key, unless all VMs together hold `limit` of it. False too when others were always quicker: closed. */
  tryAdd(hash: u64, tag: u32, limit: i32): bool {
    const time = uptime();
    if (!this.alive(time)) return false;
    const bucket = this.bucket(hash);
    for (let i = 0; i < MAX_TRIES; i++) {
      const old = this.read(bucket);
      const place = bucket.find(hash);
      if (this.othersHold(old, hash, time) + (place < 0 ? 0 : bucket.own[place].count) >= <u32>max(limit, 0)) return false;
      this.hold(bucket, hash, tag);
      if (this.write(bucket, old, time)) return true;
      this.drop(bucket, hash);
    }
    return false;
  }

  /** One less of a key; false when this VM holds none. What cannot be written now is written by the next beat(). */
  release(hash: u64): bool {
    const bucket = this.bucket(hash);
    if (!this.drop(bucket, hash)) return false;
    this.rewrite(bucket);
    return true;
  }

  /** Charges a key `interval` nanoseconds, unless it is charged up to later than `ahead` from now (GCRA, exact over all VMs). */
  tryCharge(hash: u64, interval: i64, ahead: i64): bool {
    const bucket = this.bucket(hash);
    for (let i = 0; i < MAX_TRIES; i++) {
      const old = this.read(bucket);
      const time = uptimeNanoseconds();
      const from = max(chargedUpTo(old, hash), time);
      if (from - time > ahead) return false;
      if (this.write(bucket, old, time / 1_000_000, hash, from + interval)) return true;
    }
    return false;
  }

  /** Takes a charge back. */
  uncharge(hash: u64, interval: i64): void {
    const time = uptime();
    const bucket = this.bucket(hash);
    for (let i = 0; i < MAX_TRIES; i++) {
      const old = this.read(bucket);
      const upTo = chargedUpTo(old, hash);
      if (upTo == 0 || this.write(bucket, old, time, hash, upTo - interval)) return;
    }
  }

  /** Something could not be written: another beat() is needed, even if nothing is held. */
  get behind(): bool { return this.staleBuckets > 0; }

  /** Keeps what is held alive, and writes what could not be written before. To be called every RENEW as long as anything is held, and once more. */
  beat(): void {
    for (let i = 0; i < BUCKETS && this.staleBuckets > 0; i++) {
      const bucket = this.buckets[i];
      if (bucket != null && bucket.stale) this.rewrite(bucket);
    }
    if (this.held > 0) {
      if (this.leases.end - uptime() < LEASE - RENEW / 2) this.renew();
    } else if (this.staleBuckets == 0 && this.leases.end != 0) this.leases.leave();
  }

  /** The hash of a key under a scope: nobody without the secret finds two keys with one. */
  keyOf(scope: ArrayBuffer): ArrayBuffer {
    if (this.secret.byteLength == 0) this.secret = sharedSecret();
    const k0 = u64At(this.secret, 0), k1 = u64At(this.secret, 8);
    const key = new ArrayBuffer(16);
    setU64(key, 0, sipHash(k0, k1, scope));
    setU64(key, 8, sipHash(k1, k0, scope));
    return key;
  }

  /** What entries are marked with so that any VM can set the gauge right when their owner is dead; 0 for no name. */
  tagOf(gauge: string): u32 {
    if (gauge.length == 0) return 0;
    const name = utf8(gauge);
    const key = this.keyOf(name);
    const tag = max(u32At(key, 0), 1);
    if (this.gauges.has(tag)) return tag;
    this.gauges.set(tag, new Gauge(gauge));
    new SharedValue(gaugeKey(tag)).write(name);                     // inserted if absent; if not, the same name is there
    return tag;
  }

  /** Whether this VM's lease runs. Renewed here too: a busy VM does not depend on its ticks. */
  private alive(time: i64): bool {
    if (this.leases.end - time >= LEASE - RENEW) return true;
    return this.renew() || this.leases.end > time;
  }

  private renew(): bool {
    if (!this.leases.renew()) return false;
    if (this.leases.lapsed && this.held > 0) {
      for (let i = 0; i < BUCKETS; i++) {
        const bucket = this.buckets[i];
        if (bucket != null && bucket.own.length > 0) this.rewrite(bucket);
      }
    }
    if (this.leases.othersLapsed) this.sweep();
    return true;
  }

  /** What the dead held goes, also where nobody comes by. */
  private sweep(): void {
    const time = uptime();
    for (let i = 0; i < BUCKETS; i++) {
      const bucket = this.bucket(i);
      const old = this.read(bucket);
      for (let at = 0; at + ENTRY <= old.byteLength; at += ENTRY) {
        if (this.counts(old, at, time)) continue;
        this.rewrite(bucket);
        break;
      }
    }
  }

  private bucket(hash: u64): Bucket {
    const index = <i32>(hash & (BUCKETS - 1));
    let bucket = this.buckets[index];
    if (bucket == null) {
      bucket = new Bucket(index);
      this.buckets[index] = bucket;
    }
    return bucket;
  }

  /** The list of a bucket. Whose owner is alive is asked anew after it, or an entry could go that a VM has just put back. */
  private read(bucket: Bucket): ArrayBuffer {
    const entries = bucket.shared.read();
    this.leases.outdate();
    return entries;
  }

  private hold(bucket: Bucket, hash: u64, tag: u32): void {
    const place = bucket.find(hash);
    if (place >= 0) {
      bucket.own[place].count++;
      return;
    }
    bucket.own.push(new Own(hash, tag));
    this.held++;
  }

  /** False when none is held. */
  private drop(bucket: Bucket, hash: u64): bool {
    const place = bucket.find(hash);
    if (place < 0) return false;
    if (--bucket.own[place].count > 0) return true;
    const last = bucket.own.pop();
    if (place < bucket.own.length) bucket.own[place] = last;
    this.held--;
    return true;
  }

  /** Writes what this VM holds, as often as it takes; else the next beat() does. */
  private rewrite(bucket: Bucket): void {
    const time = uptime();
    let written = false;
    for (let i = 0; i < MAX_TRIES && !written; i++) written = this.write(bucket, this.read(bucket), time);
    if (bucket.stale == written) this.staleBuckets += written ? -1 : 1;
    bucket.stale = !written;
  }

  private othersHold(entries: ArrayBuffer, hash: u64, time: i64): u32 {
    let sum: u32 = 0;
    for (let at = 0; at + ENTRY <= entries.byteLength; at += ENTRY) {
      if (u64At(entries, at) == hash && u64At(entries, at + 8) != this.leases.id && this.counts(entries, at, time)) sum += u32At(entries, at + 16);
    }
    return sum;
  }

  /** Whether an entry still means anything: its owner is alive, or its rate is charged up to later than now. */
  private counts(entries: ArrayBuffer, at: i32, time: i64): bool {
    const owner = u64At(entries, at + 8);
    if (owner == RATE_OWNER) return <i64>u64At(entries, at + 16) / 1_000_000 >= time;
    return this.leases.alive(owner, time);
  }

  /** The list just read, with this VM's entries as they are now, without those that mean nothing any more, and with one rate where it is given. */
  private write(bucket: Bucket, old: ArrayBuffer, time: i64, rate: u64 = 0, upTo: i64 = 0): bool {
    const made = new ArrayBuffer(old.byteLength + (bucket.own.length + 1) * ENTRY);
    let size = 0;
    let rates = 0;
    let soonest = -1;
    this.tags.length = 0;
    this.changes.length = 0;
    for (let at = 0; at + ENTRY <= old.byteLength; at += ENTRY) {
      const owner = u64At(old, at + 8);
      if (owner == RATE_OWNER) {
        if ((upTo != 0 && u64At(old, at) == rate) || !this.counts(old, at, time)) continue;
        if (soonest < 0 || u64At(old, at + 16) < u64At(made, soonest + 16)) soonest = size;
        rates++;
      } else if (owner == this.leases.id || !this.counts(old, at, time)) {
        this.change(u32At(old, at + 20), -<i32>u32At(old, at + 16));
        continue;
      }
      size += copyBytes(made, size, old, at, at + ENTRY);
    }
    for (let i = 0; i < bucket.own.length; i++, size += ENTRY) {
      const own = bucket.own[i];
      setU64(made, size, own.hash);
      setU64(made, size + 8, this.leases.id);
      setU32(made, size + 16, own.count);
      setU32(made, size + 20, own.tag);
      this.change(own.tag, <i32>own.count);
    }
    if (upTo != 0) {
      const place = rates < MAX_RATES || soonest < 0 ? size : soonest;
      setU64(made, place, rate);
      setU64(made, place + 8, RATE_OWNER);
      setU64(made, place + 16, <u64>upTo);
      if (place == size) size += ENTRY;
    }
    if (!bucket.shared.write(size == made.byteLength ? made : made.slice(0, size))) return false;
    for (let i = 0; i < this.tags.length; i++) if (this.changes[i] != 0) this.adjust(this.tags[i], this.changes[i]);
    return true;
  }

  private change(tag: u32, by: i32): void {
    if (tag == 0) return;
    let i = 0;
    while (i < this.tags.length && this.tags[i] != tag) i++;
    if (i < this.tags.length) this.changes[i] += by;
    else {
      this.tags.push(tag);
      this.changes.push(by);
    }
  }

  /** The gauge shows what the lists hold. One that only a dead VM knew is found by its name. */
  private adjust(tag: u32, by: i32): void {
    if (!this.gauges.has(tag)) this.gauges.set(tag, new Gauge(text(new SharedValue(gaugeKey(tag)).read())));
    this.gauges.get(tag).add(by);
  }
}

function gaugeKey(tag: u32): ArrayBuffer { return utf8("gatewright.counts.gauge." + tag.toString()); }

/** Drawn by the first VM that asks. */
function sharedSecret(): ArrayBuffer {
  const value = new SharedValue(utf8("gatewright.counts.secret"));
  let secret = value.read();
  if (secret.byteLength == 16) return secret;
  secret = new ArrayBuffer(16);
  setU64(secret, 0, random64());
  setU64(secret, 8, random64());
  return value.write(secret) ? secret : value.read();
}

/** 0 for a key without an entry. */
function chargedUpTo(entries: ArrayBuffer, hash: u64): i64 {
  for (let at = 0; at + ENTRY <= entries.byteLength; at += ENTRY) {
    if (u64At(entries, at) == hash && u64At(entries, at + 8) == RATE_OWNER) return <i64>u64At(entries, at + 16);
  }
  return 0;
}
