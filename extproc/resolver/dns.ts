// Names to addresses: the hosts file, then what is remembered, then the servers. Bounded in every direction, because clients choose the names.
import type { DnsSettings } from '../../policy/resolver.ts';
import { parseDuration } from '../../policy/duration.ts';
import type { World } from '../world.ts';
import { parseAddress } from './address-class.ts';
import type { Answer } from './answer.ts';
import { type Landed, fly } from './flight.ts';
import type { HostsFile } from './hosts-file.ts';
import type { Ask, Family } from './nameservers.ts';
import { Recent } from './recent.ts';

export interface DnsLimits {
  /** Names remembered with addresses, and as many without. */
  readonly names: number;
  /** Questions under way, counted by name. */
  readonly lookups: number;
  /** Of these at most, below one domain of two labels. */
  readonly lookupsPerDomain: number;
  /** Requests that wait for an answer. */
  readonly waiting: number;
  /** Of these at most, for names below one such domain. */
  readonly waitingPerDomain: number;
}
export const defaultDnsLimits: DnsLimits = { names: 10_000, lookups: 1_024, lookupsPerDomain: 64, waiting: 8_192, waitingPerDomain: 1_024 };

/** Slow domains do not stop the others, however many they are: each has at most this part of what is still free, so some is left for the next one. */
const PART_OF_FREE = 1 / 4;
const share = (limit: number, taken: number, most: number): number => Math.min(most, Math.ceil((limit - taken) * PART_OF_FREE));

interface Known {
  readonly addresses: readonly string[];
  readonly expires: number;
  /** From here on a request leads to a new question. */
  refreshAt: number;
}
interface Missing { readonly answer: Answer; readonly expires: number }
/** What goes on below one domain. */
interface Domain { lookups: number; waiting: number }
interface Flight { readonly first: Promise<void>; readonly domain: Domain }

// RFC 9520 section 3.2: failures are remembered, for 1 second to 5 minutes. A name that nobody could reach yet is better tried soon;
// one whose old addresses still serve can wait.
const FAILURE_MS = 1_000;
const STALE_RETRY_MS = 5_000;
// RFC 8767 section 5: an answer from before is better than to wait longer than this.
const STALE_AFTER_MS = 1_800;
// A family that failed is asked for again after this, whatever the TTL of the other.
const PARTIAL_MS = 30_000;
const HOSTS_MS = 5_000;
// A request in the last tenth of an answer's life has it asked for again: names in use do not expire (unbound's prefetch).
const REFRESH_AFTER = 0.9;

const LOOPBACK = ['127.0.0.1', '::1'];

export class DnsClient {
  readonly #settings: DnsSettings;
  readonly #world: Pick<World, 'monotonic' | 'after'>;
  readonly #ask: Ask;
  readonly #hosts: Pick<HostsFile, 'find'>;
  readonly #limits: DnsLimits;
  readonly #known: Recent<Known>;
  readonly #unknown: Recent<Missing>;
  readonly #flights = new Map<string, Flight>();
  /** Those with a flight. */
  readonly #domains = new Map<string, Domain>();
  #waiting = 0;

  constructor(settings: DnsSettings, world: Pick<World, 'monotonic' | 'after'>, ask: Ask, hosts: Pick<HostsFile, 'find'>, limits: DnsLimits = defaultDnsLimits) {
    this.#settings = settings;
    this.#world = world;
    this.#ask = ask;
    this.#hosts = hosts;
    this.#limits = limits;
    this.#known = new Recent(limits.names);
    this.#unknown = new Recent(limits.names);
  }

