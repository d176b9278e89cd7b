// What the resolver decided, by host and policy: bounded in time by what it said, in memory by bytes. Each worker remembers for itself: keys are what
// clients write, and shared data never gives a key back.
import { byteAt } from "../../proxy-wasm-as/assembly/memory";
import { text } from "../../proxy-wasm-as/assembly/bytes";
import { Generations } from "../../proxy-wasm-as/assembly/generations";
import { envoyFilterState } from "../../proxy-wasm-as/assembly/host";

/** Of an :authority: 253 of a name, and a port. Nothing longer is a host. */
const MAX_AUTHORITY = 260;
/** What the resolver says at most. */
const LONGEST: i64 = 3_600_000;
/** What one generation may hold; there are two. */
const MAX_BYTES = 1024 * 1024;
/** Of an entry beside its texts, roughly. */
const ENTRY_BYTES = 256;

/** The state from which ORIGINAL_DST takes what it dials, before it looks at metadata. */
const ADDRESS_KEY = "envoy.network.transport_socket.original_dst_address";

export class Remembered {
  /** Ready for setEnvoyFilterState(). */
  readonly state: ArrayBuffer;
  /** Milliseconds of uptime(). */
  until: i64 = 0;
  /** Envoy could not connect there, and the resolver has not been told yet. */
  failed: bool = false;
  constructor(readonly address: ArrayBuffer) { this.state = envoyFilterState(ADDRESS_KEY, address); }
}

export class Decisions {
  private entries: Generations<Remembered> = new Generations<Remembered>(MAX_BYTES);

  /** Nothing is ever kept under the empty key. */
  find(key: string): Remembered | null { return this.entries.has(key) ? this.entries.get(key) : null; }

  /** `asked`: when the question was put, on the clock of uptime(). The answer is as old as that, or younger. */
  keep(key: string, address: ArrayBuffer, validFor: i64, asked: i64): void {
    if (validFor <= 0) return;
    this.put(key, address).until = asked + min(validFor, LONGEST);
  }

  /** Envoy could not connect to what was decided: it is not used again, and the next question says so. */
  fail(key: string, address: ArrayBuffer): void { this.put(key, address).failed = true; }

  private put(key: string, address: ArrayBuffer): Remembered {
    const entry = new Remembered(address);
    this.entries.set(key, entry, ENTRY_BYTES + key.length * 2 + address.byteLength * 2);
    return entry;
  }
}

/**
 * The key of a decision; empty: nothing may be remembered of such a host. The bytes of the :authority as they came: another spelling of the host is
 * another key, and the resolver lets only the canonical one be remembered.
 */
export function keyOf(authority: ArrayBuffer, policy: ArrayBuffer): string {
  const size = authority.byteLength;
  if (size == 0 || size > MAX_AUTHORITY || policy.byteLength == 0) return "";
  for (let i = 0; i < size; i++) if (!mayBeCanonical(byteAt(authority, i))) return "";
  return text(authority) + " " + text(policy);
}

/** a–z 0–9 . - _ : [ ] */
function mayBeCanonical(byte: u32): bool {
  return byte - 0x61 < 26 || byte - 0x30 < 11 || byte == 0x2e || byte == 0x2d || byte == 0x5f || byte == 0x5b || byte == 0x5d;
}
