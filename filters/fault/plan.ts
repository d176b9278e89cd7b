// What is to become of one request, decided when its headers have come.
import { Abort, Replacement } from "./policy";

/** What is counted, each for itself. */
export enum Injected { Delays = 0, Aborts = 1, Resets = 2, ResponseDelays = 3, Replacements = 4, RateLimits = 5 }

/** Each adder of a dry run notes only that it would have been. */
export class Plan {
  delay: i64 = 0;                           // milliseconds; 0: none
  abort: Abort | null = null;
  status: u32 = 0;                          // of the abort, as is the next
  grpcStatus: i32 = -1;                     // -1: the one that maps to status
  responseDelay: i64 = 0;
  replacements: Replacement[] = [];         // in order
  kibibytes: f64 = 0;                       // of the response a second; 0: no limit
  /** Bits by Injected. */
  rehearsed: u32 = 0;
  /** Anything is to be done. */
  real: bool = false;

  /** Whether more is to be done than to end the request. */
  get lasts(): bool { return this.delay > 0 || this.abort == null; }

  hold(milliseconds: i64, dryRun: bool): void { if (this.takes(Injected.Delays, dryRun)) this.delay += milliseconds; }

  holdResponse(milliseconds: i64, dryRun: bool): void { if (this.takes(Injected.ResponseDelays, dryRun)) this.responseDelay += milliseconds; }

  replace(replacement: Replacement, dryRun: bool): void { if (this.takes(Injected.Replacements, dryRun)) this.replacements.push(replacement); }

  /** The narrowest limit counts. */
  limit(kibibytes: f64, dryRun: bool): void {
    if (this.takes(Injected.RateLimits, dryRun) && (this.kibibytes == 0 || kibibytes < this.kibibytes)) this.kibibytes = kibibytes;
  }

  end(abort: Abort, status: u32, grpcStatus: i32, dryRun: bool): void {
    if (!this.takes(abort.reset ? Injected.Resets : Injected.Aborts, dryRun)) return;
    this.abort = abort;
    this.status = status;
    this.grpcStatus = grpcStatus;
  }

  private takes(what: Injected, dryRun: bool): bool {
    if (dryRun) this.rehearsed |= 1 << what;
    else this.real = true;
    return !dryRun;
  }
}
