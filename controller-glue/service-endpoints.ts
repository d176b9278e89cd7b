// The ready endpoints of a port of a Service.
import { isIP } from 'node:net';
import type { IrEndpoint } from './ir.ts';
import type { EndpointSliceBody, ServiceSpec } from './kinds/service.ts';
import { compare } from './lookup.ts';
import type { Resource } from './resources.ts';

export type ServicePort = ServiceSpec['ports'][number];

/** Each once, in an order that does not depend on that of the slices. */
export function serviceEndpoints(port: ServicePort, slices: readonly Resource<EndpointSliceBody>[]): IrEndpoint[] {
  const found = new Map<string, IrEndpoint>();
  for (const { spec } of slices) {
    if (spec.addressType === 'FQDN') continue;
    const target = targetPort(spec, port);
    if (target === undefined) continue;
    for (const { addresses, conditions } of spec.endpoints ?? []) {
      if (conditions?.ready === false) continue;
      for (const address of addresses) {
        if (isIP(address) !== 0) found.set(`${address} ${target}`, { address, port: target });
      }
    }
  }
  return [...found].sort(([a], [b]) => compare(a, b)).map(([, endpoint]) => endpoint);
}

/** The slice's port of the Service port's name; without such a name (slices written by hand) the one with the target's number. */
function targetPort({ ports }: EndpointSliceBody, port: ServicePort): number | undefined {
  const wanted = typeof port.targetPort === 'number' ? port.targetPort : port.targetPort === undefined ? port.port : undefined;
  // discovery/v1: no ports is "no defined ports": all of them.
  if (ports == null || ports.length === 0) return wanted;
  const tcp = ports.filter(({ protocol }) => (protocol ?? 'TCP') === 'TCP');
  const named = tcp.find(({ name }) => (name ?? '') === (port.name ?? ''));
  return named?.port ?? tcp.find((each) => each.port != null && each.port === wanted)?.port ?? (typeof port.targetPort === 'string' ? tcp.find(({ name }) => name === port.targetPort)?.port : undefined) ?? undefined;
}
