// Writes draft.ir: ports, chains, virtual hosts and the routes in them, in the order they are tried.
import type { Draft, DraftGateway, DraftListener } from '../draft.ts';
import { covers, domain } from '../hostname.ts';
import type { IrChain, IrCluster, IrGateway, IrListener, IrRoute, IrRouteTable, IrVirtualHost } from '../ir.ts';
import { compare } from '../lookup.ts';
import { withoutSessionsOfOthers } from './beside-logins.ts';
import { chainTraffic, clientAuthorities, portTraffic } from './listener-traffic.ts';
import { inOrder } from './precedence.ts';
import { withPreflights } from './preflights.ts';
import { irRoutes } from './rule-routes.ts';
import type { TableRoute } from './rule-routes.ts';
import { withUpgrades } from './upgrades.ts';

export function buildTables(draft: Draft): void {
  draft.ir = { gateways: draft.gateways.filter(({ listeners }) => listeners.some(({ usable }) => usable)).map((gateway) => irGateway(gateway, draft)) };
}

/** The routes of one listener, by host. */
type Hosts = ReadonlyMap<string, readonly TableRoute[]>;

function irGateway(gateway: DraftGateway, draft: Draft): IrGateway {
  const { namespace, name } = gateway.resource.metadata;
  const hosts = hostsOfListeners(gateway, draft);
  const ports = Map.groupBy(gateway.listeners.filter(({ usable }) => usable), ({ port }) => port);
  const listeners: IrListener[] = [];
  const tables: IrRouteTable[] = [];
  for (const [port, onPort] of [...ports].sort(([a], [b]) => a - b)) {
    const listener = `${namespace}/${name}/${port}`;
    const secure = onPort[0]?.spec.protocol === 'HTTPS';
    // HTTP: one table for all listeners of the port. HTTPS: one for each, chosen by SNI.
    const groups = secure ? onPort.toSorted((a, b) => compare(a.spec.name, b.spec.name)).map((each) => [each]) : [onPort];
    const chains: IrChain[] = [];
    for (const group of groups) {
      const [first] = group;
      if (first === undefined) continue;
      const table = secure ? `${listener}/${first.spec.name}` : listener;
      const neighbours = gateway.listeners.filter(({ spec }) => spec.port === first.spec.port && spec.protocol === first.spec.protocol);
      tables.push({ name: table, virtualHosts: virtualHosts(group, neighbours, hosts, draft) });
      chains.push({
        name: table, serverNames: secure && first.spec.hostname !== undefined ? [first.spec.hostname] : [], certificates: first.certificates.map((each) => each.name),
        ...chainTraffic(group, draft), routeTable: table,
      });
    }
    listeners.push({ name: listener, port, serves: onPort.map(({ spec }) => spec.name), ...portTraffic(onPort, draft), chains });
  }
  const own = [...hosts.values()].flatMap((each) => [...each.values()].flatMap((routes) => routes.flatMap(({ clusters }) => clusters)));
  const clusters = new Map([...draft.clusters, ...own.map((cluster) => [cluster.name, cluster] as const)]);
  const routeTables = withUpgrades(withoutSessionsOfOthers(tables), clusters);
  const usable = gateway.listeners.filter((listener) => listener.usable);
  const certificates = new Map(usable.flatMap((listener) => listener.certificates.map((each) => [each.name, each] as const)));
  return {
    namespace, name, listeners, routeTables, clusters: used(routeTables, clusters),
    certificates: [...certificates.values()].sort((a, b) => compare(a.name, b.name)),
    clientAuthorities: clientAuthorities(usable, draft),
  };
}

