// Logins that could never end, and OIDCPolicies for which there is no login: nothing is closed for them, and their authors are told.
import { condition } from '../draft.ts';
import type { Draft, DraftPolicy } from '../draft.ts';
import type { IrRoute, IrVirtualHost } from '../ir.ts';
import { problemAt } from '../problem-at.ts';
import { objectKey } from '../resources.ts';
import { addAncestor } from './ancestors.ts';

type Login = NonNullable<IrRoute['oidc']>['policy'];

export function checkLogins(draft: Draft): void {
  const hosts = draft.ir.gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => virtualHosts));
  warnOfDeadEnds(hosts, draft);
  // What is at fault is told so, and not that it is for nothing besides.
  const logins = new Set(draft.policies.SecurityPolicy.filter(({ resource: { spec, problems } }) => spec.oidc !== undefined || problems.length > 0).map(({ resource }) => objectKey(resource.ref)));
  const used = new Set(hosts.flatMap((host) => host.routes).map(({ owners }) => owners.map(objectKey)).filter((owners) => owners.some((owner) => logins.has(owner))).flat());
  for (const policy of draft.policies.OIDCPolicy) if (policy.effect.kind === 'applied' && !used.has(objectKey(policy.resource.ref))) warnOfNoLogin(policy, draft);
}

function warnOfNoLogin(policy: DraftPolicy<'OIDCPolicy'>, draft: Draft): void {
  const message = 'changes nothing: no SecurityPolicy with oidc covers what it is for';
  const accepted = policy.ancestors.filter(({ conditions }) => conditions.some(({ type, status }) => type === 'Accepted' && status === 'True'));
  if (accepted.length === 0) return;
  draft.problems.push(problemAt(policy.resource, { path: 'spec', message, severity: 'warning' }));
  const say = addAncestor(draft, policy);
  for (const { ancestorRef } of accepted) say(ancestorRef, condition(policy.resource, 'Warning', true, 'NoLogin', `The policy ${message}`));
}

function warnOfDeadEnds(hosts: readonly IrVirtualHost[], draft: Draft): void {
  const policies = new Map(draft.policies.SecurityPolicy.map(({ resource }) => [`${resource.metadata.namespace}/${resource.metadata.name}`, resource]));
  const told = new Set<string>();
  const comesBack = new Map<string, boolean>();
  for (const host of hosts) {
    const logins = new Map(host.routes.flatMap(({ oidc }) => (oidc === undefined ? [] : [[oidc.id, oidc.policy] as const])));
    for (const login of logins.values()) {
      const resource = policies.get(login.name);
      const warn = (path: string, message: string): void => {
        if (resource === undefined || told.has(`${login.name} ${message}`)) return;
        told.add(`${login.name} ${message}`);
        draft.problems.push(problemAt(resource, { path, message, severity: 'warning' }));
      };
      const where = named(host);
      const key = `${login.scope} ${login.redirectUrl}`;
      const fixed = !login.redirectUrl.includes('%REQ(:authority)%');
      if (fixed && !comesBack.has(key)) comesBack.set(key, hosts.some((each) => serves(each, new URL(login.redirectUrl).hostname) && takes(each, login.callbackPath, login)));
      if (!(fixed ? comesBack.get(key) === true : takes(host, login.callbackPath, login))) {
        warn('spec.oidc.redirectURL', `nobody can log in at ${where}: no rule under this policy takes ${fixed ? login.redirectUrl : login.callbackPath}`);
      }
      const { domain } = login.cookies;
      if (!fixed && domain !== undefined && !host.domains.every((each) => each === '*' || within(each.replace(/^\*\./, ''), domain))) {
        warn('spec.oidc.cookieDomain', `nobody can log in at ${where}: there browsers refuse cookies of ${domain}`);
      }
      if (!takes(host, login.logoutPath, login)) warn('spec.oidc.logoutPath', `nobody can log out at ${where}: no rule under this policy takes ${login.logoutPath}`);
    }
  }
}

/** Whether the first rule that takes the path is under the policy. What also goes by headers or patterns may take it or not: it counts only for the policy. */
function takes({ routes }: IrVirtualHost, path: string, { scope }: Login): boolean {
  const first = routes.find(({ match, oidc }) => {
    const sure = match.path.kind !== 'regex' && match.headers.length === 0 && match.query.length === 0;
    return (sure || oidc?.policy.scope === scope) && (match.method === undefined || match.method === 'GET') && mayTake(match.path, path);
  });
  return first?.oidc?.policy.scope === scope;
}

function mayTake({ kind, value }: IrRoute['match']['path'], path: string): boolean {
  switch (kind) {
    case 'exact': return path === value;
    case 'prefix': return value === '/' || path === value || path.startsWith(value.endsWith('/') ? value : `${value}/`);
    case 'regex': return true;
  }
}

function within(host: string, domain: string): boolean { return host === domain || host.endsWith(`.${domain}`); }

function serves({ domains }: IrVirtualHost, host: string): boolean {
  return domains.some((domain) => domain === '*' || domain === host || (domain.startsWith('*.') && host.endsWith(domain.slice(1))));
}

function named({ domains: [domain = '*'] }: IrVirtualHost): string { return domain === '*' ? 'any host' : domain; }
