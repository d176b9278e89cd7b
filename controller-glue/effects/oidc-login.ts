// `oidc` of a SecurityPolicy → all that it says by itself of a login.
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { parseDuration } from '../../policy/duration.ts';
import { OidcPolicy } from '../../policy/oidc.ts';
import type { Draft, OidcLogin } from '../draft.ts';
import { ACCESS_TOKEN_HEADER, ID_TOKEN_HEADER, passThroughHeaders, passThroughProblem, sessionProvider, tokenHeaders } from '../handed-tokens.ts';
import { headerProblem } from '../header-problem.ts';
import type { Oidc } from '../kinds/oidc.ts';
import type { SecurityPolicySpec } from '../kinds/security-policy.ts';
import { ENVOY_GATEWAY } from '../kinds.ts';
import { oidcProvider } from '../oidc-provider.ts';
import type { Fault } from '../problem-at.ts';
import { DEFAULT_REDIRECT_URL, type RedirectUrl, redirectUrl } from '../redirect-url.ts';
import { regexProblem } from '../regex-problem.ts';
import type { Metadata } from '../resources.ts';
import { secretValue } from '../secret-value.ts';

type Say = (fault: Fault) => void;

/** Undefined: `say` has said why not. */
export function oidcLogin(spec: SecurityPolicySpec & { readonly oidc: Oidc }, metadata: Metadata, draft: Draft, say: Say): OidcLogin | undefined {
  const { oidc } = spec;
  const from = { group: ENVOY_GATEWAY, kind: 'SecurityPolicy', namespace: metadata.namespace };
  const secret = (ref: Oidc['clientSecret'], key: string, path: string) => (ref === undefined ? undefined : secretValue(ref, key, path, from, draft.find, say));
  const clientId = oidc.clientID ?? secret(oidc.clientIDRef, 'client-id', 'spec.oidc.clientIDRef')?.reveal();
  const clientSecret = secret(oidc.clientSecret, 'client-secret', 'spec.oidc.clientSecret');
  const redirect = redirectUrl(oidc.redirectURL ?? DEFAULT_REDIRECT_URL);
  if (typeof redirect === 'string') say({ path: 'spec.oidc.redirectURL', message: redirect });
  else judgeUrls(oidc, redirect, say);
  judgeHeaders(spec, say);
  const passProblem = passThroughProblem(spec);
  if (passProblem !== null) say({ path: 'spec.oidc.passThroughAuthHeader', message: passProblem });
  if (oidc.disableTokenEncryption) say({ path: 'spec.oidc.disableTokenEncryption', severity: 'warning', message: 'changes nothing: sessions are always encrypted' });
  const handed = tokenHeaders(spec);
  for (const [field, taken] of [['idToken', handed.idToken], ['accessToken', handed.accessToken]] as const) {
    if (oidc.cookieNames?.[field] !== undefined && taken === undefined) {
      say({ path: `spec.oidc.cookieNames.${field}`, severity: 'warning', message: 'there is no such cookie: no cookie of a session can be read, nor reaches the backend', hint: 'forwardIDToken and forwardAccessToken hand it the tokens' });
    }
  }
  const provider = oidcProvider(oidc.provider, metadata.namespace, draft, say);
  if (clientId === undefined || typeof redirect === 'string') return undefined;
  const name = `${metadata.namespace}/${metadata.name}`;
  const read = OidcPolicy.safeParse({
    name, scope: scopeOf(name, oidc.provider.issuer, clientId), provider,
    clientId, clientAuthentication: { method: 'none' },
    scopes: oidc.scopes.includes('openid') ? oidc.scopes : [...oidc.scopes, 'openid'],
    resources: oidc.resources,
    redirectUrl: 'https://host/path', callbackPath: redirect.path, logoutPath: oidc.logoutPath,
    denyRedirect: (oidc.denyRedirect?.headers ?? []).map(({ name: header, type, value }) => [{ name: header.toLowerCase(), type, value }]),
    passThrough: oidc.passThroughAuthHeader ? passThroughHeaders(spec) : [],
    cookies: { ...(oidc.cookieConfig?.sameSite === undefined ? {} : { sameSite: oidc.cookieConfig.sameSite }), ...(oidc.cookieDomain === undefined ? {} : { domain: oidc.cookieDomain }) },
    loginMs: milliseconds(oidc.csrfTokenTTL),
    refresh: oidc.refreshToken,
    defaultTokenMs: milliseconds(oidc.defaultTokenTTL), defaultRefreshTokenMs: milliseconds(oidc.defaultRefreshTokenTTL),
    forwardAccessToken: oidc.forwardAccessToken,
    ...(oidc.forwardIDToken === undefined ? {} : { forwardIdToken: { header: oidc.forwardIDToken.header.toLowerCase() } }),
    tokenHeaders: handed,
  });
  if (!read.success) {
    // What has a place of its own among the problems is said above.
    for (const { path } of read.error.issues) say({ path: 'spec.oidc', message: `cannot be used: ${path.join('.')}` });
    return undefined;
  }
  const { clientAuthentication: _, redirectUrl: _unused, callbackPath: _unset, ...policy } = read.data;
  return { policy, redirect, session: sessionProvider(spec), ...(clientSecret === undefined ? {} : { clientSecret }) };
}

