// The policy of extproc/resolver: which hosts a route of a Backend of type DynamicResolver may reach, and how names are looked up.
// What the kind ResolverPolicy writes, and what the processor knows once all that is written over a rule is put together. Three lists that read alike: `allow` says what there is, `deny` wins.
import { z } from 'zod';
import { Duration, PositiveDuration, parseDuration } from './duration.ts';

/** What a list of addresses may call a block of addresses. Multicast, broadcast and unspecified addresses are no host's: nothing allows them. */
export const ADDRESS_CLASSES = ['Public', 'Private', 'Loopback', 'LinkLocal', 'CarrierNat', 'Metadata', 'Benchmarking', 'Documentation', 'Nat64', 'SixToFour', 'Teredo'] as const;

const LABEL = '[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
const NAME_PATTERN = new RegExp(`^(\\*|(\\*\\.)?${LABEL}(\\.${LABEL})*)$`);
const SERVER = /^(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::([1-9][0-9]{0,4}))?$/;

const isAddress = (text: string): boolean => z.ipv4().safeParse(text).success || z.ipv6().safeParse(text).success;
const isRange = (text: string): boolean => z.cidrv4().safeParse(text).success || z.cidrv6().safeParse(text).success;
function isServer(text: string): boolean {
  const [, v4, v6, port] = SERVER.exec(text) ?? [];
  return isAddress(v4 ?? v6 ?? text) && Number(port ?? 53) <= 65_535;
}

const NamePattern = z.string().max(253).regex(NAME_PATTERN, 'must be a name, *.name or *, with letters beyond ASCII in punycode');
const AddressPattern = z.string().max(49).refine((text) => (ADDRESS_CLASSES as readonly string[]).includes(text) || isAddress(text) || isRange(text), `must be an address, a range such as 10.0.0.0/8, or one of ${ADDRESS_CLASSES.join(', ')}`);
/** Who needs one metadata service has named it; nobody needs those of every cloud. */
export const AllowedAddress = AddressPattern.refine((text) => text !== 'Metadata', 'Metadata cannot be allowed as a whole: name the address of the one that is meant, such as 169.254.169.254');
const port = z.int().min(1).max(65_535);
export const PortPattern = z.strictObject({ port, endPort: port.optional().describe('with it, all from port to endPort') })
  .refine(({ port: first, endPort }) => endPort === undefined || endPort >= first, { path: ['endPort'], message: 'must not be less than port' });

const WEB = [{ port: 80 }, { port: 443 }];

/** How names become addresses. Policies that say the same here share one cache. */
export const DnsSettings = z.strictObject({
  servers: z.array(z.string().refine(isServer, 'must be an address, with or without a port, such as 10.0.0.10 or [2001:db8::1]:5353')).max(8).default([])
    .describe('tried in this order; none: those of the system'),
  timeout: PositiveDuration.refine((text) => (parseDuration(text) ?? 0) <= 10_000, 'must not be more than 10s').default('3s').describe('all tries at a name together'),
  hostsFile: z.string().max(4096).default('/etc/hosts').describe('names in it are not asked for; read again when it changes; "": none'),
  minTtl: PositiveDuration.default('1s').describe('answers are kept at least so long'),
  maxTtl: PositiveDuration.default('1h').describe('and at most so long'),
  negativeTtl: PositiveDuration.default('10s').describe('how long a name is known not to exist'),
  staleFor: Duration.default('1h').describe('0s: never. While no server answers, the last addresses of a name stay good for so long'),
}).refine(({ minTtl, maxTtl }) => (parseDuration(minTtl) ?? 0) <= (parseDuration(maxTtl) ?? 0), { path: ['minTtl'], message: 'must not be more than maxTtl' });
export type DnsSettings = z.infer<typeof DnsSettings>;

/** How many entries a list may have, that of all policies over a rule together included. */
export const MOST_ENTRIES = { names: 1024, addresses: 256, ports: 64 } as const;

const names = {
  allow: z.array(NamePattern).min(1).max(MOST_ENTRIES.names).describe('*.example.com: all below example.com, not itself. Addresses in place of a name pass with * or when they are listed. Said nowhere: *'),
  deny: z.array(NamePattern).max(MOST_ENTRIES.names).default([]).describe('adds to what policies around this one deny'),
};
const addresses = {
  allow: z.array(AllowedAddress).min(1).max(MOST_ENTRIES.addresses)
    .describe('what a name may resolve to. A range opens what is not public only if it lies within it: 10.0.0.0/16 does, 0.0.0.0/0 means the public ones. A metadata service, or an address of the gateway itself, must be named alone. Said nowhere: Public'),
  deny: z.array(AddressPattern).max(MOST_ENTRIES.addresses).default([]).describe('adds to what policies around this one deny'),
};
const ports = {
  allow: z.array(PortPattern).min(1).max(MOST_ENTRIES.ports).describe('said nowhere: 80 and 443'),
  deny: z.array(PortPattern).max(MOST_ENTRIES.ports).default([]).describe('adds to what policies around this one deny'),
};
const lookupFamily = z.enum(['IPv4', 'IPv6', 'IPv4Preferred', 'IPv6Preferred', 'IPv4AndIPv6']).describe('Preferred: the other family only where that one has no address. Said nowhere: IPv4AndIPv6');
const connectProbe = z.boolean().describe('of several addresses, one that accepts a connection is chosen; false: the first, unless it is known to fail. Said nowhere: true');

/** What one ResolverPolicy writes. Nothing is filled in: what it leaves out is said by a policy around it, or by nobody. */
export const WrittenResolverPolicy = z.strictObject({
  names: z.strictObject({ ...names, allow: names.allow.optional() }).optional(),
  addresses: z.strictObject({ ...addresses, allow: addresses.allow.optional() }).optional(),
  ports: z.strictObject({ ...ports, allow: ports.allow.optional() }).optional(),
  lookupFamily: lookupFamily.optional(),
  connectProbe: connectProbe.optional(),
  dns: DnsSettings.optional().describe('of a listener or a Gateway: for all routes there, whatever their own policies say'),
});
export type WrittenResolverPolicy = z.infer<typeof WrittenResolverPolicy>;

/** The whole policy of one route. */
export const ResolverPolicy = z.strictObject({
  names: z.strictObject({ ...names, allow: names.allow.default(['*']) }).prefault({}),
  addresses: z.strictObject({ ...addresses, allow: addresses.allow.default(['Public']) }).prefault({}),
  ports: z.strictObject({ ...ports, allow: ports.allow.default(WEB) }).prefault({}),
  lookupFamily: lookupFamily.default('IPv4AndIPv6'),
  connectProbe: connectProbe.default(true),
  dns: DnsSettings.prefault({}),
});
export type ResolverPolicy = z.infer<typeof ResolverPolicy>;
export type AddressClassName = (typeof ADDRESS_CLASSES)[number];
export type LookupFamily = ResolverPolicy['lookupFamily'];

/** What the processor knows a route by. */
export const ResolverRoute = z.strictObject({
  policy: ResolverPolicy,
  tls: z.boolean().describe('the Backend has tls: a host without a port is at 443, else at 80'),
  requestTimeout: PositiveDuration.optional().describe('of the route: who has waited so long for an address gets 504'),
  host: z.string().min(1).max(260).optional().describe('the route rewrites the host to this one, so this one is looked up'),
});
export type ResolverRoute = z.infer<typeof ResolverRoute>;
