// `oidc` of a SecurityPolicy: EG's fields, defaults and words.
import { z } from 'zod';
import { Duration, PositiveDuration } from '../../policy/duration.ts';
import { group, kind, namespaceName, objectName, portNumber } from './names.ts';
import { notSupported } from './not-supported.ts';

export const SecretRef = z.strictObject({ group: group.default(''), kind: kind.default('Secret'), name: objectName, namespace: namespaceName.optional() });
export type SecretRef = z.infer<typeof SecretRef>;

const headerName = z.string().min(1).max(256).regex(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/, 'must be a header name');
/** What Envoy's normalised paths can hold: any other would never be asked for. */
export const OwnPath = z.string().min(1).max(1024).regex(/^(\/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+$/, 'must be a path such as /oauth2/callback, without a query')
  .refine((path) => !path.split('/').some((part) => part === '.' || part === '..'), 'must not contain /./ or /../');
const cookie = z.string().min(1).max(255).regex(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/, 'must be the name of a cookie');

/** Of ClusterSettings, what there is for a few requests to a provider. */
const BackendSettings = z.strictObject({
  timeout: z.strictObject({
    http: z.strictObject({
      requestTimeout: PositiveDuration.optional(),
      connectionIdleTimeout: notSupported(), maxConnectionDuration: notSupported(), maxStreamDuration: notSupported(), streamIdleTimeout: notSupported(),
    }).optional(),
    tcp: z.strictObject({ connectTimeout: notSupported('timeout.http.requestTimeout covers it') }).optional(),
  }).optional(),
  retry: z.strictObject({
    numRetries: z.int().min(0).max(5).default(2),
    numAttemptsPerPriority: notSupported(),
    retryOn: z.strictObject({
      triggers: notSupported('what failed without an answer is tried again'),
      httpStatusCodes: z.unknown().superRefine((codes, context) => {
        if (codes !== undefined) context.addIssue({ code: 'custom', message: 'HTTPStatusCodes is not supported.' });
      }).optional(),
    }).optional(),
    perRetry: z.strictObject({
      timeout: z.unknown().superRefine((timeout, context) => {
        if (timeout !== undefined) context.addIssue({ code: 'custom', message: 'Retry timeout is not supported.' });
      }).optional(),
      backOff: notSupported(),
    }).optional(),
  }).optional(),
  circuitBreaker: notSupported(),
  connection: notSupported(),
  dns: notSupported(),
  healthCheck: notSupported(),
  http2: notSupported(),
  loadBalancer: notSupported('endpoints are tried one after the other'),
  proxyProtocol: notSupported(),
  tcpKeepalive: notSupported(),
});

const Provider = z.strictObject({
  issuer: z.string().min(1).max(2048),
  authorizationEndpoint: z.string().min(1).max(2048).optional(),
  tokenEndpoint: z.string().min(1).max(2048).optional(),
  endSessionEndpoint: z.string().min(1).max(2048).optional(),
  backendRef: z.unknown().superRefine((ref, context) => {
    if (ref !== undefined) context.addIssue({ code: 'custom', message: 'BackendRefs must be used, backendRef is not supported.' });
  }).optional(),
  backendRefs: z.array(z.strictObject({
    group: group.default(''), kind: kind.default('Service'), name: objectName, namespace: namespaceName.optional(), port: portNumber.optional(),
    weight: notSupported(), fallback: notSupported(),
  })).max(16).default([]),
  backendSettings: BackendSettings.optional(),
});

export const Oidc = z.strictObject({
  provider: Provider,
  clientID: z.string().min(1).max(1024).optional(),
  clientIDRef: SecretRef.optional(),
  // Required in EG; here a client may show who it is otherwise (OIDCPolicy).
  clientSecret: SecretRef.optional(),
  cookieNames: z.strictObject({ accessToken: cookie.optional(), idToken: cookie.optional() }).optional(),
  cookieConfig: z.strictObject({ sameSite: z.enum(['Lax', 'Strict', 'None']).optional() }).optional(),
  cookieDomain: z.string().max(253).regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, 'must be a domain in lower case, without a dot in front').optional(),
  scopes: z.array(z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,256}$/, 'must be a scope: no blanks, quotes or backslashes')).max(64).default([]),
  resources: z.array(z.string().min(1).max(2048)).max(16).default([]),
  redirectURL: z.string().min(1).max(2048).optional(),
  denyRedirect: z.strictObject({
    headers: z.array(z.strictObject({
      name: z.string().min(1).max(256), type: z.enum(['Exact', 'Prefix', 'Suffix', 'RegularExpression']).default('Exact'), value: z.string().min(1).max(1024),
    })).min(1).max(16),
  }).optional(),
  logoutPath: OwnPath.default('/logout'),
  forwardAccessToken: z.boolean().default(false),
  forwardIDToken: z.strictObject({ header: headerName.refine((header) => header.toLowerCase() !== 'host', 'header cannot be the Host header') }).optional(),
  defaultTokenTTL: Duration.default('0s'),
  refreshToken: z.boolean().default(true),
  defaultRefreshTokenTTL: Duration.default('168h'),
  csrfTokenTTL: PositiveDuration.default('10m'),
  disableTokenEncryption: z.boolean().default(false),
  passThroughAuthHeader: z.boolean().default(false),
}).superRefine(({ clientID, clientIDRef, forwardAccessToken, forwardIDToken }, context) => {
  if ((clientID === undefined) === (clientIDRef === undefined)) context.addIssue({ code: 'custom', message: 'only one of clientID or clientIDRef must be set' });
  if (forwardAccessToken && forwardIDToken?.header.toLowerCase() === 'authorization') {
    context.addIssue({ code: 'custom', path: ['forwardIDToken', 'header'], message: 'forwardAccessToken cannot be true when forwardIDToken.header is Authorization' });
  }
});
export type Oidc = z.infer<typeof Oidc>;
