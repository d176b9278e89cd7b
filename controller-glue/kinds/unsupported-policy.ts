// Policies of EG's that we know and do not carry out yet: read as far as their targets, so that what they cover can be closed.
import { z } from 'zod';
import { requireTarget, targetFields } from './policy-target.ts';

export const UnsupportedPolicySpec = z.looseObject({ ...targetFields }).superRefine(requireTarget);
export type UnsupportedPolicySpec = z.infer<typeof UnsupportedPolicySpec>;

/** Kinds without targets of their own (Backend, EnvoyProxy, HTTPRouteFilter): whoever refers to them is closed there. */
export const UnsupportedSpec = z.looseObject({});
export type UnsupportedSpec = z.infer<typeof UnsupportedSpec>;
