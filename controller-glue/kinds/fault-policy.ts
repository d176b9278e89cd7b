// FaultPolicy, gatewright.dev/v1alpha1: the faults that EG's faultInjection lacks.
import { z } from 'zod';
import { Fault, FaultPolicy } from '../../policy/fault.ts';
import { requireTarget, targetFieldsFor } from './policy-target.ts';

export const FaultPolicySpec = z.strictObject({
  ...targetFieldsFor(['Gateway', 'HTTPRoute']),
  // One less than a route can have: faultInjection of a BackendTrafficPolicy may come before them.
  faults: z.array(Fault).min(1).max(15),
  maxActiveFaults: FaultPolicy.shape.maxActiveFaults,
}).superRefine(requireTarget);
export type FaultPolicySpec = z.infer<typeof FaultPolicySpec>;
