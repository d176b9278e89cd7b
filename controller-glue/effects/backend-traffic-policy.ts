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

/** No queue is what the user means, and with fewer connections than requests there is one (steps/rule-clusters.ts says why). */
function warnOfQueue({ maxConnections = 1024, maxParallelRequests = 1024, maxPendingRequests }: CircuitBreaker, say: (wrong: Wrong) => void): void {
  if (maxPendingRequests !== 0 || maxConnections >= maxParallelRequests) return;
  const waiting = Math.min(maxParallelRequests, Math.max(1, maxConnections));
  say({
    path: 'spec.circuitBreaker.maxPendingRequests', severity: 'warning', hint: 'give maxConnections at least maxParallelRequests for each of Envoy\'s workers: they do not share connections',
    message: `with maxConnections below maxParallelRequests, up to ${waiting} ${waiting === 1 ? 'request' : 'requests'} may still wait for a connection of an HTTP/1.1 backend: `
      + 'a request waits while its connection is made, and Envoy does not tell that from waiting for one that is busy',
  });
}

function milliseconds(text: string | undefined): number | undefined { return text === undefined ? undefined : parseDuration(text) ?? undefined; }
