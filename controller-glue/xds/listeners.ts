// Listeners: a port, its chains, and the hardened edge in front of the routes.
import type { HttpProtocolOptionsJson } from '../../proto/envoy/config/core/v3/protocol_pb.js';
import type { ListenerJson } from '../../proto/envoy/config/listener/v3/listener_pb.js';
import type { FilterChainJson } from '../../proto/envoy/config/listener/v3/listener_components_pb.js';
import type { TlsInspectorJson } from '../../proto/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import type { HttpConnectionManagerJson } from '../../proto/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { DownstreamTlsContextJson } from '../../proto/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { IrChain, IrHttpLimits, IrListener } from '../ir.ts';
import { any } from './any.ts';
import { connectionFilter } from './connection-filter.ts';
import { ads } from './config-source.ts';
import { httpFilters } from './extensions.ts';

export function listenerJson({ name, port, bufferLimitBytes, acceptsPerEvent, chains }: IrListener, address: string): ListenerJson {
  const secure = chains.some(({ certificates }) => certificates.length > 0);
  return {
    name,
    address: { socketAddress: { address, portValue: port } },
    perConnectionBufferLimitBytes: bufferLimitBytes,
    ...(acceptsPerEvent === undefined ? {} : { maxConnectionsToAcceptPerSocketEvent: acceptsPerEvent }),
    ...(secure ? { listenerFilters: [{ name: 'envoy.filters.listener.tls_inspector', typedConfig: any<TlsInspectorJson>('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {}) }] } : {}),
    filterChains: chains.map((chain) => filterChain(chain, `${chain.certificates.length > 0 ? 'https' : 'http'}-${port}`)),
  };
}

function filterChain(chain: IrChain, statPrefix: string): FilterChainJson {
  return {
    name: chain.name,
    ...(chain.serverNames.length > 0 ? { filterChainMatch: { serverNames: [...chain.serverNames] } } : {}),
    filters: [connectionFilter(chain), {
      name: 'envoy.filters.network.http_connection_manager',
      typedConfig: any<HttpConnectionManagerJson>('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', connectionManager(chain, statPrefix)),
    }],
    ...(chain.certificates.length > 0 ? { transportSocket: { name: 'envoy.transport_sockets.tls', typedConfig: tls(chain) } } : {}),
  };
}

function tls({ certificates, clientValidation }: IrChain) {
  return any<DownstreamTlsContextJson>('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
    commonTlsContext: {
      tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_2' },
      alpnProtocols: ['h2', 'http/1.1'],
      tlsCertificateSdsSecretConfigs: certificates.map((name) => ({ name, sdsConfig: ads })),
      ...(clientValidation === undefined ? {} : { validationContextSdsSecretConfig: { name: clientValidation.authority, sdsConfig: ads } }),
    },
    // With an authority to go by, a certificate that it has not signed is refused also where none would do.
    requireClientCertificate: clientValidation?.optional === false,
  });
}

/** DESIGN 16, and https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge: what EG sets, and what it leaves open. */
function connectionManager({ routeTable, http }: IrChain, statPrefix: string): HttpConnectionManagerJson {
  return {
    statPrefix,
    codecType: 'AUTO',
    rds: { routeConfigName: routeTable, configSource: ads },
    httpFilters: [...httpFilters],
    // A path is matched as the backend will read it: `//foo`, `/./foo`, `/%66oo` are `/foo`.
    normalizePath: true,
    mergeSlashes: true,
    pathWithEscapedSlashesAction: 'UNESCAPE_AND_REDIRECT',
    stripTrailingHostDot: true,
    commonHttpProtocolOptions: {
      headersWithUnderscoresAction: 'REJECT_REQUEST',
      maxHeadersCount: 100,
      idleTimeout: '3600s',
      ...limits(http),
    },
    // A connection's time is up between two of its requests, not within one.
    ...(http.maxConnectionMs === undefined ? {} : { http1SafeMaxConnectionDuration: true }),
    maxRequestHeadersKb: 60,
    requestHeadersTimeout: '10s',
    streamIdleTimeout: '300s',
    http2ProtocolOptions: { maxConcurrentStreams: 100, initialStreamWindowSize: 65_536, initialConnectionWindowSize: 1_048_576 },
    // We are the edge: the peer's address is the client's, and nobody is trusted to send x-envoy-* headers. An empty list of internal addresses
    // means loopback and RFC 1918 to Envoy 1.40, so it holds one that no client can have.
    useRemoteAddress: true,
    internalAddressConfig: { unixSockets: false, cidrRanges: [{ addressPrefix: '255.255.255.255', prefixLen: 32 }] },
    serverHeaderTransformation: 'PASS_THROUGH',
    upgradeConfigs: [{ upgradeType: 'websocket' }],
  };
}

function limits({ maxConnectionMs, maxRequestsPerConnection, maxStreamMs }: IrHttpLimits): HttpProtocolOptionsJson {
  return {
    ...(maxConnectionMs === undefined ? {} : { maxConnectionDuration: seconds(maxConnectionMs) }),
    ...(maxRequestsPerConnection === undefined ? {} : { maxRequestsPerConnection }),
    ...(maxStreamMs === undefined ? {} : { maxStreamDuration: seconds(maxStreamMs) }),
  };
}

function seconds(milliseconds: number): string { return `${milliseconds / 1000}s`; }
