// An Envoy with the resolver as the product has it: ext_proc behind a filter that may set filter state, a guard, and ORIGINAL_DST by metadata.
import { FAILED_ATTRIBUTE } from '../../../extproc/resolver/processor.ts';

type Json = Record<string, unknown>;
const any = (name: string, value: Json = {}): Json => ({ '@type': `type.googleapis.com/${name}`, ...value });

export interface ResolverRoutes {
  readonly socket: string;
  /** Path prefix and policy id at once. */
  readonly plain: readonly string[];
  readonly tls: readonly string[];
  /** PEM. */
  readonly authority: string;
}

const details = { local_reply_config: { mappers: [{ filter: { status_code_filter: { comparison: { op: 'GE', value: { default_value: 0, runtime_key: 'none' } } } }, headers_to_add: [{ header: { key: 'x-details', value: '%RESPONSE_CODE_DETAILS%' } }] }] } };

function route(policy: string, cluster: string): Json {
  const verdict = { sourced_metadata: { metadata_matcher: { filter: 'gatewright.resolver', path: [{ key: 'verdict' }], value: { string_match: { exact: policy } } }, metadata_source: 'DYNAMIC' } };
  return {
    match: { prefix: `/${policy}` }, route: { cluster, upgrade_configs: [{ upgrade_type: 'websocket' }] },
    typed_per_filter_config: {
      resolver: any('envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute', { overrides: { grpc_initial_metadata: [{ key: 'gatewright-policy', value: policy }] } }),
      guard: any('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', { rbac: { rules: { action: 'ALLOW', policies: { verdict: { permissions: [{ any: true }], principals: [verdict] } } } } }),
    },
  };
}

const options = (value: Json): Json => ({ typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', value) } });
const dialled = (name: string, more: Json): Json => ({
  name, type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '1s',
  original_dst_lb_config: { metadata_key: { key: 'gatewright.resolver', path: [{ key: 'address' }] } }, ...more,
});

export function resolverBootstrap({ socket, plain, tls, authority }: ResolverRoutes): Json {
  const failed = { object_key: 'wasm.gatewright.resolver.failed', factory_key: 'envoy.string', format_string: { text_format_source: { inline_string: '%REQ(x-failed)%' } }, skip_if_empty: true };
  const filters = [
    { name: 'failed', typed_config: any('envoy.extensions.filters.http.set_filter_state.v3.Config', { on_request_headers: [failed] }) },
    {
      name: 'resolver',
      typed_config: any('envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor', {
        grpc_service: { envoy_grpc: { cluster_name: 'service' } }, message_timeout: '15s', request_attributes: [FAILED_ATTRIBUTE],
        processing_mode: { request_header_mode: 'SEND', response_header_mode: 'SKIP' }, mutation_rules: { allow_all_routing: true },
        metadata_options: { receiving_namespaces: { untyped: ['gatewright.resolver'] } },
      }),
    },
    { name: 'guard', typed_config: any('envoy.extensions.filters.http.rbac.v3.RBAC') },
    { name: 'router', typed_config: any('envoy.extensions.filters.http.router.v3.Router') },
  ];
  const manager = any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'edge', ...details, http_filters: filters, upgrade_configs: [{ upgrade_type: 'websocket' }],
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [...plain.map((policy) => route(policy, 'plain')), ...tls.map((policy) => route(policy, 'tls'))] }] },
  });
  return {
    static_resources: {
      listeners: [{ name: 'edge', address: { socket_address: { address: '127.0.0.1', port_value: 0 } }, filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }] }],
      clusters: [
        { name: 'service', load_assignment: { cluster_name: 'service', endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socket } } } }] }] }, ...options({ explicit_http_config: { http2_protocol_options: {} } }) },
        dialled('plain', {}),
        dialled('tls', {
          ...options({ upstream_http_protocol_options: { auto_sni: true, auto_san_validation: true }, auto_config: {} }),
          transport_socket: { name: 'tls', typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', { common_tls_context: { validation_context: { trusted_ca: { inline_string: authority } } } }) },
        }),
      ],
    },
  };
}
