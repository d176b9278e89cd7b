// What a SecurityPolicy makes of the routes it decides for.
import { corsPolicy } from '../cors-policy.ts';
import type { Draft, SecurityEffect } from '../draft.ts';
import { jwtPolicy } from '../jwt-policy.ts';
import type { SecurityPolicySpec } from '../kinds/security-policy.ts';
import type { Fault } from '../problem-at.ts';
import type { Resource } from '../resources.ts';
import { oidcLogin } from './oidc-login.ts';

/** Adds the clusters and key sets that the policy needs to the draft. */
export function securityEffect({ spec, metadata }: Resource<SecurityPolicySpec>, draft: Draft, say: (fault: Fault) => void): SecurityEffect {
  const login = spec.oidc === undefined ? undefined : oidcLogin({ ...spec, oidc: spec.oidc }, metadata, draft, say);
  const others = { ...(login === undefined ? {} : { oidc: login }), ...(spec.cors === undefined ? {} : { cors: corsPolicy(spec.cors, say) }) };
  const read = jwtPolicy(spec, metadata.namespace, draft.find, say);
  if (read === null) return { keySets: [], ...others };
  for (const cluster of read.clusters) draft.clusters.set(cluster.name, cluster);
  for (const [id, json] of read.keySets) draft.keySets.set(id, json);
  return { jwt: read.jwt, keySets: [...read.keySets.keys()], ...others };
}
