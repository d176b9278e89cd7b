// Browsers bring the cookies of a login to every path of its host, and of its cookieDomain: routes without a login take them off before an upstream sees them.
import type { IrRouteTable, IrVirtualHost } from '../ir.ts';

export function withoutSessionsOfOthers(tables: readonly IrRouteTable[]): IrRouteTable[] {
  const hosts = tables.flatMap(({ virtualHosts }) => virtualHosts);
  const logins = hosts.flatMap(({ domains, routes }) => routes.flatMap(({ oidc }) => (oidc === undefined ? [] : [{ domains, cookieDomain: oidc.policy.cookies.domain }])));
  if (logins.length === 0) return [...tables];
  const names = new Set(logins.flatMap(({ domains }) => domains));
  const cookieDomains = new Set(logins.flatMap(({ cookieDomain }) => cookieDomain ?? []));
  const beside = ({ domains }: IrVirtualHost): boolean => domains.some((domain) => names.has(domain) || [...cookieDomains].some((each) => overlap(domain, each)));
  return tables.map((table) => ({ ...table, virtualHosts: table.virtualHosts.map((host) => (beside(host)
    ? { ...host, routes: host.routes.map((route) => (route.oidc === undefined && route.action.kind === 'forward' ? { ...route, besideLogin: true as const } : route)) } : host)) }));
}

/** Whether a host of `domain`, which may be a wildcard, can be one that cookies of `cookieDomain` are for. */
function overlap(domain: string, cookieDomain: string): boolean {
  const within = (host: string, parent: string): boolean => host === parent || host.endsWith(`.${parent}`);
  if (domain === '*') return true;
  return domain.startsWith('*.') ? within(domain.slice(2), cookieDomain) || within(cookieDomain, domain.slice(2)) : within(domain, cookieDomain);
}
