// The built-in echo backend: answers for every Service that has no EndpointSlice, in echo-basic's JSON shape.
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Resource, Resources } from '../controller-glue/resources.ts';
import type { EndpointSliceBody } from '../controller-glue/kinds/service.ts';

/** One server a Service, so that its answer can say which Service it is. */
export class EchoBackends {
  readonly #servers = new Map<string, Promise<Server>>();
  readonly #slices = new Map<string, { readonly spec: unknown; readonly slice: Resource<EndpointSliceBody> }>();
  readonly #address: string;
  constructor(address = '127.0.0.1') { this.#address = address; }

  /** The resources with an EndpointSlice for every Service that has none. */
  async cover(resources: Resources): Promise<Resources> {
    const served = new Set(resources.endpointSlices.map(({ metadata }) => `${metadata.namespace}/${metadata.labels['kubernetes.io/service-name'] ?? ''}`));
    const slices = await Promise.all(resources.services.filter(({ ref }) => !served.has(`${ref.namespace}/${ref.name}`)).map((service) => this.#slice(service)));
    return slices.length === 0 ? resources : { ...resources, endpointSlices: [...resources.endpointSlices, ...slices] };
  }

  async close(): Promise<void> {
    for (const opening of this.#servers.values()) {
      const server = await opening;
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  async #slice({ ref: { namespace, name }, source, spec }: Resources['services'][number]): Promise<Resource<EndpointSliceBody>> {
    const key = `${namespace}/${name}`;
    let opening = this.#servers.get(key);
    if (opening === undefined) this.#servers.set(key, opening = serve(namespace, name, this.#address));
    const { port } = (await opening).address() as AddressInfo;
    // The same Service has the same slice: what did not change must not look changed.
    const known = this.#slices.get(key);
    if (known?.spec === spec) return known.slice;
    const slice: Resource<EndpointSliceBody> = {
      ref: { group: 'discovery.k8s.io', kind: 'EndpointSlice', namespace, name: `${name}-echo` }, apiVersion: 'discovery.k8s.io/v1',
      metadata: { name: `${name}-echo`, namespace, labels: { 'kubernetes.io/service-name': name }, annotations: {} },
      source, problems: [], spec: { addressType: 'IPv4', endpoints: [{ addresses: [this.#address] } as never], ports: spec.ports.map((each) => ({ name: each.name ?? null, port })) },
    };
    this.#slices.set(key, { spec, slice });
    return slice;
  }
}

function serve(namespace: string, service: string, address: string): Promise<Server> {
  const server = createServer({ keepAliveTimeout: 300_000 }, (request, response) => {
    const headers: Record<string, string[]> = {};
    for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) (headers[canonical(request.rawHeaders[i] ?? '')] ??= []).push(request.rawHeaders[i + 1] ?? '');
    delete headers['Host'];
    request.resume();
    const body = { path: request.url, host: request.headers.host ?? '', method: request.method, proto: `HTTP/${request.httpVersion}`, headers, namespace, ingress: '', service, pod: `${service}-echo` };
    response.writeHead(200, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' }).end(`${JSON.stringify(body, null, 1)}\n`);
  });
  return new Promise((resolve, reject) => server.once('error', reject).listen(0, address, () => resolve(server)));
}

/** As Go's net/http spells header names, and so echo-basic. */
function canonical(name: string): string { return name.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase()); }
