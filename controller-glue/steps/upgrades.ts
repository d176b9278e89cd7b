// A WebSocket is asked for over HTTP/1.1. Where a host and we would agree on HTTP/2, such a request would be lost: most hosts have no WebSockets there.
// So requests for one go by a route and a cluster of their own, which are the same but for that.
import type { IrCluster, IrRoute, IrRouteTable } from '../ir.ts';

/** `clusters`: by name; those that are new are added. The routes are in the order they are tried. */
export function withUpgrades(tables: readonly IrRouteTable[], clusters: Map<string, IrCluster>): IrRouteTable[] {
  return tables.map((table) => ({ ...table, virtualHosts: table.virtualHosts.map((host) => ({ ...host, routes: host.routes.flatMap((route) => bothWays(route, clusters)) })) }));
}

function bothWays(route: IrRoute, clusters: Map<string, IrCluster>): readonly IrRoute[] {
  const { name, match, action } = route;
  if (action.kind !== 'forward') return [route];
  const [share] = action.shares;
  const cluster = share === undefined || !('cluster' in share) ? undefined : clusters.get(share.cluster);
  if (share === undefined || cluster?.kind !== 'dynamic' || cluster.protocol !== 'alpn') return [route];
  const own: IrCluster = { ...cluster, name: `${cluster.name}/http1`, protocol: 'http1' };
  clusters.set(own.name, own);
  const upgrade: IrRoute = {
    ...route, name: `${name}/upgrade`, match: { ...match, headers: [...match.headers, { name: 'upgrade', kind: 'regex', value: '(?i)websocket' }] },
    action: { ...action, shares: [{ cluster: own.name, weight: share.weight }] },
  };
  return [upgrade, route];
}
