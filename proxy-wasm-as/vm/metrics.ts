// Counters, gauges and histograms with Envoy's rules for each.
import { Status } from './abi.ts';

const kinds = ['counter', 'gauge', 'histogram'] as const;

/** One metric; several ids may name it. A histogram keeps the sum and the number of what was recorded. */
interface Metric {
  value: bigint;
  samples: number;
}

/** Metrics of all VMs that share data. A gauge or counter survives a reload, as in Envoy. */
export class Metrics {
  readonly #byName = new Map<string, Metric>();
  readonly #byId = new Map<number, Metric>();
  #defined = 0;

  /** Defines a metric and answers its id, or undefined for an unknown kind. The two low bits of an id are the kind. */
  define(kind: number, name: string): number | undefined {
    if (kinds[kind] === undefined) return undefined;
    const key = `${kinds[kind]} ${name}`;
    let metric = this.#byName.get(key);
    if (metric === undefined) {
      metric = { value: 0n, samples: 0 };
      this.#byName.set(key, metric);
    }
    const id = ++this.#defined * 4 + kind;
    this.#byId.set(id, metric);
    return id;
  }

  /** A counter refuses an offset of 0 or less, a histogram refuses any. A gauge below 0 wraps to 2^64, as in Envoy. */
  increment(id: number, offset: bigint): Status {
    if ((id & 3) > 1) return Status.BadArgument;
    const metric = this.#byId.get(id);
    if (metric === undefined) return Status.NotFound;
    if ((id & 3) === 0 && offset <= 0n) return Status.BadArgument;
    metric.value = BigInt.asUintN(64, metric.value + offset);
    return Status.Ok;
  }

  /** Recording on a counter adds, on a gauge sets. */
  record(id: number, value: bigint): Status {
    const metric = this.#byId.get(id);
    if (metric === undefined) return Status.NotFound;
    metric.value = BigInt.asUintN(64, (id & 3) === 1 ? value : metric.value + value);
    metric.samples++;
    return Status.Ok;
  }

  /** The value of a counter or gauge, or a status. */
  read(id: number): bigint | Status {
    if ((id & 3) > 1) return Status.BadArgument;
    return this.#byId.get(id)?.value ?? Status.NotFound;
  }

  /** Name to value; a histogram shows the sum of what was recorded. */
  get values(): Map<string, number> {
    const values = new Map<string, number>();
    for (const [key, metric] of this.#byName) values.set(key.slice(key.indexOf(' ') + 1), Number(metric.value));
    return values;
  }
}
