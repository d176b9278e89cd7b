// One question after a name, both families at once.
import type { World } from '../world.ts';
import type { Ask, Family, Found, Record } from './nameservers.ts';

/** What is known so far. It may be told twice: with what came first, and once the rest is in. */
export type Landed = Exclude<Found, { readonly kind: 'records' }> | {
  readonly kind: 'records';
  readonly records: readonly Record[];
  /** One family is missing: not in yet, or it failed. Worth asking again before long. */
  readonly partial: boolean;
};

// RFC 8305 section 3, Resolution Delay. It waits for AAAA alone; here for either: a server that drops one kind of question is common.
const RESOLUTION_DELAY_MS = 50;

/** Asks, and tells `landed` what is known: after both answers, soon after the first addresses, or at the deadline. Resolves when nothing is under way any more. */
export async function fly(name: string, families: readonly Family[], ask: Ask, timeoutMs: number, { after, monotonic }: Pick<World, 'after' | 'monotonic'>, landed: (result: Landed) => void): Promise<void> {
  const found: Arrived[] = [];
  const tell = (): void => landed(merge(found, families.length, monotonic()));
  const cancelDeadline = after(timeoutMs, tell);
  let cancelDelay: (() => void) | undefined;
  await Promise.all(families.map(async (family) => {
    const answer = await ask(name, family);
    found.push({ ...answer, at: monotonic() });
    if (answer.kind === 'records' && found.length < families.length) cancelDelay = after(RESOLUTION_DELAY_MS, tell);
  }));
  cancelDeadline();
  cancelDelay?.();
  tell();
}

type Arrived = Found & { readonly at: number };

function merge(found: readonly Arrived[], families: number, now: number): Landed {
  // A TTL runs from when its answer came, not from when the other did.
  const records = found.flatMap((each) => each.kind === 'records' ? each.records.map(({ address, ttlMs }) => ({ address, ttlMs: Math.max(0, ttlMs - (now - each.at)) })) : []);
  const failed = found.some(({ kind }) => kind === 'timeout' || kind === 'failed');
  if (records.length > 0) return { kind: 'records', records, partial: failed || found.length < families };
  if (found.some(({ kind }) => kind === 'no_such_name')) return { kind: 'no_such_name' };   // true of all families
  if (found.length < families || found.some(({ kind }) => kind === 'timeout')) return { kind: 'timeout' };
  const failure = found.find((each) => each.kind === 'failed');
  return failure === undefined ? { kind: 'no_address' } : { kind: 'failed', code: failure.code };
}
