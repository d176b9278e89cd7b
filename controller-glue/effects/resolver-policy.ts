// What a ResolverPolicy makes of the routes it decides for: all of it but its targets.
import type { ResolverPolicy } from '../../policy/resolver.ts';
import type { ResolverPolicySpec } from '../kinds/resolver-policy.ts';
import type { Resource } from '../resources.ts';

export function resolverEffect({ spec: { names, addresses, ports, lookupFamily, connectProbe, dns } }: Resource<ResolverPolicySpec>): ResolverPolicy {
  return { names, addresses, ports, lookupFamily, connectProbe, dns };
}
