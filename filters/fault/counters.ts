// What is counted, for each route by itself. A counter comes to be with its first event: faults that do not happen cost nothing.
import { text } from "../../proxy-wasm-as/assembly/bytes";
import { property, propertyPath } from "../../proxy-wasm-as/assembly/host";
import { byteAt, setByte } from "../../proxy-wasm-as/assembly/memory";
import { Counter } from "../../proxy-wasm-as/assembly/metrics";
import { Injected } from "./plan";

const ROUTE_NAME = propertyPath(["xds", "route_name"]);

/** By Injected. */
const NAMES: string[] = ["delays", "aborts", "resets", "response_delays", "replacements", "rate_limits"];

/** Routes that are told apart; what comes later counts without its name. A host never forgets a metric. */
const MAX_ROUTES = 1024;
/** Longer names are cut. */
const MAX_NAME = 512;

export class Counters {
  private kept: Map<string, Counter> = new Map();
  private routes: Set<string> = new Set();

  injected(what: Injected): void { this.count(`gatewright_fault_${NAMES[what]}_injected`); }

  rehearsed(bits: u32): void {
    for (let i = 0; i < NAMES.length; i++) if ((bits >> i & 1) != 0) this.count(`gatewright_fault_${NAMES[i]}_dry_run`);
  }

  overflowed(): void { this.count("gatewright_fault_overflow"); }

  private count(what: string): void {
    const route = this.route();
    const name = route.length > 0 ? what + ".route." + route : what;
    let counter: Counter;
    if (this.kept.has(name)) counter = this.kept.get(name);
    else {
      counter = new Counter(name);
      this.kept.set(name, counter);
    }
    counter.increment();
  }

  /** The name of the route in hand, as metrics can bear it; empty when it has none. */
  private route(): string {
    const name = property(ROUTE_NAME);
    if (name == null) return "";
    for (let i = 0; i < name.byteLength; i++) if (!isPlain(byteAt(name, i))) setByte(name, i, 0x5f);
    const route = text(name, 0, MAX_NAME);
    if (this.routes.has(route)) return route;
    if (this.routes.size >= MAX_ROUTES) return "";
    this.routes.add(route);
    return route;
  }
}

/** A letter, a digit, or one of - . / _ : what no sink of metrics takes for something else. */
function isPlain(c: u32): bool { return c - 0x30 < 10 || (c | 0x20) - 0x61 < 26 || (c >= 0x2d && c <= 0x2f) || c == 0x5f; }
