// What the bootstraps of these tests have in common: a listener that shows the details of its answers, our filters in it, and the cluster behind it.
export type Json = Record<string, unknown>;
export const type = (name: string): Json => ({ '@type': `type.googleapis.com/${name}` });

/** One vm_id for all: they share what workers share. */
export function plugin(name: string, wasmPath: string, configuration: Json): Json {
  return {
    name, root_id: name, failure_policy: 'FAIL_RELOAD', configuration: { ...type('google.protobuf.StringValue'), value: JSON.stringify(configuration) },
    vm_config: { vm_id: 'gatewright', runtime: 'envoy.wasm.runtime.v8', code: { local: { filename: wasmPath } } },
  };
}
export const httpWasm = (name: string, wasmPath: string, configuration: Json): Json => ({ name, typed_config: { ...type('envoy.extensions.filters.http.wasm.v3.Wasm'), config: plugin(name, wasmPath, configuration) } });

/** `x-details` of its answers are %RESPONSE_CODE_DETAILS%. What no route takes goes to the cluster `upstream`. */
export function httpListener(name: string, filters: readonly Json[], routes: readonly Json[], ofHost: Json = {}): Json {
  return {
    name, address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{
      filters: [{
        name: 'hcm',
        typed_config: {
          ...type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'), stat_prefix: name, max_request_headers_kb: 192, http2_protocol_options: { initial_stream_window_size: 65_536 },
          route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], metadata: ofHost, routes: [...routes, { match: { prefix: '/' }, route: { cluster: 'upstream' } }] }] },
          local_reply_config: {
            mappers: [{
              filter: { status_code_filter: { comparison: { op: 'GE', value: { default_value: 0, runtime_key: 'unused' } } } },
              headers_to_add: [{ header: { key: 'x-details', value: '%RESPONSE_CODE_DETAILS%' } }],
            }],
          },
          http_filters: [...filters, { name: 'router', typed_config: type('envoy.extensions.filters.http.router.v3.Router') }],
        },
      }],
    }],
  };
}

export const upstreamCluster = (port: number): Json => ({
  name: 'upstream', type: 'STATIC', connect_timeout: '1s',
  load_assignment: { cluster_name: 'upstream', endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] }] },
});
