// Pure: the order in which addresses are tried, and what is left to try of those whose fate is known.
import { isIPv4 } from 'node:net';
import type { LookupFamily } from '../../policy/resolver.ts';
import type { Family } from './nameservers.ts';

/** Which families to ask for, in one order: it is part of what answers are remembered by. */
export function familiesOf(lookup: LookupFamily): readonly Family[] {
  switch (lookup) {
    case 'IPv4': return [4];
    case 'IPv6': return [6];
    case 'IPv4Preferred': case 'IPv6Preferred': case 'IPv4AndIPv6': return [4, 6];
  }
}

/** RFC 8305 section 4: the families take turns, IPv6 first; within each, the order of the servers. */
export function inOrder(addresses: readonly string[], lookup: LookupFamily): readonly string[] {
  const v4 = addresses.filter((address) => isIPv4(address));
  const v6 = addresses.filter((address) => !isIPv4(address));
  if (lookup === 'IPv4Preferred' && v4.length > 0) return v4;
  if (lookup === 'IPv6Preferred' && v6.length > 0) return v6;
  return Array.from({ length: Math.max(v4.length, v6.length) }, (_, i) => [v6[i], v4[i]]).flat().filter((address) => address !== undefined);
}

/**
 * What is known of a target: it took a connection, lately or some time ago, or it took none. Doubtful: a request failed there, and that may be the fault of the
 * host it was for. Any name can lead to any address, and the certificate there is not its own.
 */
export type Fate = 'good' | 'was_good' | 'doubtful' | 'bad' | 'unknown';

export type Choice =
  | { readonly kind: 'take'; readonly target: string; readonly recheck: boolean }
  | { readonly kind: 'try'; readonly targets: readonly string[] }
  | { readonly kind: 'none' };

// The more are tried, the longer the slowest client waits, and the more connections one request can cause.
const MAX_TRIES = 6;

/** Of several targets in order. With one alone there is nothing to choose: Envoy tries it. */
export function choose(targets: readonly string[], fate: (target: string) => Fate): Choice {
  const [only] = targets;
  if (only === undefined) return { kind: 'none' };
  if (targets.length === 1) return { kind: 'take', target: only, recheck: false };
  const good = targets.find((each) => fate(each) === 'good');
  if (good !== undefined) return { kind: 'take', target: good, recheck: false };
  const before = targets.find((each) => fate(each) === 'was_good');
  if (before !== undefined) return { kind: 'take', target: before, recheck: true };
  const rest = (['unknown', 'doubtful'] as const).flatMap((wanted) => targets.filter((each) => fate(each) === wanted)).slice(0, MAX_TRIES);
  return rest.length === 0 ? { kind: 'none' } : { kind: 'try', targets: rest };
}
