// ConnectionLimitPolicy, gatewright.dev/v1alpha1: the limits on connections that EG's ClientTrafficPolicy lacks.
import { z } from 'zod';
import { ConnectionLimits } from '../../policy/connection-limit.ts';
import { onlyGateways, requireTarget, targetFields } from './policy-target.ts';

export const ConnectionLimitPolicySpec = z.strictObject({ ...targetFields, limits: ConnectionLimits }).superRefine(requireTarget).superRefine(onlyGateways);
export type ConnectionLimitPolicySpec = z.infer<typeof ConnectionLimitPolicySpec>;
