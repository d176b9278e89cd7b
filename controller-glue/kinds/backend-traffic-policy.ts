// BackendTrafficPolicy, gateway.envoyproxy.io/v1alpha1: what we have of it, and every field that we do not have, by name.
import { z } from 'zod';
import { Duration, PositiveDuration } from '../../policy/duration.ts';
import { notSupported } from './not-supported.ts';
import { requireTarget, targetFields } from './policy-target.ts';

const count = z.int().min(0).max(4_294_967_295);
const percentage = z.number().min(0).max(100).default(100);

/** Gateway API's Fraction, as a share of 100 at most. */
const Percent = z.strictObject({ numerator: z.int().min(0).max(2_147_483_647), denominator: z.int().min(1).max(2_147_483_647).default(100) })
  .superRefine(({ numerator, denominator }, context) => {
    if (denominator > 0 && numerator > denominator) context.addIssue({ code: 'custom', message: `must be at most 100 %, and is ${numerator}/${denominator}` });
  });

/** Without a default: Envoy's own is EG's, 1024 for each. */
const CircuitBreaker = z.strictObject({
  maxConnections: count.optional(),
  maxPendingRequests: count.optional(),
  maxParallelRequests: count.optional(),
  maxParallelRetries: count.optional(),
  maxRequestsPerConnection: count.optional(),
  perEndpoint: z.strictObject({ maxConnections: count.default(1024) }).optional(),
  retryBudget: z.strictObject({ percent: Percent, minRetryConcurrency: count.default(3) }).optional(),
});
export type CircuitBreaker = z.infer<typeof CircuitBreaker>;

const FaultInjection = z.strictObject({
  delay: z.strictObject({ fixedDelay: PositiveDuration, percentage }).optional(),
  abort: z.strictObject({
    // EG's schema lets 600 pass, and Envoy then refuses all of the Gateway.
    httpStatus: z.int().min(200).max(599).optional(),
    grpcStatus: z.int().min(0).max(16).optional(),
    percentage,
  }).superRefine(({ httpStatus, grpcStatus }, context) => {
    if ((httpStatus === undefined) === (grpcStatus === undefined)) context.addIssue({ code: 'custom', message: 'must have exactly one of httpStatus and grpcStatus' });
  }).optional(),
}).superRefine(({ delay, abort }, context) => {
  if (delay === undefined && abort === undefined) context.addIssue({ code: 'custom', message: 'must have at least one of delay and abort' });
});

export const BackendTrafficPolicySpec = z.strictObject({
  ...targetFields,
  circuitBreaker: CircuitBreaker.optional(),
  faultInjection: FaultInjection.optional(),
  timeout: z.strictObject({
    http: z.strictObject({
      requestTimeout: Duration.optional(),
      connectionIdleTimeout: Duration.optional(),
      maxConnectionDuration: PositiveDuration.optional(),
      maxStreamDuration: notSupported('see requestTimeout'),
      streamIdleTimeout: notSupported(),
    }).optional(),
    tcp: z.strictObject({ connectTimeout: PositiveDuration.optional() }).optional(),
  }).optional(),
  admissionControl: notSupported(),
  bandwidthLimit: notSupported('responseRateLimit of a FaultPolicy slows answers down'),
  compression: notSupported(),
  compressor: notSupported(),
  connection: notSupported(),
  dns: notSupported(),
  healthCheck: notSupported(),
  http2: notSupported(),
  httpUpgrade: notSupported('websocket is on'),
  loadBalancer: notSupported(),
  mergeType: notSupported('the more specific policy replaces the other'),
  proxyProtocol: notSupported(),
  rateLimit: notSupported('a ConcurrencyPolicy limits requests in flight'),
  requestBuffer: notSupported(),
  responseOverride: notSupported(),
  retry: notSupported(),
  routingType: notSupported('requests go to endpoints'),
  tcpKeepalive: notSupported(),
  telemetry: notSupported(),
  useClientProtocol: notSupported('appProtocol of the Service port says which'),
}).superRefine(requireTarget);
export type BackendTrafficPolicySpec = z.infer<typeof BackendTrafficPolicySpec>;
