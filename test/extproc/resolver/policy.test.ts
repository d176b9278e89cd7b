import { describe, expect, test } from 'vitest';
import { ResolverPolicy, WrittenResolverPolicy } from '../../../policy/resolver.ts';

test('an empty policy is the closed one', () => {
  expect(ResolverPolicy.parse({})).toEqual({
    names: { allow: ['*'], deny: [] },
    addresses: { allow: ['Public'], deny: [] },
    ports: { allow: [{ port: 80 }, { port: 443 }], deny: [] },
    lookupFamily: 'IPv4AndIPv6',
    connectProbe: true,
    dns: { servers: [], timeout: '3s', hostsFile: '/etc/hosts', minTtl: '1s', maxTtl: '1h', negativeTtl: '10s', staleFor: '1h' },
  });
});

test('of what is written nothing is filled in', () => {
  expect(WrittenResolverPolicy.parse({})).toEqual({});
  expect(WrittenResolverPolicy.parse({ names: { deny: ['a.test'] }, ports: {} })).toEqual({ names: { deny: ['a.test'] }, ports: { deny: [] } });
});

describe('accepts', () => {
  test.each([
    { names: { allow: ['a.test', '*.a.test', 'A-1_x.Test', 'xn--bcher-kva.test', '93.184.216.34', '*'] } },
    { addresses: { allow: ['Private', '10.0.0.0/8', '10.0.0.1', 'fd00::/8', '::1', '2001:db8::1/128'] } },
    { addresses: { allow: ['169.254.169.254', 'fd00:ec2::254/128'], deny: ['Metadata'] } },
    { ports: { deny: [{ port: 1, endPort: 65_535 }] } },
    { dns: { servers: ['10.0.0.10', '127.0.0.1:5353', '[2001:db8::1]:53', '2001:db8::1', '[2001:db8::1]'], staleFor: '0s', hostsFile: '' } },
  ])('%j', (policy) => {
    for (const schema of [ResolverPolicy, WrittenResolverPolicy]) expect(schema.safeParse(policy).error).toBeUndefined();
  });
});

describe('refuses', () => {
  test.each([
    { policy: { names: { allow: [] } }, path: 'names.allow' },
    { policy: { names: { allow: ['a.*.test'] } }, path: 'names.allow.0' },
    { policy: { names: { deny: ['*a.test'] } }, path: 'names.deny.0' },
    { policy: { names: { deny: ['a.test.'] } }, path: 'names.deny.0' },
    { policy: { names: { deny: ['bücher.test'] } }, path: 'names.deny.0' },
    { policy: { names: { deny: ['a.test:80'] } }, path: 'names.deny.0' },
    { policy: { addresses: { allow: ['private'] } }, path: 'addresses.allow.0' },
    { policy: { addresses: { allow: ['Multicast'] } }, path: 'addresses.allow.0' },
    { policy: { addresses: { allow: ['Public', 'Metadata'] } }, path: 'addresses.allow.1' },
    { policy: { addresses: { deny: ['10.0.0.0/33'] } }, path: 'addresses.deny.0' },
    { policy: { addresses: { deny: ['10.0.0/8'] } }, path: 'addresses.deny.0' },
    { policy: { addresses: { deny: ['fe80::1%eth0'] } }, path: 'addresses.deny.0' },
    { policy: { ports: { allow: [{ port: 0 }] } }, path: 'ports.allow.0.port' },
    { policy: { ports: { allow: [{ port: 2, endPort: 1 }] } }, path: 'ports.allow.0.endPort' },
    { policy: { dns: { servers: ['dns.test'] } }, path: 'dns.servers.0' },
    { policy: { dns: { servers: ['10.0.0.1:65536'] } }, path: 'dns.servers.0' },
    { policy: { dns: { timeout: '0s' } }, path: 'dns.timeout' },
    { policy: { dns: { timeout: '11s' } }, path: 'dns.timeout' },
    { policy: { dns: { minTtl: '2h' } }, path: 'dns.minTtl' },
    { policy: { allowPrivate: true }, path: '' },
  ])('$policy at $path', ({ policy, path }) => {
    for (const schema of [ResolverPolicy, WrittenResolverPolicy]) expect(schema.safeParse(policy).error?.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
  });
  test('all metadata services at once, and says what to do', () => {
    expect(ResolverPolicy.safeParse({ addresses: { allow: ['Metadata'] } }).error?.issues[0]?.message).toMatch(/name the address of the one that is meant, such as 169\.254\.169\.254/);
  });
});
