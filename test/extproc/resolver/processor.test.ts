import { describe, expect, test } from 'vitest';
import { HeaderList } from '../../../extproc/header-list.ts';
import type { Stream } from '../../../extproc/processor.ts';
import { TestHost } from '../../../extproc/test-host.ts';
import type { Refusal } from '../../../extproc/resolver/decide.ts';
import { DnsClient } from '../../../extproc/resolver/dns.ts';
import { FAILED_ATTRIBUTE, resolverProcessor } from '../../../extproc/resolver/processor.ts';
import { Reach } from '../../../extproc/resolver/reach.ts';
import { type CompiledRoute, Resolver } from '../../../extproc/resolver/resolver.ts';
import { ResolverRoute } from '../../../policy/resolver.ts';
import { Secret } from '../../../policy/secret.ts';
import { noHosts, table } from './answers.ts';
import { Clock } from './clock.ts';

const NAMES = { 'a.test': ['93.184.216.34'], 'two.test': ['93.184.216.34', '93.184.216.35'], 'inside.test': ['10.0.0.1'] };

function setUp(route: object = {}) {
  const refusals: Refusal[] = [];
  const clock = new Clock();
  const resolver = new Resolver({
    world: clock, own: () => new Set(), reach: new Reach(clock, async () => true),
    dns: (settings) => new DnsClient(settings, clock, table(NAMES), noHosts),
  });
  const processor = resolverProcessor(resolver, (refusal) => refusals.push(refusal));
  const document = { policy: {}, tls: false, ...route };
  processor.policies.add('p1', new Secret(JSON.stringify(document)));
  const host = new TestHost(processor, { guard: 'resolver', messageTimeout: 5_000 });
  return { processor, refusals, compiled: resolver.compile(ResolverRoute.parse(document)), request: (authority: string, attributes = {}) => host.request({ host: authority, metadata: { 'gatewright-policy': 'p1' }, attributes }) };
}

test('a host that may be reached: the address for ORIGINAL_DST, how long it is good, and the verdict', async () => {
  const { request } = setUp();
  const { status, metadata, upstream } = await request('a.test');
  expect(status).toBe(200);
  expect(upstream).toBeDefined();
  expect(metadata['gatewright.resolver']).toEqual({ address: '93.184.216.34:80', valid_for_ms: '54000', verdict: 'p1' });
});

describe('a refusal', () => {
  test.each([
    { host: 'inside.test', status: 403, details: 'gatewright_resolver_address_refused', body: 'address refused\n', detail: 'Private' },
    { host: '127.1', status: 403, details: 'gatewright_resolver_bad_authority', body: 'host not accepted\n', detail: 'ipv4_spelling' },
    { host: 'no.test', status: 502, details: 'gatewright_resolver_no_such_name', body: 'no such host\n', detail: '' },
  ])('of $host: $status $details, and nothing to dial', async ({ host, detail, ...answer }) => {
    const { request, refusals } = setUp();
    const { metadata, upstream, ...got } = await request(host);
    expect(got).toMatchObject(answer);
    expect(upstream).toBeUndefined();
    expect(metadata).toEqual({});
    expect(refusals.map((each) => each.detail)).toEqual([detail]);
  });
});

describe(':authority', () => {
  const ask = ({ processor, compiled }: ReturnType<typeof setUp>, ...authorities: string[]) =>
    processor.onRequestHeaders({ headers: HeaderList.of(authorities.map((each) => [':authority', each] as const)), endOfStream: true }, { policy: compiled, attribute: () => undefined } as unknown as Stream<CompiledRoute>);

  test('stays as it is where it is canonical', async () => {
    expect(await ask(setUp(), 'a.test:80')).not.toHaveProperty('set');
  });
  test('becomes the name that was checked: it is what upstream sees and SNI is made from', async () => {
    expect(await ask(setUp(), 'A.TEST.:80')).toMatchObject({ kind: 'pass', set: [[':authority', 'a.test:80']], metadata: { 'gatewright.resolver': { valid_for_ms: '0' } } });
  });
  test('becomes the host of the route, where the route says one', async () => {
    expect(await ask(setUp({ host: 'a.test' }), '127.0.0.1')).toMatchObject({ set: [[':authority', 'a.test']], metadata: { 'gatewright.resolver': { address: '93.184.216.34:80', valid_for_ms: '0' } } });
    expect(await ask(setUp({ host: '127.0.0.1' }), 'a.test')).toMatchObject({ details: 'gatewright_resolver_address_refused' });
  });
  test('is there, and there once', async () => {
    expect(await ask(setUp())).toMatchObject({ details: 'gatewright_resolver_bad_authority' });
    expect(await ask(setUp(), 'a.test', 'a.test')).toMatchObject({ details: 'gatewright_resolver_bad_authority' });
  });
});

test('what Envoy could not connect to is not given again while there is another', async () => {
  const { request } = setUp();
  expect((await request('two.test')).metadata).toMatchObject({ 'gatewright.resolver': { address: '93.184.216.34:80' } });
  expect((await request('two.test', { [FAILED_ATTRIBUTE]: '93.184.216.34:80' })).metadata).toMatchObject({ 'gatewright.resolver': { address: '93.184.216.35:80' } });
});

test('a policy that cannot be read is no policy', () => {
  const { processor } = setUp();
  for (const document of [{}, { policy: {} }, { policy: { addresses: { allow: ['Everything'] } }, tls: true }, { policy: {}, tls: true, more: 1 }]) {
    expect(() => processor.policies.add('p2', new Secret(JSON.stringify(document)))).toThrow();
  }
  expect(processor.policies.get('p2')).toBeUndefined();
});
