// SecurityPolicy.cors: which pages of other origins may call what the policy covers.
import { z } from 'zod';
import { Duration } from '../../policy/duration.ts';

/** EG's pattern, written so that no text takes long: a wildcard stands for the whole host or before its first dot. */
const ORIGIN = /^(\*|[A-Za-z][A-Za-z0-9+.-]*:\/\/(\*|(\*\.)?[\w-]+(\.[\w-]+)*)(:\d{1,5})?)$/;
const Origin = z.string().min(1).max(253).regex(ORIGIN, 'must be an origin such as https://www.example.com, https://*.example.com or http://localhost:8080, or *');

/** They become header values: a comma or a line end would make more of one. */
const token = (what: string) => z.string().max(256).regex(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/, `must be one ${what}, or *`);

/** Every route carries its own: EG has no such bound. */
const MAX_ENTRIES = 256;

export const Cors = z.strictObject({
  allowOrigins: z.array(Origin).max(MAX_ENTRIES).default([]),
  allowMethods: z.array(token('method such as GET')).max(MAX_ENTRIES).default([]),
  allowHeaders: z.array(token('header name')).max(MAX_ENTRIES).default([]),
  exposeHeaders: z.array(token('header name')).max(MAX_ENTRIES).default([]),
  maxAge: Duration.optional(),
  allowCredentials: z.boolean().default(false),
});
export type Cors = z.infer<typeof Cors>;
