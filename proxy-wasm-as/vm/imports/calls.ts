// proxy_http_call and proxy_get_status; gRPC calls find no cluster here.
import { Status } from '../abi.ts';
import { Headers } from '../headers.ts';
import type { Host } from '../host.ts';
import { dispatch } from '../http-call.ts';
import { decodePairs } from '../pairs.ts';
import type { Imports } from './env.ts';

export function callImports(host: Host): Imports {
  return {
    proxy_http_call(
      cluster: number, clusterSize: number, headers: number, headersSize: number, body: number, bodySize: number,
      trailers: number, trailersSize: number, timeout: number, outToken: number,
    ): Status {
      host.context();
      const name = host.memory.text(cluster, clusterSize);
      const block = host.memory.copy(headers, headersSize);
      const bytes = host.memory.copy(body, bodySize);
      const trailerBlock = host.memory.copy(trailers, trailersSize);
      if (name === null || block === null || bytes === null || trailerBlock === null) return Status.InvalidMemoryAccess;
      // Envoy tries the address before the call leaves.
      if (!host.memory.setWord(outToken, 0)) return Status.InvalidMemoryAccess;
      const head = new Headers();
      head.replaceAll(decodePairs(block));
      const tail = new Headers();
      tail.replaceAll(decodePairs(trailerBlock));
      const token = dispatch(host, name, head, bytes, tail, timeout);
      if (token === undefined) return Status.BadArgument;
      host.memory.setWord(outToken, token);
      return Status.Ok;
    },
    proxy_get_status(outCode: number, outMessage: number, outSize: number): Status {
      host.context();
      const [code, message] = host.callStatus;
      const written = host.memory.setWord(outCode, code) && host.give(message, outMessage, outSize);
      return written ? Status.Ok : Status.InvalidMemoryAccess;
    },
    // Envoy answers ParseFailure for a cluster it does not know, and this host knows no gRPC cluster.
    proxy_grpc_call: (): Status => Status.ParseFailure,
    proxy_grpc_stream: (): Status => Status.ParseFailure,
    proxy_grpc_send: (): Status => Status.NotFound,
    proxy_grpc_cancel: (): Status => Status.NotFound,
    proxy_grpc_close: (): Status => Status.NotFound,
  };
}
