// The policy of filters/session: which requests Envoy may let pass by the assertion of a live session, without asking the login service.
// filters/session/config.ts reads exactly this shape.
import { z } from 'zod';

const header = z.string().regex(/^[a-z0-9][a-z0-9._-]*$/);

export const SessionPolicy = z.strictObject({
  scope: z.string().min(1).describe('`aud` of assertions'),
  cookie: z.string().min(1).describe('where the assertion is'),
  /** Paths of our own, exact and without the query: the service answers there. */
  paths: z.array(z.string().startsWith('/')).max(8),
  removeHeaders: z.array(header).max(64).describe('what only a session may set; whatever a client sends there goes first'),
});
export type SessionPolicy = z.infer<typeof SessionPolicy>;

/** The payload of an assertion: a JWS (ES256) with `kid`, in the cookie. Made by extproc/oidc/assertion.ts. */
export interface AssertionClaims {
  /** The scope. */
  readonly aud: string;
  /** Id of the policy by which the service let the session pass: another policy is another id, and the service is asked again. */
  readonly pid: string;
  /** Seconds since the epoch. */
  readonly iat: number;
  readonly exp: number;
  /** Headers for the upstream. */
  readonly set: readonly (readonly [name: string, value: string])[];
  /** Names the headers with tokens that go to the upstream, too: they are not in what browsers can read. Absent: there are none. */
  readonly forward?: string;
  /** What `jwt` sees as the payload of the session's token. */
  readonly claims: Readonly<Record<string, unknown>>;
}
