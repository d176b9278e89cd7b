// A ResolverPolicy as it is asked on every request: is this name, this port, this address one that the route may reach?
import { ADDRESS_CLASSES, type ResolverPolicy } from '../../policy/resolver.ts';
import { type Address, type AddressClass, type Block, NEVER, type Range, blockOf, embedded, holds, parseAddress, parseRange } from './address-class.ts';
import type { Host } from './authority.ts';

export interface Rules {
  readonly names: { readonly allow: readonly string[]; readonly deny: readonly string[] };
  readonly addresses: { readonly allow: AddressList; readonly deny: AddressList };
  readonly ports: ResolverPolicy['ports'];
}
interface AddressList { readonly classes: ReadonlySet<AddressClass>; readonly ranges: readonly Range[] }

/** Why an address is refused: what it is, or that a list denies it. */
export type AddressRefusal = AddressClass | 'Denied' | 'NotAnAddress';

export function compile({ names, addresses, ports }: Pick<ResolverPolicy, 'names' | 'addresses' | 'ports'>): Rules {
  const lower = (patterns: readonly string[]): string[] => patterns.map((pattern) => pattern.toLowerCase());
  return {
    names: { allow: lower(names.allow), deny: lower(names.deny) },
    addresses: { allow: addressList(addresses.allow), deny: addressList(addresses.deny) },
    ports,
  };
}

function addressList(entries: readonly string[]): AddressList {
  const classes = new Set<AddressClass>();
  const ranges: Range[] = [];
  for (const entry of entries) {
    const named = ADDRESS_CLASSES.find((each) => each === entry);
    const range = named === undefined ? parseRange(entry) : null;
    if (named !== undefined) classes.add(named);
    else if (range !== null) ranges.push(range);
    // The schema let it through, so this is a bug; to leave out an entry of `deny` would open what it closes.
    else throw new Error(`neither a range nor a class of addresses: ${entry}`);
  }
  return { classes, ranges };
}

/** Whether the host, as it was asked for, is on the list of names. */
export function nameAllowed({ names }: Rules, { host, kind }: Host): boolean {
  const matches = (pattern: string): boolean => pattern === '*' || pattern === host || (kind === 'name' && pattern.startsWith('*.') && host.endsWith(pattern.slice(1)));
  return names.allow.some(matches) && !names.deny.some(matches);
}

export function portAllowed({ ports }: Rules, port: number): boolean {
  const among = (list: Rules['ports']['allow']): boolean => list.some((each) => port >= each.port && port <= (each.endPort ?? each.port));
  return among(ports.allow) && !among(ports.deny);
}

/** null: the address may be dialled. `own`: the gateway's addresses, as parseAddress and toString write them. */
export function addressRefusal({ addresses }: Rules, text: string, own: ReadonlySet<string>): AddressRefusal | null {
  const address = parseAddress(text);
  if (address === null) return 'NotAnAddress';
  // What a translator or tunnel makes of it is judged as if it stood there itself.
  for (const each of [address, ...embedded(address)]) {
    const block = own.has(each.toString()) ? ownBlock(each) : blockOf(each);
    if (NEVER.has(block.class)) return block.class;
    if (addresses.deny.classes.has(block.class) || addresses.deny.ranges.some((range) => holds(range, each))) return 'Denied';
    if (!opens(addresses.allow, each, block)) return block.class;
  }
  return null;
}

/** Whether it is this machine itself that would be dialled. */
export function onThisMachine(text: string, own: ReadonlySet<string>): boolean {
  const address = parseAddress(text);
  return address !== null && [address, ...embedded(address)].some((each) => own.has(each.toString()) || blockOf(each).class === 'Loopback');
}

const ownBlock = (address: Address): Block => ({ class: 'Own', network: address, bits: address.kind() === 'ipv4' ? 32 : 128 });

// A range opens a block only from within: who writes 0.0.0.0/0 means the internet, not the loopback interface.
function opens({ classes, ranges }: AddressList, address: Address, block: Block): boolean {
  return classes.has(block.class) || ranges.some((range) => range.bits >= block.bits && holds(range, address));
}
