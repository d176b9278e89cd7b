// The foreign functions of Envoy 1.40 that this host has. Any other name is NotFound, as for Envoy.
import { deflateSync, inflateSync } from 'node:zlib';
import { Status } from './abi.ts';
import type { Context } from './context.ts';
import { bytesField, parseFields, textField } from './protobuf.ts';
import { verifySignature } from './verify-signature.ts';

/** Answers bytes (status Ok) or a status. */
export type ForeignFunction = (argument: Uint8Array, context: Context) => Uint8Array | Status;

/** Filter state keys with an object factory that takes text, as far as we have seen them work. */
const factories = new Set([
  'envoy.string', 'envoy.network.upstream_server_name', 'envoy.network.upstream_subject_alt_names',
  'envoy.network.application_protocols', 'envoy.network.transport_socket.original_dst_address', 'envoy.tcp_proxy.cluster',
]);

const none = new Uint8Array(0);

export const foreignFunctions: Readonly<Record<string, ForeignFunction>> = {
  verify_signature: verifySignature,

  /** {1 path, 2 value, 3 span}. NotFound without a factory for the path; only where there is a stream. */
  set_envoy_filter_state(argument, context) {
    const fields = parseFields(argument);
    const path = fields && textField(fields, 1);
    const value = fields && bytesField(fields, 2);
    if (path === undefined || value === undefined) return Status.BadArgument;
    if (context.state === undefined || !factories.has(path)) return Status.NotFound;
    context.state.set(path, new Uint8Array(value));
    return none;
  },

  clear_route_cache(_argument, context) {
    context.routeCacheCleared++;
    return none;
  },

  /** {1 name, 2 readonly, …}. Twice the same name is BadArgument. */
  declare_property(argument, { declared }) {
    const fields = parseFields(argument);
    const name = fields && textField(fields, 1);
    if (fields === undefined || name === undefined || declared.has(name)) return Status.BadArgument;
    declared.set(name, { readOnly: fields.get(2) === 1 });
    return none;
  },

  compress: (argument) => new Uint8Array(deflateSync(argument)),

  uncompress(argument) {
    try {
      return new Uint8Array(inflateSync(argument));
    } catch {
      return Status.SerializationFailure;
    }
  },
};
