// What the product sends over xDS, as a bootstrap that needs no controller: tests can put in a filter, or take one out, and run it in a real Envoy.
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import type { IrGateway } from '../../controller-glue/ir.ts';
import { CONCURRENCY, FAULT, FAULT_AFTER, JWT, RESOLVED, SESSION } from '../../controller-glue/xds/extensions.ts';
import { snapshotJson } from '../../controller-glue/xds/snapshot.ts';

type Json = Record<string, unknown>;
export interface Filter { readonly name: string; readonly disabled?: boolean; readonly typedConfig?: Json }

export interface Variant {
  /** Of the listener. */
  readonly name: string;
  /** The HTTP filter chain, made from ours. */
  readonly filters: (ours: readonly Filter[]) => readonly Filter[];
  /** Names of filters whose configuration per route is left out. */
  readonly without?: readonly string[];
}

/** The code of each of our filters, as a file. */
const MODULES: Readonly<Record<string, string>> = { [FAULT]: 'fault', [SESSION]: 'session', [JWT]: 'jwt', [FAULT_AFTER]: 'fault', [CONCURRENCY]: 'connection-limit', [RESOLVED]: 'resolver' };

export function onlyGateway(yaml: string): IrGateway {
  const [gateway, ...more] = translate(load([{ path: 'test.yaml', text: yaml }]).resources).ir.gateways;
  if (gateway === undefined || more.length > 0) throw new Error('one Gateway is needed');
  return gateway;
}

/** One listener on a free port for each variant of the Gateway's one listener. */
export function staticBootstrap(gateway: IrGateway, variants: readonly Variant[]): Json {
  // A copy: plain JSON, as Envoy will read it.
  const all = JSON.parse(JSON.stringify(snapshotJson(gateway, { caFile: '/nowhere', address: '127.0.0.1' })), (key, value) => (key === '@type' && /Listener$|RouteConfiguration$|Cluster$|ClusterLoadAssignment$|TypedExtensionConfig$/.test(value) ? undefined : value));
  const endpoints = new Map<string, Json>(all.endpoints.map((each: Json) => [each['clusterName'], each]));
  const clusters = all.clusters.map(({ edsClusterConfig, ...cluster }: Json) => (edsClusterConfig === undefined ? cluster : { ...cluster, type: 'STATIC', loadAssignment: endpoints.get(String(cluster['name'])) }));
  return { node: { id: 'test', cluster: 'test', metadata: { gatewright: { pseudonym: 'gatewright-test' } } }, staticResources: { clusters, listeners: variants.map((variant) => listener(structuredClone(all), variant)) } };
}

function listener({ listeners: [ours], routes, extensions }: { listeners: any[]; routes: any[]; extensions: any[] }, { name, filters, without = [] }: Variant): Json {
  // Without the filter of connections: it comes by ECDS, and has nothing to say here.
  const connectionManager = ours.filterChains[0].filters.at(-1);
  ours.filterChains[0].filters = [connectionManager];
  const { '@type': type, rds, httpFilters, ...manager } = connectionManager.typedConfig;
  const table = routes.find((each) => each.name === rds.routeConfigName);
  for (const { routes } of table.virtualHosts) for (const route of routes) for (const filter of without) delete route.typedPerFilterConfig?.[filter];
  const wasm = new Map(Object.entries(MODULES).map(([filter, file]) => {
    const { typedConfig } = extensions.find((each) => each.name === filter);
    const { vmConfig } = typedConfig.config;
    vmConfig.code = { local: { filename: new URL(`../../build/${file}.wasm`, import.meta.url).pathname } };
    // Two VMs must not be one because their ids are the same while their listeners differ.
    vmConfig.vmId = name;
    return [filter, typedConfig];
  }));
  const inPlace: Filter[] = httpFilters.map(({ configDiscovery, ...filter }: Filter & { configDiscovery?: unknown }) => (configDiscovery === undefined ? filter : { ...filter, typedConfig: wasm.get(filter.name) }));
  connectionManager.typedConfig = { '@type': type, ...manager, routeConfig: table, httpFilters: filters(inPlace) };
  return { ...ours, name, address: { socketAddress: { address: '127.0.0.1', portValue: 0 } } };
}
