// JSON form → bytes, through the schema of the Envoy we run. Throws on JSON that the schema does not have: that is a bug of ours.
import { createHash } from 'node:crypto';
import { createRegistry, fromJson, toBinary } from '@bufbuild/protobuf';
import type { JsonValue } from '@bufbuild/protobuf';
import { StringValueSchema, StructSchema } from '@bufbuild/protobuf/wkt';
import { ClusterSchema } from '../../proto/envoy/config/cluster/v3/cluster_pb.js';
import { TypedExtensionConfigSchema } from '../../proto/envoy/config/core/v3/extension_pb.js';
import { ClusterLoadAssignmentSchema } from '../../proto/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../proto/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../proto/envoy/config/route/v3/route_pb.js';
import { FilterConfigSchema, RouteSchema, VirtualHostSchema } from '../../proto/envoy/config/route/v3/route_components_pb.js';
import { ExtensionWithMatcherSchema } from '../../proto/envoy/extensions/common/matching/v3/extension_matcher_pb.js';
import { SkipFilterSchema } from '../../proto/envoy/extensions/filters/common/matcher/action/v3/skip_action_pb.js';
import { CompositeSchema, ExecuteFilterActionSchema } from '../../proto/envoy/extensions/filters/http/composite/v3/composite_pb.js';
import { CorsPolicySchema, CorsSchema } from '../../proto/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { ExtProcPerRouteSchema, ExternalProcessorSchema } from '../../proto/envoy/extensions/filters/http/ext_proc/v3/ext_proc_pb.js';
import { RBACPerRouteSchema, RBACSchema } from '../../proto/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import { RouterSchema } from '../../proto/envoy/extensions/filters/http/router/v3/router_pb.js';
import { WasmSchema } from '../../proto/envoy/extensions/filters/http/wasm/v3/wasm_pb.js';
import { TlsInspectorSchema } from '../../proto/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { HttpConnectionManagerSchema } from '../../proto/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { ConfigSchema as SetFilterStateSchema } from '../../proto/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.js';
import { WasmSchema as NetworkWasmSchema } from '../../proto/envoy/extensions/filters/network/wasm/v3/wasm_pb.js';
import { FilterStateInputSchema } from '../../proto/envoy/extensions/matching/common_inputs/network/v3/network_inputs_pb.js';
import { SecretSchema } from '../../proto/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { DownstreamTlsContextSchema, UpstreamTlsContextSchema } from '../../proto/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { HttpProtocolOptionsSchema } from '../../proto/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';

/** Every message that we encode or put into an Any, and no other: the whole of Envoy's API would cost 25 MiB more. */
const registry = createRegistry(
  StringValueSchema, StructSchema,
  ClusterSchema, TypedExtensionConfigSchema, ClusterLoadAssignmentSchema, ListenerSchema, RouteConfigurationSchema, FilterConfigSchema,
  RouteSchema, VirtualHostSchema, ExtensionWithMatcherSchema, FilterStateInputSchema, SkipFilterSchema, CompositeSchema, ExecuteFilterActionSchema, CorsSchema, CorsPolicySchema, ExtProcPerRouteSchema, ExternalProcessorSchema, RBACPerRouteSchema, RBACSchema, RouterSchema, WasmSchema, TlsInspectorSchema, HttpConnectionManagerSchema,
  SetFilterStateSchema, NetworkWasmSchema, SecretSchema, DownstreamTlsContextSchema, UpstreamTlsContextSchema, HttpProtocolOptionsSchema,
);

export function encode(type: string, json: object): Uint8Array {
  const schema = registry.getMessage(type);
  if (schema === undefined) throw new Error(`the generated protos do not have ${type}`);
  return toBinary(schema, fromJson(schema, json as JsonValue, { registry }));
}

/** A version by content: the same resource is never sent as new. */
export function version(body: Uint8Array): string { return createHash('sha256').update(body).digest('hex').slice(0, 32); }
