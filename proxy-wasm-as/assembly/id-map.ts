// A map from the host's context ids. Unlike Map it allocates nothing as entries come and go: streams do, all the time.

/** Keys are not 0. Grows to twice the most entries it ever held, and stays there. */
export class IdMap<T> {
  private keys: StaticArray<u32> = new StaticArray<u32>(16);          // 0: a free slot
  private values: StaticArray<T | null> = new StaticArray<T | null>(16);
  size: i32 = 0;

  /** The value, or null. */
  get(key: u32): T | null {
    const mask = this.keys.length - 1;
    for (let slot = <i32>key & mask; ; slot = (slot + 1) & mask) {
      const found = unchecked(this.keys[slot]);
      if (found == key) return unchecked(this.values[slot]);
      if (found == 0) return null;
    }
    // @ts-ignore: the loop ends by returning, since a slot is always free
    return null;
  }

  set(key: u32, value: T): void {
    if ((this.size + 1) * 2 > this.keys.length) this.grow();
    const mask = this.keys.length - 1;
    let slot = <i32>key & mask;
    while (unchecked(this.keys[slot]) != 0 && unchecked(this.keys[slot]) != key) slot = (slot + 1) & mask;
    if (unchecked(this.keys[slot]) == 0) this.size++;
    unchecked(this.keys[slot] = key);
    unchecked(this.values[slot] = value);
  }

  /** False when the key is not there. */
  delete(key: u32): bool {
    const mask = this.keys.length - 1;
    let slot = <i32>key & mask;
    while (unchecked(this.keys[slot]) != key) {
      if (unchecked(this.keys[slot]) == 0) return false;
      slot = (slot + 1) & mask;
    }
    this.size--;
    // Entries behind the hole that would no longer be found move up.
    let hole = slot;
    for (let next = (hole + 1) & mask; unchecked(this.keys[next]) != 0; next = (next + 1) & mask) {
      const home = <i32>unchecked(this.keys[next]) & mask;
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      unchecked(this.keys[hole] = this.keys[next]);
      unchecked(this.values[hole] = this.values[next]);
      hole = next;
    }
    unchecked(this.keys[hole] = 0);
    unchecked(this.values[hole] = null);
    return true;
  }

  private grow(): void {
    const keys = this.keys, values = this.values;
    this.keys = new StaticArray<u32>(keys.length * 2);
    this.values = new StaticArray<T | null>(keys.length * 2);
    this.size = 0;
    for (let i = 0; i < keys.length; i++) {
      const value = unchecked(values[i]);
      if (unchecked(keys[i]) != 0 && value != null) this.set(unchecked(keys[i]), value);
    }
  }
}
