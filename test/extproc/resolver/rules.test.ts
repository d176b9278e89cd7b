import { describe, expect, test } from 'vitest';
import { embedded, parseAddress } from '../../../extproc/resolver/address-class.ts';
import { parseAuthority } from '../../../extproc/resolver/authority.ts';
import { addressRefusal, compile, nameAllowed, portAllowed } from '../../../extproc/resolver/rules.ts';
import { ADDRESS_CLASSES, ResolverPolicy } from '../../../policy/resolver.ts';

const rules = (document: unknown) => compile(ResolverPolicy.parse(document));
const none = new Set<string>();

describe('the default policy', () => {
  test.each([
    ['8.8.8.8', null], ['1.1.1.1', null], ['100.63.255.255', null], ['100.128.0.0', null], ['172.15.255.255', null], ['172.32.0.0', null], ['169.253.255.255', null], ['169.255.0.0', null],
    ['11.0.0.0', null], ['126.255.255.255', null], ['128.0.0.0', null], ['192.0.1.0', null], ['198.17.255.255', null], ['198.20.0.0', null], ['223.255.255.255', null], ['168.63.129.17', null],
    ['2606:4700:4700::1111', null], ['2001:200::1', null], ['2001:4860:4860::8888', null], ['2003::1', null], ['3ffe::1', null], ['2400::1', null],
    ['1fff::1', 'Reserved'], ['4000::', 'Reserved'], ['2001:1ff::1', 'Reserved'], ['2001:3::1', 'Reserved'], ['64:ff9b::8.8.8.8', 'Nat64'], ['2002:808:808::1', 'SixToFour'], ['fdff::1', 'Private'],
    ['', 'NotAnAddress'], ['1.2.3', 'NotAnAddress'], ['01.2.3.4', 'NotAnAddress'], ['fe80::1%eth0', 'NotAnAddress'], ['a.test', 'NotAnAddress'], ['::1 ', 'NotAnAddress'],
  ] as const)('judges %s: %s', (address, refusal) => {
    expect(addressRefusal(rules({}), address, none)).toBe(refusal);
  });
});

