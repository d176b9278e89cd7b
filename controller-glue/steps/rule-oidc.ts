// The login of the requests of one rule on one listener: the SecurityPolicy's, with what an OIDCPolicy adds to it.
import { canonicalJson } from '../../policy/canonical-json.ts';
import { type ClientAuthentication, type OidcPolicy, cookieName } from '../../policy/oidc.ts';
import { type Secret, replaceSecrets } from '../../policy/secret.ts';
import { contentId } from '../content-id.ts';
import type { Draft, DraftListener, DraftPolicy, DraftRoute, DraftRule, OidcEffect, OidcLogin, PolicyKind } from '../draft.ts';
import { claimsOfSessions } from '../handed-tokens.ts';
import type { IrJwt, IrRoute } from '../ir.ts';
import { type Fault, problemAt } from '../problem-at.ts';
import { sessionPolicy } from '../session-policy.ts';
import { applied, deciding, rulePlaces } from './deciding.ts';
import { reportClosed } from './unmet-policies.ts';

/** `jwt`: what judges those who are logged in. */
export function oidcOf(login: OidcLogin | undefined, jwt: IrJwt | undefined, route: DraftRoute, rule: DraftRule, listener: DraftListener, draft: Draft): Pick<IrRoute, 'oidc'> | 'closed' {
  if (login === undefined) return {};
  const places = rulePlaces(route, rule, listener);
  const security = deciding('SecurityPolicy', places, draft);
  const more = deciding('OIDCPolicy', places, draft);
  const { client = { method: 'client_secret_basic' } as const, identity, ...settings }: Partial<OidcEffect> = applied(more) ?? {};
  const clientAuthentication = authenticated(client, login.clientSecret);
  if (clientAuthentication === undefined) {
    if (security !== undefined) reportClosed(security, 'spec.oidc.clientSecret', 'is required, unless clientAuthentication of an OIDCPolicy is another. There is none on', route, rule, draft);
    return 'closed';
  }
  const { scheme = listener.spec.protocol === 'HTTPS' ? 'https' : 'http', host, path } = login.redirect;
  const policy: OidcPolicy = {
    ...login.policy, ...settings, clientAuthentication,
    redirectUrl: `${scheme}://${host}${path}`, callbackPath: path,
    ...(identity === undefined ? {} : { identity: { ...identity, audience: identity.audience ?? login.policy.name } }),
    claims: jwt === undefined ? [] : claimsOfSessions(jwt.policy),
  };
  const problem = contradiction(policy);
  if (problem !== null) {
    if (more !== undefined) reportClosed(more, 'spec', `${problem}, on`, route, rule, draft);
    return 'closed';
  }
  if (scheme === 'http' && security !== undefined) warnOfHttp(security, policy, listener, draft);
  if (policy.passPreflight && more !== undefined && security !== undefined && applied(security)?.cors !== undefined) {
    warnOnce(more, { path: 'spec.passPreflight', message: `changes nothing: cors of SecurityPolicy ${policy.name} answers preflights` }, draft);
  } else if (policy.passPreflight && more !== undefined && (jwt?.policy.missing === 'Deny' || jwt?.policy.authorization?.defaultAction === 'Deny')) {
    warnOnce(more, { path: 'spec.passPreflight', message: `lets preflights pass the login; jwt and authorization of SecurityPolicy ${policy.name} refuse them all the same, unless a rule allows them` }, draft);
  }
  // Ids are there for all to see: of a secret they hold what says nothing about it, and changes when it does.
  const told = replaceSecrets(policy, (secret) => ({ tag: draft.settings.tag(secret) }));
  return { oidc: { id: contentId(canonicalJson(told)), policy, session: sessionPolicy(policy) } };
}

/** Undefined: there is no secret, and there must be one. */
function authenticated(client: OidcEffect['client'], secret: Secret | undefined): ClientAuthentication | undefined {
  if (client.method === 'none' || client.method === 'private_key_jwt') return client;
  return secret === undefined ? undefined : { method: client.method, secret };
}

/** What each of the two policies may say, and both together may not. */
function contradiction({ callbackPath, logoutPath, backChannelLogoutPath, jwksPath, forwardIdToken, claimHeaders, identity }: OidcPolicy): string | null {
  const paths = [callbackPath, logoutPath, backChannelLogoutPath, jwksPath].filter((path) => path !== undefined);
  const twice = paths.find((path, i) => paths.indexOf(path) !== i);
  if (twice !== undefined) return `gives ${twice} two meanings`;
  const header = [...claimHeaders.map((each) => each.header), identity?.header].find((each) => each !== undefined && each === forwardIdToken?.header);
  return header === undefined ? null : `sets the header ${header}, as forwardIDToken of the SecurityPolicy does`;
}

/** Once a listener, however many rules it has. */
function warnOfHttp(security: DraftPolicy<'SecurityPolicy'>, policy: OidcPolicy, { gateway: { metadata }, spec }: DraftListener, draft: Draft): void {
  const lost = policy.cookies.sameSite === 'None' ? ', and browsers refuse those with SameSite=None' : '';
  const message = `on listener ${metadata.namespace}/${metadata.name}/${spec.name} people log in over http: cookies such as ${cookieName('session', policy)} are without Secure${lost}`;
  warnOnce(security, { path: 'spec.oidc.redirectURL', message, hint: 'fine for trials on this machine; elsewhere use an HTTPS listener' }, draft);
}

function warnOnce({ resource }: DraftPolicy<PolicyKind>, fault: Fault, draft: Draft): void {
  if (draft.problems.some((known) => known.object === resource.ref && known.message === fault.message)) return;
  draft.problems.push(problemAt(resource, { ...fault, severity: 'warning' }));
}
