// Ids by content: two policies that say the same are the same policy, on whatever route.
import { createHash } from 'node:crypto';

/** 128 bits of SHA-256 over a canonical text, as 32 hex characters. The guard demands it as the verdict, so it must not be guessable by collision. */
export function contentId(canonical: string): string {
  return createHash('sha256').update(canonical).digest('hex').slice(0, 32);
}
