// What a BackendTrafficPolicy makes of the routes it decides for: faults, timeouts, and the settings of clusters of their own.
import { parseDuration } from '../../policy/duration.ts';
import { Fault } from '../../policy/fault.ts';
import type { BackendTrafficEffect, ClusterSettings, Draft } from '../draft.ts';
import type { BackendTrafficPolicySpec, CircuitBreaker } from '../kinds/backend-traffic-policy.ts';
import type { Fault as Wrong } from '../problem-at.ts';
import type { Resource } from '../resources.ts';
import { countName } from './count-name.ts';

export function backendTrafficEffect({ spec, metadata }: Resource<BackendTrafficPolicySpec>, _: Draft, say: (wrong: Wrong) => void): BackendTrafficEffect {
  const { circuitBreaker, faultInjection, timeout } = spec;
  if (circuitBreaker !== undefined) warnOfQueue(circuitBreaker, say);
  const requestTimeoutMs = milliseconds(timeout?.http?.requestTimeout);
  const cluster = clusterSettings(spec);
  return {
    name: countName(metadata),
    ...(faultInjection === undefined ? {} : { fault: Fault.parse(faultInjection) }),
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
    ...(cluster === undefined ? {} : { cluster }),
  };
}

/** Undefined: the policy says nothing about connections, and its routes share the clusters of the Services. */
function clusterSettings({ circuitBreaker, timeout }: BackendTrafficPolicySpec): ClusterSettings | undefined {
  const times = Object.entries({
    connectTimeoutMs: milliseconds(timeout?.tcp?.connectTimeout),
    idleTimeoutMs: milliseconds(timeout?.http?.connectionIdleTimeout),
    maxConnectionMs: milliseconds(timeout?.http?.maxConnectionDuration),
  }).filter(([, value]) => value !== undefined);
  if (circuitBreaker === undefined && times.length === 0) return undefined;
  return { ...(circuitBreaker === undefined ? {} : { circuitBreaker }), ...Object.fromEntries(times) };
}

/**
 * No queue is what the user means, and where requests run short of connections there is one (steps/rule-clusters.ts says why). They do below
 * maxParallelRequests, and where there are several workers above it too: how many there are is not known here.
 */
function warnOfQueue({ maxConnections = 1024, maxParallelRequests = 1024, maxPendingRequests, perEndpoint }: CircuitBreaker, say: (wrong: Wrong) => void): void {
  if (maxPendingRequests !== 0) return;
  const most = Math.min(maxParallelRequests, Math.max(1, maxConnections));
  const mayWait = `up to ${most} ${most === 1 ? 'request' : 'requests'} may still wait for a connection of an HTTP/1.1 backend`;
  const warn = (path: string, message: string): void => say({
    path: `spec.circuitBreaker.${path}`, severity: 'warning', message, hint: 'give maxConnections at least maxParallelRequests for each of Envoy\'s workers: they do not share connections',
  });
  if (maxConnections < maxParallelRequests) {
    warn('maxPendingRequests', `with maxConnections below maxParallelRequests, ${mayWait}: a request waits while its connection is made, and Envoy does not tell that from waiting for one that is busy`);
  } else if (maxConnections < 2 * maxParallelRequests) {
    warn('maxPendingRequests', `with maxConnections below maxParallelRequests for each of several workers, ${mayWait}, or be refused, while fewer than maxParallelRequests are at work: `
      + 'what is idle on one worker counts against maxConnections on the others');
  }
  if (perEndpoint !== undefined && perEndpoint.maxConnections < maxParallelRequests) {
    warn('perEndpoint.maxConnections', `is below maxParallelRequests, so ${mayWait}, although maxPendingRequests is 0, where one endpoint gets that many`);
  }
}

function milliseconds(text: string | undefined): number | undefined { return text === undefined ? undefined : parseDuration(text) ?? undefined; }
