// `oidc` of a SecurityPolicy → all that it says by itself of a login.
import { createHash } from 'node:crypto';
import { OidcPolicy } from '../../policy/oidc.ts';
import type { Secret } from '../../policy/secret.ts';
import { parseDuration } from '../../policy/duration.ts';
import type { Draft, OidcLogin } from '../draft.ts';
import type { Oidc, SecretRef } from '../kinds/oidc.ts';
import { ENVOY_GATEWAY } from '../kinds.ts';
import type { Fault } from '../problem-at.ts';
import { DEFAULT_REDIRECT_URL, redirectUrl } from '../redirect-url.ts';
import type { Metadata } from '../resources.ts';

type Say = (fault: Fault) => void;

/** Undefined: `say` has said why not. */
export function oidcLogin(oidc: Oidc, metadata: Metadata, { find }: Draft, say: Say): OidcLogin | undefined {
  const { provider: { issuer, authorizationEndpoint, tokenEndpoint, endSessionEndpoint } } = oidc;
  const clientId = oidc.clientID ?? secretValue(oidc.clientIDRef, 'client-id', 'spec.oidc.clientIDRef', metadata, find, say)?.reveal();
  const clientSecret = secretValue(oidc.clientSecret, 'client-secret', 'spec.oidc.clientSecret', metadata, find, say);
  const redirect = redirectUrl(oidc.redirectURL ?? DEFAULT_REDIRECT_URL);
  if (typeof redirect === 'string') say({ path: 'spec.oidc.redirectURL', message: redirect });
  if (clientId === undefined || typeof redirect === 'string') return undefined;
  const name = `${metadata.namespace}/${metadata.name}`;
  const { clientAuthentication: _, redirectUrl: _unused, callbackPath: _unset, ...policy } = OidcPolicy.parse({
    name, scope: scopeOf(name, issuer, clientId),
    provider: { issuer, authorizationEndpoint, tokenEndpoint, endSessionEndpoint },
    clientId, clientAuthentication: { method: 'none' },
    scopes: oidc.scopes.includes('openid') ? oidc.scopes : [...oidc.scopes, 'openid'],
    resources: oidc.resources,
    redirectUrl: 'https://host/path', callbackPath: redirect.path, logoutPath: oidc.logoutPath,
    denyRedirect: (oidc.denyRedirect?.headers ?? []).map(({ name: header, type, value }) => [{ name: header.toLowerCase(), type, value }]),
    cookies: { sameSite: oidc.cookieConfig?.sameSite, domain: oidc.cookieDomain },
    loginMs: milliseconds(oidc.csrfTokenTTL),
    refresh: oidc.refreshToken,
    defaultTokenMs: milliseconds(oidc.defaultTokenTTL), defaultRefreshTokenMs: milliseconds(oidc.defaultRefreshTokenTTL),
    forwardAccessToken: oidc.forwardAccessToken,
    forwardIdToken: oidc.forwardIDToken === undefined ? undefined : { header: oidc.forwardIDToken.header.toLowerCase() },
  });
  return { policy, redirect, ...(clientSecret === undefined ? {} : { clientSecret }) };
}

/** Sessions are bound to it: other policies, issuers and clients have others. */
function scopeOf(name: string, issuer: string, clientId: string): string {
  const digest = createHash('sha256').update(JSON.stringify([name, issuer, clientId])).digest();
  return Array.from(digest.subarray(0, 10), (byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte & 31]).join('');
}

/** Undefined where there is no reference, too. */
function secretValue(ref: SecretRef | undefined, key: string, path: string, { namespace }: Metadata, find: Draft['find'], say: Say): Secret | undefined {
  if (ref === undefined) return undefined;
  const from = ref.namespace ?? namespace;
  const refuse = (message: string): undefined => { say({ path, message }); };
  if (ref.group !== '' || ref.kind !== 'Secret') return refuse('must refer to a Secret');
  if (!find.granted({ group: ENVOY_GATEWAY, kind: 'SecurityPolicy', namespace }, { group: '', kind: 'Secret', namespace: from, name: ref.name })) {
    return refuse(`Secret ${from}/${ref.name} not permitted by any ReferenceGrant`);
  }
  const secret = find.secret(from, ref.name);
  if (secret === undefined) return refuse(`Secret ${from}/${ref.name} not found`);
  if (secret.problems.length > 0) return refuse(`Secret ${from}/${ref.name} is not valid`);
  const value = secret.spec.data[key];
  return value === undefined || value.reveal() === '' ? refuse(`Secret ${from}/${ref.name} must hold ${key}`) : value;
}

function milliseconds(text: string): number { return parseDuration(text) ?? 0; }
