// Resources by name, so that no step searches lists. Built once for each translation.
import type { LabelSelector } from './kinds/names.ts';
import type { ConfigMapBody, SecretBody } from './kinds/core.ts';
import type { EndpointSliceBody, ServiceSpec } from './kinds/service.ts';
import type { Metadata, Resource, Resources } from './resources.ts';

export interface Lookup {
  service(namespace: string, name: string): Resource<ServiceSpec> | undefined;
  endpointSlices(namespace: string, service: string): readonly Resource<EndpointSliceBody>[];
  configMap(namespace: string, name: string): Resource<ConfigMapBody> | undefined;
  secret(namespace: string, name: string): Resource<SecretBody> | undefined;
  namespaceLabels(name: string): Readonly<Record<string, string>>;
  /** May an object of this kind and namespace refer to that one of another namespace? */
  granted(from: Reference, to: Reference & { readonly name: string }): boolean;
}
export interface Reference { readonly group: string; readonly kind: string; readonly namespace: string }

export function lookup(resources: Resources): Lookup {
  const services = byName(resources.services);
  const configMaps = byName(resources.configMaps);
  const secrets = byName(resources.secrets);
  const namespaces = byName(resources.namespaces);
  const slices = Map.groupBy(resources.endpointSlices, ({ metadata }) => `${metadata.namespace}/${metadata.labels['kubernetes.io/service-name'] ?? ''}`);
  // A grant that is at fault grants nothing: what was left out of it may have been what narrowed it.
  const grants = Map.groupBy(resources.referenceGrants.filter(({ problems }) => problems.length === 0), ({ metadata }) => metadata.namespace);
  return {
    service: (namespace, name) => services.get(`${namespace}/${name}`),
    endpointSlices: (namespace, service) => slices.get(`${namespace}/${service}`) ?? [],
    configMap: (namespace, name) => configMaps.get(`${namespace}/${name}`),
    secret: (namespace, name) => secrets.get(`${namespace}/${name}`),
    // Kubernetes puts this label on every namespace; files may leave the Namespace out.
    namespaceLabels: (name) => ({ ...namespaces.get(`/${name}`)?.metadata.labels, 'kubernetes.io/metadata.name': name }),
    granted: (from, to) => from.namespace === to.namespace || (grants.get(to.namespace) ?? []).some(({ spec }) =>
      spec.from.some((each) => each.group === from.group && each.kind === from.kind && each.namespace === from.namespace)
      && spec.to.some((each) => each.group === to.group && each.kind === to.kind && (each.name === undefined || each.name === to.name))),
  };
}

function byName<T>(list: readonly Resource<T>[]): Map<string, Resource<T>> {
  return new Map(list.map((resource) => [`${resource.metadata.namespace}/${resource.metadata.name}`, resource]));
}

/** Kubernetes' label selector: everything given must hold; nothing given selects all. */
export function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(matchLabels).every(([key, value]) => labels[key] === value)
    && matchExpressions.every(({ key, operator, values = [] }) => {
      const label = Object.hasOwn(labels, key) ? labels[key] : undefined;
      switch (operator) {
        case 'In': return label !== undefined && values.includes(label);
        case 'NotIn': return label === undefined || !values.includes(label);
        case 'Exists': return label !== undefined;
        case 'DoesNotExist': return label === undefined;
      }
    });
}

/** Gateway API's tie-break: the oldest, then by namespace and name. Without timestamps (files) by name alone. */
export function older(a: { readonly metadata: Metadata }, b: { readonly metadata: Metadata }): number {
  const age = (a.metadata.created ?? Infinity) - (b.metadata.created ?? Infinity);
  if (age < 0 || age > 0) return age;   // NaN: neither has one
  return compare(`${a.metadata.namespace}/${a.metadata.name}`, `${b.metadata.namespace}/${b.metadata.name}`);
}

export function compare(a: string, b: string): number { return a < b ? -1 : a > b ? 1 : 0; }
