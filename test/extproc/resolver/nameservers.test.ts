// On the wire: a real name server on 127.0.0.1 that does as it is told.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DnsClient } from '../../../extproc/resolver/dns.ts';
import { type Ask, nameServers } from '../../../extproc/resolver/nameservers.ts';
import { realWorld } from '../../../extproc/world.ts';
import { DnsSettings } from '../../../policy/resolver.ts';
import { noHosts } from './answers.ts';
import { NameServer, type Reply } from './name-server.ts';

let server: NameServer;
let ask: Ask;
beforeAll(async () => { server = await NameServer.start(); });
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  server.asked.length = 0;
  ask = nameServers({ servers: [server.address], timeout: '600ms' }, realWorld.monotonic);
});

const A = (value: string, ttl = 60, name?: string) => ({ type: 'A' as const, ttl, value, ...(name === undefined ? {} : { name }) });
const CNAME = (value: string, ttl = 60, name?: string) => ({ type: 'CNAME' as const, ttl, value, ...(name === undefined ? {} : { name }) });
const address = (value: string, ttlMs = 60_000) => ({ address: value, ttlMs });

describe('a question comes back as', () => {
  test.each<{ name: string; reply: Reply; found: unknown }>([
    { name: 'records with their TTLs', reply: { records: [A('93.184.216.34', 7), A('93.184.216.35', 8)] }, found: { kind: 'records', records: [address('93.184.216.34', 7_000), address('93.184.216.35', 8_000)] } },
    { name: 'what a chain of CNAMEs leads to, for the least TTL of the chain', reply: { records: [CNAME('b.test', 5), CNAME('c.test', 300, 'b.test'), A('93.184.216.34', 60, 'c.test')] }, found: { kind: 'records', records: [address('93.184.216.34', 5_000)] } },
    { name: 'no address when the chain leads nowhere', reply: { records: [CNAME('b.test')] }, found: { kind: 'no_address' } },
    { name: 'no address when the chain is a circle', reply: { records: [CNAME('b.test'), CNAME('a.test', 60, 'b.test')] }, found: { kind: 'no_address' } },
    { name: 'no such name', reply: { code: 3 }, found: { kind: 'no_such_name' } },
    { name: 'no address', reply: {}, found: { kind: 'no_address' } },
    { name: 'no address when all records are of another type', reply: { records: [{ type: 'AAAA', ttl: 9, value: '::1' }, { type: 'TXT', ttl: 9, value: '127.0.0.1' }] }, found: { kind: 'no_address' } },
    { name: 'TTL 0', reply: { records: [A('93.184.216.34', 0)] }, found: { kind: 'records', records: [address('93.184.216.34', 0)] } },
    { name: 'TTL 0 when its highest bit is set', reply: { records: [A('93.184.216.34', 0xffff_ffff)] }, found: { kind: 'records', records: [address('93.184.216.34', 0)] } },
    { name: 'failed: SERVFAIL', reply: { code: 2 }, found: { kind: 'failed', code: 'ESERVFAIL' } },
    { name: 'failed: REFUSED', reply: { code: 5 }, found: { kind: 'failed', code: 'EREFUSED' } },
    { name: 'failed: nonsense', reply: { garbage: true }, found: { kind: 'failed', code: 'EBADRESP' } },
    { name: 'timeout when nobody answers', reply: { silent: true }, found: { kind: 'timeout' } },
    { name: 'timeout when the answer has another id', reply: { wrongId: true, records: [A('6.6.6.6')] }, found: { kind: 'timeout' } },
  ])('$name', async ({ reply, found }) => {
    server.zone = () => reply;
    expect(await ask('a.test', 4)).toEqual(found);
  });

  test('the same name again: nothing is kept here', async () => {
    server.zone = () => ({ records: [A('93.184.216.34')] });
    await ask('a.test', 4);
    await ask('a.test', 4);
    expect(server.asked.length).toBe(2);
  });

  test('no more than 16 of a thousand records, which come over TCP', async () => {
    server.zone = () => ({ truncate: true, records: Array.from({ length: 1_000 }, (_, i) => A(`93.184.${i >> 8}.${i & 255}`)) });
    const found = await ask('a.test', 4);
    expect(found.kind === 'records' && found.records.length).toBe(16);
    expect(server.asked.map(({ overTcp }) => overTcp)).toEqual([false, true]);
  });

  test('failed when nothing listens there', async () => {
    const nobody = await NameServer.start();
    const { address: gone } = nobody;
    await nobody[Symbol.asyncDispose]();
    const found = await nameServers({ servers: [gone], timeout: '600ms' }, realWorld.monotonic)('a.test', 4);
    expect(found).toEqual({ kind: 'failed', code: 'ECONNREFUSED' });
  });

  test('the answer of the second server when the first is silent', async () => {
    await using second = await NameServer.start();
    server.zone = () => ({ silent: true });
    second.zone = () => ({ records: [A('93.184.216.34')] });
    expect(await nameServers({ servers: [server.address, second.address], timeout: '600ms' }, realWorld.monotonic)('a.test', 4)).toMatchObject({ kind: 'records' });
  });

  test('a name as it stands: no search domain is tried', async () => {
    server.zone = () => ({ code: 3 });
    await ask('single', 4);
    expect(server.asked.map(({ name }) => name)).toEqual(['single']);
  });
});

describe('with the client before it', () => {
  const client = () => new DnsClient(DnsSettings.parse({ timeout: '600ms' }), realWorld, ask, noHosts);

  test('a server that drops AAAA costs little, and the addresses are there', async () => {
    server.zone = ({ type }) => type === 'A' ? { records: [A('93.184.216.34')] } : { silent: true };
    expect(await client().lookup('a.test', [4, 6])).toMatchObject({ kind: 'addresses', addresses: ['93.184.216.34'] });
  });

  test('a server that is down, then up', async () => {
    server.zone = () => ({ silent: true });
    const dns = client();
    expect(await dns.lookup('a.test', [4, 6])).toEqual({ kind: 'timeout' });
    server.zone = () => ({ records: [A('93.184.216.34')] });
    expect(await dns.lookup('b.test', [4])).toMatchObject({ kind: 'addresses' });
  });
});
