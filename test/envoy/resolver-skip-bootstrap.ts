// An Envoy with the resolver's three filters as the product has them: resolver.wasm, ext_proc that is skipped where it says so, the guard.
import { FAILED_ATTRIBUTE } from '../../extproc/resolver/processor.ts';

type Json = Record<string, unknown>;
const any = (name: string, value: Json = {}): Json => ({ '@type': `type.googleapis.com/${name}`, ...value });
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const dialled = { type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '1s', original_dst_lb_config: { metadata_key: { key: 'gatewright.resolver', path: [{ key: 'address' }] } } };

/** Which of the filters a route has. The guard it has always. */
interface RouteFilters { readonly remembers: boolean; readonly asks: boolean }

function route(prefix: string, policy: string, { remembers, asks }: RouteFilters, cluster = 'dialled'): Json {
  const asked = { sourced_metadata: { metadata_matcher: { filter: 'gatewright.resolver', path: [{ key: 'verdict' }], value: { string_match: { exact: policy } } }, metadata_source: 'DYNAMIC' } };
  const known = { filter_state: { key: 'wasm.gatewright.resolver', string_match: { exact: policy } } };
  return {
    match: { prefix: `/${prefix}` }, route: { cluster },
    request_headers_to_add: [{ header: { key: 'cdn-loop', value: '%FILTER_STATE(wasm.gatewright.resolver.loop:PLAIN)%' }, append_action: 'APPEND_IF_EXISTS_OR_ADD' }],
    metadata: { filter_metadata: { gatewright: { resolver: policy } } },
    typed_per_filter_config: {
      ...(remembers ? { known: any('envoy.config.route.v3.FilterConfig', { config: {} }) } : {}),
      ...(asks ? { resolver: any('envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute', { overrides: { grpc_initial_metadata: [{ key: 'gatewright-policy', value: policy }] } }) } : {}),
      guard: any('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', { rbac: { rules: { action: 'ALLOW', policies: { verdict: { permissions: [{ any: true }], principals: [{ or_ids: { ids: [known, asked] } }] } } } } }),
    },
  };
}

/** Routes /<policy> for each policy; /no-service/<policy> without ext_proc, /no-memory/<policy> without the wasm filter, /tls/<policy> to hosts that must speak TLS. */
export function resolverSkipBootstrap(wasm: string, socket: string, policies: readonly string[]): Json {
  const processor = any('envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor', {
    grpc_service: { envoy_grpc: { cluster_name: 'service' } }, message_timeout: '15s', request_attributes: [FAILED_ATTRIBUTE],
    processing_mode: { request_header_mode: 'SEND', response_header_mode: 'SKIP' }, mutation_rules: { allow_all_routing: true },
    metadata_options: { receiving_namespaces: { untyped: ['gatewright.resolver'] } },
  });
  const http = [
    {
      name: 'known', disabled: true,
      typed_config: any('envoy.extensions.filters.http.wasm.v3.Wasm', { config: {
        name: 'gatewright.resolved', root_id: 'gatewright.resolved', failure_policy: 'FAIL_RELOAD',
        vm_config: { vm_id: 'gatewright', runtime: 'envoy.wasm.runtime.v8', code: { local: { filename: wasm } } },
        configuration: any('google.protobuf.StringValue', { value: '{"source":"route","pseudonym":"edge-1"}' }),
      } }),
    },
    {
      name: 'resolver', disabled: true,
      typed_config: any('envoy.extensions.common.matching.v3.ExtensionWithMatcher', {
        extension_config: { name: 'composite', typed_config: any('envoy.extensions.filters.http.composite.v3.Composite') },
        xds_matcher: {
          matcher_tree: {
            input: { name: 'skip', typed_config: any('envoy.extensions.matching.common_inputs.network.v3.FilterStateInput', { key: 'wasm.gatewright.resolver.skip' }) },
            exact_match_map: { map: { yes: { action: { name: 'skip', typed_config: any('envoy.extensions.filters.common.matcher.action.v3.SkipFilter') } } } },
          },
          on_no_match: { action: { name: 'ask', typed_config: any('envoy.extensions.filters.http.composite.v3.ExecuteFilterAction', { typed_config: { name: 'ext_proc', typed_config: processor } }) } },
        },
      }),
    },
    { name: 'guard', typed_config: any('envoy.extensions.filters.http.rbac.v3.RBAC') },
    { name: 'router', typed_config: any('envoy.extensions.filters.http.router.v3.Router') },
  ];
  const routes = policies.flatMap((policy) => [
    route(`no-service/${policy}`, policy, { remembers: true, asks: false }), route(`no-memory/${policy}`, policy, { remembers: false, asks: true }), route(policy, policy, { remembers: true, asks: true }),
    route(`tls/${policy}`, policy, { remembers: true, asks: true }, 'tls'),
  ]);
  const details = { filter: { status_code_filter: { comparison: { op: 'GE', value: { default_value: 0, runtime_key: 'none' } } } }, headers_to_add: [{ header: { key: 'x-details', value: '%RESPONSE_CODE_DETAILS%' } }] };
  return {
    static_resources: {
      listeners: [{ name: 'edge', address: { socket_address: { address: '127.0.0.1', port_value: 0 } }, filter_chains: [{ filters: [{ name: 'hcm', typed_config: any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
        stat_prefix: 'edge', http_filters: http, local_reply_config: { mappers: [details] }, route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
      }) }] }] }],
      clusters: [
        { name: 'service', load_assignment: { cluster_name: 'service', endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socket } } } }] }] },
          typed_extension_protocol_options: { [HTTP_OPTIONS]: any(HTTP_OPTIONS, { explicit_http_config: { http2_protocol_options: {} } }) } },
        { name: 'dialled', ...dialled },
        { name: 'tls', ...dialled, transport_socket: { name: 'tls', typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext') } },
      ],
    },
  };
}