function judgeUrls({ logoutPath, cookieDomain }: Oidc, { host, path }: RedirectUrl, say: Say): void {
  if (path === logoutPath) say({ path: 'spec.oidc.logoutPath', message: 'must not be the path of redirectURL' });
  if (cookieDomain === undefined || host.startsWith('%')) return;
  const name = host.replace(/:\d+$/, '');
  if (isIP(cookieDomain) !== 0 || (name !== cookieDomain && !name.endsWith(`.${cookieDomain}`))) {
    say({ path: 'spec.oidc.cookieDomain', message: 'must be the host of redirectURL or a domain that it is in: the browser would bring no cookie there' });
  }
}

function judgeHeaders({ oidc, jwt }: SecurityPolicySpec & { readonly oidc: Oidc }, say: Say): void {
  const forwarded = oidc.forwardIDToken?.header.toLowerCase();
  const taken = ['cookie', 'set-cookie', ID_TOKEN_HEADER, ACCESS_TOKEN_HEADER];
  const problem = forwarded === undefined ? null : taken.includes(forwarded) ? 'must not be a header that has another use' : headerProblem(forwarded);
  if (problem !== null) say({ path: 'spec.oidc.forwardIDToken.header', message: problem });
  for (const [i, { type, name, value }] of (oidc.denyRedirect?.headers ?? []).entries()) {
    const at = `spec.oidc.denyRedirect.headers[${i}]`;
    if (!/^:?[a-z0-9][a-z0-9._-]*$/.test(name.toLowerCase())) say({ path: `${at}.name`, message: 'must be letters, digits, "-", "_" and "."' });
    const wrong = type === 'RegularExpression' ? regexProblem(value) : null;
    if (wrong !== null) say({ path: `${at}.value`, message: wrong });
  }
  if (!oidc.passThroughAuthHeader) return;
  for (const [i, { extractFrom }] of (jwt?.providers ?? []).entries()) {
    for (const [j, { name }] of (extractFrom?.headers ?? []).entries()) {
      if (!/^[a-z0-9][a-z0-9._-]*$/.test(name.toLowerCase())) say({ path: `spec.jwt.providers[${i}].extractFrom.headers[${j}].name`, message: 'must be letters, digits, "-", "_" and "." with passThroughAuthHeader' });
    }
  }
}

/** Sessions are bound to it: other policies, issuers and clients have others. 130 bits, for whoever writes policies may choose names until one fits. */
function scopeOf(name: string, issuer: string, clientId: string): string {
  const digest = createHash('sha256').update(JSON.stringify([name, issuer, clientId])).digest();
  return Array.from(digest.subarray(0, 26), (byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte & 31]).join('');
}

function milliseconds(text: string): number { return parseDuration(text) ?? 0; }
