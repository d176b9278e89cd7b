// What is counted, for each route by itself. A counter comes to be with its first event: faults that do not happen cost nothing.
import { text } from "../../proxy-wasm-as/assembly/bytes";
import { property, propertyPath } from "../../proxy-wasm-as/assembly/host";
import { byteAt, setByte } from "../../proxy-wasm-as/assembly/memory";
import { Counter } from "../../proxy-wasm-as/assembly/metrics";
import { Injected } from "./plan";

const ROUTE_NAME = propertyPath(["xds", "route_name"]);

/** By Injected. */
const NAMES: string[] = ["delays", "aborts", "resets", "response_delays", "replacements", "rate_limits"];

/** Counters with the names of routes; what comes later counts without. A host never forgets a metric. */
const MAX_COUNTERS = 4096;
/** Longer names are cut. */
const MAX_NAME = 512;

export class Counters {
  private kept: Map<string, Counter> = new Map();

  injected(what: Injected): void { this.count(`gatewright_fault_${NAMES[what]}_injected`); }

  rehearsed(bits: u32): void {
    for (let i = 0; i < NAMES.length; i++) if ((bits >> i & 1) != 0) this.count(`gatewright_fault_${NAMES[i]}_dry_run`);
  }

  overflowed(): void { this.count("gatewright_fault_overflow"); }

  private count(what: string): void {
    const name = what + routeSuffix();
    this.counter(this.kept.has(name) || this.kept.size < MAX_COUNTERS ? name : what).increment();
  }

  private counter(name: string): Counter {
    if (this.kept.has(name)) return this.kept.get(name);
    const counter = new Counter(name);
    this.kept.set(name, counter);
    return counter;
  }
}

/** The name of the route in hand, as metrics can bear it; empty when it has none. */
function routeSuffix(): string {
  const name = property(ROUTE_NAME);
  if (name == null || name.byteLength == 0) return "";
  for (let i = 0; i < name.byteLength; i++) if (!isPlain(byteAt(name, i))) setByte(name, i, 0x5f);
  return ".route." + text(name, 0, MAX_NAME);
}

/** A letter, a digit, or one of - . / _ : what no sink of metrics takes for something else. */
function isPlain(c: u32): bool { return c - 0x30 < 10 || (c | 0x20) - 0x61 < 26 || (c >= 0x2d && c <= 0x2f) || c == 0x5f; }
