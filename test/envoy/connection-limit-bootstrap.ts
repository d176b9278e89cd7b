// Listeners with connection-limit.wasm, or with Envoy's own connection_limit, in front of an echo; with the certificates that their clients need.
import { issueCertificate } from '../../examples/certificate.ts';
import type { Limit } from '../cases/connection-limit.ts';
import { type Json, plugin, type } from './http-listener.ts';

export { type Json, type };
const WASM = new URL('../../build/connection-limit.wasm', import.meta.url).pathname;

const authority = issueCertificate('test authority', { authority: true });
const server = issueCertificate('limits', { names: ['*.example.com'], issuer: authority });
export const clientCertificates = { alice: issueCertificate('alice', { issuer: authority }), bob: issueCertificate('bob', { issuer: authority }) };

export const pluginConfig = (configuration: Json, { wasm = WASM, name = 'gatewright.connection_limit' } = {}): Json => plugin(name, wasm, configuration);
export const networkWasm = (config: Json): Json => ({ ...type('envoy.extensions.filters.network.wasm.v3.Wasm'), config });
export const limitFilter = (listener: string, limits: readonly Limit[], options: { readonly wasm?: string } = {}): Json =>
  ({ name: 'gatewright.connection_limit', typed_config: networkWasm(pluginConfig({ connections: { listener, limits } }, options)) });

/** Envoy's own filter under the same limit. */
export const nativeFilter = (statPrefix: string, { value, closeDelay }: Limit): Json => ({
  name: 'native',
  typed_config: {
    ...type('envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit'), stat_prefix: statPrefix, max_connections: value,
    ...(closeDelay !== undefined && { delay: `${/^([0-9]+)s$/.exec(closeDelay)?.[1] ?? '3600'}s` }),
  },
});

export const echo: Json = { name: 'echo', typed_config: type('envoy.extensions.filters.network.echo.v3.Echo') };

/** `filters` run before an echo, unless they end in something else. */
export function listener(name: string, filters: readonly Json[], { tls = false, address = '127.0.0.1' } = {}): Json {
  const secret = (pem: string): Json => ({ inline_string: pem });
  return {
    name, stat_prefix: name, address: { socket_address: { address, port_value: 0, ...(address === '::' && { ipv4_compat: true }) } },
    ...(tls && { listener_filters: [{ name: 'tls', typed_config: type('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') }] }),
    filter_chains: [{
      filters,
      ...(tls && {
        transport_socket: {
          name: 'tls',
          typed_config: {
            ...type('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
            common_tls_context: {
              tls_certificates: [{ certificate_chain: secret(server.certificate), private_key: secret(server.key) }], validation_context: { trusted_ca: secret(authority.certificate) },
            },
          },
        },
      }),
    }],
  };
}

/** An HTTP connection manager that runs these filters and this route configuration. */
export function http(filters: readonly Json[], routes: readonly Json[], ofHost: Json = {}): Json {
  return {
    name: 'hcm',
    typed_config: {
      ...type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'), stat_prefix: 'http',
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], metadata: ofHost, routes }] },
      http_filters: [...filters, { name: 'router', typed_config: type('envoy.extensions.filters.http.router.v3.Router') }],
    },
  };
}
