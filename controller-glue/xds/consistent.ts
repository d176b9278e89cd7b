// Does a snapshot hold all it refers to? Asked before publishing: Envoy would wait, or answer 503, for what is not there.
import type { IrGateway } from '../ir.ts';
import { connectionFilterName } from './connection-filter.ts';
import { extensions, NO_CODE, NO_KEYS } from './extensions.ts';
import { typeUrls } from './snapshot.ts';
import type { Snapshot } from './snapshot.ts';

/** What is missing, in words; empty when the snapshot may be published. */
export function consistent({ listeners, routeTables, clusters }: IrGateway, snapshot: Snapshot): string[] {
  const missing: string[] = [];
  const needs = (url: string, name: string, by: string) => {
    const text = `${url.slice(url.lastIndexOf('.') + 1)} ${name}, which ${by} needs, is not there`;
    if (snapshot.get(url)?.has(name) !== true && !missing.includes(text)) missing.push(text);
  };
  for (const listener of listeners) {
    needs(typeUrls.listener, listener.name, 'the Gateway');
    for (const { name = '' } of extensions(NO_CODE, NO_KEYS)) needs(typeUrls.extension, name, `listener ${listener.name}`);
    for (const chain of listener.chains) {
      needs(typeUrls.route, chain.routeTable, `listener ${listener.name}`);
      needs(typeUrls.extension, connectionFilterName(chain.name), `listener ${listener.name}`);
      if (chain.clientValidation !== undefined) needs(typeUrls.secret, chain.clientValidation.authority, `listener ${listener.name}`);
      for (const certificate of chain.certificates) needs(typeUrls.secret, certificate, `listener ${listener.name}`);
    }
  }
  const dynamic = new Set(clusters.flatMap(({ kind, name }) => (kind === 'dynamic' ? [name] : [])));
  for (const { virtualHosts } of routeTables) {
    for (const { name: host, keySets, routes } of virtualHosts) {
      for (const { name, action, jwt, resolver } of routes) {
        if (action.kind === 'forward') for (const share of action.shares) if ('cluster' in share) needs(typeUrls.cluster, share.cluster, `route ${name}`);
        if (resolver === undefined && action.kind === 'forward' && action.shares.some((share) => 'cluster' in share && dynamic.has(share.cluster))) missing.push(`the resolver's policy, which route ${name} needs, is not there`);
        for (const { keys } of jwt?.policy.providers ?? []) {
          if ('remote' in keys) needs(typeUrls.cluster, keys.remote.cluster, `route ${name}`);
          if ('keySet' in keys && !Object.hasOwn(keySets, keys.keySet)) missing.push(`key set ${keys.keySet}, which route ${name} needs, is not in virtual host ${host}`);
        }
      }
    }
  }
  for (const cluster of clusters) {
    if (cluster.kind === 'endpoints') needs(typeUrls.endpoint, cluster.service, `cluster ${cluster.name}`);
    if (cluster.kind !== 'dynamic') continue;
    for (const secret of [cluster.tls?.authority, cluster.tls?.certificate]) if (secret !== undefined) needs(typeUrls.secret, secret.name, `cluster ${cluster.name}`);
  }
  return missing;
}
