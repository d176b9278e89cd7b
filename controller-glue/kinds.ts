// Every kind we know, in one table. A kind that is not here is unknown: an error in our groups, a warning elsewhere.
import { z } from 'zod';
import { BackendSpec } from './kinds/backend.ts';
import { BackendTrafficPolicySpec } from './kinds/backend-traffic-policy.ts';
import { ClientTrafficPolicySpec } from './kinds/client-traffic-policy.ts';
import { ConcurrencyPolicySpec } from './kinds/concurrency-policy.ts';
import { ConnectionLimitPolicySpec } from './kinds/connection-limit-policy.ts';
import { ConfigMapBody, NamespaceBody, SecretBody } from './kinds/core.ts';
import { EnvoyGatewayBody } from './kinds/envoy-gateway.ts';
import { FaultPolicySpec } from './kinds/fault-policy.ts';
import { GatewayClassSpec, GatewaySpec } from './kinds/gateway.ts';
import { HttpRouteSpec } from './kinds/http-route.ts';
import { ignored } from './kinds/not-supported.ts';
import { OidcPolicySpec } from './kinds/oidc-policy.ts';
import { ReferenceGrantSpec } from './kinds/reference-grant.ts';
import { ResolverPolicySpec } from './kinds/resolver-policy.ts';
import { SecurityPolicySpec } from './kinds/security-policy.ts';
import { EndpointSliceBody, ServiceSpec } from './kinds/service.ts';
import { UnsupportedPolicySpec, UnsupportedSpec } from './kinds/unsupported-policy.ts';
import type { Resources } from './resources.ts';

export interface Kind {
  readonly group: string;
  readonly kind: string;
  readonly versions: readonly string[];
  readonly list: keyof Resources;
  /** Everything but apiVersion, kind and metadata. */
  readonly body: z.ZodType;
  readonly hasSpec: boolean;
  readonly scope: 'namespace' | 'cluster';
  /** Core kinds grow fields with every Kubernetes: what we do not know there is a warning. */
  readonly unknownFields: 'error' | 'warning';
  /** Set for kinds that EG or Gateway API has and we do not carry out yet. */
  readonly unsupported?: string;
}

export const GATEWAY_API = 'gateway.networking.k8s.io';
export const ENVOY_GATEWAY = 'gateway.envoyproxy.io';
export const GATEWRIGHT = 'gatewright.dev';
/** In these groups nothing is skipped: a kind, a version or a field that we do not know may be one that restricts access. */
export const STRICT_GROUPS: readonly string[] = [GATEWAY_API, ENVOY_GATEWAY, GATEWRIGHT];

const withSpec = (spec: z.ZodType) => z.strictObject({ spec, status: ignored });
const gatewayApi = (kind: string, list: keyof Resources, spec: z.ZodType, versions: readonly string[], scope: Kind['scope'] = 'namespace'): Kind =>
  ({ group: GATEWAY_API, kind, versions, list, body: withSpec(spec), hasSpec: true, scope, unknownFields: 'error' });
const core = (group: string, kind: string, list: keyof Resources, body: z.ZodType, hasSpec: boolean, scope: Kind['scope'] = 'namespace'): Kind =>
  ({ group, kind, versions: ['v1'], list, body, hasSpec, scope, unknownFields: 'warning' });
const policy = (group: string, kind: string, list: keyof Resources, spec: z.ZodType): Kind =>
  ({ group, kind, versions: ['v1alpha1'], list, body: withSpec(spec), hasSpec: true, scope: 'namespace', unknownFields: 'error' });
const unsupportedPolicy = (group: string, kind: string, versions: readonly string[] = ['v1alpha1']): Kind => ({
  group, kind, versions, list: 'unsupportedPolicies', body: withSpec(UnsupportedPolicySpec), hasSpec: true, scope: 'namespace', unknownFields: 'error',
  unsupported: `${kind} is not supported yet; what it covers answers 500`,
});
const unsupported = (group: string, kind: string, versions: readonly string[], consequence: string): Kind => ({
  group, kind, versions, list: 'unsupported', body: withSpec(UnsupportedSpec.optional()), hasSpec: true, scope: 'namespace', unknownFields: 'error',
  unsupported: `${kind} is not supported yet; ${consequence}`,
});

