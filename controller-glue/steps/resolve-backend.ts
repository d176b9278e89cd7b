// One backendRef → a share of the traffic. Adds the cluster it needs to draft.clusters.
import type { Draft } from '../draft.ts';
import type { IrCluster, IrShare } from '../ir.ts';
import { ENVOY_GATEWAY, GATEWAY_API } from '../kinds.ts';
import type { BackendRef, HttpRouteSpec } from '../kinds/http-route.ts';
import type { EndpointSliceBody } from '../kinds/service.ts';
import { problemAt } from '../problem-at.ts';
import type { Reason } from '../reason.ts';
import type { Resource } from '../resources.ts';
import { type ServicePort, serviceEndpoints } from '../service-endpoints.ts';

export interface Backend { readonly share: IrShare; readonly refused?: { readonly reason: string; readonly message: string } }

export function resolveBackend(route: Resource<HttpRouteSpec>, ref: BackendRef, at: string, draft: Draft): Backend {
  const namespace = ref.namespace ?? route.metadata.namespace;
  const refuse = (reason: Reason, condition: string, message: string): Backend => {
    draft.problems.push(problemAt(route, { path: at, message }));
    return { share: { reason, weight: ref.weight }, refused: { reason: condition, message } };
  };
  const isBackend = ref.group === ENVOY_GATEWAY && ref.kind === 'Backend';
  if (!isBackend && (ref.group !== '' || ref.kind !== 'Service')) {
    return refuse('gatewright_backend_invalid', 'InvalidKind', `Backend ref to ${ref.kind} ${namespace}/${ref.name}: only Service and Backend are supported`);
  }
  const from = { group: GATEWAY_API, kind: 'HTTPRoute', namespace: route.metadata.namespace };
  if (!draft.find.granted(from, { group: ref.group, kind: ref.kind, namespace, name: ref.name })) {
    return refuse('gatewright_backend_not_permitted', 'RefNotPermitted', `Backend ref to ${ref.kind} ${namespace}/${ref.name} not permitted by any ReferenceGrant.`);
  }
  if (isBackend) {
    const backend = draft.backends.get(`${namespace}/${ref.name}`);
    if (backend === undefined) return refuse('gatewright_backend_not_found', 'BackendNotFound', `Backend ${namespace}/${ref.name} not found`);
    if (backend.kind === 'accepted') {
      draft.clusters.set(backend.cluster.name, backend.cluster);
      return { share: { cluster: backend.cluster.name, weight: ref.weight } };
    }
    if (backend.kind === 'endpoints') return refuse('gatewright_backend_invalid', 'UnsupportedValue', `Backend ${namespace}/${ref.name} is of type Endpoints, which is not supported yet as a backend of a route`);
    return backend.why === 'disabled' ? refuse('gatewright_backend_disabled', 'UnsupportedValue', 'Backend is disabled in Envoy Gateway configuration')
      : refuse('gatewright_backend_invalid', 'UnsupportedValue', `Backend ${namespace}/${ref.name} is not valid`);
  }
  if (ref.port === undefined) return refuse('gatewright_backend_invalid', 'PortNotSpecified', 'A valid port number corresponding to a port on the Service must be specified');
  const service = draft.find.service(namespace, ref.name);
  if (service === undefined) return refuse('gatewright_backend_not_found', 'BackendNotFound', `Service ${namespace}/${ref.name} not found`);
  if (service.problems.length > 0) return refuse('gatewright_backend_invalid', 'BackendNotFound', `Service ${namespace}/${ref.name} is not valid`);
  if (service.spec.type === 'ExternalName') {
    return refuse('gatewright_backend_invalid', 'UnsupportedValue', `Service ${namespace}/${ref.name} is of type ExternalName, which is not supported as a backend`);
  }
  const port = service.spec.ports.find((each) => each.port === ref.port && each.protocol === 'TCP');
  if (port === undefined) return refuse('gatewright_backend_not_found', 'PortNotFound', `TCP Port ${ref.port} not found on Service ${namespace}/${ref.name}`);
  const name = `${namespace}/${ref.name}/${ref.port}`;
  if (!draft.clusters.has(name)) draft.clusters.set(name, cluster(name, port, draft.find.endpointSlices(namespace, ref.name)));
  return { share: { cluster: name, weight: ref.weight } };
}

function cluster(name: string, port: ServicePort, slices: readonly Resource<EndpointSliceBody>[]): IrCluster {
  return { kind: 'endpoints', name, service: name, protocol: port.appProtocol === 'kubernetes.io/h2c' ? 'h2c' : 'http1', endpoints: serviceEndpoints(port, slices) };
}
