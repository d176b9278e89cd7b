// Clusters and their endpoints: Services by EDS, hosts that keys come from by DNS over verified TLS, hosts of requests as the resolver says.
import { isIP } from 'node:net';
import type { CircuitBreakersJson } from '../../proto/envoy/config/cluster/v3/circuit_breaker_pb.js';
import type { ClusterJson } from '../../proto/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignmentJson } from '../../proto/envoy/config/endpoint/v3/endpoint_pb.js';
import type { UpstreamTlsContextJson } from '../../proto/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { HttpProtocolOptionsJson } from '../../proto/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { IrCluster, IrClusterLimits, IrEndpoint } from '../ir.ts';
import { any } from './any.ts';
import { ads } from './config-source.ts';
import { type DynamicCluster, dynamicCluster, dynamicHttp } from './dynamic-cluster.ts';

/** `caFile`: the authorities that hosts are verified by, as a file that Envoy can read. */
export function clusterJson(cluster: IrCluster, caFile: string): ClusterJson {
  const limits: IrClusterLimits = cluster.kind === 'host' ? {} : cluster.limits ?? {};
  const common: ClusterJson = {
    name: cluster.name,
    connectTimeout: seconds(limits.connectTimeoutMs ?? 10_000),   // EG's
    perConnectionBufferLimitBytes: 32_768,
    circuitBreakers: circuitBreakers(limits),
  };
  if (cluster.kind === 'host') return { ...common, ...hostCluster(cluster, caFile) };
  if (cluster.kind === 'dynamic') return { ...common, ...dynamicCluster(cluster, caFile), ...httpOptions(cluster, limits) };
  return {
    ...common,
    type: 'EDS',
    edsClusterConfig: { edsConfig: ads, ...(cluster.service === cluster.name ? {} : { serviceName: cluster.service }) },
    lbPolicy: 'LEAST_REQUEST',
    commonLbConfig: { localityWeightedLbConfig: {} },
    ignoreHealthOnHostRemoval: true,
    ...httpOptions(cluster, limits),
  };
}

function circuitBreakers({ maxConnections, maxPendingRequests, maxRequests, maxRetries, retryBudget, maxConnectionsPerEndpoint }: IrClusterLimits): CircuitBreakersJson {
  return {
    thresholds: [{
      ...present({ maxConnections, maxPendingRequests, maxRequests }),
      // EG: retries are bounded by 1024 and not by Envoy's 3, which any outage uses up.
      ...(retryBudget === undefined ? { maxRetries: maxRetries ?? 1024 } : { retryBudget: { budgetPercent: { value: retryBudget.percent }, minRetryConcurrency: retryBudget.minConcurrency } }),
    }],
    ...(maxConnectionsPerEndpoint === undefined ? {} : { perHostThresholds: [{ maxConnections: maxConnectionsPerEndpoint }] }),
  };
}

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Nothing where Envoy's defaults are meant: HTTP/1.1, an hour of idleness. */
function httpOptions(cluster: DynamicCluster | IrCluster & { readonly kind: 'endpoints' }, { maxRequestsPerConnection, idleTimeoutMs, maxConnectionMs }: IrClusterLimits): Pick<ClusterJson, 'typedExtensionProtocolOptions'> {
  const common = present({
    maxRequestsPerConnection,
    idleTimeout: idleTimeoutMs === undefined ? undefined : seconds(idleTimeoutMs),
    maxConnectionDuration: maxConnectionMs === undefined ? undefined : seconds(maxConnectionMs),
  });
  const limited = Object.keys(common).length > 0;
  if (cluster.kind === 'endpoints' && cluster.protocol === 'http1' && !limited) return {};
  const options: HttpProtocolOptionsJson = {
    ...(limited ? { commonHttpProtocolOptions: common } : {}),
    ...(cluster.kind === 'dynamic' ? dynamicHttp(cluster) : { explicitHttpConfig: cluster.protocol === 'h2c' ? { http2ProtocolOptions: {} } : { httpProtocolOptions: {} } }),
  };
  return { typedExtensionProtocolOptions: { [HTTP_OPTIONS]: any<HttpProtocolOptionsJson>(HTTP_OPTIONS, options) } };
}

function hostCluster({ name, host, port, tls }: IrCluster & { readonly kind: 'host' }, caFile: string): ClusterJson {
  return {
    type: isIP(host) === 0 ? 'LOGICAL_DNS' : 'STATIC',
    ...(isIP(host) === 0 ? { dnsLookupFamily: 'V4_PREFERRED' as const } : {}),
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress: { address: host, portValue: port } } } }] }] },
    ...(tls ? { transportSocket: { name: 'envoy.transport_sockets.tls', typedConfig: upstreamTls(host, caFile) } } : {}),
  };
}

/** Chain and name, both: the chain alone would take any site's certificate. */
function upstreamTls(host: string, caFile: string) {
  const byName = isIP(host) === 0;
  return any<UpstreamTlsContextJson>('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
    ...(byName ? { sni: host } : {}),
    commonTlsContext: {
      tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_2' },
      validationContext: {
        trustedCa: { filename: caFile },
        matchTypedSubjectAltNames: [{ sanType: byName ? 'DNS' : 'IP_ADDRESS', matcher: { exact: host } }],
      },
    },
  });
}

/** One for each Service: its clusters share it. */
export function endpointsJson(clusters: readonly IrCluster[]): ClusterLoadAssignmentJson[] {
  const services = new Map(clusters.flatMap((cluster) => (cluster.kind === 'endpoints' ? [[cluster.service, cluster.endpoints] as const] : [])));
  return [...services].map(([service, endpoints]) => loadAssignment(service, endpoints));
}

function loadAssignment(service: string, endpoints: readonly IrEndpoint[]): ClusterLoadAssignmentJson {
  return {
    clusterName: service,
    // One locality, with a weight: locality-weighted balancing sends nothing to localities without one.
    endpoints: endpoints.length === 0 ? [] : [{
      locality: {}, loadBalancingWeight: 1,
      lbEndpoints: endpoints.map(({ address, port }) => ({ endpoint: { address: { socketAddress: { address, portValue: port } } }, loadBalancingWeight: 1 })),
    }],
  };
}

/** Without the members that are undefined. */
function present<Members extends object>(members: Members): { [Name in keyof Members]?: NonNullable<Members[Name]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as { [Name in keyof Members]?: NonNullable<Members[Name]> };
}

function seconds(milliseconds: number): string { return `${milliseconds / 1000}s`; }
