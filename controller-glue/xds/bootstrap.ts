// What Envoy is started with: where its configuration comes from, and nothing that the configuration could say.
import type { BootstrapJson } from '../../proto/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { ClusterJson } from '../../proto/envoy/config/cluster/v3/cluster_pb.js';
import type { HttpProtocolOptionsJson } from '../../proto/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { any } from './any.ts';
import { ads } from './config-source.ts';

const XDS_CLUSTER = 'gatewright.xds';
/** Where our ext_proc service answers. */
export const EXTPROC_CLUSTER = 'gatewright.extproc';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Admin endpoints that only read. The others (quitquitquit, drain_listeners, runtime_modify, logging, cpuprofiler …) are refused. */
const READ_PATHS = ['', 'certs', 'clusters', 'config_dump', 'hot_restart_version', 'init_dump', 'listeners', 'memory', 'ready', 'runtime', 'server_info', 'stats', 'stats/prometheus', 'stats/recentlookups'];

/** What our filters write into the names of their metrics, as labels in Envoy's Prometheus page: the first group goes from the name, the second is the value. */
const STATS_TAGS = [
  { tagName: 'limit', regex: '^wasmcustom\\.gatewright_(?:connections|concurrency)_[a-z_]+(\\.limit\\.(.+?))(?:\\.reason\\.(?:value|rate))?$' },
  { tagName: 'reason', regex: '^wasmcustom\\.gatewright_(?:connections|concurrency)_refused(?:_dry_run)?\\.limit\\..+(\\.reason\\.(value|rate))$' },
  { tagName: 'route', regex: '^wasmcustom\\.gatewright_fault_[a-z_]+(\\.route\\.(.+))$' },
];

export interface BootstrapOptions {
  readonly nodeId: string;
  /** A token (RFC 9110) by which this gateway, and no other, knows requests that it has sent itself. */
  readonly pseudonym: string;
  /** The Unix socket that our ADS server listens on, in a folder of mode 0700 (DESIGN 11). */
  readonly xdsSocketPath: string;
  /** Those of the ext_proc service beside it, one for each of its processes. They need not be there yet. */
  readonly extprocSocketPaths?: readonly string[];
  /** Open connections over all listeners beyond which new ones are refused; EG's number. */
  readonly maxConnections?: number;
}

/** For `envoy --config-path` as a .json file. Where the admin port ended up is written by `--admin-address-path`. */
export function bootstrap({ nodeId, pseudonym, xdsSocketPath, extprocSocketPaths = [], maxConnections = 50_000 }: BootstrapOptions): BootstrapJson {
  return {
    node: { id: nodeId, cluster: 'gatewright', metadata: { gatewright: { pseudonym } } },
    admin: {
      address: { socketAddress: { address: '127.0.0.1', portValue: 0 } },
      // Envoy compares the query too, so an exact path would refuse /stats?usedonly.
      allowPaths: [{ safeRegex: { regex: `/(${READ_PATHS.join('|')})(\\?.*)?` } }],
      ignoreGlobalConnLimit: true,
    },
    dynamicResources: {
      adsConfig: { apiType: 'DELTA_GRPC', transportApiVersion: 'V3', setNodeOnFirstMessageOnly: true, grpcServices: [{ envoyGrpc: { clusterName: XDS_CLUSTER } }] },
      ldsConfig: ads,
      cdsConfig: ads,
    },
    staticResources: {
      clusters: [extprocCluster(extprocSocketPaths), {
        name: XDS_CLUSTER,
        type: 'STATIC',
        connectTimeout: '1s',
        loadAssignment: { clusterName: XDS_CLUSTER, endpoints: [{ lbEndpoints: [{ endpoint: { address: { pipe: { path: xdsSocketPath } } } }] }] },
        typedExtensionProtocolOptions: {
          // A controller that hangs is noticed: without keepalive Envoy would wait on a dead stream for ever.
          [HTTP_OPTIONS]: any<HttpProtocolOptionsJson>(HTTP_OPTIONS, { explicitHttpConfig: { http2ProtocolOptions: { connectionKeepalive: { interval: '30s', timeout: '5s' } } } }),
        },
      }],
    },
    statsConfig: { statsTags: STATS_TAGS },
    layeredRuntime: { layers: [{ name: 'gatewright', staticLayer: {
      // Node resets every ext_proc stream; without this Envoy's answer is a 500 now and then (DESIGN 10).
      'envoy.reloadable_features.ext_proc_graceful_grpc_close': true,
      // As EG: Envoy's own limit of 100 refuses ordinary patterns; regex-problem.ts bounds them.
      're2.max_program_size.error_level': 4_294_967_295,
      're2.max_program_size.warn_level': 1_000,
    } }] },
    overloadManager: {
      refreshInterval: '0.25s',
      resourceMonitors: [{
        name: 'envoy.resource_monitors.global_downstream_max_connections',
        typedConfig: any('envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig', { maxActiveDownstreamConnections: maxConnections }),
      }],
    },
  };
}

/** In the bootstrap, so that no listener ever waits for it. Without an endpoint, or while nobody answers there, what needs it is closed. */
function extprocCluster(socketPaths: readonly string[]): ClusterJson {
  return {
    name: EXTPROC_CLUSTER,
    type: 'STATIC',
    connectTimeout: '1s',
    loadAssignment: { clusterName: EXTPROC_CLUSTER, endpoints: [{ lbEndpoints: socketPaths.map((path) => ({ endpoint: { address: { pipe: { path } } } })) }] },
    // A request waits here for as long as DNS takes: Envoy's 1024 would let slow names keep everybody else out.
    circuitBreakers: { thresholds: [{ maxRequests: 10_000, maxPendingRequests: 10_000, maxRetries: 10_000 }] },
    typedExtensionProtocolOptions: {
      [HTTP_OPTIONS]: any<HttpProtocolOptionsJson>(HTTP_OPTIONS, { explicitHttpConfig: { http2ProtocolOptions: { connectionKeepalive: { interval: '30s', timeout: '5s' } } } }),
    },
  };
}
