// Which requests a policy of a plugin configuration is for, in hosts where no route carries policies.
import { z } from 'zod';

/** All that is given must hold. */
export const RequestMatch = z.strictObject({
  route: z.string().min(1).max(253).optional().describe('xds.route_name'),
  host: z.string().min(1).max(253).optional().describe(':authority without the port, in lower case'),
  path: z.string().startsWith('/').optional().describe('the whole path, without the query'),
  prefix: z.string().startsWith('/').optional().describe('whole path elements, as PathPrefix of Gateway API'),
  methods: z.array(z.string().min(1)).default([]),
});
