// proxy_get_buffer_bytes, _status and proxy_set_buffer_bytes.
import { Status } from '../abi.ts';
import type { Host } from '../host.ts';
import type { Imports } from './env.ts';

const LAST_TYPE = 8;

export function bufferImports(host: Host): Imports {
  return {
    proxy_get_buffer_bytes(type: number, start: number, max: number, outValue: number, outSize: number): Status {
      if (type >>> 0 > LAST_TYPE) return Status.BadArgument;
      const buffer = host.context().buffer(type);
      if (buffer === undefined) return Status.NotFound;
      start >>>= 0;
      max >>>= 0;
      // Envoy's "check for overflow" (exports.cc) adds 64-bit numbers: nothing a 32-bit guest can pass fails it.
      const bytes = start >= buffer.bytes.length ? '' : buffer.bytes.subarray(start, start + max);
      return host.give(bytes, outValue, outSize) ? Status.Ok : Status.InvalidMemoryAccess;
    },
    proxy_get_buffer_status(type: number, outSize: number, outFlags: number): Status {
      if (type >>> 0 > LAST_TYPE) return Status.BadArgument;
      const buffer = host.context().buffer(type);
      if (buffer === undefined) return Status.NotFound;
      const written = host.memory.setWord(outSize, buffer.bytes.length) && host.memory.setWord(outFlags, 0);
      return written ? Status.Ok : Status.InvalidMemoryAccess;
    },
    proxy_set_buffer_bytes(type: number, start: number, length: number, data: number, size: number): Status {
      if (type >>> 0 > LAST_TYPE) return Status.BadArgument;
      const buffer = host.context().buffer(type);
      if (buffer === undefined) return Status.NotFound;
      const bytes = host.memory.copy(data, size);
      if (bytes === null) return Status.InvalidMemoryAccess;
      return buffer.set(start >>> 0, length >>> 0, bytes);
    },
  };
}
