// What is counted, for each route by itself. A counter comes to be with its first event: faults that do not happen cost nothing.
import { same, slice, text } from "../../proxy-wasm-as/assembly/bytes";
import { propertyOver, propertyPath } from "../../proxy-wasm-as/assembly/host";
import { byteAt, setByte } from "../../proxy-wasm-as/assembly/memory";
import { Counter } from "../../proxy-wasm-as/assembly/metrics";
import { Injected } from "./plan";

const ROUTE_NAME = propertyPath(["xds", "route_name"]);
const NOTHING = new ArrayBuffer(0);

/** By Injected. */
const NAMES: string[] = ["delays", "aborts", "resets", "response_delays", "replacements", "rate_limits"];
const KINDS = 6, DRY_RUN = KINDS, OVERFLOW = 2 * KINDS;

/** Routes that are told apart; what comes later counts without its name. A host never forgets a metric. */
const MAX_ROUTES = 1024;
/** Longer names are cut. */
const MAX_NAME = 512;

/** The counters of one route. */
class RouteCounters {
  private kept: StaticArray<Counter | null> = new StaticArray<Counter | null>(OVERFLOW + 1);
  constructor(private route: string) {}

  count(what: i32): void {
    let counter = this.kept[what];
    if (counter == null) {
      const event = what == OVERFLOW ? "overflow" : NAMES[what % KINDS] + (what < DRY_RUN ? "_injected" : "_dry_run");
      counter = new Counter("gatewright_fault_" + event + (this.route.length > 0 ? ".route." + this.route : ""));
      this.kept[what] = counter;
    }
    counter.increment();
  }
}

export class Counters {
  private routes: Map<string, RouteCounters> = new Map();
  private nameless: RouteCounters = new RouteCounters("");
  private read: ArrayBuffer = NOTHING;                            // read anew each time, mostly into itself
  private lastName: ArrayBuffer = NOTHING;
  private last: RouteCounters = this.nameless;

  injected(what: Injected): void { this.ofRoute().count(what); }

  rehearsed(bits: u32): void {
    const counters = this.ofRoute();
    for (let i = 0; i < KINDS; i++) if ((bits >> i & 1) != 0) counters.count(DRY_RUN + i);
  }

  overflowed(): void { this.ofRoute().count(OVERFLOW); }

  /** Of the request in hand. */
  private ofRoute(): RouteCounters {
    const name = propertyOver(ROUTE_NAME, this.read);
    if (name == null || name.byteLength == 0) return this.nameless;
    this.read = name;
    if (!same(name, this.lastName)) {
      this.lastName = slice(name, 0);
      this.last = this.named(label(name));
    }
    return this.last;
  }

  private named(route: string): RouteCounters {
    if (this.routes.has(route)) return this.routes.get(route);
    if (this.routes.size >= MAX_ROUTES) return this.nameless;
    const counters = new RouteCounters(route);
    this.routes.set(route, counters);
    return counters;
  }
}

/** A name as metrics can bear it: letters, digits and - . / _ are what no sink of metrics takes for something else. */
function label(name: ArrayBuffer): string {
  const copy = slice(name, 0, MAX_NAME);
  for (let i = 0; i < copy.byteLength; i++) {
    const c = byteAt(copy, i);
    if (c - 0x30 >= 10 && (c | 0x20) - 0x61 >= 26 && (c < 0x2d || c > 0x2f) && c != 0x5f) setByte(copy, i, 0x5f);
  }
  return text(copy);
}
