// jwt and the login together: how a provider of `jwt` gets the tokens of a session, and which requests it judges alone.
import type { JwtPolicy, Provider } from '../policy/jwt.ts';
import type { OidcPolicy } from '../policy/oidc.ts';
import type { SecurityPolicySpec } from './kinds/security-policy.ts';
import { tokenSources } from './token-sources.ts';

/** EG has a provider find the session's tokens in the cookies of `cookieNames`. Here cookies hold none that could be read: the login hands them over by headers, which the route takes off. */
export const ID_TOKEN_HEADER = 'x-gatewright-id-token';
export const ACCESS_TOKEN_HEADER = 'x-gatewright-access-token';

/** The provider by which rules of `authorization` refer to the session, unless one of `jwt` has the name. */
const SESSION = 'oidc';

/** Which tokens some provider looks for. */
export function tokenHeaders({ oidc, jwt }: SecurityPolicySpec): OidcPolicy['tokenHeaders'] {
  const looksFor = (cookie: string | undefined): boolean => cookie !== undefined && (jwt?.providers ?? []).some(({ extractFrom }) => extractFrom?.cookies.includes(cookie) === true);
  return {
    ...(looksFor(oidc?.cookieNames?.idToken) ? { idToken: ID_TOKEN_HEADER } : {}),
    ...(looksFor(oidc?.cookieNames?.accessToken) ? { accessToken: ACCESS_TOKEN_HEADER } : {}),
  };
}

/** Where a provider looks, with headers in place of the cookies of the session. */
export function handedOver(from: Provider['from'], oidc: SecurityPolicySpec['oidc']): Provider['from'] {
  const { idToken, accessToken } = oidc?.cookieNames ?? {};
  const headers = new Map([...(accessToken === undefined ? [] : [[accessToken, ACCESS_TOKEN_HEADER] as const]), ...(idToken === undefined ? [] : [[idToken, ID_TOKEN_HEADER] as const])]);
  const handed = from.cookies.flatMap((cookie) => headers.get(cookie) ?? []);
  return { headers: [...from.headers, ...handed.map((name) => ({ name, prefix: '' }))], params: from.params, cookies: from.cookies.filter((cookie) => !headers.has(cookie)) };
}

/** passThroughAuthHeader: a request with one of these needs no session, jwt judges it (EG). */
export function passThroughHeaders({ jwt }: Pick<SecurityPolicySpec, 'jwt'>): OidcPolicy['passThrough'] {
  const all = (jwt?.providers ?? []).flatMap(({ extractFrom }) => tokenSources(extractFrom).headers);
  return [...new Map(all.map((each) => [`${each.name} ${each.prefix}`, each])).values()];
}

/** EG's rules, in EG's words. */
export function passThroughProblem({ oidc, jwt }: SecurityPolicySpec): string | null {
  if (oidc?.passThroughAuthHeader !== true) return null;
  if (jwt === undefined) return 'the OIDC.PassThroughAuthHeader setting must be used in conjunction with JWT settings';
  const headers = passThroughHeaders({ jwt }).map(({ name }) => name);
  if (headers.length === 0) return 'the OIDC.PassThroughAuthHeader setting must be used in conjunction with a JWT provider that is configured to read from a header';
  const forwarded = oidc.forwardIDToken?.header;
  if (forwarded === undefined || !headers.includes(forwarded.toLowerCase())) return null;
  return forwarded.toLowerCase() === 'authorization'
    ? `the OIDC.ForwardIDToken header ${JSON.stringify(forwarded)} cannot be the Authorization header when passThroughAuthHeader is enabled and a JWT provider reads from it`
    : `the OIDC.ForwardIDToken header ${JSON.stringify(forwarded)} cannot be the same as a JWT provider extractFrom header when passThroughAuthHeader is enabled`;
}

/** A session in place of a token. */
export function sessionProvider({ jwt }: Pick<SecurityPolicySpec, 'jwt'>): Provider {
  const name = (jwt?.providers ?? []).some((provider) => provider.name === SESSION) ? `${SESSION}/session` : SESSION;
  return { name, audiences: [], keys: { session: true }, from: { headers: [], params: [], cookies: [] }, claimToHeaders: [] };
}

/** What a policy asks of sessions: the login keeps these claims at hand, and no others. */
export function claimsOfSessions({ providers, authorization, publishClaims = [] }: JwtPolicy): string[][] {
  const sessions = new Set(providers.filter(({ keys }) => 'session' in keys).map(({ name }) => name));
  if (sessions.size === 0) return [];
  const asked = (authorization?.rules ?? []).flatMap(({ jwt }) => (jwt === undefined || !sessions.has(jwt.provider) ? []
    : [...jwt.claims.map(({ claim }) => claim), ...(jwt.scopes.length === 0 ? [] : [['scope'], ['scp']])]));
  const all = new Map([...asked, ...publishClaims].map((claim) => [JSON.stringify(claim), claim]));
  return [...all].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, claim]) => claim);
}
