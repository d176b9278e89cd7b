// Tokens whose signature was found good: the same token under the same key set is neither parsed nor verified again.
// Issuer, times, audience and authorization are looked at every time, so a hit never outlives exp or nbf; keys that were
// fetched anew are another KeySet, so it never outlives them either.
import { equalBytes, u32At } from "../../proxy-wasm-as/assembly/memory";
import { KeySet } from "./key-set";
import { Token } from "./token";

/** Tokens remembered at most, on each worker; a power of two. A newer one takes the place of an older. */
const SLOTS = 512;
/** Longer tokens are looked at anew every time. A kept token takes up to six times its size: 12 MiB at the most. */
const MAX_BYTES = 4096;

class Verified {
  constructor(readonly token: Token, readonly keys: KeySet) {}
}

export class VerifiedTokens {
  private slots: StaticArray<Verified | null> = new StaticArray<Verified | null>(SLOTS);

  /** The token that is exactly these bytes, to the last one, when exactly these keys verified it. */
  find(bytes: ArrayBuffer, keys: KeySet): Token | null {
    const known = unchecked(this.slots[slotOf(bytes)]);
    if (known == null || known.keys != keys) return null;
    return equalBytes(bytes, 0, bytes.byteLength, known.token.bytes) ? known.token : null;
  }

  /** Keeps the token itself: whoever gave it must not use it for another. False: it is too large to be kept. */
  add(token: Token, keys: KeySet): bool {
    if (token.bytes.byteLength > MAX_BYTES) return false;
    token.forgetProof();
    unchecked(this.slots[slotOf(token.bytes)] = new Verified(token, keys));
    return true;
  }
}

/** From the last characters, which belong to the signature: as good as random, and only good signatures are added. */
function slotOf(bytes: ArrayBuffer): i32 { return <i32>((u32At(bytes, bytes.byteLength - 8) * 2654435761) >> 16) & (SLOTS - 1); }
