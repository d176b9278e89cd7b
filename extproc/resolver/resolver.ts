// From the :authority of a request to the one address that Envoy dials for it. The steps in order; each file beside this one is one of them.
import { canonicalJson } from '../../policy/canonical-json.ts';
import { parseDuration } from '../../policy/duration.ts';
import { type DnsSettings, type LookupFamily, type ResolverRoute } from '../../policy/resolver.ts';
import type { World } from '../world.ts';
import type { Answer } from './answer.ts';
import { type Host, parseAuthority } from './authority.ts';
import { familiesOf, inOrder } from './choose.ts';
import { type Refusal, admitAddresses, admitHost, refuse } from './decide.ts';
import { DnsClient } from './dns.ts';
import { HostsFile } from './hosts-file.ts';
import { nameServers } from './nameservers.ts';
import { Reach, type Reached } from './reach.ts';
import { type Rules, compile } from './rules.ts';

/** Where a request goes. */
export interface Target {
  readonly kind: 'target';
  /** `address:port`, checked. Nothing else may be dialled. */
  readonly dial: string;
  /** What upstream gets as :authority, and SNI is made from: the name that was checked. */
  readonly authority: string;
  /** How long the same question may be answered so without asking again; 0: not at all. Whole milliseconds. */
  readonly validForMs: number;
}

/** A ResolverRoute as requests need it. */
export interface CompiledRoute {
  readonly rules: Rules;
  readonly defaultPort: number;
  /** In place of the request's. */
  readonly host: string | undefined;
  readonly lookupFamily: LookupFamily;
  readonly connectProbe: boolean;
  /** How long a request may wait for all of it; Infinity: as long as it takes. */
  readonly requestTimeoutMs: number;
  readonly dns: Pick<DnsClient, 'lookup'>;
}

export interface Surroundings {
  readonly world: Pick<World, 'monotonic' | 'after'>;
  readonly own: () => ReadonlySet<string>;
  /** Where the gateway itself listens: its edge, or a request would go round for ever; its admin interface and metrics. */
  readonly ownPorts?: () => ReadonlySet<number>;
  readonly reach?: Reach;
  readonly dns?: (settings: DnsSettings) => DnsClient;
}

// Beside Envoy nobody hears of it when an address or a port becomes one of the gateway's own. So for no longer than this, whatever the TTL.
const LONGEST_MS = 60_000;
const TIMED_OUT: Answer = { kind: 'timeout' };
const UNREACHABLE: Reached = { kind: 'unreachable' };
const NO_PORTS: ReadonlySet<number> = new Set();

export class Resolver {
  readonly #world: Surroundings['world'];
  readonly #own: () => ReadonlySet<string>;
  readonly #ownPorts: () => ReadonlySet<number>;
  readonly #reach: Reach;
  readonly #newClient: (settings: DnsSettings) => DnsClient;
  /** Routes hold the clients; one that no route uses any more goes, with what it remembers. */
  readonly #clients = new Map<string, WeakRef<DnsClient>>();

  constructor({ world, own, ownPorts = () => NO_PORTS, reach, dns }: Surroundings) {
    this.#world = world;
    this.#own = own;
    this.#ownPorts = ownPorts;
    this.#reach = reach ?? new Reach(world);
    this.#newClient = dns ?? ((settings) => new DnsClient(settings, world, nameServers(settings, world.monotonic), new HostsFile(settings.hostsFile, world.monotonic)));
  }

  /** Throws where the policy is not one that the schema lets through. */
  compile({ policy, tls, host, requestTimeout }: ResolverRoute): CompiledRoute {
    return { rules: compile(policy), defaultPort: tls ? 443 : 80, host, lookupFamily: policy.lookupFamily, connectProbe: policy.connectProbe, requestTimeoutMs: parseDuration(requestTimeout ?? '') ?? Infinity, dns: this.#client(policy.dns) };
  }

  /** Envoy could not connect there. */
  failed(dial: string): void { this.#reach.failed(dial); }

  /** Never rejects. */
  async resolve(text: string, route: CompiledRoute): Promise<Target | Refusal> {
    const host = admitHost(parseAuthority(route.host ?? text, route.defaultPort), route.rules);
    if (host.kind === 'refused') return host;
    const deadline = this.#world.monotonic() + route.requestTimeoutMs;
    const admitted = admitAddresses(await this.#within(deadline, lookup(host, route), TIMED_OUT), route.rules, this.#own(), this.#ownPorts().has(host.port));
    if (admitted.kind === 'refused') return admitted;
    const reached = await this.#within(deadline, this.#reach.target(inOrder(admitted.addresses, route.lookupFamily), host.port, route.connectProbe), UNREACHABLE);
    if (reached.kind === 'unreachable') return refuse('gatewright_resolver_unreachable');
    const validForMs = host.canonical ? Math.floor(Math.min(admitted.validForMs, reached.validForMs, LONGEST_MS)) : 0;
    return { kind: 'target', dial: reached.target, authority: host.authority, validForMs };
  }

  /** What comes later is of use to the requests after this one. */
  async #within<Value>(deadline: number, soon: Promise<Value>, late: Value): Promise<Value> {
    if (deadline === Infinity) return soon;
    const { promise, resolve } = Promise.withResolvers<Value>();
    const cancel = this.#world.after(Math.max(0, deadline - this.#world.monotonic()), () => resolve(late));
    try { return await Promise.race([soon, promise]); } finally { cancel(); }
  }

  #client(settings: DnsSettings): DnsClient {
    const key = canonicalJson(settings);
    const known = this.#clients.get(key)?.deref();
    if (known !== undefined) return known;
    for (const [each, client] of this.#clients) if (client.deref() === undefined) this.#clients.delete(each);
    const client = this.#newClient(settings);
    this.#clients.set(key, new WeakRef(client));
    return client;
  }
}

async function lookup({ kind, host }: Host, { dns, lookupFamily }: CompiledRoute): Promise<Answer> {
  if (kind === 'name') return dns.lookup(host, familiesOf(lookupFamily));
  const wanted = familiesOf(lookupFamily).includes(kind === 'ipv4' ? 4 : 6);
  return wanted ? { kind: 'addresses', addresses: [host], validForMs: Infinity, stale: false } : { kind: 'no_address' };
}