describe('a policy opens', () => {
  test.each([
    { allow: ['Private'], address: '10.1.2.3', refusal: null },
    { allow: ['Private'], address: 'fd00::1', refusal: null },
    { allow: ['Private'], address: '8.8.8.8', refusal: 'Public' },
    { allow: ['Public', '10.1.0.0/16'], address: '10.1.2.3', refusal: null },
    { allow: ['Public', '10.1.0.0/16'], address: '10.2.0.1', refusal: 'Private' },
    { allow: ['Public', '10.1.0.0/16'], address: '8.8.8.8', refusal: null },
    { allow: ['10.0.0.0/7'], address: '10.1.2.3', refusal: 'Private' },
    { allow: ['0.0.0.0/0', '::/0'], address: '127.0.0.1', refusal: 'Loopback' },
    { allow: ['0.0.0.0/0', '::/0'], address: '169.254.169.254', refusal: 'Metadata' },
    { allow: ['0.0.0.0/0', '::/0'], address: '::1', refusal: 'Loopback' },
    { allow: ['0.0.0.0/0', '::/0'], address: '::ffff:127.0.0.1', refusal: 'V4Mapped' },
    { allow: ['0.0.0.0/0', '::/0'], address: '8.8.8.8', refusal: null },
    { allow: ['0.0.0.0/0'], address: '2606:4700::1', refusal: 'Public' },
    { allow: ['2606:4700::/32'], address: '2606:4700::1', refusal: null },
    { allow: ['127.0.0.1'], address: '127.0.0.1', refusal: null },
    { allow: ['127.0.0.1'], address: '127.0.0.2', refusal: 'Loopback' },
    { allow: ['127.0.0.0/8'], address: '127.0.0.2', refusal: null },
    { allow: ['LinkLocal', '169.254.0.0/16'], address: '169.254.169.254', refusal: 'Metadata' },
    { allow: ['169.254.169.254'], address: '169.254.169.254', refusal: null },
    { allow: ['LinkLocal'], address: '169.254.42.42', refusal: 'Metadata' },
    { allow: ['LinkLocal'], address: '169.254.0.23', refusal: 'Metadata' },
    { allow: ['Private', 'fc00::/7'], address: 'fd00:42::42', refusal: 'Metadata' },
    { allow: ['fd00:ec2::254'], address: 'fd00:ec2::254', refusal: null },
    { allow: ['fd00:ec2::254'], address: '169.254.169.254', refusal: 'Metadata' },
    { allow: ['Nat64', 'Public'], address: '64:ff9b::8.8.8.8', refusal: null },
    { allow: ['Nat64', 'Public'], address: '64:ff9b::10.0.0.1', refusal: 'Private' },
    { allow: ['Nat64', 'Public'], address: '64:ff9b:1::8.8.8.8', refusal: null },
    { allow: ['Nat64', 'Public'], address: '64:ff9b:1:0a00:0:100::', refusal: 'Private' },
    { allow: ['Nat64'], address: '64:ff9b::8.8.8.8', refusal: 'Public' },
    { allow: ['SixToFour', 'Public'], address: '2002:7f00:1::1', refusal: 'Loopback' },
    { allow: ['Teredo', 'Public'], address: '2001:0:808:808::f5ff:fffe', refusal: 'Private' },
    { allow: ['Teredo', 'Public'], address: '2001:0:808:808::f7f7:f7f7', refusal: null },
    { allow: ['::ffff:0:0/96', 'Public'], address: '::ffff:8.8.8.8', refusal: null },
    { allow: ['::ffff:0:0/96', 'Public'], address: '::ffff:10.0.0.1', refusal: 'Private' },
    { allow: ['0.0.0.0', '0.0.0.0/8'], address: '0.0.0.0', refusal: 'Unspecified' },
    { allow: ['224.0.0.1'], address: '224.0.0.1', refusal: 'Multicast' },
    { allow: ['255.255.255.255'], address: '255.255.255.255', refusal: 'Broadcast' },
    { allow: ADDRESS_CLASSES.filter((each) => each !== 'Metadata'), address: '0.0.0.0', refusal: 'Unspecified' },
  ])('$allow: $address $refusal', ({ allow, address, refusal }) => {
    expect(addressRefusal(rules({ addresses: { allow } }), address, none)).toBe(refusal);
  });
});

describe('a policy closes', () => {
  test.each([
    { deny: ['8.8.0.0/16'], address: '8.8.8.8', refusal: 'Denied' },
    { deny: ['8.8.0.0/16'], address: '8.9.8.8', refusal: null },
    { deny: ['0.0.0.0/0'], address: '8.8.8.8', refusal: 'Denied' },
    { deny: ['2606:4700::/32'], address: '2606:4700::1', refusal: 'Denied' },
    { deny: ['Private'], allow: ['Private', '10.0.0.1'], address: '10.0.0.1', refusal: 'Denied' },
    { deny: ['8.8.8.8'], allow: ['Nat64', 'Public'], address: '64:ff9b::8.8.8.8', refusal: 'Denied' },
  ])('$deny: $address $refusal', ({ deny, allow, address, refusal }) => {
    expect(addressRefusal(rules({ addresses: { deny, ...(allow === undefined ? {} : { allow }) } }), address, none)).toBe(refusal);
  });
});

describe('the gateway\'s own address', () => {
  const own = new Set(['151.101.1.6', '2a04:4e42::6', '10.0.0.7']);
  test.each([
    { allow: ['Public'], address: '151.101.1.6', refusal: 'Own' },
    { allow: ['151.101.0.0/16'], address: '151.101.1.6', refusal: 'Own' },
    { allow: ['Private', '10.0.0.0/8'], address: '10.0.0.7', refusal: 'Own' },
    { allow: ['Private'], address: '10.0.0.8', refusal: null },
    { allow: ['Nat64', 'Public'], address: '64:ff9b::151.101.1.6', refusal: 'Own' },
    { allow: ['Public'], address: '2a04:4e42:0:0:0:0:0:6', refusal: 'Own' },
    { allow: ['151.101.1.6'], address: '151.101.1.6', refusal: null },
  ])('is open only by itself: $allow: $address $refusal', ({ allow, address, refusal }) => {
    expect(addressRefusal(rules({ addresses: { allow } }), address, own)).toBe(refusal);
  });
});

