// Writes draft.policies, oldest first: what each SecurityPolicy makes of the routes it will decide for.
import type { Draft, Effect } from '../draft.ts';
import { jwtPolicy } from '../jwt-policy.ts';
import type { SecurityPolicySpec } from '../kinds/security-policy.ts';
import { older } from '../lookup.ts';
import { problemAt } from '../problem-at.ts';
import type { Fault } from '../problem-at.ts';
import type { Resource } from '../resources.ts';

export function readPolicies(draft: Draft): void {
  for (const resource of draft.resources.securityPolicies.toSorted(older)) {
    draft.policies.push({ resource, effect: effect(resource, draft), ancestors: [] });
  }
}

function effect(resource: Resource<SecurityPolicySpec>, draft: Draft): Effect {
  // Whatever could not be read or is not supported may be what restricts access.
  if (resource.problems.length > 0) return closed(resource.problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)));
  const faults: Fault[] = [];
  const read = jwtPolicy(resource.spec, resource.metadata.namespace, draft.find, (fault) => faults.push(fault));
  draft.problems.push(...faults.map((fault) => problemAt(resource, fault)));
  const errors = faults.filter(({ severity }) => severity !== 'warning');
  if (errors.length > 0) return closed(errors.map(({ path, message }) => `${path}: ${message}`));
  if (read === null) return { kind: 'nothing' };
  for (const cluster of read.clusters) draft.clusters.set(cluster.name, cluster);
  for (const [id, json] of read.keySets) draft.keySets.set(id, json);
  return { kind: 'jwt', jwt: read.jwt, keySets: [...read.keySets.keys()], clusters: read.clusters.map(({ name }) => name) };
}

function closed(messages: readonly string[]): Effect {
  return { kind: 'closed', reason: 'gatewright_policy_invalid', message: messages.join('; ') };
}
