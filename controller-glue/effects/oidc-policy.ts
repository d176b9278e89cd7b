// What an OIDCPolicy makes of the logins it decides for.
import { createPrivateKey } from 'node:crypto';
import { parseDuration } from '../../policy/duration.ts';
import type { OidcPolicy, SessionStore } from '../../policy/oidc.ts';
import type { Secret } from '../../policy/secret.ts';
import { authority } from '../authority.ts';
import type { Draft, OidcEffect } from '../draft.ts';
import { headerProblem } from '../header-problem.ts';
import { ID_TOKEN_HEADER, ACCESS_TOKEN_HEADER } from '../handed-tokens.ts';
import type { OidcPolicySpec } from '../kinds/oidc-policy.ts';
import { GATEWRIGHT } from '../kinds.ts';
import type { Fault } from '../problem-at.ts';
import type { Metadata, Resource } from '../resources.ts';
import { secretValue } from '../secret-value.ts';

type Say = (fault: Fault) => void;
const MAX_PAGE = 65_536;

export function oidcEffect({ spec, metadata }: Resource<OidcPolicySpec>, { find }: Draft, say: Say): OidcEffect {
  const { session, assertion, claimsToHeaders, identityHeader, jwksPath, logout, login, passPreflight } = spec;
  const store = redis(session.store, metadata, find, say);
  const page = errorPage(spec.errorPage, metadata, find, say);
  const client = clientAuthentication(spec.clientAuthentication, metadata, find, say);
  const headers = new Map<string, string>();
  const named = (header: string, path: string): string => {
    const name = header.toLowerCase();
    const problem = headerProblem(name) ?? (OWN_HEADERS.has(name) ? 'must not be a header that has another use' : headers.has(name) ? `must differ from that of ${headers.get(name) ?? ''}` : null);
    if (problem !== null) say({ path, message: problem });
    headers.set(name, path);
    return name;
  };
  const claimHeaders = claimsToHeaders.map(({ claim, header }, i) => {
    if (claim.split('.').includes('')) say({ path: `spec.claimsToHeaders[${i}].claim`, message: 'must be names with single dots between them' });
    return { header: named(header, `spec.claimsToHeaders[${i}].header`), claim: claim.split('.') };
  });
  const identity = identityHeader === undefined ? undefined : { header: named(identityHeader.name, 'spec.identityHeader.name'), audience: identityHeader.audience, namespace: metadata.namespace };
  return {
    client,
    session: { absoluteMs: milliseconds(session.absoluteTimeout), idleMs: milliseconds(session.idleTimeout), ...(store === undefined ? {} : { store }) },
    assertionMs: milliseconds(assertion.lifetime),
    claimHeaders,
    ...(identity === undefined ? {} : { identity, jwksPath }),
    ...(logout.postLogoutRedirectURL === undefined ? {} : { postLogoutRedirectUrl: logout.postLogoutRedirectURL }),
    ...(logout.backChannelPath === undefined ? {} : { backChannelLogoutPath: logout.backChannelPath }),
    authorizationParameters: {
      ...login.parameters,
      ...(login.prompt === undefined ? {} : { prompt: login.prompt.join(' ') }), ...(login.acrValues.length === 0 ? {} : { acr_values: login.acrValues.join(' ') }),
    },
    ...(login.maxAge === undefined ? {} : { maxAgeMs: milliseconds(login.maxAge) }),
    requiredAcr: login.acrValues,
    passPreflight,
    ...(page === undefined ? {} : { errorPage: page }),
  };
}

/** What would be taken for the client's own, or for a token that the login hands to jwt. */
const OWN_HEADERS = new Set(['authorization', 'cookie', 'set-cookie', ID_TOKEN_HEADER, ACCESS_TOKEN_HEADER]);

