// Chances: thrown anew for each request, or always the same for the same key.
import { random64 } from "../../proxy-wasm-as/assembly/random";
import { sipHash } from "../../proxy-wasm-as/assembly/siphash";

/** A die has so many sides: steps of 0.0001 per cent. */
export const SIDES: u32 = 1_000_000;

/** What roll a die of its own: a hit of one says nothing about another. */
export enum Effect { RateLimit = 0, Delay = 1, Abort = 2, ResponseDelay = 3, Replacement = 4 }

/** Keys of the hash for what no seed has been mixed into yet. Never to change: every sticky fate hangs on them. */
const K0: u64 = 0x6761746577726967, K1: u64 = 0x68742e6661756c74;

/** What tells the dice of one fault from those of another. */
export class Seed {
  readonly k0: u64;
  readonly k1: u64;
  constructor(text: ArrayBuffer) {
    this.k0 = sipHash(K0, K1, text);
    this.k1 = sipHash(K1, K0, text);
  }
}

export class Dice {
  private sticky: bool = false;
  private state: u64 = 0;

  /** Throws by the host's random numbers from here on. */
  loosen(): void { this.sticky = false; }

  /** From here on the same seed, effect and key give the same throws, on every worker and after every restart. */
  stick(seed: Seed, effect: Effect, key: ArrayBuffer): void {
    this.sticky = true;
    this.state = sipHash(seed.k0, seed.k1 + <u64>effect, key);
  }

  /** Whether a die falls below `chance` of SIDES. */
  hits(chance: u32): bool {
    // 44 bits times 20: the sides differ in likelihood by less than one in ten million.
    return chance > 0 && <u32>(((this.next() >> 20) * <u64>SIDES) >> 44) < chance;
  }

  /** Even over [0, 1). */
  fraction(): f64 { return <f64>(this.next() >> 11) / 9_007_199_254_740_992.0; }

  /** SplitMix64 (Steele, Lea and Flood, 2014) behind the hash; else the host's numbers. */
  private next(): u64 {
    if (!this.sticky) return random64();
    this.state += 0x9e3779b97f4a7c15;
    let mixed = this.state;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }
}
