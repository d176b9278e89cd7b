// A field that Gateway API or EG has and we do not have yet: an error on exactly that field, never "unknown".
import { z } from 'zod';

/** How validate.ts tells this issue from the others. */
export const NOT_SUPPORTED = 'notSupported';

/** Absent is fine. Anything else is refused, with what to do instead when there is something. */
export function notSupported(hint?: string) {
  return z.unknown().superRefine((value, context) => {
    if (value === undefined) return;
    context.addIssue({ code: 'custom', message: 'not supported', params: { [NOT_SUPPORTED]: true, hint } });
  }).optional();
}

/** Fields that other programs read and that change nothing here. */
export const ignored = z.unknown().optional();
