// OIDCPolicy, gatewright.dev/v1alpha1: what EG's `oidc` lacks.
import { z } from 'zod';
import { OidcPolicySettings, storeProblem } from '../../policy/oidc-policy.ts';
import { requireTarget, targetFieldsFor } from './policy-target.ts';

export const OidcPolicySpec = z.strictObject({ ...targetFieldsFor(['Gateway', 'HTTPRoute']), ...OidcPolicySettings.shape })
  .superRefine(requireTarget)
  .superRefine((spec, context) => {
    const problem = storeProblem(spec);
    if (problem !== null) context.addIssue({ code: 'custom', path: ['logout', 'backChannelPath'], message: problem });
  });
export type OidcPolicySpec = z.infer<typeof OidcPolicySpec>;
