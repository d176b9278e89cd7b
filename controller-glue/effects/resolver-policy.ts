// What a ResolverPolicy says: all of it but its targets. What holds on a rule only shows with the other policies there (steps/rule-resolver.ts).
import type { WrittenResolverPolicy } from '../../policy/resolver.ts';
import type { ResolverPolicySpec } from '../kinds/resolver-policy.ts';
import type { Resource } from '../resources.ts';

export function resolverEffect({ spec: { targetRef, targetRefs, targetSelectors, ...written } }: Resource<ResolverPolicySpec>): WrittenResolverPolicy { return written; }
