// Who logs out while a request is under way must not be logged in again by the cookies that its answer brings: a session in cookies is nowhere else.
import { createHash } from 'node:crypto';
import type { OidcContext } from './context.ts';
import type { Session } from './session.ts';

/** Longer than an upstream takes for the headers of its answer. */
const REMEMBERED_MS = 3_600_000;

export async function remember({ id }: Session, { once }: Pick<OidcContext, 'once'>): Promise<void> {
  // Logging out goes on: this is for a moment that may not come.
  await once.claim(key(id), REMEMBERED_MS).catch(() => undefined);
}

/** Where nobody can tell, too: without its cookies the browser asks again. */
export async function hasEnded({ id }: Session, { once }: Pick<OidcContext, 'once'>): Promise<boolean> { return once.claimed(key(id)).catch(() => true); }

function key(id: string): string { return `ended:${createHash('sha256').update(id).digest('base64url')}`; }
