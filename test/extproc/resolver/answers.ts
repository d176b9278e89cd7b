// What DNS says, for tests that need no wire.
import { isIPv4 } from 'node:net';
import type { Ask, Family, Found } from '../../../extproc/resolver/nameservers.ts';

/** The answer for one family out of addresses of both. No addresses: the name exists, and that is all. */
export function found(addresses: readonly string[], family: Family, ttlMs = 60_000): Found {
  const records = addresses.filter((address) => isIPv4(address) === (family === 4)).map((address) => ({ address, ttlMs }));
  return records.length === 0 ? { kind: 'no_address' } : { kind: 'records', records };
}

/** Answers from a table of names; a name that is not in it does not exist. Counts what it was asked. */
export function table(names: Readonly<Record<string, readonly string[]>>, ttlMs = 60_000): Ask & { readonly asked: string[] } {
  const asked: string[] = [];
  const ask = async (name: string, family: Family): Promise<Found> => {
    asked.push(`${name}/${family}`);
    const addresses = names[name];
    return addresses === undefined ? { kind: 'no_such_name' } : found(addresses, family, ttlMs);
  };
  return Object.assign(ask, { asked });
}

export const noHosts = { find: async (): Promise<undefined> => undefined };
