// A Gateway as one self-contained Envoy configuration: what ADS would deliver stands in place. For `envoy --mode validate`.
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { IrGateway } from '../ir.ts';
import { bootstrap } from './bootstrap.ts';
import { clusterJson, endpointsJson } from './clusters.ts';
import { connectionFilters } from './connection-filter.ts';
import { NO_KEYS, extensions } from './extensions.ts';
import { listenerJson } from './listeners.ts';
import { routeTableJson } from './routes.ts';
import { secretsJson } from './secrets.ts';
import type { SnapshotOptions } from './snapshot.ts';

/** Holds private keys as they are: whoever writes it down writes it where nobody else reads. */
export function staticConfiguration(gateway: IrGateway, { wasm, caFile, address, sessionKeys = NO_KEYS }: SnapshotOptions): JsonObject {
  const byName = (items: readonly object[], key = 'name'): Map<string, JsonObject> => new Map((items as JsonObject[]).map((item) => [String(item[key]), item]));
  const routes = byName(gateway.routeTables.map(routeTableJson));
  const secrets = byName(secretsJson(gateway, false));
  const filters = byName([...extensions(wasm, sessionKeys), ...connectionFilters(gateway.listeners, wasm.connectionLimit)]);
  const endpoints = byName(endpointsJson(gateway.clusters), 'clusterName');

  const inPlace = (value: JsonValue): JsonValue => {
    if (Array.isArray(value)) return value.map(inPlace);
    if (typeof value !== 'object' || value === null) return value;
    const { rds, configDiscovery, tlsCertificateSdsSecretConfigs, validationContextSdsSecretConfig, ...rest } = value;
    return {
      ...Object.fromEntries(Object.entries(rest).map(([key, member]) => [key, inPlace(member)])),
      ...(rds === undefined ? {} : { routeConfig: routes.get(String((rds as JsonObject)['routeConfigName'])) ?? {} }),
      ...(configDiscovery === undefined ? {} : { typedConfig: filters.get(String(value['name']))?.['typedConfig'] ?? {} }),
      ...(tlsCertificateSdsSecretConfigs === undefined ? {} : { tlsCertificates: (tlsCertificateSdsSecretConfigs as JsonObject[]).map(({ name }) => secrets.get(String(name))?.['tlsCertificate'] ?? {}) }),
      ...(validationContextSdsSecretConfig === undefined ? {} : { validationContext: secrets.get(String((validationContextSdsSecretConfig as JsonObject)['name']))?.['validationContext'] ?? {} }),
    };
  };
  const cluster = ({ edsClusterConfig, ...rest }: JsonObject): JsonObject =>
    edsClusterConfig === undefined ? rest : { ...rest, type: 'STATIC', loadAssignment: endpoints.get(String((edsClusterConfig as JsonObject)['serviceName'] ?? rest['name'])) ?? {} };

  const { dynamicResources: _, ...base } = bootstrap({ nodeId: 'validate', pseudonym: 'validate', xdsSocketPath: '/nowhere' }) as JsonObject;
  return {
    ...base,
    staticResources: {
      listeners: gateway.listeners.map((listener) => inPlace(listenerJson(listener, address) as unknown as JsonObject)),
      clusters: gateway.clusters.map((one) => cluster(inPlace(clusterJson(one, caFile) as unknown as JsonObject) as JsonObject)),
    },
  };
}
