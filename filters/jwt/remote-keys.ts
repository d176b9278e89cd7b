// One remote key set on one worker: fetched when first wanted, kept, fetched again before it is old, never twice at once.
// It knows no host: fetches.ts sends what it asks for and gives it what came back.
import { Json } from "../../proxy-wasm-as/assembly/json";
import { KeySet } from "../../proxy-wasm-as/assembly/jws/key-set";
import { Outcome } from "../../proxy-wasm-as/assembly/jws/outcome";

/** A longer answer is not read. */
export const MAX_JWKS_BYTES: u32 = 256 * 1024;
/** Pause before asking again when the host could not even send the request (its cluster is still warming). */
const DISPATCH_RETRY: i64 = 50;

export enum FetchState { Idle = 0, Wanted = 1, InFlight = 2 }

export class RemoteKeys {
  keys: KeySet | null = null;
  state: FetchState = FetchState.Idle;
  /** Requests that wait for the first keys. */
  waiting: u32[] = [];
  /** Milliseconds since the epoch: when the next fetch may begin, and when the one wanted now has failed for good. */
  private notBefore: i64 = 0;
  private giveUpAt: i64 = 0;
  private lastUsed: i64 = 0;

  constructor(
    readonly cluster: ArrayBuffer, readonly authority: ArrayBuffer, readonly path: ArrayBuffer,
    readonly timeout: i32, private cache: i32, private retry: i32,
  ) {}

  /** Accepted: `keys` is there. Pending: a fetch is wanted or under way. FetchFailed: the last one failed a moment ago. */
  ask(now: i64): Outcome {
    this.lastUsed = now;
    if (this.keys != null) return Outcome.Accepted;
    if (this.state == FetchState.Idle) {
      if (now < this.notBefore) return Outcome.FetchFailed;
      this.want(now);
    }
    return Outcome.Pending;
  }

  private want(now: i64): void {
    this.state = FetchState.Wanted;
    this.notBefore = now;
    this.giveUpAt = now + this.timeout;
  }

  /** Whether a request is to be sent now. */
  due(now: i64): bool {
    if (this.state == FetchState.Idle && this.keys != null && now >= this.notBefore) {
      // Ahead of expiry, but only for keys that somebody uses; the rest is dropped and fetched when it is wanted again.
      if (now - this.lastUsed <= this.cache) this.want(now);
      else this.keys = null;
    }
    return this.state == FetchState.Wanted && now >= this.notBefore;
  }

  /** When to look again, in milliseconds since the epoch; 0: when somebody asks. */
  get nextDue(): i64 {
    if (this.state == FetchState.Wanted) return this.notBefore;
    return this.state == FetchState.Idle && this.keys != null ? this.notBefore : 0;
  }

  suits(timeout: i32, cache: i32, retry: i32): bool { return this.timeout == timeout && this.cache == cache && this.retry == retry; }

  /** Nothing fetched, nothing under way, nobody waiting. */
  get unused(): bool { return this.state == FetchState.Idle && this.keys == null && this.waiting.length == 0; }

  sent(): void { this.state = FetchState.InFlight; }

  /** The host would not send it. True when this was the last attempt. */
  notSent(now: i64): bool {
    if (now + DISPATCH_RETRY < this.giveUpAt) {
      this.notBefore = now + DISPATCH_RETRY;
      return false;
    }
    this.failed(now);
    return true;
  }

  /** Keys already there stay: an issuer that is down does not lock out the tokens it gave. */
  failed(now: i64): void {
    this.state = FetchState.Idle;
    this.notBefore = now + this.retry;
  }

  /** Whether an answer holds usable keys; then they are in force, for 4/5 of the cache time before the next fetch. */
  arrived(now: i64, json: Json, body: ArrayBuffer): bool {
    const keys = json.parse(body, 0, body.byteLength) ? KeySet.read(json, json.root) : null;
    if (keys == null || keys.size == 0) {
      this.failed(now);
      return false;
    }
    this.keys = keys;
    this.state = FetchState.Idle;
    this.notBefore = now + <i64>this.cache / 5 * 4;
    return true;
  }
}
