// A snapshot as one self-contained Envoy configuration: what ADS would deliver is put in place. So the real Envoy judges our resources without a server of ours.
import { createRegistry, fromBinary, toJson } from '@bufbuild/protobuf';
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { registry as envoy } from '../../proto/registry.js';
import { bootstrap } from '../../controller-glue/xds/bootstrap.ts';
import { typeUrls } from '../../controller-glue/xds/snapshot.ts';
import type { Snapshot } from '../../controller-glue/xds/snapshot.ts';

const registry = createRegistry(envoy, StringValueSchema);

/** The resources of one type, decoded from their bytes. */
export function decoded(snapshot: Snapshot, url: string): Map<string, JsonObject> {
  const schema = registry.getMessage(url.slice('type.googleapis.com/'.length));
  if (schema === undefined) throw new Error(url);
  return new Map([...(snapshot.get(url) ?? [])].map(([name, { body }]) => [name, toJson(schema, fromBinary(schema, body), { registry }) as JsonObject]));
}

/** `accessLog`: a format whose lines go to Envoy's standard output. */
export function staticBootstrap(snapshot: Snapshot, accessLog?: string): JsonObject {
  const of = (url: string) => decoded(snapshot, url);
  const [listeners, routes, clusters, endpoints, secrets, extensions] = [of(typeUrls.listener), of(typeUrls.route), of(typeUrls.cluster), of(typeUrls.endpoint), of(typeUrls.secret), of(typeUrls.extension)];
  const inPlace = (value: JsonValue): JsonValue => {
    if (Array.isArray(value)) return value.map(inPlace);
    if (typeof value !== 'object' || value === null) return value;
    if ('rds' in value) {
      const { rds, ...rest } = value;
      const log = accessLog === undefined ? {} : { accessLog: [{ name: 'log', typedConfig: { '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog', logFormat: { textFormatSource: { inlineString: `${accessLog}\n` } } } }] };
      return { ...(inPlace(rest) as JsonObject), ...log, routeConfig: routes.get(String((rds as JsonObject)['routeConfigName'])) ?? null };
    }
    if ('configDiscovery' in value) {
      const { configDiscovery: _, ...rest } = value;
      return { ...rest, typedConfig: extensions.get(String(value['name']))?.['typedConfig'] ?? null };
    }
    if ('tlsCertificateSdsSecretConfigs' in value || 'validationContextSdsSecretConfig' in value) {
      const { tlsCertificateSdsSecretConfigs: refs = [], validationContextSdsSecretConfig: authority, ...rest } = value;
      return {
        ...(inPlace(rest) as JsonObject), tlsCertificates: (refs as JsonObject[]).map((ref) => secrets.get(String(ref['name']))?.['tlsCertificate'] ?? null),
        ...(authority === undefined ? {} : { validationContext: secrets.get(String((authority as JsonObject)['name']))?.['validationContext'] ?? null }),
      };
    }
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, inPlace(member)]));
  };
  const inPlaceCluster = ({ edsClusterConfig, ...cluster }: JsonObject): JsonObject =>
    edsClusterConfig === undefined ? cluster : { ...cluster, type: 'STATIC', loadAssignment: endpoints.get(String((edsClusterConfig as JsonObject)['serviceName'] ?? cluster['name'])) ?? null };
  const { dynamicResources: _ads, staticResources: _static, ...base } = bootstrap({ nodeId: 'test', pseudonym: 'test', xdsSocketPath: '/nowhere' });
  return { ...(base as JsonObject), staticResources: { listeners: [...listeners.values()].map(inPlace), clusters: [...clusters.values()].map((cluster) => inPlaceCluster(inPlace(cluster) as JsonObject)) } };
}
