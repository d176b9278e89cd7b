// Log, time, tick, effective context, done.
import { Status, logLevels } from '../abi.ts';
import type { Host } from '../host.ts';
import type { Imports } from './env.ts';

export function systemImports(host: Host): Imports {
  const { clock, logs, logLevel } = host.surroundings;
  return {
    proxy_log(level: number, message: number, size: number): Status {
      if (level >>> 0 > 5) return Status.BadArgument;
      // Not worth decoding what nobody will see, but a bad pointer stays an error.
      if (level < logs.threshold) return host.memory.holds(message >>> 0, size >>> 0) ? Status.Ok : Status.InvalidMemoryAccess;
      const text = host.memory.text(message, size);
      if (text === null) return Status.InvalidMemoryAccess;
      logs.write(level, text);
      return Status.Ok;
    },
    proxy_get_log_level(out: number): Status {
      return host.memory.setWord(out, logLevels.indexOf(logLevel)) ? Status.Ok : Status.InvalidMemoryAccess;
    },
    proxy_get_current_time_nanoseconds(out: number): Status {
      host.context();
      return host.memory.setLong(out, clock.nanoseconds) ? Status.Ok : Status.InvalidMemoryAccess;
    },
    proxy_set_tick_period_milliseconds(period: number): Status {
      host.context().root.tick.set(period >>> 0);
      return Status.Ok;
    },
    proxy_set_effective_context(id: number): Status {
      host.context();
      return host.setEffective(id >>> 0) ? Status.Ok : Status.BadArgument;
    },
    /** Only a root context whose proxy_on_done answered false waits for this. */
    proxy_done(): Status {
      host.context();
      return host.finishShutdown() ? Status.Ok : Status.NotFound;
    },
    emscripten_notify_memory_growth(): undefined {
      return undefined;
    },
    pthread_equal(left: number, right: number): number {
      return left === right ? 1 : 0;
    },
  };
}
