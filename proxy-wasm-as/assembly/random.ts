// Dice: the host's random numbers (WASI random_get), drawn a few hundred at a time.
import { random_get } from "./abi";
import { addressOf, u64At } from "./memory";

const POOL = 2048;
const pool = new ArrayBuffer(POOL);
let next = POOL;

/** 64 random bits. Zeros when the host gives none: what hangs on them must hold for zeros too. */
export function random64(): u64 {
  if (next >= POOL) {
    next = 0;
    if (random_get(addressOf(pool), POOL) != 0) memory.fill(addressOf(pool), 0, POOL);
  }
  const value = u64At(pool, next);
  next += 8;
  return value;
}

/** Even over [0, 1). */
export function random(): f64 { return <f64>(random64() >> 11) / 9_007_199_254_740_992.0; }
