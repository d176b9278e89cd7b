// What the user wrote: checked and typed, and otherwise left as it was. The one input of translate.
import type { ObjectRef } from './ir.ts';
import type { BackendSpec } from './kinds/backend.ts';
import type { BackendTrafficPolicySpec } from './kinds/backend-traffic-policy.ts';
import type { ClientTrafficPolicySpec } from './kinds/client-traffic-policy.ts';
import type { ConcurrencyPolicySpec } from './kinds/concurrency-policy.ts';
import type { ConnectionLimitPolicySpec } from './kinds/connection-limit-policy.ts';
import type { ConfigMapBody, NamespaceBody, SecretBody } from './kinds/core.ts';
import type { EnvoyGatewayBody } from './kinds/envoy-gateway.ts';
import type { FaultPolicySpec } from './kinds/fault-policy.ts';
import type { GatewayClassSpec, GatewaySpec } from './kinds/gateway.ts';
import type { HttpRouteSpec } from './kinds/http-route.ts';
import type { ReferenceGrantSpec } from './kinds/reference-grant.ts';
import type { OidcPolicySpec } from './kinds/oidc-policy.ts';
import type { ResolverPolicySpec } from './kinds/resolver-policy.ts';
import type { SecurityPolicySpec } from './kinds/security-policy.ts';
import type { EndpointSliceBody, ServiceSpec } from './kinds/service.ts';
import type { UnsupportedPolicySpec, UnsupportedSpec } from './kinds/unsupported-policy.ts';
import type { Problem } from './problem.ts';

export interface Metadata {
  readonly name: string;
  readonly namespace: string;                          // empty for cluster-scoped kinds
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly generation?: number;
  readonly created?: number;                           // milliseconds since the epoch
}

/** Where an object stands in the text: what leads a problem found later back to its line. */
export interface Source {
  readonly file: string;
  readonly line: number;                               // 1-based line of the object's document
  /** Field path → line, counted from `line`. Empty for Secrets and for objects that are not from files. */
  readonly lines: ReadonlyMap<string, number>;
}

export interface Resource<Spec> {
  readonly ref: ObjectRef;
  readonly apiVersion: string;
  readonly metadata: Metadata;
  readonly source: Source;
  /** What stands under `spec`; for kinds without a spec, what stands beside `metadata`. What could not be read is left out of it: see problems. */
  readonly spec: Spec;
  /** The errors of this object. Whoever uses the object must not serve what they touch. */
  readonly problems: readonly Problem[];
  /** Envoy refuses what it leads to, in these words; it is among the problems too. */
  readonly refusal?: string;
  /** It is refused for its size: nothing is kept of what it matches but paths, and those are closed. */
  readonly large?: true;
}

export interface Resources {
  readonly gatewayClasses: readonly Resource<GatewayClassSpec>[];
  readonly gateways: readonly Resource<GatewaySpec>[];
  readonly httpRoutes: readonly Resource<HttpRouteSpec>[];
  readonly referenceGrants: readonly Resource<ReferenceGrantSpec>[];
  readonly services: readonly Resource<ServiceSpec>[];
  readonly endpointSlices: readonly Resource<EndpointSliceBody>[];
  readonly configMaps: readonly Resource<ConfigMapBody>[];
  readonly secrets: readonly Resource<SecretBody>[];
  readonly namespaces: readonly Resource<NamespaceBody>[];
  readonly securityPolicies: readonly Resource<SecurityPolicySpec>[];
  readonly backendTrafficPolicies: readonly Resource<BackendTrafficPolicySpec>[];
  readonly faultPolicies: readonly Resource<FaultPolicySpec>[];
  readonly concurrencyPolicies: readonly Resource<ConcurrencyPolicySpec>[];
  readonly resolverPolicies: readonly Resource<ResolverPolicySpec>[];
  readonly oidcPolicies: readonly Resource<OidcPolicySpec>[];
  readonly clientTrafficPolicies: readonly Resource<ClientTrafficPolicySpec>[];
  readonly connectionLimitPolicies: readonly Resource<ConnectionLimitPolicySpec>[];
  readonly backends: readonly Resource<BackendSpec>[];
  readonly envoyGateways: readonly Resource<EnvoyGatewayBody>[];
  readonly unsupportedPolicies: readonly Resource<UnsupportedPolicySpec>[];
  readonly unsupported: readonly Resource<UnsupportedSpec>[];
}

export const noResources: Resources = {
  gatewayClasses: [], gateways: [], httpRoutes: [], referenceGrants: [], services: [], endpointSlices: [], configMaps: [], secrets: [], namespaces: [],
  securityPolicies: [], backendTrafficPolicies: [], faultPolicies: [], concurrencyPolicies: [], resolverPolicies: [], oidcPolicies: [], clientTrafficPolicies: [], connectionLimitPolicies: [], backends: [],
  envoyGateways: [], unsupportedPolicies: [], unsupported: [],
};

/** A resource with the list it belongs to. */
export type Entry = { readonly [List in keyof Resources]: { readonly list: List; readonly resource: Resources[List][number] } }[keyof Resources];

/** `Kind namespace/name`, as messages name objects. */
export function objectName({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`;
}

/** A key that no two objects share. */
export function objectKey({ group, kind, namespace, name }: ObjectRef): string {
  return `${group}/${kind}/${namespace}/${name}`;
}