function hostsOfListeners(gateway: DraftGateway, draft: Draft): ReadonlyMap<DraftListener, Hosts> {
  const result = new Map<DraftListener, Map<string, TableRoute[]>>(gateway.listeners.map((listener) => [listener, new Map()]));
  for (const route of draft.routes) {
    // Two parentRefs may lead to one listener: each host of it once.
    const wanted = new Map<DraftListener, Set<string>>();
    for (const parent of route.parents) {
      if (parent.gateway !== gateway) continue;
      for (const { listener, hostnames } of parent.attachments) wanted.set(listener, new Set([...(wanted.get(listener) ?? []), ...hostnames]));
    }
    for (const [listener, hostnames] of wanted) {
      const routes = irRoutes(route, listener, draft);
      const hosts = result.get(listener);
      for (const hostname of hostnames) {
        const list = hosts?.get(hostname);
        if (list === undefined) hosts?.set(hostname, [...routes]);
        else list.push(...routes);
      }
    }
  }
  return result;
}

/**
 * Gateway API, listener isolation: a request belongs to the listener with the most specific hostname for its host, and to no other, whether that
 * listener has a route for it or not. So a host that a more specific neighbour covers gets no routes here, and the neighbour's own hostname
 * gets a virtual host even when it is empty. A neighbour that is at fault keeps its hosts too: nobody else may answer for them.
 */
function virtualHosts(group: readonly DraftListener[], neighbours: readonly DraftListener[], hosts: ReadonlyMap<DraftListener, Hosts>, draft: Draft): IrVirtualHost[] {
  const found = new Map<string, IrVirtualHost>();
  for (const listener of group) {
    const own = listener.spec.hostname ?? '';
    for (const [hostname, routes] of hosts.get(listener) ?? []) {
      const taken = neighbours.some((other) => other !== listener && moreSpecific(other.spec.hostname ?? '', own) && covers(other.spec.hostname ?? '', hostname));
      if (!taken) found.set(hostname, virtualHost(listener, hostname, routes, draft));
    }
    if (!found.has(own)) found.set(own, virtualHost(listener, own, [], draft));
  }
  for (const other of neighbours) {
    const hostname = other.spec.hostname ?? '';
    if (group.includes(other) || found.has(hostname) || !group.some(({ spec }) => covers(spec.hostname ?? '', hostname))) continue;
    // HTTPS with another listener's host: the connection was made for this one. HTTP: a neighbour at fault.
    const routes = other.spec.protocol === 'HTTPS' ? [misdirected] : [];
    found.set(hostname, { name: `${other.spec.name}/${domain(hostname)}`, domains: [domain(hostname)], keySets: {}, routes });
  }
  return [...found].sort(([a], [b]) => compare(a, b)).map(([, host]) => host);
}

function moreSpecific(a: string, b: string): boolean { return a !== b && covers(b, a); }

const misdirected: IrRoute = {
  name: 'misdirected', owners: [], match: { path: { kind: 'prefix', value: '/' }, headers: [], query: [] },
  action: { kind: 'respond', status: 421, reason: 'gatewright_misdirected' },
};

function virtualHost({ spec }: DraftListener, hostname: string, routes: readonly TableRoute[], draft: Draft): IrVirtualHost {
  const ids = new Set(routes.flatMap(({ keySets }) => keySets));
  return {
    name: `${spec.name}/${domain(hostname)}`,
    domains: [domain(hostname)],
    keySets: Object.fromEntries([...ids].sort().map((id) => [id, draft.keySets.get(id) ?? '{"keys":[]}'])),
    routes: withPreflights(inOrder(routes)),
  };
}

/** The clusters that these tables lead to: those of their shares, and those that remote keys come from. */
function used(tables: readonly IrRouteTable[], clusters: ReadonlyMap<string, IrCluster>): IrCluster[] {
  const names = new Set<string>();
  for (const { action, jwt } of tables.flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ routes }) => routes))) {
    if (action.kind === 'forward') for (const share of action.shares) if ('cluster' in share) names.add(share.cluster);
    for (const { keys } of jwt?.policy.providers ?? []) if ('remote' in keys) names.add(keys.remote.cluster);
  }
  return [...names].sort().flatMap((name) => { const cluster = clusters.get(name); return cluster === undefined ? [] : [cluster]; });
}