function clientAuthentication({ method, privateKeyRef, keyID, algorithm = 'RS256' }: OidcPolicySpec['clientAuthentication'], { namespace }: Metadata, find: Draft['find'], say: Say): OidcEffect['client'] {
  switch (method) {
    case 'ClientSecretBasic': return { method: 'client_secret_basic' };
    case 'ClientSecretPost': return { method: 'client_secret_post' };
    case 'None': return { method: 'none' };
    case 'PrivateKeyJwt': {
      const { name, key = 'private-key' } = privateKeyRef ?? { name: '' };
      const path = 'spec.clientAuthentication.privateKeyRef';
      const value = secretValue({ name }, key, path, own(namespace), find, say);
      const problem = value === undefined ? null : keyProblem(value, algorithm);
      if (problem !== null) say({ path, message: `Secret ${namespace}/${name}: ${key} ${problem}` });
      return value === undefined ? { method: 'none' } : { method: 'private_key_jwt', key: value, ...(keyID === undefined ? {} : { keyId: keyID }), algorithm };
    }
  }
}

const KEY_TYPES = { RS256: ['rsa'], PS256: ['rsa', 'rsa-pss'], ES256: ['ec'], ES384: ['ec'], EdDSA: ['ed25519'] } as const;
const CURVES: Readonly<Record<string, string>> = { ES256: 'prime256v1', ES384: 'secp384r1' };

function keyProblem(value: Secret, algorithm: keyof typeof KEY_TYPES): string | null {
  try {
    const text = value.reveal();
    const key = text.trimStart().startsWith('{') ? createPrivateKey({ format: 'jwk', key: JSON.parse(text) as Record<string, string> }) : createPrivateKey(text);
    const fits = (KEY_TYPES[algorithm] as readonly string[]).includes(key.asymmetricKeyType ?? '') && [undefined, key.asymmetricKeyDetails?.namedCurve].includes(CURVES[algorithm]);
    return fits ? null : `is not a key for ${algorithm}`;
  } catch {
    return 'is neither a private key in PEM nor a JWK';   // whatever the error says may quote it
  }
}

function redis(store: OidcPolicySpec['session']['store'], { namespace, name: policy }: Metadata, find: Draft['find'], say: Say): SessionStore | undefined {
  if (store === undefined) return undefined;
  const { urlSecretRef: { name, key = 'url' }, caCertificateRefs = [] } = store.redis;
  const at = 'spec.session.store.redis';
  const url = secretValue({ name }, key, `${at}.urlSecretRef`, own(namespace), find, say);
  const trusted = caCertificateRefs.length === 0 ? undefined
    : authority(caCertificateRefs, { name: `oidc-store-ca/${namespace}/${policy}`, kind: 'OIDCPolicy', namespace, at: `${at}.caCertificateRefs` }, find, say);
  if (url === undefined || trusted === null) return undefined;
  const text = url.reveal();
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text) || new URL(text).hostname === '') {
    say({ path: `${at}.urlSecretRef`, message: `Secret ${namespace}/${name}: ${key} must be a URL such as rediss://user:password@host:6379` });
    return undefined;
  }
  if (trusted !== undefined && !text.startsWith('rediss:')) say({ path: `${at}.caCertificateRefs`, message: 'is for rediss:// alone' });
  return { url, ...(trusted === undefined ? {} : { ca: trusted.certificates }) };
}

function errorPage(ref: OidcPolicySpec['errorPage'], { namespace }: Metadata, find: Draft['find'], say: Say): OidcPolicy['errorPage'] {
  if (ref === undefined) return undefined;
  const { configMapRef: { name }, key } = ref;
  const object = `ConfigMap ${namespace}/${name}`;
  const found = find.configMap(namespace, name);
  const page = found?.spec.data[key];
  const problem = found === undefined ? `${object} not found` : found.problems.length > 0 ? `${object} is not valid` : page === undefined ? `${object} must hold ${key}`
    : page.length > MAX_PAGE ? `${object}: ${key} must have at most ${MAX_PAGE} characters` : null;
  if (problem !== null) say({ path: 'spec.errorPage.configMapRef', message: problem });
  return problem === null ? page : undefined;
}

function own(namespace: string) { return { group: GATEWRIGHT, kind: 'OIDCPolicy', namespace }; }
function milliseconds(text: string): number { return parseDuration(text) ?? 0; }
