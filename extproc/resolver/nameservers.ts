// Questions to DNS servers, by c-ares. It keeps nothing: each call is a question on the wire. A truncated answer is asked for again over TCP.
import { promises as dns } from 'node:dns';
import { type DnsSettings } from '../../policy/resolver.ts';
import { parseDuration } from '../../policy/duration.ts';

export type Family = 4 | 6;
export interface Record { readonly address: string; readonly ttlMs: number }

/** What the servers said about one name and one family. */
export type Found =
  | { readonly kind: 'records'; readonly records: readonly Record[] }
  | { readonly kind: 'no_such_name' }
  | { readonly kind: 'no_address' }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'failed'; readonly code: string };

/** Never rejects, and always settles. */
export type Ask = (name: string, family: Family) => Promise<Found>;

// A channel reads resolv.conf once, and sends all it sends from one port. So a new one every ten seconds: 24 µs.
const CHANNEL_LIFE_MS = 10_000;

// No sane name has more. An answer of thousands is cut, not refused: what is left is checked like any other.
const MAX_RECORDS = 16;

// RFC 2181 section 8: a TTL with the highest bit set is to be read as zero.
const MAX_TTL = 0x7fff_ffff;

export function nameServers({ servers, timeout }: Pick<DnsSettings, 'servers' | 'timeout'>, monotonic: () => number): Ask {
  let channel: dns.Resolver | undefined;
  let born = 0;
  function current(): dns.Resolver {
    if (channel !== undefined && monotonic() - born < CHANNEL_LIFE_MS) return channel;
    const count = servers.length > 0 ? servers.length : Math.max(1, dns.getServers().length);
    // Two rounds, the second twice as patient. c-ares itself asks again sooner where servers used to be quick.
    channel = new dns.Resolver({ timeout: Math.ceil((parseDuration(timeout) ?? 0) / (count + 1)), tries: 2 });
    if (servers.length > 0) channel.setServers([...servers]);
    born = monotonic();
    return channel;
  }
  return async (name, family) => {
    try {
      const records = family === 4 ? await current().resolve4(name, { ttl: true }) : await current().resolve6(name, { ttl: true });
      if (records.length === 0) return { kind: 'no_address' };   // a chain of CNAMEs that leads nowhere
      return { kind: 'records', records: records.slice(0, MAX_RECORDS).map(({ address, ttl }) => ({ address, ttlMs: ttl > MAX_TTL ? 0 : ttl * 1000 })) };
    } catch (error) {
      return fromCode((error as { code?: unknown }).code);
    }
  };
}

function fromCode(code: unknown): Found {
  switch (code) {
    case dns.NOTFOUND: return { kind: 'no_such_name' };
    case dns.NODATA: return { kind: 'no_address' };
    case dns.TIMEOUT: return { kind: 'timeout' };
    default: return { kind: 'failed', code: typeof code === 'string' ? code : 'unknown' };
  }
}
