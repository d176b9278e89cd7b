// An Envoy with the login's filters as the product has them: session.wasm, ext_proc that is skipped where it says so, jwt.wasm, the guard.
import type { SessionPolicy } from '../../policy/session.ts';

type Json = Record<string, unknown>;
const any = (name: string, value: Json = {}): Json => ({ '@type': `type.googleapis.com/${name}`, ...value });
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const wasm = (name: string, file: string, configuration: unknown): Json => ({
  name, disabled: true,
  typed_config: any('envoy.extensions.filters.http.wasm.v3.Wasm', { config: {
    name, root_id: name, failure_policy: 'FAIL_RELOAD', vm_config: { vm_id: 'gatewright', runtime: 'envoy.wasm.runtime.v8', code: { local: { filename: file } } },
    configuration: any('google.protobuf.StringValue', { value: JSON.stringify(configuration) }),
  } }),
});

/** What needs an `admin` among the roles of the session. */
const authorization = {
  providers: [{ name: 'login', keys: { session: true }, from: {} }],
  authorization: { rules: [{ name: 'admins', action: 'Allow', jwt: { provider: 'login', claims: [{ claim: ['roles'], type: 'StringArray', values: ['admin'] }] } }] },
};

/** Which of the filters a route has. The guard it has always. */
interface RouteFilters { readonly remembers?: boolean; readonly asks?: boolean; readonly authorizes?: boolean }

function route(prefix: string, policy: string, { remembers = true, asks = true, authorizes = false }: RouteFilters = {}): Json {
  const asked = { sourced_metadata: { metadata_matcher: { filter: 'gatewright.oidc', path: [{ key: 'verdict' }], value: { string_match: { exact: policy } } }, metadata_source: 'DYNAMIC' } };
  const live = { filter_state: { key: 'wasm.gatewright.oidc', string_match: { exact: policy } } };
  return {
    match: { prefix }, route: { cluster: 'upstream' },
    metadata: { filter_metadata: { gatewright: { oidc: policy, ...(authorizes ? { jwt: 'admins' } : {}) } } },
    typed_per_filter_config: {
      ...(remembers ? { session: any('envoy.config.route.v3.FilterConfig', { config: {} }) } : {}),
      ...(asks ? { oidc: any('envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute', { overrides: { grpc_initial_metadata: [{ key: 'gatewright-policy', value: policy }] } }) } : {}),
      ...(authorizes ? { jwt: any('envoy.config.route.v3.FilterConfig', { config: {} }) } : {}),
      guard: any('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', { rbac: { rules: { action: 'ALLOW', policies: { verdict: { permissions: [{ any: true }], principals: [{ or_ids: { ids: [live, asked] } }] } } } } }),
    },
  };
}

interface Place { readonly session: string; readonly jwt: string; readonly socket: string; readonly upstream: number }

/** Routes / by `p1`, /other by `p2`, /admin where claims are asked for, /no-service and /no-memory without one of the two filters. */
export function sessionBootstrap({ session, jwt, socket, upstream }: Place, policy: SessionPolicy, keys: object): Json {
  const processor = any('envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor', {
    grpc_service: { envoy_grpc: { cluster_name: 'service' } }, message_timeout: '15s', processing_mode: { request_header_mode: 'SEND', response_header_mode: 'SKIP' },
    metadata_options: { receiving_namespaces: { untyped: ['gatewright.oidc'] } }, route_cache_action: 'RETAIN',
  });
  const http = [
    wasm('session', session, { source: 'route', keys }),
    {
      name: 'oidc', disabled: true,
      typed_config: any('envoy.extensions.common.matching.v3.ExtensionWithMatcher', {
        extension_config: { name: 'composite', typed_config: any('envoy.extensions.filters.http.composite.v3.Composite') },
        xds_matcher: {
          matcher_tree: {
            input: { name: 'skip', typed_config: any('envoy.extensions.matching.common_inputs.network.v3.FilterStateInput', { key: 'wasm.gatewright.oidc.skip' }) },
            exact_match_map: { map: { yes: { action: { name: 'skip', typed_config: any('envoy.extensions.filters.common.matcher.action.v3.SkipFilter') } } } },
          },
          on_no_match: { action: { name: 'ask', typed_config: any('envoy.extensions.filters.http.composite.v3.ExecuteFilterAction', { typed_config: { name: 'ext_proc', typed_config: processor } }) } },
        },
      }),
    },
    wasm('jwt', jwt, { source: 'route' }),
    { name: 'guard', typed_config: any('envoy.extensions.filters.http.rbac.v3.RBAC') },
    { name: 'router', typed_config: any('envoy.extensions.filters.http.router.v3.Router') },
  ];
  const metadata = { filter_metadata: { gatewright: { 'session_policy.p1': JSON.stringify(policy), 'session_policy.p2': JSON.stringify(policy), 'jwt_policy.admins': JSON.stringify(authorization) } } };
  const routes = [
    route('/other', 'p2'), route('/admin', 'p1', { authorizes: true }), route('/no-service', 'p1', { asks: false }), route('/no-memory', 'p1', { remembers: false }), route('/', 'p1'),
  ];
  return {
    static_resources: {
      listeners: [{ name: 'edge', address: { socket_address: { address: '127.0.0.1', port_value: 0 } }, filter_chains: [{ filters: [{ name: 'hcm', typed_config: any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
        stat_prefix: 'edge', http_filters: http, normalize_path: true, merge_slashes: true, route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], metadata, routes }] },
      }) }] }] }],
      clusters: [
        { name: 'service', load_assignment: { cluster_name: 'service', endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socket } } } }] }] },
          typed_extension_protocol_options: { [HTTP_OPTIONS]: any(HTTP_OPTIONS, { explicit_http_config: { http2_protocol_options: {} } }) } },
        { name: 'upstream', load_assignment: { cluster_name: 'upstream', endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: upstream } } } }] }] } },
      ],
    },
  };
}
