// What an address is: one anybody may reach, or one that only looks so from outside.
// From IANA's special-purpose registries (RFC 6890 and what followed), and from the clouds' documentation for metadata services.
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { AddressClassName } from '../../policy/resolver.ts';

/** Those that a policy can name, and those that it can open by a range at most. */
export type AddressClass = AddressClassName | 'Own' | 'Reserved' | 'V4Mapped' | 'V4Compatible' | 'V4Translated' | 'SiteLocal' | 'Orchid' | 'Discard' | 'Multicast' | 'Broadcast' | 'Unspecified';
export type Address = ipaddr.IPv4 | ipaddr.IPv6;
export interface Range { readonly network: Address; readonly bits: number }
export interface Block extends Range { readonly class: AddressClass }

/** No host has such an address, so no policy opens them. 0.0.0.0 would reach loopback under another name. */
export const NEVER: ReadonlySet<AddressClass> = new Set(['Multicast', 'Broadcast', 'Unspecified']);

// The most specific block that holds an address decides.
const TABLE: readonly (readonly [AddressClass, readonly string[]])[] = [
  ['Public', ['0.0.0.0/0', '2000::/3']],
  ['Unspecified', ['0.0.0.0/8', '::/128']],
  ['Private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']],
  ['CarrierNat', ['100.64.0.0/10']],
  ['Loopback', ['127.0.0.0/8', '::1/128']],
  ['LinkLocal', ['169.254.0.0/16', 'fe80::/10']],
  ['Metadata', [
    '169.254.169.254/32', 'fd00:ec2::254/128', 'fd20:ce::254/128',   // EC2 and most others; EC2 and Google over IPv6
    '169.254.170.2/32', '169.254.170.23/32', 'fd00:ec2::23/128',     // credentials of ECS tasks and EKS pods
    '168.63.129.16/32', '100.100.100.200/32', '192.0.0.192/32',      // Azure, Alibaba, Oracle
    '169.254.42.42/32', 'fd00:42::42/128', '169.254.0.23/32',        // Scaleway, and over IPv6; Tencent
  ]],
  ['Documentation', ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32', '3fff::/20']],
  ['Benchmarking', ['198.18.0.0/15', '2001:2::/48']],
  ['Multicast', ['224.0.0.0/4', 'ff00::/8']],
  ['Broadcast', ['255.255.255.255/32']],
  // IETF protocol assignments, the relays of 6to4 (RFC 7526), future use; and all of IPv6 that is not given out yet.
  ['Reserved', ['192.0.0.0/24', '192.88.99.0/24', '240.0.0.0/4', '::/0', '2001::/23', '5f00::/16']],
  ['V4Compatible', ['::/96']],
  ['V4Mapped', ['::ffff:0:0/96']],
  ['V4Translated', ['::ffff:0:0:0/96']],
  ['Nat64', ['64:ff9b::/96', '64:ff9b:1::/48']],
  ['SixToFour', ['2002::/16']],
  ['Teredo', ['2001::/32']],
  ['Orchid', ['2001:10::/28', '2001:20::/28']],
  ['Discard', ['100::/64', '100:0:0:1::/64']],
  ['SiteLocal', ['fec0::/10']],
];

/** An address as these files write it: four decimal numbers, or IPv6 without a zone. null: it is not one. */
export function parseAddress(text: string): Address | null {
  if (isIPv4(text)) return ipaddr.IPv4.parse(text);
  if (!isIPv6(text) || text.includes('%')) return null;
  // ipaddr.js takes ::127.0.0.1 for ::ffff:127.0.0.1, and nothing that dials does. So no dots for it.
  const plain = text.replace(/[0-9.]+\.[0-9.]+$/, (tail) => { const [a = 0, b = 0, c = 0, d = 0] = tail.split('.').map(Number); return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`; });
  return ipaddr.IPv6.isValid(plain) ? ipaddr.IPv6.parse(plain) : null;
}

/** A range in CIDR form, or one address. null: it is neither. */
export function parseRange(text: string): Range | null {
  const [addressText = '', bitsText] = text.split('/', 2);
  const network = parseAddress(addressText);
  if (network === null) return null;
  const most = network.kind() === 'ipv4' ? 32 : 128;
  if (bitsText === undefined) return { network, bits: most };
  const bits = Number(bitsText);
  return /^[0-9]{1,3}$/.test(bitsText) && bits <= most ? { network, bits } : null;
}

/** Whether the range holds the address. The families never mix: a mapped address is not its IPv4 address here. */
export function holds({ network, bits }: Range, address: Address): boolean {
  if (network instanceof ipaddr.IPv4) return address instanceof ipaddr.IPv4 && address.match(network, bits);
  return address instanceof ipaddr.IPv6 && address.match(network, bits);
}

const BLOCKS: readonly Block[] = TABLE
  .flatMap(([name, ranges]) => ranges.map((text) => ({ class: name, ...(parseRange(text) as Range) })))
  .sort((a, b) => b.bits - a.bits);

/** The most specific block that holds the address. */
export function blockOf(address: Address): Block {
  const block = BLOCKS.find((each) => holds(each, address));
  // Both families have a block of all their addresses.
  if (block === undefined) throw new Error(`no block holds ${address.toString()}`);
  return block;
}

const v4 = (bytes: readonly number[]): Address => new ipaddr.IPv4([...bytes]);

/** The IPv4 addresses that an IPv6 address leads to by way of a translator or a tunnel. */
export function embedded(address: Address): readonly Address[] {
  if (address.kind() === 'ipv4') return [];
  const bytes = address.toByteArray();
  switch (blockOf(address).class) {
    case 'V4Mapped': case 'V4Compatible': case 'V4Translated': return [v4(bytes.slice(12))];
    case 'Nat64': return bytes[5] === 0 ? [v4(bytes.slice(12))] : ofLocalNat64(bytes);
    case 'SixToFour': return [v4(bytes.slice(2, 6))];
    case 'Teredo': return [v4(bytes.slice(4, 8)), v4(bytes.slice(12).map((byte) => byte ^ 0xff))];   // RFC 4380: the server, and the client upside down
    default: return [];
  }
}

// RFC 6052 section 2.2: where the address stands depends on the length of the prefix, byte 8 left out. A prefix within
// 64:ff9b:1::/48 may have any length, so every reading is judged, but those of 0.0.0.0/8: they only say that nothing stands there.
function ofLocalNat64(bytes: readonly number[]): readonly Address[] {
  const readings = [[...bytes.slice(6, 8), ...bytes.slice(9, 11)], [...bytes.slice(7, 8), ...bytes.slice(9, 12)], bytes.slice(9, 13), bytes.slice(12)];
  return readings.filter(([first]) => first !== 0).map(v4);
}
