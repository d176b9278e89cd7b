// Metrics of the host, by name. Envoy counts them over all workers; Prometheus shows them under their bare names.
import { MetricType, Status, proxy_define_metric, proxy_increment_metric, proxy_record_metric } from "./abi";
import { utf8 } from "./bytes";
import { addressOf, outAddress, takeHostU32 } from "./memory";

/** The metric's id, the same for the same name; 0 when the host has none. */
function define(type: MetricType, name: string): u32 {
  const bytes = utf8(name);
  return proxy_define_metric(type, addressOf(bytes), bytes.byteLength, outAddress()) == Status.Ok ? takeHostU32() : 0;
}

/** Counts events. */
export class Counter {
  private id: u32;
  constructor(name: string) { this.id = define(MetricType.Counter, name); }
  increment(): void { if (this.id != 0) proxy_increment_metric(this.id, 1); }
}

/** How many there are now. What a VM that dies had added stays in it. */
export class Gauge {
  private id: u32;
  constructor(name: string) { this.id = define(MetricType.Gauge, name); }
  add(count: i32): void { if (this.id != 0) proxy_increment_metric(this.id, count); }
}

/** How values are spread. */
export class Histogram {
  private id: u32;
  constructor(name: string) { this.id = define(MetricType.Histogram, name); }
  record(value: u64): void { if (this.id != 0) proxy_record_metric(this.id, value); }
}
