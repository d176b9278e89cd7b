// Hosts that a client names in order to reach what is not for it, under the default policy but any port. None may be dialled.
// `eg`: what Envoy Gateway's guard does, seven case-sensitive patterns on the text of the authority (127.0.0.1, localhost, localhost.localdomain,
// ip6-localhost, ip6-loopback, ::1): 'refuses' it, 'passes' it on to be looked up and dialled, or it 'fails' as a name that no DNS server knows.
import type { RefusalReason } from '../../extproc/resolver/decide.ts';

export interface Attack {
  readonly host: string;
  /** What the name resolves to. */
  readonly resolves?: readonly string[];
  readonly eg: 'refuses' | 'passes' | 'fails';
  readonly reason: RefusalReason;
  readonly detail: string;
}

/** Addresses of the gateway itself, for these cases. */
export const OWN = ['151.101.1.6', '2a04:4e42::6'] as const;

const ADDRESS = 'gatewright_resolver_address_refused';
const AUTHORITY = 'gatewright_resolver_bad_authority';

const literals: readonly Attack[] = ([
  ['127.0.0.1', 'refuses', 'Loopback'],
  ['127.0.0.1:3000', 'refuses', 'Loopback'],
  ['127.0.0.2:3001', 'passes', 'Loopback'],
  ['127.255.255.254', 'passes', 'Loopback'],
  ['0.0.0.0:3000', 'passes', 'Unspecified'],
  ['0.1.2.3', 'passes', 'Unspecified'],
  ['10.0.0.1', 'passes', 'Private'],
  ['172.16.0.1', 'passes', 'Private'],
  ['172.31.255.255', 'passes', 'Private'],
  ['192.168.1.1:8080', 'passes', 'Private'],
  ['100.64.0.1', 'passes', 'CarrierNat'],
  ['100.100.100.200', 'passes', 'Metadata'],
  ['169.254.169.254', 'passes', 'Metadata'],
  ['169.254.170.2', 'passes', 'Metadata'],
  ['169.254.1.1', 'passes', 'LinkLocal'],
  ['168.63.129.16', 'passes', 'Metadata'],
  ['192.0.0.192', 'passes', 'Metadata'],
  ['192.0.0.8', 'passes', 'Reserved'],
  ['192.0.2.1', 'passes', 'Documentation'],
  ['192.88.99.1', 'passes', 'Reserved'],
  ['198.18.0.1', 'passes', 'Benchmarking'],
  ['224.0.0.1', 'passes', 'Multicast'],
  ['239.255.255.250:1900', 'passes', 'Multicast'],
  ['240.0.0.1', 'passes', 'Reserved'],
  ['255.255.255.255', 'passes', 'Broadcast'],
  ['151.101.1.6:19000', 'passes', 'Own'],
  ['[::1]', 'refuses', 'Loopback'],
  ['[0:0:0:0:0:0:0:1]:80', 'passes', 'Loopback'],
  ['[::]', 'passes', 'Unspecified'],
  ['[::ffff:127.0.0.1]', 'passes', 'V4Mapped'],
  ['[::ffff:7f00:1]', 'passes', 'V4Mapped'],
  ['[::ffff:8.8.8.8]', 'passes', 'V4Mapped'],
  ['[::127.0.0.1]', 'passes', 'V4Compatible'],
  ['[::ffff:0:127.0.0.1]', 'passes', 'V4Translated'],
  ['[64:ff9b::127.0.0.1]', 'passes', 'Nat64'],
  ['[64:ff9b::a9fe:a9fe]', 'passes', 'Nat64'],
  ['[64:ff9b:1::10.0.0.1]', 'passes', 'Nat64'],
  ['[2002:7f00:1::]', 'passes', 'SixToFour'],
  ['[2002:a9fe:a9fe::1]', 'passes', 'SixToFour'],
  ['[2001:0:7f00:1::]', 'passes', 'Teredo'],
  ['[2001:10::1]', 'passes', 'Orchid'],
  ['[2001:20::1]', 'passes', 'Orchid'],
  ['[2001:2::1]', 'passes', 'Benchmarking'],
  ['[2001:db8::1]', 'passes', 'Documentation'],
  ['[3fff::1]', 'passes', 'Documentation'],
  ['[100::1]', 'passes', 'Discard'],
  ['[fc00::1]', 'passes', 'Private'],
  ['[fd12:3456::1]', 'passes', 'Private'],
  ['[fd00:ec2::254]', 'passes', 'Metadata'],
  ['[fd20:ce::254]', 'passes', 'Metadata'],
  ['[fe80::1]', 'passes', 'LinkLocal'],
  ['[fec0::1]', 'passes', 'SiteLocal'],
  ['[ff02::1]', 'passes', 'Multicast'],
  ['[5f00::1]', 'passes', 'Reserved'],
  ['[4000::1]', 'passes', 'Reserved'],
  ['[2a04:4e42::6]', 'passes', 'Own'],
  ['[2A04:4E42:0:0::0006]', 'passes', 'Own'],
] as const).map(([host, eg, detail]) => ({ host, eg, detail, reason: ADDRESS }));

