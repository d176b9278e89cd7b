// An Envoy with ext_proc as the product has it: one filter, disabled, on per route; behind it a guard, on per route.
import type { HostOptions } from '../../extproc/test-host.ts';

export type Json = Record<string, unknown>;
export const any = (name: string, value: Json = {}): Json => ({ '@type': `type.googleapis.com/${name}`, ...value });

export interface ExtProcRoute {
  readonly prefix: string;
  /** gRPC metadata `gatewright-processor`. */
  readonly processor: string;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly mode?: HostOptions['mode'];
  readonly observability?: boolean | undefined;
  /** Policy id that the guard demands of `processor`. */
  readonly guard?: string | undefined;
  /** Cluster of the service, when not the usual one. */
  readonly service?: string | undefined;
}

export interface ExtProcEnvoy {
  readonly routes: readonly ExtProcRoute[];
  readonly upstreamPort: number | undefined;
  /** Cluster → its endpoints: paths of sockets, or ports. */
  readonly services: Readonly<Record<string, readonly (string | number)[]>>;
  readonly namespaces: readonly string[];
  readonly messageTimeout: string;
  readonly transportSocket?: Json;
}

const PER_ROUTE = 'envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute';

function overrides({ processor, metadata = {}, mode = {}, service }: ExtProcRoute): Json {
  const { requestBody = 'NONE', requestTrailers = false, responseHeaders = false, responseBody = 'NONE', responseTrailers = false } = mode;
  const send = (yes: boolean): string => yes ? 'SEND' : 'SKIP';
  return any(PER_ROUTE, {
    overrides: {
      processing_mode: { request_header_mode: 'SEND', response_header_mode: send(responseHeaders), request_body_mode: requestBody, response_body_mode: responseBody, request_trailer_mode: send(requestTrailers), response_trailer_mode: send(responseTrailers) },
      grpc_initial_metadata: Object.entries({ 'gatewright-processor': processor, ...metadata }).map(([key, value]) => ({ key, value })),
      ...(service !== undefined && { grpc_service: { envoy_grpc: { cluster_name: service } } }),
    },
  });
}

function demand(processor: string, policy: string): Json {
  const verdict = { sourced_metadata: { metadata_matcher: { filter: `gatewright.${processor}`, path: [{ key: 'verdict' }], value: { string_match: { exact: policy } } }, metadata_source: 'DYNAMIC' } };
  return any('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', { rbac: { rules: { action: 'ALLOW', policies: { verdict: { permissions: [{ any: true }], principals: [verdict] } } } } });
}

function extProc(name: string, namespaces: readonly string[], messageTimeout: string, observability: boolean): Json {
  return {
    name, disabled: true,
    typed_config: any('envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor', {
      grpc_service: { envoy_grpc: { cluster_name: 'service' }, retry_policy: { retry_on: 'reset,connect-failure,refused-stream', num_retries: 3, retry_back_off: { base_interval: '0.005s', max_interval: '0.05s' } } }, message_timeout: messageTimeout, max_message_timeout: '20s', allow_mode_override: true, observability_mode: observability,
      processing_mode: { request_header_mode: 'SEND', response_header_mode: 'SKIP' }, request_attributes: ['xds.route_name', 'source.address'],
      metadata_options: { receiving_namespaces: { untyped: namespaces } },
    }),
  };
}

export function extProcBootstrap({ routes, upstreamPort, services, namespaces, messageTimeout, transportSocket }: ExtProcEnvoy): Json {
  const http2 = { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', { explicit_http_config: { http2_protocol_options: {} } }) };
  const http1 = { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', { explicit_http_config: { http_protocol_options: { enable_trailers: true } } }) };
  const endpoint = (at: string | number): Json => ({ endpoint: { address: typeof at === 'string' ? { pipe: { path: at } } : { socket_address: { address: '127.0.0.1', port_value: at } } } });
  const manager = any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'edge', http_protocol_options: { enable_trailers: true },
    local_reply_config: { mappers: [{ filter: { status_code_filter: { comparison: { op: 'GE', value: { default_value: 0, runtime_key: 'none' } } } }, headers_to_add: [{ header: { key: 'x-details', value: '%RESPONSE_CODE_DETAILS%' } }] }] },
    route_config: {
      virtual_hosts: [{
        name: 'all', domains: ['*'],
        routes: routes.map((route) => ({
          name: route.prefix, match: { prefix: route.prefix },
          ...(upstreamPort === undefined ? { direct_response: { status: 200, body: { inline_string: 'ok' } } } : { route: { cluster: 'upstream' } }),
          typed_per_filter_config: {
            [route.observability === true ? 'watcher' : 'processor']: overrides(route),
            ...(route.guard !== undefined && { guard: demand(route.processor, route.guard) }),
          },
        })),
      }],
    },
    http_filters: [
      extProc('processor', namespaces, messageTimeout, false),
      extProc('watcher', namespaces, messageTimeout, true),
      { name: 'guard', disabled: true, typed_config: any('envoy.extensions.filters.http.rbac.v3.RBAC', { rules: { action: 'ALLOW', policies: {} } }) },
      { name: 'router', typed_config: any('envoy.extensions.filters.http.router.v3.Router') },
    ],
  });
  const cluster = (name: string, at: readonly (string | number)[], options: Json): Json => ({
    name, connect_timeout: '5s', typed_extension_protocol_options: options, circuit_breakers: { thresholds: [{ max_retries: 10_000 }] }, load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: at.map(endpoint) }] },
  });
  return {
    static_resources: {
      listeners: [{ name: 'edge', address: { socket_address: { address: '127.0.0.1', port_value: 0 } }, filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }] }],
      clusters: [
        ...Object.entries(services).map(([name, at]) => ({ ...cluster(name, at, http2), ...(transportSocket !== undefined && { transport_socket: transportSocket }) })),
        ...(upstreamPort === undefined ? [] : [cluster('upstream', [upstreamPort], http1)]),
      ],
    },
  };
}
