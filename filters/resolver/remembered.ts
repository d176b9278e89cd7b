// What the resolver decided, by host and policy: bounded in time by what it said, in memory by bytes. Each worker remembers for itself: hosts are what
// clients write, and shared data never gives a key back.
import { same } from "../../proxy-wasm-as/assembly/bytes";
import { Generations } from "../../proxy-wasm-as/assembly/generations";
import { envoyFilterState } from "../../proxy-wasm-as/assembly/host";
import { byteAt } from "../../proxy-wasm-as/assembly/memory";
import { random64 } from "../../proxy-wasm-as/assembly/random";
import { sipHash } from "../../proxy-wasm-as/assembly/siphash";

/** Of an :authority: 253 of a name, and a port. Nothing longer is a host. */
const MAX_AUTHORITY = 260;
/** What the resolver says at most, in milliseconds. */
const LONGEST: i64 = 60_000;
/** What one generation may hold; there are two. */
const MAX_BYTES = 1024 * 1024;
/** Of an entry beside its texts, roughly. */
const ENTRY_BYTES = 256;

/** The state from which ORIGINAL_DST takes what it dials, before it looks at metadata. */
const ADDRESS_KEY = "envoy.network.transport_socket.original_dst_address";

/**
 * A host as a request wrote it, under a policy. The bytes as they came: another spelling of the host is another question, and the resolver lets
 * only the canonical one be remembered.
 */
export class Question {
  constructor(readonly authority: ArrayBuffer, readonly policy: ArrayBuffer) {}
  equals(other: Question): bool { return same(this.authority, other.authority) && same(this.policy, other.policy); }
}

export class Remembered {
  /** Ready for setEnvoyFilterState(). */
  readonly state: ArrayBuffer;
  /** Milliseconds of uptime(). */
  until: i64 = 0;
  /** Nothing takes connections there, and the resolver has not been told yet. */
  failed: bool = false;
  constructor(readonly question: Question, readonly address: ArrayBuffer) { this.state = envoyFilterState(ADDRESS_KEY, address); }
}

export class Decisions {
  private entries: Generations<Remembered, u64> = new Generations<Remembered, u64>(MAX_BYTES);
  // With a secret key: clients cannot make all their hosts one.
  private k0: u64 = random64();
  private k1: u64 = random64();

  find(question: Question): Remembered | null {
    const key = this.keyOf(question);
    if (!this.entries.has(key)) return null;
    const entry = this.entries.get(key);
    return entry.question.equals(question) ? entry : null;
  }

  /** `asked`: when the question was put, on the clock of uptime(). The answer is as old as that, or younger. */
  keep(question: Question, address: ArrayBuffer, validFor: i64, asked: i64): void {
    if (validFor > 0) this.put(question, address).until = asked + min(validFor, LONGEST);
  }

  /** Envoy could not connect to what was decided: it is not used again. `tell`: the next question says so. */
  forget(question: Question, address: ArrayBuffer, tell: bool): void { this.put(question, address).failed = tell; }

  private put(question: Question, address: ArrayBuffer): Remembered {
    const entry = new Remembered(question, address);
    this.entries.set(this.keyOf(question), entry, ENTRY_BYTES + question.authority.byteLength + question.policy.byteLength + address.byteLength * 2);
    return entry;
  }

  private keyOf(question: Question): u64 { return sipHash(this.k0, this.k1, question.authority) ^ sipHash(this.k1, this.k0, question.policy); }
}

/** Whether an :authority may be the canonical spelling of a host; nothing is remembered of any other. */
export function mayBeCanonical(authority: ArrayBuffer): bool {
  const size = authority.byteLength;
  if (size == 0 || size > MAX_AUTHORITY) return false;
  for (let i = 0; i < size; i++) {
    const byte = byteAt(authority, i);                              // a–z 0–9 : . - _ [ ]
    if (byte - 0x61 >= 26 && byte - 0x30 >= 11 && byte != 0x2e && byte != 0x2d && byte != 0x5f && byte != 0x5b && byte != 0x5d) return false;
  }
  return true;
}