const spellings: readonly Attack[] = ([
  ['127.1', 'fails', 'ipv4_spelling'],
  ['127.0.1', 'fails', 'ipv4_spelling'],
  ['2130706433', 'fails', 'ipv4_spelling'],
  ['0x7f000001', 'fails', 'ipv4_spelling'],
  ['0x7f.0.0.1', 'fails', 'ipv4_spelling'],
  ['0177.0.0.1', 'fails', 'ipv4_spelling'],
  ['127.0.0.01', 'fails', 'ipv4_spelling'],
  ['127.0.0.1.', 'fails', 'ipv4_spelling'],
  ['127.0.0.0x1', 'fails', 'ipv4_spelling'],
  ['256.0.0.1', 'fails', 'ipv4_spelling'],
  ['1.1.1.1.1', 'fails', 'ipv4_spelling'],
  ['evil.example.1', 'fails', 'ipv4_spelling'],
  ['１２７。0。0。1', 'fails', 'ipv4_spelling'],
  ['①②⑦.⓪.⓪.①', 'fails', 'ipv4_spelling'],
  ['[::1%25lo]', 'fails', 'percent'],
  ['[fe80::1%eth0]', 'fails', 'percent'],
  ['127.0.0.1%2f', 'fails', 'percent'],
  ['%6cocalhost', 'fails', 'percent'],
  ['[v1.127.0.0.1]', 'fails', 'ipv6'],
  ['[::1', 'fails', 'ipv6'],
  ['[::1]]', 'fails', 'ipv6'],
  ['[127.0.0.1]', 'fails', 'ipv6'],
  ['::1', 'refuses', 'port'],
  ['good.test@127.0.0.1', 'fails', 'userinfo'],
  ['127.0.0.1#good.test', 'fails', 'forbidden_character'],
  ['127.0.0.1/good.test', 'fails', 'forbidden_character'],
  ['127.0.0.1\\good.test', 'fails', 'forbidden_character'],
  ['good.test,127.0.0.1', 'fails', 'forbidden_character'],
  ['good.test 127.0.0.1', 'fails', 'forbidden_character'],
  ['good.test\u0000.127.0.0.1', 'fails', 'control_character'],
  ['good.test\r\nhost: 127.0.0.1', 'fails', 'control_character'],
  ['good.test:80:443', 'fails', 'port'],
  ['good.test:080', 'fails', 'port'],
] as const).map(([host, eg, detail]) => ({ host, eg, detail, reason: AUTHORITY }));

const names: readonly Attack[] = [
  { host: 'localhost', eg: 'refuses', reason: ADDRESS, detail: 'Loopback' },
  { host: 'LOCALHOST:3000', eg: 'passes', reason: ADDRESS, detail: 'Loopback' },
  { host: 'localhost.', eg: 'fails', reason: ADDRESS, detail: 'Loopback' },
  { host: 'app.localhost', eg: 'passes', reason: ADDRESS, detail: 'Loopback' },
  { host: 'ｌｏｃａｌｈｏｓｔ', eg: 'fails', reason: ADDRESS, detail: 'Loopback' },
  { host: 'two.example.test:3001', resolves: ['127.0.0.2'], eg: 'passes', reason: ADDRESS, detail: 'Loopback' },
  { host: 'six.example.test', resolves: ['::1'], eg: 'passes', reason: ADDRESS, detail: 'Loopback' },
  { host: 'zero.example.test', resolves: ['0.0.0.0', '::'], eg: 'passes', reason: ADDRESS, detail: 'Unspecified' },
  { host: '169.254.169.254.nip.test', resolves: ['169.254.169.254'], eg: 'passes', reason: ADDRESS, detail: 'Metadata' },
  { host: 'metadata.google.internal', resolves: ['169.254.169.254', 'fd20:ce::254'], eg: 'passes', reason: ADDRESS, detail: 'Metadata' },
  { host: 'kubernetes.default.svc.cluster.local', resolves: ['10.96.0.1'], eg: 'passes', reason: ADDRESS, detail: 'Private' },
  { host: 'mapped.example.test', resolves: ['::ffff:10.0.0.1'], eg: 'passes', reason: ADDRESS, detail: 'V4Mapped' },
  { host: 'nat64.example.test', resolves: ['64:ff9b::10.0.0.1'], eg: 'passes', reason: ADDRESS, detail: 'Nat64' },
  { host: 'six-to-four.example.test', resolves: ['2002:c0a8:101::1'], eg: 'passes', reason: ADDRESS, detail: 'SixToFour' },
  { host: 'gateway.example.test', resolves: ['151.101.1.6', '2a04:4e42::6'], eg: 'passes', reason: ADDRESS, detail: 'Own' },
  { host: 'all-bad.example.test', resolves: ['10.0.0.1', 'fe80::1', '127.0.0.1'], eg: 'passes', reason: ADDRESS, detail: 'Private,Loopback,LinkLocal' },
  { host: 'secret.onion', resolves: ['10.0.0.1'], eg: 'fails', reason: 'gatewright_resolver_no_address', detail: '' },
];

export const attacks: readonly Attack[] = [...literals, ...spellings, ...names];
