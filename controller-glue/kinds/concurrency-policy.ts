// ConcurrencyPolicy, gatewright.dev/v1alpha1: limits on requests in flight.
import { z } from 'zod';
import { ConcurrencyPolicy } from '../../policy/connection-limit.ts';
import { requireTarget, targetFieldsFor } from './policy-target.ts';

export const ConcurrencyPolicySpec = z.strictObject({ ...targetFieldsFor(['Gateway', 'HTTPRoute']), limits: ConcurrencyPolicy.shape.limits }).superRefine(requireTarget);
export type ConcurrencyPolicySpec = z.infer<typeof ConcurrencyPolicySpec>;
