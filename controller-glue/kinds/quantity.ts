// Amounts of bytes as Kubernetes writes them: 65536, 32Ki, 1M.
import { z } from 'zod';

const FORM = /^([1-9][0-9]{0,18})(|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)$/;   // EG's CRDs: no fractions, no exponents, never 0
const MAX_BYTES = 2 ** 32 - 1;
const POWERS = 'kMGTPE';

/** Bytes; null when it is not such an amount. */
export function parseBytes(quantity: number | string): number | null {
  const [, count, suffix = ''] = FORM.exec(String(quantity)) ?? [];
  if (count === undefined) return null;
  const base = suffix.endsWith('i') ? 1024 : 1000;
  return Number(count) * base ** (suffix === '' ? 0 : POWERS.indexOf(suffix.charAt(0).replace('K', 'k')) + 1);
}

/** What Envoy can hold in one buffer: up to 4 GiB. */
export const ByteQuantity = z.union([z.number(), z.string()]).superRefine((quantity, context) => {
  const bytes = parseBytes(quantity);
  if (bytes === null) context.addIssue({ code: 'custom', message: 'must be an amount of bytes such as 65536, 32Ki or 1Mi' });
  else if (bytes > MAX_BYTES) context.addIssue({ code: 'custom', message: `must be at most ${MAX_BYTES} bytes` });
});
