// The policy of extproc/oidc: how one route logs people in, and what their sessions are. Made by the controller of a SecurityPolicy's `oidc` and an OIDCPolicy;
// it holds secrets, so the service gets it as one (`oidcDocument`).
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import { Secret, replaceSecrets } from './secret.ts';

/** A secret on its way into the service is text; in every hand that holds it a Secret. */
const SecretText = z.union([z.instanceof(Secret), z.string().min(1).transform((text) => new Secret(text))]);
const milliseconds = z.int().min(0);
const claimPath = z.array(z.string().min(1)).min(1);
const header = z.string().regex(/^[a-z0-9][a-z0-9._-]*$/);
const path = z.string().startsWith('/');

/** How the token endpoint knows us (OIDC Core 9). */
export const ClientAuthentication = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('client_secret_basic'), secret: SecretText }),
  z.strictObject({ method: z.literal('client_secret_post'), secret: SecretText }),
  z.strictObject({ method: z.literal('private_key_jwt'), key: SecretText.describe('PKCS #8 PEM or a JWK'), keyId: z.string().optional(), algorithm: z.enum(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']).default('RS256') }),
  z.strictObject({ method: z.literal('none') }),
]);

export const OidcProvider = z.strictObject({
  issuer: z.string().min(1).describe('https, or http on loopback; what it discovers must name the same'),
  // What is given is not discovered.
  authorizationEndpoint: z.string().optional(),
  tokenEndpoint: z.string().optional(),
  endSessionEndpoint: z.string().optional(),
  /** In place of what the names of the endpoints resolve to: `backendRefs` of the SecurityPolicy. */
  connect: z.strictObject({
    addresses: z.array(z.strictObject({ host: z.string(), port: z.int().min(1).max(65_535) })).min(1),
    ca: z.string().optional().describe('certificates (PEM) in place of those of the system'),
    serverName: z.string().optional(),
  }).optional(),
  timeoutMs: milliseconds.min(1).default(5_000).describe('of one request to the provider'),
  retries: z.int().min(0).max(5).default(1).describe('more tries at what failed without an answer'),
});

/** Redis or Valkey. */
export const SessionStore = z.strictObject({
  url: SecretText.describe('redis:// or rediss://, with credentials if need be'),
  ca: z.string().optional(),
});

const HeaderMatch = z.strictObject({ name: z.string().regex(/^:?[a-z0-9][a-z0-9._-]*$/).describe(':path, too'), type: z.enum(['Exact', 'Prefix', 'Suffix', 'RegularExpression']), value: z.string() });

/** The whole policy of one route. */
export const OidcPolicy = z.strictObject({
  name: z.string().describe('namespace/name of the SecurityPolicy: for logs and metrics'),
  scope: z.string().regex(/^[a-z0-9]{10,26}$/).describe('what sessions are bound to, its beginning in the names of cookies too: a digest of policy, issuer and client'),
  provider: OidcProvider,
  clientId: z.string().min(1),
  clientAuthentication: ClientAuthentication,
  scopes: z.array(z.string().min(1)).min(1).describe('openid among them'),
  resources: z.array(z.string()).default([]).describe('RFC 8707'),
  authorizationParameters: z.record(z.string(), z.string()).default({}).describe('more for the authorization endpoint: prompt, acr_values, …'),
  maxAgeMs: milliseconds.optional().describe('max_age; auth_time is checked'),
  requiredAcr: z.array(z.string()).default([]).describe('acr must be one of them; none: any'),

  redirectUrl: z.string().regex(/^https?:\/\//).describe('of the callback; its host may be %REQ(:authority)%. The controller puts the scheme of the listener where the user wrote %REQ(x-forwarded-proto)%'),
  callbackPath: path,
  logoutPath: path,
  backChannelLogoutPath: path.optional().describe('needs a store'),
  jwksPath: path.optional().describe('where the keys of the identity header are shown'),
  postLogoutRedirectUrl: z.string().optional(),

  denyRedirect: z.array(z.array(HeaderMatch)).default([]).describe('401 where all matches of one list hold'),
  passThrough: z.array(z.strictObject({ name: header, prefix: z.string() })).default([]).describe('a request with a token there is none of ours: jwt judges it'),
  passPreflight: z.boolean().default(false).describe('CORS preflights go on without a session'),

  cookies: z.strictObject({
    sameSite: z.enum(['Lax', 'Strict', 'None']).default('Lax'),
    domain: z.string().optional(),
  }).prefault({}),
  session: z.strictObject({
    absoluteMs: milliseconds.min(1).default(604_800_000),
    idleMs: milliseconds.default(0).describe('0: none'),
    store: SessionStore.optional().describe('absent: in encrypted cookies'),
  }).prefault({}),
  loginMs: milliseconds.min(1).default(600_000).describe('how long somebody may take to log in'),
  assertionMs: milliseconds.max(3_600_000).default(60_000).describe('how long Envoy lets requests of a live session pass without asking; 0: it always asks'),
  refresh: z.boolean().default(true),
  defaultTokenMs: milliseconds.default(0).describe('of an access token that does not say; 0: the login fails'),
  defaultRefreshTokenMs: milliseconds.default(604_800_000),

  forwardAccessToken: z.boolean().default(false),
  forwardIdToken: z.strictObject({ header }).optional().describe('with "Bearer " in authorization'),
  /** Headers by which `jwt` gets a token that its provider looks for in a cookie of ours. The route takes them off. */
  tokenHeaders: z.strictObject({ accessToken: header.optional(), idToken: header.optional() }).prefault({}),
  claimHeaders: z.array(z.strictObject({ header, claim: claimPath })).default([]),
  claims: z.array(claimPath).default([]).describe('what `jwt` and what comes after it may ask of the session'),
  identity: z.strictObject({ header, audience: z.string(), namespace: z.string().min(1).describe('whose keys sign it: who asks for it') }).optional().describe('a signed JWT that says who it is'),
  errorPage: z.string().max(65_536).optional().describe('HTML with {{title}}, {{message}}, {{reason}} and {{request_id}}'),
});
export type OidcPolicy = z.infer<typeof OidcPolicy>;
export type OidcProvider = z.infer<typeof OidcProvider>;
export type ClientAuthentication = z.infer<typeof ClientAuthentication>;
export type SessionStore = z.infer<typeof SessionStore>;

/** The document that the service reads: the only place where the secrets of a policy are revealed. */
export function oidcDocument(policy: OidcPolicy): Secret { return new Secret(canonicalJson(replaceSecrets(policy, (secret) => secret.reveal()))); }

/** Names of cookies. Every one of ours begins so, whatever the policy: none reaches the upstream. */
export const COOKIE_PREFIXES = ['__Host-gatewright-', '__Secure-gatewright-', 'gatewright-'] as const;

/** `__Host-` binds to the host, over TLS only; a domain allows `__Secure-`; over http there is neither (local trials). */
export function cookieName(kind: 'session' | 'assertion' | 'login', { scope, redirectUrl, cookies }: Pick<OidcPolicy, 'scope' | 'redirectUrl' | 'cookies'>): string {
  const prefix = redirectUrl.startsWith('http://') ? COOKIE_PREFIXES[2] : cookies.domain === undefined ? COOKIE_PREFIXES[0] : COOKIE_PREFIXES[1];
  // Enough to tell policies apart; what nobody must find another preimage of is the whole.
  return `${prefix}${kind}-${scope.slice(0, 10)}`;
}
