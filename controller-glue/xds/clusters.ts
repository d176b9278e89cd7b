// Clusters and their endpoints: Services by EDS, hosts that keys come from by DNS over verified TLS.
import { isIP } from 'node:net';
import type { ClusterJson } from '../../proto/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignmentJson } from '../../proto/envoy/config/endpoint/v3/endpoint_pb.js';
import type { UpstreamTlsContextJson } from '../../proto/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { HttpProtocolOptionsJson } from '../../proto/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { IrCluster } from '../ir.ts';
import { any } from './any.ts';
import { ads } from './config-source.ts';

/** `caFile`: the authorities that hosts of keys are verified by, as a file that Envoy can read. */
export function clusterJson(cluster: IrCluster, caFile: string): ClusterJson {
  const common: ClusterJson = {
    name: cluster.name,
    connectTimeout: '5s',
    perConnectionBufferLimitBytes: 32_768,
    // EG: retries are bounded by 1024 and not by Envoy's 3, which any outage uses up.
    circuitBreakers: { thresholds: [{ maxRetries: 1024 }] },
  };
  if (cluster.kind === 'host') return { ...common, ...hostCluster(cluster, caFile) };
  return {
    ...common,
    type: 'EDS',
    edsClusterConfig: { edsConfig: ads },
    lbPolicy: 'LEAST_REQUEST',
    commonLbConfig: { localityWeightedLbConfig: {} },
    ignoreHealthOnHostRemoval: true,
    ...(cluster.protocol === 'h2c' ? { typedExtensionProtocolOptions: { [HTTP_OPTIONS]: any<HttpProtocolOptionsJson>(HTTP_OPTIONS, { explicitHttpConfig: { http2ProtocolOptions: {} } }) } } : {}),
  };
}

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

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

export function endpointsJson({ name, endpoints }: IrCluster & { readonly kind: 'endpoints' }): ClusterLoadAssignmentJson {
  return {
    clusterName: name,
    // One locality, with a weight: locality-weighted balancing sends nothing to localities without one.
    endpoints: endpoints.length === 0 ? [] : [{
      locality: {}, loadBalancingWeight: 1,
      lbEndpoints: endpoints.map(({ address, port }) => ({ endpoint: { address: { socketAddress: { address, portValue: port } } }, loadBalancingWeight: 1 })),
    }],
  };
}
