// ConnectionLimitPolicy, gatewright.dev/v1alpha1: the limits on connections that EG's ClientTrafficPolicy lacks.
import { z } from 'zod';
import { ConnectionLimits } from '../../policy/connection-limit.ts';
import { requireTarget, targetFieldsFor } from './policy-target.ts';

export const ConnectionLimitPolicySpec = z.strictObject({ ...targetFieldsFor(['Gateway']), limits: ConnectionLimits }).superRefine(requireTarget);
export type ConnectionLimitPolicySpec = z.infer<typeof ConnectionLimitPolicySpec>;
