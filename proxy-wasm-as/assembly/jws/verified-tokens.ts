// What was made of tokens whose signature was found good: the same token under the same key set is neither parsed nor verified again.
// Whoever asks looks at times and at everything else that may have changed, so a hit never outlives exp or nbf; keys that were fetched anew are another
// KeySet, so it never outlives them either.
import { equalBytes, u32At } from "../memory";
import { KeySet } from "./key-set";

/** Tokens remembered at most, on each worker; a power of two. A newer one takes the place of an older. */
const SLOTS = 512;
/** Longer tokens are looked at anew every time. A kept token takes up to six times its size: 12 MiB at the most. */
const MAX_BYTES = 4096;

class Verified<T> {
  constructor(readonly bytes: ArrayBuffer, readonly keys: KeySet, readonly value: T) {}
}

export class VerifiedTokens<T> {
  private slots: StaticArray<Verified<T> | null> = new StaticArray<Verified<T> | null>(SLOTS);

  /** Of the token that is exactly these bytes, to the last one, when exactly these keys verified it. */
  find(bytes: ArrayBuffer, keys: KeySet): T | null {
    const known = unchecked(this.slots[slotOf(bytes)]);
    if (known == null || known.keys != keys) return null;
    return equalBytes(bytes, 0, bytes.byteLength, known.bytes) ? known.value : null;
  }

  /** Keeps `bytes` and `value` themselves. False: it is too large to be kept. */
  add(bytes: ArrayBuffer, keys: KeySet, value: T): bool {
    if (bytes.byteLength > MAX_BYTES) return false;
    unchecked(this.slots[slotOf(bytes)] = new Verified<T>(bytes, keys, value));
    return true;
  }
}

/** From the last characters, which belong to the signature: as good as random, and only good signatures are added. */
function slotOf(bytes: ArrayBuffer): i32 { return <i32>((u32At(bytes, bytes.byteLength - 8) * 2654435761) >> 16) & (SLOTS - 1); }
