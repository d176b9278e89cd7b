// A bounded map: what was not used for a while goes. Two generations; when the young one is full the old one is dropped.

class Kept<T> {
  constructor(readonly value: T, readonly weight: i32) {}
}

export class Generations<T, K = string> {
  private young: Map<K, Kept<T>> = new Map();
  private old: Map<K, Kept<T>> = new Map();
  private weight: i32 = 0;                                        // of the young
  /** `limit`: what a generation may weigh. */
  constructor(private limit: i32) {}

  has(key: K): bool { return this.young.has(key) || this.old.has(key); }

  /** The value of a key that has() said is there. */
  get(key: K): T {
    if (this.young.has(key)) return this.young.get(key).value;
    const kept = this.old.get(key);
    this.put(key, kept);
    return kept.value;
  }

  /** `weight`: more than one for what is large. What outweighs the limit is kept alone. */
  set(key: K, value: T, weight: i32 = 1): void { this.put(key, new Kept<T>(value, weight)); }

  private put(key: K, kept: Kept<T>): void {
    if (this.young.has(key)) this.weight -= this.young.get(key).weight;
    else if (this.young.size > 0 && this.weight + kept.weight > this.limit) {
      this.old = this.young;
      this.young = new Map();
      this.weight = 0;
    }
    this.weight += kept.weight;
    this.young.set(key, kept);
  }
}
