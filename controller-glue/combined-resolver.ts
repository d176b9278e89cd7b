// Several ResolverPolicies over one rule → what holds there. Whoever has the Gateway can forbid, and says what is asked for names; whoever has the route may allow.
import { MOST_ENTRIES, ResolverPolicy, type WrittenResolverPolicy } from '../policy/resolver.ts';

/** A policy and where it is attached. */
export interface ResolverLevel<Written extends WrittenResolverPolicy = WrittenResolverPolicy> { readonly of: 'route' | 'gateway'; readonly written: Written }

export interface CombinedResolver {
  readonly policy: ResolverPolicy;
  /** Lists that are longer together than one may be, with how long: nothing of them may be left out. */
  readonly tooLong: readonly { readonly list: DenyList; readonly entries: number }[];
}

type DenyList = keyof typeof MOST_ENTRIES;

const NOBODYS: ResolverPolicy = ResolverPolicy.parse({});

/** `levels`: the most specific first. Each allows in place of those after it; all deny; names are looked up as the Gateway's say, if they do. */
export function combineResolvers(levels: readonly ResolverLevel[]): CombinedResolver {
  const all = levels.map(({ written }) => written);
  // What is around a policy comes first, so that a route's own entries do not move the Gateway's.
  const outermostFirst = all.toReversed();
  const policy: ResolverPolicy = {
    names: { allow: first(all, ({ names }) => names?.allow) ?? NOBODYS.names.allow, deny: union(outermostFirst, ({ names }) => names?.deny, (name) => name.toLowerCase()) },
    addresses: { allow: first(all, ({ addresses }) => addresses?.allow) ?? NOBODYS.addresses.allow, deny: union(outermostFirst, ({ addresses }) => addresses?.deny, (address) => address) },
    ports: { allow: first(all, ({ ports }) => ports?.allow) ?? NOBODYS.ports.allow, deny: union(outermostFirst, ({ ports }) => ports?.deny, ({ port, endPort = port }) => `${port}-${endPort}`) },
    lookupFamily: first(all, (each) => each.lookupFamily) ?? NOBODYS.lookupFamily,
    connectProbe: first(all, (each) => each.connectProbe) ?? NOBODYS.connectProbe,
    dns: askingLevel(levels)?.written.dns ?? NOBODYS.dns,
  };
  const lists = Object.keys(MOST_ENTRIES) as DenyList[];
  return { policy, tooLong: lists.map((list) => ({ list, entries: policy[list].deny.length })).filter(({ list, entries }) => entries > MOST_ENTRIES[list]) };
}

/** Whose `dns` it is: a listener's or the Gateway's before that of a route; undefined: nobody writes any. */
export function askingLevel<Level extends ResolverLevel>(levels: readonly Level[]): Level | undefined {
  const asking = levels.filter(({ written }) => written.dns !== undefined);
  return asking.find((level) => level.of === 'gateway') ?? asking[0];
}

function first<Value>(all: readonly WrittenResolverPolicy[], of: (written: WrittenResolverPolicy) => Value | undefined): Value | undefined {
  return all.map(of).find((value) => value !== undefined);
}

function union<Entry>(all: readonly WrittenResolverPolicy[], of: (written: WrittenResolverPolicy) => readonly Entry[] | undefined, key: (entry: Entry) => string): Entry[] {
  const found = new Map<string, Entry>();
  for (const entry of all.flatMap((each) => of(each) ?? [])) if (!found.has(key(entry))) found.set(key(entry), entry);
  return [...found.values()];
}
