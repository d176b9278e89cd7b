// SecurityPolicy, gateway.envoyproxy.io/v1alpha1: what we have of it, and every field that we do not have, by name.
import { z } from 'zod';
import { parseDuration } from '../../policy/duration.ts';
import { Cors } from './cors.ts';
import { group, kind, objectName } from './names.ts';
import { notSupported } from './not-supported.ts';
import { Oidc } from './oidc.ts';
import { requireTarget, targetFields } from './policy-target.ts';

const short = z.string().min(1).max(253);
const duration = z.string().refine((text) => parseDuration(text) !== null, 'must be a duration such as 500ms, 10s or 1h30m');

const RemoteJwks = z.strictObject({
  uri: z.string().min(1).max(2048),
  cacheDuration: duration.optional(),
  failedRefetchDuration: duration.optional(),
  backendRef: notSupported('use uri'),
  backendRefs: notSupported('use uri'),
  backendSettings: notSupported(),
});

const LocalJwks = z.strictObject({
  type: z.enum(['Inline', 'ValueRef']).default('Inline'),
  inline: z.string().optional(),
  valueRef: z.strictObject({ group: group.default(''), kind: kind.default('ConfigMap'), name: objectName }).optional(),
}).superRefine(({ type, inline, valueRef }, context) => {
  if (type === 'Inline' && inline === undefined) context.addIssue({ code: 'custom', path: ['inline'], message: 'must be given when type is Inline' });
  if (type === 'ValueRef' && valueRef === undefined) context.addIssue({ code: 'custom', path: ['valueRef'], message: 'must be given when type is ValueRef' });
});

export const JwtProvider = z.strictObject({
  name: short,
  issuer: z.string().min(1).max(253).optional(),
  audiences: z.array(z.string().min(1)).max(8).default([]),
  remoteJWKS: RemoteJwks.optional(),
  localJWKS: LocalJwks.optional(),
  claimToHeaders: z.array(z.strictObject({ header: short, claim: z.string().min(1) })).default([]),
  recomputeRoute: z.boolean().optional(),
  extractFrom: z.strictObject({
    headers: z.array(z.strictObject({ name: short, valuePrefix: z.string().optional() })).default([]),
    cookies: z.array(short).default([]),
    params: z.array(short).default([]),
  }).optional(),
}).superRefine(({ remoteJWKS, localJWKS }, context) => {
  if ((remoteJWKS === undefined) === (localJWKS === undefined)) {
    context.addIssue({ code: 'custom', message: 'must have exactly one of remoteJWKS and localJWKS' });
  }
});
export type JwtProvider = z.infer<typeof JwtProvider>;

const Principal = z.strictObject({
  jwt: z.strictObject({
    provider: short,
    scopes: z.array(short).max(16).default([]),
    claims: z.array(z.strictObject({
      name: short,
      valueType: z.enum(['String', 'StringArray']).default('String'),
      values: z.array(z.string().min(1)).min(1).max(128),
    })).max(16).default([]),
  }).superRefine(({ scopes, claims }, context) => {
    if (scopes.length === 0 && claims.length === 0) context.addIssue({ code: 'custom', message: 'must have at least one of scopes and claims' });
  }).optional(),
  clientCIDRs: notSupported(),
  sourceCIDRs: notSupported(),
  headers: notSupported(),
  clientIPGeoLocations: notSupported(),
});

export const AuthorizationRule = z.strictObject({
  name: short.optional(),
  action: z.enum(['Allow', 'Deny']),
  operation: notSupported(),
  cel: notSupported(),
  principal: Principal.optional(),
}).superRefine(({ principal }, context) => {
  if (principal?.jwt === undefined) context.addIssue({ code: 'custom', path: ['principal'], message: 'must have jwt' });
});

export const SecurityPolicySpec = z.strictObject({
  ...targetFields,
  mergeType: notSupported('the more specific policy replaces the other'),
  apiKeyAuth: notSupported(),
  basicAuth: notSupported(),
  cors: Cors.optional(),
  csrf: notSupported(),
  extAuth: notSupported(),
  oidc: Oidc.optional(),
  jwt: z.strictObject({
    optional: z.boolean().optional(),
    failOpen: z.unknown().superRefine((value, context) => {
      if (value !== undefined && value !== false) context.addIssue({ code: 'custom', message: 'not supported', params: { notSupported: true, hint: 'see jwt.optional' } });
    }).optional(),
    providers: z.array(JwtProvider).min(1).max(16).superRefine((providers, context) => {
      const seen = new Set<string>();
      providers.forEach(({ name }, i) => {
        if (seen.has(name)) context.addIssue({ code: 'custom', path: [i, 'name'], message: 'must be unique within the policy' });
        seen.add(name);
      });
    }),
  }).optional(),
  authorization: z.strictObject({
    defaultAction: z.enum(['Allow', 'Deny']).default('Deny'),
    rules: z.array(AuthorizationRule).max(64).default([]),
  }).optional(),
}).superRefine(requireTarget);
export type SecurityPolicySpec = z.infer<typeof SecurityPolicySpec>;
