// IrGateway → everything its Envoy gets, as bytes by type and name.
import type { IrGateway } from '../ir.ts';
import { clusterJson, endpointsJson } from './clusters.ts';
import { connectionFilters } from './connection-filter.ts';
import { encode, version } from './encode.ts';
import { RouteCache, encodeRouteTable } from './encode-routes.ts';
import { NO_CODE, NO_KEYS, extensions, sessionExtension } from './extensions.ts';
import type { JwkSet, WasmModules } from './extensions.ts';
import { listenerJson } from './listeners.ts';
import { routeTableJson } from './routes.ts';
import { secretsJson } from './secrets.ts';

/** One xDS resource. */
export interface Resource {
  /** Changes when, and only when, `body` does: Envoy is sent what has another version than it holds. */
  readonly version: string;
  /** The serialized message that goes inside the google.protobuf.Any. */
  readonly body: Uint8Array;
}

/** What one Envoy should hold: by type URL, then by resource name. A type that is absent has no resources. */
export type Snapshot = ReadonlyMap<string, ReadonlyMap<string, Resource>>;

export interface SnapshotOptions {
  readonly wasm: WasmModules;
  /** PEM file with the authorities that hosts are verified by. */
  readonly caFile: string;
  /** Where listeners bind. */
  readonly address: string;
  /** Absent: nothing that the login service signed is believed, and it is always asked. */
  readonly sessionKeys?: JwkSet;
  /** Handed in again at the next build, it makes a small change cheap. */
  readonly cache?: RouteCache;
}

const URL_PREFIX = 'type.googleapis.com/';
export const typeUrls = {
  listener: `${URL_PREFIX}envoy.config.listener.v3.Listener`,
  route: `${URL_PREFIX}envoy.config.route.v3.RouteConfiguration`,
  cluster: `${URL_PREFIX}envoy.config.cluster.v3.Cluster`,
  endpoint: `${URL_PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`,
  secret: `${URL_PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret`,
  extension: `${URL_PREFIX}envoy.config.core.v3.TypedExtensionConfig`,
} as const;

/** The HTTP filters are the same for every Gateway and in every state, and their code is most of what there is to encode. Those of the last keys are kept. */
const encodedFilters = new WeakMap<WasmModules, { readonly sessionKeys: JwkSet; readonly filters: ReadonlyMap<string, Resource> }>();

function encodedOnce(wasm: WasmModules, sessionKeys: JwkSet): ReadonlyMap<string, Resource> {
  const known = encodedFilters.get(wasm);
  if (known?.sessionKeys === sessionKeys) return known.filters;
  const changed = known === undefined ? extensions(wasm, sessionKeys) : sessionExtension(wasm, sessionKeys);
  const filters = new Map([...known?.filters ?? [], ...resources(changed, named, json(typeUrls.extension))]);
  encodedFilters.set(wasm, { sessionKeys, filters });
  return filters;
}

/** The same, but for whom the session filter believes. */
export function withSessionKeys(snapshot: Snapshot, wasm: WasmModules, sessionKeys: JwkSet): Snapshot {
  return new Map([...snapshot, [typeUrls.extension, new Map([...snapshot.get(typeUrls.extension) ?? [], ...encodedOnce(wasm, sessionKeys)])]]);
}

const named = ({ name = '' }: { readonly name?: string }): string => name;
const json = (url: string) => (item: object): Uint8Array => encode(url.slice(URL_PREFIX.length), item);

function resources<Item extends object>(items: readonly Item[], name: (item: Item) => string, body: (item: Item) => Uint8Array): ReadonlyMap<string, Resource> {
  return new Map(items.map((item) => { const bytes = body(item); return [name(item), { version: version(bytes), body: bytes }] as const; }));
}

export function buildSnapshot(gateway: IrGateway, { wasm, caFile, address, sessionKeys = NO_KEYS, cache = new RouteCache() }: SnapshotOptions): Snapshot {
  const { listener, route, cluster, endpoint, secret, extension } = typeUrls;
  const all = <Item extends object>(url: string, items: readonly Item[], name: (item: Item) => string = named, body: (item: Item) => Uint8Array = json(url)) => [url, resources(items, name, body)] as const;
  const [, ofConnections] = all(extension, connectionFilters(gateway.listeners, wasm.connectionLimit));
  const snapshot: Snapshot = new Map([
    all(cluster, gateway.clusters.map((each) => clusterJson(each, caFile))),
    all(endpoint, endpointsJson(gateway.clusters), ({ clusterName = '' }) => clusterName),
    all(secret, secretsJson(gateway, false)),
    [extension, new Map([...encodedOnce(wasm, sessionKeys), ...ofConnections])],
    all(listener, gateway.listeners.map((each) => listenerJson(each, address))),
    all(route, gateway.routeTables, named, (table) => encodeRouteTable(table, cache)),
  ]);
  cache.turn();
  return snapshot;
}

/** The same for people: protobuf's JSON form with @type, secrets redacted, the filters' code left out. */
export function snapshotJson(gateway: IrGateway, { caFile, address }: Pick<SnapshotOptions, 'caFile' | 'address'>) {
  const typed = (url: string, items: readonly object[]) => items.map((item) => ({ '@type': url, ...item }));
  return {
    listeners: typed(typeUrls.listener, gateway.listeners.map((each) => listenerJson(each, address))),
    routes: typed(typeUrls.route, gateway.routeTables.map(routeTableJson)),
    clusters: typed(typeUrls.cluster, gateway.clusters.map((each) => clusterJson(each, caFile))),
    endpoints: typed(typeUrls.endpoint, endpointsJson(gateway.clusters)),
    secrets: typed(typeUrls.secret, secretsJson(gateway, true)),
    extensions: typed(typeUrls.extension, [...extensions(NO_CODE, NO_KEYS), ...connectionFilters(gateway.listeners, NO_CODE.connectionLimit)]),
  };
}
