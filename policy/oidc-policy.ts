// What the kind OIDCPolicy says of a login, beyond `oidc` of a SecurityPolicy: sessions, how the client shows who it is, what the app learns, logging out.
import { z } from 'zod';
import { Duration, PositiveDuration, parseDuration } from './duration.ts';

const name = z.string().min(1).max(253);
const header = z.string().min(1).max(256).regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must be a header name');
const path = z.string().min(1).max(1024).regex(/^(\/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+$/, 'must be a path such as /logout, without a query');
const upTo = (most: string) => Duration.refine((text) => (parseDuration(text) ?? 0) <= (parseDuration(most) ?? 0), `must not be more than ${most}`);
const word = z.string().min(1).max(1024).regex(/^[\x21-\x7E]+$/, 'must be one word of ASCII');

export const SecretKeyRef = z.strictObject({ name: name.describe('a Secret of the same namespace'), key: name.optional() });

export const ClientAuthenticationSettings = z.strictObject({
  method: z.enum(['ClientSecretBasic', 'ClientSecretPost', 'PrivateKeyJwt', 'None']).default('ClientSecretBasic')
    .describe('PrivateKeyJwt and None need no clientSecret. None: a public client, which PKCE alone protects'),
  privateKeyRef: SecretKeyRef.describe('PKCS #8 PEM or a JWK, under the key private-key unless said').optional(),
  keyID: z.string().min(1).max(256).optional().describe('kid, where the provider knows several keys of the client'),
  algorithm: z.enum(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']).optional().describe('of PrivateKeyJwt; RS256 unless said'),
}).superRefine(({ method, privateKeyRef, keyID, algorithm }, context) => {
  if (method === 'PrivateKeyJwt' && privateKeyRef === undefined) context.addIssue({ code: 'custom', path: ['privateKeyRef'], message: 'must be given with PrivateKeyJwt' });
  if (method === 'PrivateKeyJwt') return;
  for (const [field, value] of Object.entries({ privateKeyRef, keyID, algorithm })) {
    if (value !== undefined) context.addIssue({ code: 'custom', path: [field], message: 'is for PrivateKeyJwt alone' });
  }
});

/** Said by other fields, or new for every login. */
const OWN_PARAMETERS = ['client_id', 'client_secret', 'redirect_uri', 'response_type', 'response_mode', 'scope', 'state', 'nonce', 'code_challenge', 'code_challenge_method',
  'resource', 'max_age', 'prompt', 'acr_values', 'request', 'request_uri'];

export const LoginSettings = z.strictObject({
  prompt: z.array(z.enum(['login', 'consent', 'select_account', 'create'])).min(1).max(4).optional(),
  maxAge: Duration.optional().describe('how long ago somebody may have logged in at the provider; auth_time is checked'),
  acrValues: z.array(word).max(16).default([]).describe('one of them must be in the ID token'),
  parameters: z.record(z.string().min(1).max(128), z.string().max(2048)).default({}).describe('more for the authorization endpoint, such as login_hint or domain_hint')
    .superRefine((parameters, context) => {
      for (const parameter of Object.keys(parameters)) {
        if (OWN_PARAMETERS.includes(parameter)) context.addIssue({ code: 'custom', path: [parameter], message: 'must not be set here: it is for other fields, or for the login itself' });
      }
      if (Object.keys(parameters).length > 32) context.addIssue({ code: 'custom', message: 'must have at most 32 entries' });
    }),
});

export const OidcPolicySettings = z.strictObject({
  session: z.strictObject({
    absoluteTimeout: PositiveDuration.default('168h').describe('after so long one has to log in again'),
    idleTimeout: Duration.default('0s').describe('after so long without a request; 0s: never'),
    store: z.strictObject({
      redis: z.strictObject({
        urlSecretRef: SecretKeyRef.describe('redis://… or rediss://… with user and password, under the key url unless said. Valkey is fine'),
        caCertificateRefs: z.array(z.strictObject({ group: z.enum(['']).default(''), kind: z.enum(['ConfigMap', 'Secret']).default('ConfigMap'), name })).max(8).optional()
          .describe('ca.crt of each, in place of the authorities of the system'),
      }),
    }).optional().describe('absent: sessions are in encrypted cookies, and end where those end'),
  }).prefault({}),
  assertion: z.strictObject({
    lifetime: upTo('1h').default('60s').describe('how long Envoy lets requests of a live session pass without asking the service, and a session that was ended may live on; 0s: it always asks'),
  }).prefault({}),
  clientAuthentication: ClientAuthenticationSettings.prefault({}),
  claimsToHeaders: z.array(z.strictObject({
    claim: z.string().min(1).max(253).describe('of the ID token; a.b is b in a'),
    header,
  })).max(32).default([]).describe('for the upstream; what clients send under these names is removed'),
  identityHeader: z.strictObject({
    name: header.default('x-gatewright-identity'),
    audience: word.optional().describe('aud; the SecurityPolicy as namespace/name unless said'),
  }).optional().describe('a JWT that says who it is, signed with ES256 by the keys at jwksPath'),
  jwksPath: path.default('/.well-known/gatewright/jwks.json').describe('with identityHeader'),
  logout: z.strictObject({
    postLogoutRedirectURL: z.string().max(2048).regex(/^https?:\/\/[^\s\\]+$/, 'must be a URL').optional().describe('where the provider sends people once they are logged out there'),
    backChannelPath: path.optional().describe('where the provider ends sessions by itself (OpenID Connect Back-Channel Logout)'),
  }).prefault({}),
  login: LoginSettings.prefault({}),
  passPreflight: z.boolean().default(false).describe('CORS preflights reach the upstream without a session; jwt and authorization judge them all the same'),
  errorPage: z.strictObject({
    configMapRef: z.strictObject({ name: name.describe('a ConfigMap of the same namespace') }),
    key: name.default('error.html'),
  }).optional().describe('HTML with {{title}}, {{message}}, {{reason}} and {{request_id}}'),
});
export type OidcPolicySettings = z.infer<typeof OidcPolicySettings>;

/** What sessions in cookies cannot do. */
export function storeProblem({ session, logout }: OidcPolicySettings): string | null {
  return logout.backChannelPath !== undefined && session.store === undefined ? 'needs session.store: nobody but the browser has the cookies' : null;
}
