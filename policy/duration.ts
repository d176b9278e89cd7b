// Durations as Gateway API and EG's kinds write them.
import { z } from 'zod';

const FORM = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/;   // GEP-2257, word for word
const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** "1h30m", "500ms" → milliseconds; null when it is not a GEP-2257 duration. */
export function parseDuration(text: string): number | null {
  if (!FORM.test(text)) return null;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/([0-9]+)(ms|h|m|s)/g)) total += Number(count) * (UNITS[unit ?? ''] ?? 0);
  return total;
}

/** Milliseconds → "1h30m", "500ms": the shortest that parseDuration reads. */
export function formatDuration(milliseconds: number): string {
  let left = milliseconds;
  const parts = Object.entries(UNITS).map(([unit, size]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return count === 0 ? '' : `${count}${unit}`;
  });
  return parts.join('') || '0s';
}

/** A duration in a document. */
export const Duration = z.string().regex(FORM, 'must be a duration such as 500ms, 10s or 1h30m');

/** One that is not zero: to wait for nothing is not what anybody means. */
export const PositiveDuration = Duration.refine((text) => parseDuration(text) !== 0, 'must be more than 0');
