// Local responses, and continuing or closing a stream: all carried out after the callback has returned.
import { Status } from '../abi.ts';
import type { Host } from '../host.ts';
import { decodePairs } from '../pairs.ts';
import type { Imports } from './env.ts';

const LAST_STREAM = 3;

export function streamImports(host: Host): Imports {
  return {
    /** Always Ok, even where there is no stream to answer or one has been answered already (exports.cc). */
    proxy_send_local_response(
      status: number, details: number, detailsSize: number, body: number, bodySize: number,
      headers: number, headersSize: number, grpcStatus: number,
    ): Status {
      const context = host.context();
      const reason = host.memory.text(details, detailsSize);
      const bytes = host.memory.copy(body, bodySize);
      const block = host.memory.copy(headers, headersSize);
      if (reason === null || bytes === null || block === null) return Status.InvalidMemoryAccess;
      context.respond({
        status: status >>> 0,
        details: reason,
        body: bytes,
        headers: decodePairs(block),
        grpcStatus: grpcStatus < 0 ? undefined : grpcStatus,
      });
      host.stopped = true;
      return Status.Ok;
    },
    proxy_continue_stream(stream: number): Status {
      if (stream >>> 0 > LAST_STREAM) return Status.BadArgument;
      return host.context().continueStream(stream);
    },
    proxy_close_stream(stream: number): Status {
      if (stream >>> 0 > LAST_STREAM) return Status.BadArgument;
      return host.context().closeStream(stream);
    },
  };
}
