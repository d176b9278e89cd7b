// The clusters of a rule whose BackendTrafficPolicy sets connections: of its own, so that limits count its requests and no others (as in EG).
import type { ClusterSettings } from '../draft.ts';
import type { IrAction, IrCluster, IrClusterLimits } from '../ir.ts';
import type { CircuitBreaker } from '../kinds/backend-traffic-policy.ts';

type Limited = IrCluster & { readonly kind: 'endpoints' | 'dynamic' };

export interface RuleClusters { readonly action: IrAction; readonly clusters: readonly Limited[] }

/** `rule` says whose clusters they are. The names hold no setting: a change of settings is a change of the same clusters, and touches no route. */
export function ruleClusters(action: IrAction, rule: string, settings: ClusterSettings, clusters: ReadonlyMap<string, IrCluster>): RuleClusters {
  if (action.kind !== 'forward') return { action, clusters: [] };
  const own: Limited[] = [];
  const shares = action.shares.map((share) => {
    const shared = 'cluster' in share ? clusters.get(share.cluster) : undefined;
    if (shared === undefined || shared.kind === 'host') return share;
    const cluster = { ...shared, name: `${shared.name}@${rule}`, limits: limits(settings, shared.protocol) };
    own.push(cluster);
    return { ...share, cluster: cluster.name };
  });
  return { action: { ...action, shares }, clusters: own };
}

function limits({ circuitBreaker = {}, ...times }: ClusterSettings, protocol: Limited['protocol']): IrClusterLimits {
  const { maxConnections, maxParallelRequests, maxParallelRetries, maxRequestsPerConnection, perEndpoint, retryBudget } = circuitBreaker;
  const all = {
    maxConnections,
    maxPendingRequests: maxPendingRequests(circuitBreaker, protocol),
    maxRequests: maxParallelRequests,
    maxRetries: maxParallelRetries,
    retryBudget: retryBudget === undefined ? undefined : { percent: 100 * retryBudget.percent.numerator / retryBudget.percent.denominator, minConcurrency: retryBudget.minRetryConcurrency },
    maxConnectionsPerEndpoint: perEndpoint?.maxConnections,
    maxRequestsPerConnection,
    ...times,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/**
 * "Nothing waits", says 0. But to Envoy a request also waits while its connection is made, so with 0 a pool that has no connection never gets one: 503 for
 * ever. So as many may wait as there may be requests (HTTP/1.1: as connections, each request has one); those that find more at work than maxParallelRequests
 * once they have a connection are refused then.
 */
function maxPendingRequests({ maxConnections = 1024, maxParallelRequests = 1024, maxPendingRequests: wanted }: CircuitBreaker, protocol: Limited['protocol']): number | undefined {
  if (wanted !== 0) return wanted;
  // Envoy makes one connection even where none is allowed.
  return protocol !== 'http1' ? maxParallelRequests : Math.min(maxParallelRequests, Math.max(1, maxConnections));
}
