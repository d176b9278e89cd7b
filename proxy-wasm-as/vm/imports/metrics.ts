// The metric functions.
import { Status } from '../abi.ts';
import type { Host } from '../host.ts';
import type { Imports } from './env.ts';

export function metricImports(host: Host): Imports {
  const { metrics } = host.surroundings;
  return {
    proxy_define_metric(kind: number, name: number, size: number, out: number): Status {
      host.context();
      const text = host.memory.text(name, size);
      if (text === null) return Status.InvalidMemoryAccess;
      const id = metrics.define(kind, text);
      if (id === undefined) return Status.BadArgument;
      return host.memory.setWord(out, id) ? Status.Ok : Status.InvalidMemoryAccess;
    },
    proxy_increment_metric(id: number, offset: bigint): Status {
      host.context();
      return metrics.increment(id >>> 0, offset);
    },
    proxy_record_metric(id: number, value: bigint): Status {
      host.context();
      return metrics.record(id >>> 0, value);
    },
    proxy_get_metric(id: number, out: number): Status {
      host.context();
      const value = metrics.read(id >>> 0);
      if (typeof value === 'number') return value;
      return host.memory.setLong(out, value) ? Status.Ok : Status.InvalidMemoryAccess;
    },
  };
}
