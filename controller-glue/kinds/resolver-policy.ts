// ResolverPolicy, gatewright.dev/v1alpha1: which hosts the routes of a DynamicResolver may reach. EG has nothing of the kind.
import { z } from 'zod';
import { WrittenResolverPolicy } from '../../policy/resolver.ts';
import { requireTarget, targetFieldsFor } from './policy-target.ts';

export const ResolverPolicySpec = z.strictObject({ ...targetFieldsFor(['Gateway', 'HTTPRoute']), ...WrittenResolverPolicy.shape }).superRefine(requireTarget);
export type ResolverPolicySpec = z.infer<typeof ResolverPolicySpec>;