export const kinds: readonly Kind[] = [
  gatewayApi('GatewayClass', 'gatewayClasses', GatewayClassSpec, ['v1', 'v1beta1'], 'cluster'),
  gatewayApi('Gateway', 'gateways', GatewaySpec, ['v1', 'v1beta1']),
  gatewayApi('HTTPRoute', 'httpRoutes', HttpRouteSpec, ['v1', 'v1beta1']),
  gatewayApi('ReferenceGrant', 'referenceGrants', ReferenceGrantSpec, ['v1', 'v1beta1']),
  core('', 'Service', 'services', withSpec(ServiceSpec), true),
  core('', 'ConfigMap', 'configMaps', ConfigMapBody, false),
  core('', 'Secret', 'secrets', SecretBody, false),
  core('', 'Namespace', 'namespaces', NamespaceBody, false, 'cluster'),
  core('discovery.k8s.io', 'EndpointSlice', 'endpointSlices', EndpointSliceBody, false),
  policy(ENVOY_GATEWAY, 'SecurityPolicy', 'securityPolicies', SecurityPolicySpec),
  policy(ENVOY_GATEWAY, 'BackendTrafficPolicy', 'backendTrafficPolicies', BackendTrafficPolicySpec),
  policy(ENVOY_GATEWAY, 'ClientTrafficPolicy', 'clientTrafficPolicies', ClientTrafficPolicySpec),
  policy(GATEWRIGHT, 'FaultPolicy', 'faultPolicies', FaultPolicySpec),
  policy(GATEWRIGHT, 'ConcurrencyPolicy', 'concurrencyPolicies', ConcurrencyPolicySpec),
  policy(GATEWRIGHT, 'ResolverPolicy', 'resolverPolicies', ResolverPolicySpec),
  policy(GATEWRIGHT, 'OIDCPolicy', 'oidcPolicies', OidcPolicySpec),
  policy(GATEWRIGHT, 'ConnectionLimitPolicy', 'connectionLimitPolicies', ConnectionLimitPolicySpec),
  policy(ENVOY_GATEWAY, 'Backend', 'backends', BackendSpec),
  { group: ENVOY_GATEWAY, kind: 'EnvoyGateway', versions: ['v1alpha1'], list: 'envoyGateways', body: EnvoyGatewayBody, hasSpec: false, scope: 'namespace', unknownFields: 'error' },
  unsupportedPolicy(ENVOY_GATEWAY, 'EnvoyExtensionPolicy'),
  unsupportedPolicy(ENVOY_GATEWAY, 'EnvoyPatchPolicy'),
  unsupportedPolicy(GATEWAY_API, 'BackendTLSPolicy', ['v1', 'v1alpha3']),
  unsupported(ENVOY_GATEWAY, 'EnvoyProxy', ['v1alpha1'], 'a GatewayClass or Gateway that refers to it is not accepted'),
  unsupported(ENVOY_GATEWAY, 'HTTPRouteFilter', ['v1alpha1'], 'a rule that refers to it answers 500'),
  unsupported(GATEWAY_API, 'GRPCRoute', ['v1'], 'it is not served'),
  unsupported(GATEWAY_API, 'TLSRoute', ['v1', 'v1alpha2', 'v1alpha3'], 'it is not served'),
  unsupported(GATEWAY_API, 'TCPRoute', ['v1', 'v1alpha2'], 'it is not served'),
  unsupported(GATEWAY_API, 'UDPRoute', ['v1', 'v1alpha2'], 'it is not served'),
  unsupported(GATEWAY_API, 'ListenerSet', ['v1'], 'its listeners are not bound'),
];

/** Kinds of Kubernetes that say how programs run, not how requests are routed: skipped without a word. */
export const harmlessKinds: Readonly<Record<string, readonly string[]>> = {
  '': ['Binding', 'ComponentStatus', 'Endpoints', 'Event', 'LimitRange', 'Node', 'PersistentVolume', 'PersistentVolumeClaim', 'Pod', 'PodTemplate',
    'ReplicationController', 'ResourceQuota', 'ServiceAccount'],
  apps: ['ControllerRevision', 'DaemonSet', 'Deployment', 'ReplicaSet', 'StatefulSet'],
  batch: ['CronJob', 'Job'],
  autoscaling: ['HorizontalPodAutoscaler'],
  policy: ['PodDisruptionBudget'],
  'apiextensions.k8s.io': ['CustomResourceDefinition'],
  'admissionregistration.k8s.io': ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration', 'ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'],
  'coordination.k8s.io': ['Lease'],
  'networking.k8s.io': ['Ingress', 'IngressClass', 'NetworkPolicy'],
  'rbac.authorization.k8s.io': ['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'],
  'scheduling.k8s.io': ['PriorityClass'],
  'storage.k8s.io': ['StorageClass', 'VolumeAttachment', 'CSIDriver'],
};
