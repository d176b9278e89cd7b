// The policy of filters/jwt: what a route (or a plugin configuration) says about tokens and claims.
// filters/jwt/config.ts reads exactly this shape, refuses unknown keys, and is held to it by test/policy.
import { z } from 'zod';
import { RequestMatch } from './request-match.ts';

const name = z.string().min(1).max(253);

/** Where a token may be. Every place that holds one is checked: a request may not carry a good and a bad token. */
export const TokenSources = z.strictObject({
  headers: z.array(z.strictObject({
    name: name.describe('header name, lower case'),
    prefix: z.string().default('').describe('what stands before the token, such as "Bearer "'),
  })).default([]),
  params: z.array(name).default([]).describe('query parameters'),
  cookies: z.array(name).default([]).describe('cookies'),
});

/** Where a provider's keys come from: exactly one of the four. */
export const Keys = z.union([
  z.strictObject({ jwks: z.looseObject({ keys: z.array(z.unknown()) }).describe('a JWK Set (RFC 7517 section 5) in place') }),
  z.strictObject({ keySet: name.describe('id of a key set that travels once beside the policies') }),
  z.strictObject({ session: z.literal(true).describe('the claims of the login session (filters/session, extproc/oidc) in place of a token: no signature, and neither issuer, audiences nor times are checked, the login was') }),
  z.strictObject({
    remote: z.strictObject({
      cluster: name.describe('the Envoy cluster that reaches the host, over verified TLS'),
      authority: name.describe(':authority of the request'),
      path: z.string().startsWith('/').max(2048),
      timeoutMs: z.int().min(1).max(60_000).default(5_000),
      cacheMs: z.int().min(1_000).max(86_400_000).default(300_000).describe('how long keys are good for'),
      retryMs: z.int().min(100).max(600_000).default(1_000).describe('pause after a failed fetch'),
    }),
  }),
]);

/** One issuer of tokens. Field for field a provider of EG's SecurityPolicy. */
export const Provider = z.strictObject({
  name,
  issuer: z.string().min(1).max(253).optional().describe('iss must equal it; absent: any issuer'),
  audiences: z.array(z.string().min(1)).max(8).default([]).describe('aud must hold one of them; empty: not checked'),
  keys: Keys,
  from: TokenSources.describe('none of them with the keys of a session'),
  claimToHeaders: z.array(z.strictObject({
    header: name.describe('header name, lower case'),
    claim: z.array(z.string()).min(1).describe('keys from the payload down to the claim'),
  })).default([]),
}).refine(({ keys, from }) => !('session' in keys) || from.headers.length + from.params.length + from.cookies.length === 0, { path: ['from'], message: 'a session is nowhere in the request' });

/** What the token must say. All that is given must hold. */
export const JwtPrincipal = z.strictObject({
  provider: name,
  scopes: z.array(z.string().min(1)).default([]).describe('all of them, in `scope` or in `scp`'),
  claims: z.array(z.strictObject({
    claim: z.array(z.string()).min(1),
    type: z.enum(['String', 'StringArray']).default('String'),
    values: z.array(z.string()).min(1).max(128).describe('one of them'),
  })).default([]),
});

export const Rule = z.strictObject({
  name: z.string().max(253),
  action: z.enum(['Allow', 'Deny']),
  jwt: JwtPrincipal.optional().describe('absent: the rule matches every request'),
});

/** Ordered rules, the first that matches decides; none: the default action. */
export const Authorization = z.strictObject({
  defaultAction: z.enum(['Allow', 'Deny']).default('Deny'),
  rules: z.array(Rule).default([]),
});

/** The whole policy of one route. */
export const JwtPolicy = z.strictObject({
  providers: z.array(Provider).max(16).default([]).describe('a token of any of them will do'),
  missing: z.enum(['Deny', 'Allow']).default('Deny').describe('what a request without any token gets'),
  claimHeaders: z.enum(['FilterState', 'Request']).default('FilterState')
    .describe('FilterState: the route adds them, no re-routing. Request: the filter sets them, and the route is chosen anew'),
  publishClaims: z.array(z.array(z.string()).min(1)).max(32).optional()
    .describe('claims that later filters ask for: filter state `wasm.gatewright.claim.<path, joined by dots>`, as text'),
  authorization: Authorization.optional(),
});
export type JwtPolicy = z.infer<typeof JwtPolicy>;
export type Provider = z.infer<typeof Provider>;
export type Rule = z.infer<typeof Rule>;

const tokenCache = z.boolean().default(true).describe('false: the signature of every token is verified on every request');

/** The plugin configuration of jwt.wasm: policies from the routes, or in place. Said, never inferred. */
export const JwtPluginConfiguration = z.union([
  z.strictObject({ source: z.literal('route'), tokenCache }),
  z.strictObject({
    rules: z.array(z.strictObject({ match: RequestMatch, policy: JwtPolicy })).describe('first match decides; none: the request passes'),
    keySets: z.record(name, z.looseObject({ keys: z.array(z.unknown()) })).default({}),
    tokenCache,
  }),
]);
