// Service (v1) and EndpointSlice (discovery.k8s.io/v1): names and ports, and who answers for them.
import { z } from 'zod';
import { portNumber } from './names.ts';
import { ignored } from './not-supported.ts';

const harmless = <const T extends readonly string[]>(names: T) => Object.fromEntries(names.map((name) => [name, ignored])) as Record<T[number], typeof ignored>;

export const ServiceSpec = z.strictObject({
  type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).default('ClusterIP'),
  externalName: z.string().optional(),
  ports: z.array(z.strictObject({
    name: z.string().optional(),
    port: portNumber,
    targetPort: z.union([portNumber, z.string().min(1).max(63)]).optional(),
    protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP'),
    appProtocol: z.string().optional(),
    nodePort: ignored,
  })).default([]),
  ...harmless(['allocateLoadBalancerNodePorts', 'clusterIP', 'clusterIPs', 'externalIPs', 'externalTrafficPolicy', 'healthCheckNodePort',
    'internalTrafficPolicy', 'ipFamilies', 'ipFamilyPolicy', 'loadBalancerClass', 'loadBalancerIP', 'loadBalancerSourceRanges',
    'publishNotReadyAddresses', 'selector', 'sessionAffinity', 'sessionAffinityConfig', 'topologyKeys', 'trafficDistribution']),
});
export type ServiceSpec = z.infer<typeof ServiceSpec>;

/** An EndpointSlice has no spec: this is what stands beside its metadata. */
export const EndpointSliceBody = z.strictObject({
  addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
  endpoints: z.array(z.strictObject({
    addresses: z.array(z.string().min(1)).default([]),
    // Absent counts as ready (discovery/v1: "a nil value should be interpreted as true").
    conditions: z.strictObject({ ready: z.boolean().nullish(), serving: z.boolean().nullish(), terminating: z.boolean().nullish() }).nullish(),
    ...harmless(['hostname', 'targetRef', 'nodeName', 'zone', 'hints', 'deprecatedTopology']),
  })).nullish(),
  ports: z.array(z.strictObject({
    name: z.string().nullish(),
    port: portNumber.nullish(),
    protocol: z.enum(['TCP', 'UDP', 'SCTP']).nullish(),
    appProtocol: z.string().nullish(),
  })).nullish(),
});
export type EndpointSliceBody = z.infer<typeof EndpointSliceBody>;