  /** For metrics and tests. */
  get load(): { readonly known: number; readonly unknown: number; readonly lookups: number; readonly waiting: number } {
    return { known: this.#known.size, unknown: this.#unknown.size, lookups: this.#flights.size, waiting: this.#waiting };
  }

  /** `name` as parseAuthority gives it. Never rejects. */
  async lookup(name: string, families: readonly Family[]): Promise<Answer> {
    const fixed = await this.#hosts.find(name) ?? special(name);
    if (fixed !== undefined) return answerOf(fixed.filter((address) => families.includes(parseAddress(address)?.kind() === 'ipv4' ? 4 : 6)), HOSTS_MS, false);

    const key = `${families.join('')} ${name}`;
    const known = this.#usable(key);
    const now = this.#world.monotonic();
    if (known !== undefined && now < known.refreshAt) return this.#answer(known);
    if (known === undefined) {
      const unknown = this.#unknown.get(key);
      if (unknown !== undefined && now < unknown.expires) return unknown.answer;
    }

    const flight = this.#flights.get(key) ?? this.#start(key, name, families);
    if (known !== undefined && (flight === undefined || now < known.expires)) return this.#answer(known);
    if (flight === undefined || flight.domain.waiting >= share(this.#limits.waiting, this.#waiting, this.#limits.waitingPerDomain)) return known === undefined ? { kind: 'overloaded' } : this.#answer(known);

    await this.#landing(flight, known === undefined ? undefined : STALE_AFTER_MS);
    const after = this.#usable(key);
    if (after !== undefined) return this.#answer(after);
    return this.#unknown.get(key)?.answer ?? { kind: 'overloaded' };   // pushed out at once: there is no room
  }

  /** Waits for the flight, or for so long at most. */
  async #landing({ first, domain }: Flight, most: number | undefined): Promise<void> {
    this.#waiting++;
    domain.waiting++;
    try {
      if (most === undefined) await first;
      else {
        const { promise, resolve } = Promise.withResolvers<void>();
        const cancel = this.#world.after(most, resolve);
        await Promise.race([first, promise]);
        cancel();
      }
    } finally {
      this.#waiting--;
      domain.waiting--;
    }
  }

  /** Addresses that are fresh, or stale and still good for an outage. */
  #usable(key: string): Known | undefined {
    const known = this.#known.get(key);
    if (known === undefined || this.#world.monotonic() < known.expires + ms(this.#settings.staleFor)) return known;
    this.#known.delete(key);
    return undefined;
  }

  #answer({ addresses, expires, refreshAt }: Known): Answer {
    const now = this.#world.monotonic();
    return answerOf(addresses, Math.max(0, (now < refreshAt ? refreshAt : expires) - now), now >= expires);
  }

  /** undefined: as many questions are under way as may be. */
  #start(key: string, name: string, families: readonly Family[]): Flight | undefined {
    const domainName = name.split('.').slice(-2).join('.');
    const domain = this.#domains.get(domainName) ?? { lookups: 0, waiting: 0 };
    if (domain.lookups >= share(this.#limits.lookups, this.#flights.size, this.#limits.lookupsPerDomain)) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    const flight: Flight = { first: promise, domain };
    this.#flights.set(key, flight);
    this.#domains.set(domainName, domain);
    domain.lookups++;
    void fly(name, families, this.#ask, ms(this.#settings.timeout), this.#world, (landed) => {
      this.#store(key, landed);
      resolve();
    }).finally(() => {
      this.#flights.delete(key);
      if (--domain.lookups === 0) this.#domains.delete(domainName);
    });
    return flight;
  }

  #store(key: string, landed: Landed): void {
    const now = this.#world.monotonic();
    switch (landed.kind) {
      case 'records': {
        const least = Math.min(...landed.records.map(({ ttlMs }) => ttlMs), landed.partial ? PARTIAL_MS : Infinity);
        const ttl = Math.min(Math.max(least, ms(this.#settings.minTtl)), ms(this.#settings.maxTtl));
        this.#known.set(key, { addresses: [...new Set(landed.records.map(({ address }) => address))], expires: now + ttl, refreshAt: now + ttl * REFRESH_AFTER });
        this.#unknown.delete(key);
        return;
      }
      // The servers answered: what was known before is no longer so.
      case 'no_such_name': case 'no_address':
        this.#known.delete(key);
        this.#unknown.set(key, { answer: landed, expires: now + ms(this.#settings.negativeTtl) });
        return;
      case 'timeout': case 'failed': {
        const known = this.#usable(key);
        if (known !== undefined) known.refreshAt = now + STALE_RETRY_MS;
        else this.#unknown.set(key, { answer: landed, expires: now + FAILURE_MS });
      }
    }
  }
}

/** Names that no server is asked for. RFC 6761 section 6.3 and 6.4, RFC 7686. */
function special(name: string): readonly string[] | undefined {
  const last = name.slice(name.lastIndexOf('.') + 1);
  if (last === 'localhost') return LOOPBACK;
  return last === 'invalid' || last === 'onion' ? [] : undefined;
}

function answerOf(addresses: readonly string[], validForMs: number, stale: boolean): Answer {
  return addresses.length === 0 ? { kind: 'no_address' } : { kind: 'addresses', addresses, validForMs, stale };
}

const ms = (duration: string): number => parseDuration(duration) ?? 0;
