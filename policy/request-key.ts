// What tells one client, user or request from another: what dice stick to, and what concurrent requests are counted by.
import { z } from 'zod';

/** Claims are those of the token that filters/jwt accepted; a name with dots is a path of keys. */
export const RequestKey = z.strictObject({
  type: z.enum(['Header', 'Cookie', 'Claim', 'SourceIP']),
  name: z.string().min(1).max(253).optional().describe('of the header, cookie or claim'),
}).superRefine(({ type, name }, context) => {
  if ((type === 'SourceIP') === (name !== undefined)) context.addIssue({ code: 'custom', path: ['name'], message: type === 'SourceIP' ? 'must be absent when type is SourceIP' : `must be given when type is ${type}` });
});
export type RequestKey = z.infer<typeof RequestKey>;

/** One claim must be one of these values (as claim headers would show it). */
export const ClaimMatch = z.strictObject({
  name: z.string().min(1).max(253).describe('dots mean nesting'),
  values: z.array(z.string().min(1)).min(1).max(128),
});