describe('names', () => {
  test.each([
    { names: {}, host: 'a.test', allowed: true },
    { names: {}, host: '93.184.216.34', allowed: true },
    { names: { allow: ['a.test'] }, host: 'a.test', allowed: true },
    { names: { allow: ['A.Test'] }, host: 'a.TEST', allowed: true },
    { names: { allow: ['a.test'] }, host: 'b.a.test', allowed: false },
    { names: { allow: ['a.test'] }, host: 'xa.test', allowed: false },
    { names: { allow: ['*.a.test'] }, host: 'b.a.test', allowed: true },
    { names: { allow: ['*.a.test'] }, host: 'c.b.a.test.', allowed: true },
    { names: { allow: ['*.a.test'] }, host: 'a.test', allowed: false },
    { names: { allow: ['*.a.test'] }, host: 'xa.test', allowed: false },
    { names: { allow: ['*.a.test'] }, host: '93.184.216.34', allowed: false },
    { names: { allow: ['*.34'] }, host: '93.184.216.34', allowed: false },
    { names: { allow: ['93.184.216.34'] }, host: '93.184.216.34', allowed: true },
    { names: { deny: ['*.a.test', 'a.test'] }, host: 'b.a.test', allowed: false },
    { names: { deny: ['*.a.test', 'a.test'] }, host: 'A.test.', allowed: false },
    { names: { deny: ['*.a.test', 'a.test'] }, host: 'c.test', allowed: true },
    { names: { allow: ['*.a.test'], deny: ['x.a.test'] }, host: 'x.a.test', allowed: false },
    { names: { deny: ['xn--bcher-kva.test'] }, host: 'bücher.test', allowed: false },
  ])('$names: $host $allowed', ({ names, host, allowed }) => {
    const read = parseAuthority(host, 80);
    expect(read.kind === 'host' && nameAllowed(rules({ names }), read.host)).toBe(allowed);
  });
});

describe('ports', () => {
  test.each([
    { ports: {}, port: 80, allowed: true }, { ports: {}, port: 443, allowed: true }, { ports: {}, port: 22, allowed: false }, { ports: {}, port: 8080, allowed: false },
    { ports: { allow: [{ port: 8000, endPort: 8999 }] }, port: 8999, allowed: true },
    { ports: { allow: [{ port: 8000, endPort: 8999 }] }, port: 80, allowed: false },
    { ports: { allow: [{ port: 8000, endPort: 8999 }], deny: [{ port: 8500 }] }, port: 8500, allowed: false },
  ])('$ports: $port $allowed', ({ ports, port, allowed }) => {
    expect(portAllowed(rules({ ports }), port)).toBe(allowed);
  });
});

test('a list that the schema would not have let through is no policy: nothing of it is passed over', () => {
  const policy = ResolverPolicy.parse({});
  expect(() => compile({ ...policy, addresses: { allow: ['Public'], deny: ['10.0.0.0/8x'] } })).toThrow('10.0.0.0/8x');
});

test('IPv4 addresses stand where RFC 6052 puts them', () => {
  const inside = (text: string) => embedded(parseAddress(text) ?? (() => { throw new Error(text); })()).map(String);
  expect(inside('64:ff9b::192.0.2.33')).toEqual(['192.0.2.33']);
  expect(inside('64:ff9b:1:c000:2:2100::')).toContain('192.0.2.33');          // a prefix of 48 bits
  expect(inside('64:ff9b:1:aac0:0:221::')).toContain('192.0.2.33');           // 56
  expect(inside('64:ff9b:1:aabb:c0:2:2100::')).toContain('192.0.2.33');       // 64
  expect(inside('64:ff9b:1:aabb:0:0:c000:221')).toContain('192.0.2.33');      // 96
});
