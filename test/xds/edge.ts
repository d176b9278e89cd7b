// One small edge, as an xDS snapshot: a listener on a port, route tables by RDS, clusters with their endpoints by EDS.
import { encode, version } from '../../controller-glue/xds/encode.ts';
import { ads } from '../../controller-glue/xds/config-source.ts';
import { type Resource, type Snapshot, typeUrls } from '../../controller-glue/xds/snapshot.ts';

export interface Edge {
  /** By name: the port on 127.0.0.1 that it leads to, and how many requests it may have open. */
  readonly clusters: Readonly<Record<string, { readonly port: number; readonly maxRequests?: number }>>;
  /** By listener port: [path prefix, cluster], or [a regular expression between //, cluster]. */
  readonly routes: Readonly<Record<number, readonly (readonly [path: string, cluster: string])[]>>;
  /** Changes the listener itself. */
  readonly statPrefix?: string;
  /** With it all listeners speak TLS, with this certificate by SDS. PEM. */
  readonly certificate?: { readonly name: string; readonly chain: string; readonly key: string };
}

const listenerName = (port: number | string): string => `listener-${port}`;
export const tableName = (port: number | string): string => `table-${port}`;

export function edgeSnapshot({ clusters, routes, statPrefix = 'edge', certificate }: Edge): Snapshot {
  const ports = Object.entries(routes);
  return new Map([
    resources(typeUrls.cluster, Object.entries(clusters).map(([name, { maxRequests = 1024 }]) => ({
      name, type: 'EDS', connectTimeout: '1s', edsClusterConfig: { edsConfig: ads }, circuitBreakers: { thresholds: [{ maxRequests }] },
    }))),
    resources(typeUrls.endpoint, Object.entries(clusters).map(([clusterName, { port }]) => ({
      clusterName, endpoints: [{ lbEndpoints: [{ endpoint: { address: address(port) } }] }],
    }))),
    resources(typeUrls.secret, certificate === undefined ? [] : [{
      name: certificate.name, tlsCertificate: { certificateChain: { inlineString: certificate.chain }, privateKey: { inlineString: certificate.key } },
    }]),
    resources(typeUrls.listener, ports.map(([port]) => ({
      name: listenerName(port), address: address(Number(port)),
      filterChains: [{ ...(certificate && { transportSocket: { name: 'tls', typedConfig: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
        commonTlsContext: { tlsCertificateSdsSecretConfigs: [{ name: certificate.name, sdsConfig: ads }] },
      } } }), filters: [{ name: 'http', typedConfig: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
        statPrefix, rds: { routeConfigName: tableName(port), configSource: ads },
        httpFilters: [{ name: 'router', typedConfig: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } }],
      } }] }],
    }))),
    resources(typeUrls.route, ports.map(([port, table]) => ({
      name: tableName(port),
      virtualHosts: [{ name: 'all', domains: ['*'], routes: table.map(([path, cluster]) => ({
        match: path.startsWith('//') ? { safeRegex: { regex: path.slice(2, -2) } } : { prefix: path }, route: { cluster },
      })) }],
    }))),
  ]);
}

function address(portValue: number): object { return { socketAddress: { address: '127.0.0.1', portValue } }; }

type Named = { readonly name: string; readonly [field: string]: unknown } | { readonly clusterName: string; readonly [field: string]: unknown };

function resources(typeUrl: string, all: readonly Named[]): [string, Map<string, Resource>] {
  return [typeUrl, new Map(all.map((json): [string, Resource] => {
    const body = encode(typeUrl.slice('type.googleapis.com/'.length), json);
    return [String(json['name'] ?? json['clusterName']), { version: version(body), body }];
  }))];
}
