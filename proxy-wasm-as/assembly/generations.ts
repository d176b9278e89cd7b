// A bounded map: what was not used for a while goes. Two generations; when the young one is full the old one is dropped.

export class Generations<T> {
  private young: Map<string, T> = new Map();
  private old: Map<string, T> = new Map();
  constructor(private limit: i32) {}

  has(key: string): bool { return this.young.has(key) || this.old.has(key); }

  /** The value of a key that has() said is there. */
  get(key: string): T {
    if (this.young.has(key)) return this.young.get(key);
    const value = this.old.get(key);
    this.set(key, value);
    return value;
  }

  set(key: string, value: T): void {
    if (this.young.size >= this.limit && !this.young.has(key)) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, value);
  }
}
