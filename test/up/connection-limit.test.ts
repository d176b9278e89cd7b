// Limits on connections through the whole product: EG's, ours beside it, changed while connections are open, counted by what clients are.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issueCertificate } from '../../examples/certificate.ts';
import { Gatewright } from './gatewright.ts';
import { type From, type HeldConnection, count, fateOf, hold } from './held-connections.ts';
import { documents, gateway, gatewayClass, httpRoute, service } from './manifests.ts';

const authority = issueCertificate('test authority', { authority: true });
const pair = issueCertificate('www.example.com', { names: ['*.example.com'], issuer: authority });
const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tls' }, type: 'kubernetes.io/tls', stringData: { 'tls.crt': pair.certificate, 'tls.key': pair.key } };
const http = (name: string, port: number): object => ({ name, protocol: 'HTTP', port });
const https = (name: string, port: number): object => ({ name, protocol: 'HTTPS', port, tls: { certificateRefs: [{ name: 'tls' }] } });
const target = (sectionName?: string): object => ({ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'eg', ...(sectionName === undefined ? {} : { sectionName }) });
const limits = (name: string, all: readonly object[], sectionName?: string): object =>
  ({ apiVersion: 'gatewright.dev/v1alpha1', kind: 'ConnectionLimitPolicy', metadata: { name }, spec: { targetRefs: [target(sectionName)], limits: all } });
const base = (...listeners: readonly object[]): string => documents(gatewayClass, gateway(listeners), service(), secret, httpRoute('all', [{ path: { value: '/' } }], { hostnames: [] }));

/** As Envoy Gateway's documentation has it. */
const LIMIT = (value: number): string => `apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata:
  name: connection-limit-ctp
  namespace: default
spec:
  targetRefs:
    - group: gateway.networking.k8s.io
      kind: Gateway
      name: eg
  connection:
    connectionLimit:
      value: ${value}
`;
const secure: From = { tls: { ca: authority.certificate, servername: 'www.example.com' } };
const from = (localAddress: string): From => ({ localAddress });
const named = (servername: string): From => ({ tls: { ca: authority.certificate, servername } });

let gatewright: Gatewright;
afterAll(async () => { await gatewright?.stop(); });
const leave = (...connections: readonly HeldConnection[]): void => { for (const connection of connections) connection.leave(); };

/** So many places are free, and no more. Those who ask leave again. */
async function free(places: number, listener = 'http', as: From = {}): Promise<void> {
  let full = 0;
  await gatewright.until(async () => {
    const { held, fates } = await hold(gatewright.address(listener), places + 1, as);
    full = await active();
    leave(...held);
    return count(fates) === [...(places > 0 ? [`${places} served`] : []), '1 closed'].join(', ');
  });
  // Their places come back too: fewer are counted, and the count has come to rest.
  for (let last = full, same = 0; places > 0 && same < 5; await sleep(10)) {
    const now = await active();
    same = now < full && now === last ? same + 1 : 0;
    last = now;
  }
}

/** Connections counted under any limit. */
async function active(): Promise<number> {
  const page = await (await fetch(`${gatewright.ready.admin}/stats/prometheus`)).text();
  return page.split('\n').filter((line) => line.startsWith('gatewright_connections_active')).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** From Envoy's Prometheus page. */
async function metric(line: string): Promise<number> {
  const page = await (await fetch(`${gatewright.ready.admin}/stats/prometheus`)).text();
  return Number(page.split('\n').find((each) => each.startsWith(`${line} `))?.slice(line.length) ?? NaN);
}

describe('a connectionLimit of 5 for a Gateway', () => {
  beforeAll(async () => { gatewright = await Gatewright.start({ 'base.yaml': base(http('http', 80), https('https', 90)), 'limit.yaml': LIMIT(5) }); });

  test.each([['http', {}], ['https', secure]])('serves five connections of ten to listener %s and closes five without a byte; places come back', async (listener, as) => {
    const { held, fates } = await hold(gatewright.address(listener), 10, as);
    expect(fates).toEqual([...Array<string>(5).fill('served'), ...Array<string>(5).fill('closed')]);
    leave(...held.splice(0, 2));
    await free(2, listener, as);
    expect(await Promise.all(held.map(async (connection) => fateOf(await connection.ask())))).toEqual(['served', 'served', 'served']);
    leave(...held);
    await free(5, listener, as);
  });

  test('is for each listener by itself', async () => {
    const first = await hold(gatewright.address('http'), 6);
    const second = await hold(gatewright.address('https'), 6, secure);
    expect([count(first.fates), count(second.fates)]).toEqual(['5 served, 1 closed', '5 served, 1 closed']);
    leave(...first.held, ...second.held);
    await free(5);
  });

  test('changes, ends and comes back without touching a listener or an open connection', async () => {
    const { held } = await hold(gatewright.address(), 5);
    await gatewright.replace('limit.yaml', LIMIT(2));
    await free(0);
    expect(await Promise.all(held.map(async (connection) => fateOf(await connection.ask())))).toEqual(Array<string>(5).fill('served'));
    leave(...held.splice(0, 4));
    await free(1);
    await gatewright.replace('limit.yaml', LIMIT(5));
    await free(4);
    await gatewright.remove('limit.yaml');
    const many = await hold(gatewright.address(), 12);
    expect(count(many.fates)).toBe('12 served');
    leave(...many.held);
    await gatewright.replace('limit.yaml', LIMIT(3));
    const again = await hold(gatewright.address(), 5);
    expect(again.fates.slice(-2)).toEqual(['closed', 'closed']);
    leave(...again.held);
    expect(held.map(({ open }) => open)).toEqual([true]);
    expect(await Promise.all(held.map(async (connection) => fateOf(await connection.ask())))).toEqual(['served']);
    leave(...held);
    for (const stat of ['listener_modified', 'listener_in_place_updated', 'total_listeners_draining', 'total_filter_chains_draining']) expect([stat, await gatewright.stat(`listener_manager.${stat}`)]).toEqual([stat, 0]);
    await free(3);
    await gatewright.replace('limit.yaml', LIMIT(5));
  });

  test('says in metrics how many are there and how many it turned away', async () => {
    const before = await metric('gatewright_connections_refused{limit="listener",reason="value"}');
    const { held } = await hold(gatewright.address(), 8);
    expect(await metric('gatewright_connections_active{limit="listener"}')).toBe(5);
    expect(await metric('gatewright_connections_refused{limit="listener",reason="value"}')).toBe(before + 3);
    leave(...held);
    await gatewright.until(async () => await metric('gatewright_connections_active{limit="listener"}') === 0);
  });

  test('at fault closes what it covers, and mended it holds again', async () => {
    await gatewright.replace('limit.yaml', LIMIT(0));
    expect(count((await hold(gatewright.address(), 1)).fates)).toBe('1 status 500');
    const { ancestors } = await gatewright.status('ClientTrafficPolicy', 'connection-limit-ctp') as unknown as { ancestors: { conditions: { type: string; status: string; reason: string; message: string }[] }[] };
    expect(ancestors[0]?.conditions).toEqual([{ type: 'Accepted', status: 'False', reason: 'Invalid', message: 'spec.connection.connectionLimit.value: must be at least 1' }]);
    await gatewright.replace('limit.yaml', LIMIT(5));
    await free(5);
  });

  test('holds on listeners that are added to their Gateway, on a port of their own or beside another, and cuts nobody off', async () => {
    const [plain, secured] = [await hold(gatewright.address('http'), 1), await hold(gatewright.address('https'), 1, secure)];
    await gatewright.replace('base.yaml', base(http('http', 80), https('https', 90), http('late', 81), { ...https('beside', 90), hostname: 'beside.example.com' }));
    await free(5, 'late');
    await free(5, 'beside', named('beside.example.com'));
    await free(4, 'https', secure);
    await gatewright.replace('base.yaml', base(http('http', 80), https('https', 90)));
    const held = [...plain.held, ...secured.held];
    expect(await Promise.all(held.map(async (connection) => fateOf(await connection.ask())))).toEqual(['served', 'served']);
    leave(...held);
    await free(5, 'https', secure);
    // One chain more and one less: that is what changed of the listener, and its other chain was left alone.
    expect([await gatewright.stat('listener_manager.listener_modified'), await gatewright.stat('listener_manager.listener_in_place_updated')]).toEqual([2, 2]);
    await gatewright.stop();
  });
});

describe('a ConnectionLimitPolicy', () => {
  const policies = {
    gateway: limits('policy', [{ name: 'all', per: 'Gateway', value: 3 }]),
    address: limits('policy', [{ name: 'each', per: 'SourceIP', value: 2, allow: ['127.0.0.4/32'] }]),
    network: limits('policy', [{ name: 'each', per: 'SourceIP', ipv4PrefixLength: 30, value: 2 }]),
    name: limits('policy', [{ name: 'names', per: 'ServerName', value: 2 }], 'https'),
    rate: limits('policy', [{ name: 'new', rate: { connections: 3, per: '24h' } }], 'http'),
    some: limits('policy', [{ name: 'some', value: 1, sources: ['127.0.0.2/31'] }]),
    dry: limits('policy', [{ name: 'dry', value: 2, dryRun: true }]),
    late: limits('policy', [{ name: 'late', value: 1, closeDelay: '300ms' }]),
    both: limits('policy', [{ name: 'all', per: 'Gateway', value: 4 }]),
  };
  beforeAll(async () => { gatewright = await Gatewright.start({ 'base.yaml': base(http('http', 80), https('https', 90)), 'limit.yaml': documents(policies.gateway) }); });
  const under = async (policy: keyof typeof policies, ...more: readonly string[]): Promise<void> => { await gatewright.replace('limit.yaml', [documents(policies[policy]), ...more].join('\n---\n')); };
  const after = async (...all: readonly { readonly held: readonly HeldConnection[] }[]): Promise<void> => { for (const { held } of all) leave(...held); };

  test('per Gateway counts over its listeners', async () => {
    const first = await hold(gatewright.address('http'), 2);
    const second = await hold(gatewright.address('https'), 3, secure);
    expect([count(first.fates), count(second.fates)]).toEqual(['2 served', '1 served, 2 closed']);
    leave(...first.held);
    await free(2, 'https', secure);
    await after(second);
  });

  test('per SourceIP counts each address by itself, over listeners; those who are allowed it does not count', async () => {
    await under('address');
    const [two, three, allowed] = [await hold(gatewright.address(), 4, from('127.0.0.2')), await hold(gatewright.address(), 3, from('127.0.0.3')), await hold(gatewright.address(), 6, from('127.0.0.4'))];
    expect([two, three, allowed].map(({ fates }) => count(fates))).toEqual(['2 served, 2 closed', '2 served, 1 closed', '6 served']);
    expect(count((await hold(gatewright.address('https'), 1, { ...secure, ...from('127.0.0.2') })).fates)).toBe('1 closed');
    leave(...two.held);
    await free(2, 'http', from('127.0.0.2'));
    await after(three, allowed);
  });

  test('per SourceIP counts a network together where its prefix is shorter', async () => {
    await under('network');
    const [two, three, five] = [await hold(gatewright.address(), 1, from('127.0.0.5')), await hold(gatewright.address(), 2, from('127.0.0.6')), await hold(gatewright.address(), 2, from('127.0.0.9'))];
    expect([two, three, five].map(({ fates }) => count(fates))).toEqual(['1 served', '1 served, 1 closed', '2 served']);
    await after(two, three, five);
  });

  test('per ServerName counts each name by itself', async () => {
    await under('name');
    const [a, b] = [await hold(gatewright.address('https'), 3, named('a.example.com')), await hold(gatewright.address('https'), 3, named('b.example.com'))];
    expect([a, b].map(({ fates }) => count(fates))).toEqual(['2 served, 1 closed', '2 served, 1 closed']);
    leave(...a.held);
    await free(2, 'https', named('a.example.com'));
    await after(b);
  });

  test('with a rate lets in so many new ones, whether or not others have left', async () => {
    await under('rate');
    const first = await hold(gatewright.address(), 2);
    leave(...first.held);
    const second = await hold(gatewright.address(), 3);
    expect([count(first.fates), count(second.fates)]).toEqual(['2 served', '1 served, 2 closed']);
    await after(second);
  });

  test('with sources is for those alone', async () => {
    await under('some');
    const [inside, outside] = [await hold(gatewright.address(), 2, from('127.0.0.3')), await hold(gatewright.address(), 3, from('127.0.0.4'))];
    expect([inside, outside].map(({ fates }) => count(fates))).toEqual(['1 served, 1 closed', '3 served']);
    await after(inside, outside);
  });

  test('that is a dry run turns nobody away', async () => {
    await under('dry');
    const { held, fates } = await hold(gatewright.address(), 5);
    expect(count(fates)).toBe('5 served');
    expect(await metric('gatewright_connections_refused_dry_run{limit="default/policy/dry",reason="value"}')).toBe(3);
    leave(...held);
  });

  test('with a closeDelay closes late, and what waits is not counted', async () => {
    await under('late');
    const { held, fates } = await hold(gatewright.address(), 3);
    expect(count(fates)).toBe('1 served, 2 closed');
    leave(...held);
    await free(1);
  });

  test('and EG\'s connectionLimit hold together', async () => {
    await under('both', LIMIT(3));
    const first = await hold(gatewright.address('http'), 5);
    const second = await hold(gatewright.address('https'), 3, secure);
    expect([count(first.fates), count(second.fates)]).toEqual(['3 served, 2 closed', '1 served, 2 closed']);
    await after(first, second);
  });

  test('has touched no listener in all this', async () => {
    expect(await gatewright.stat('listener_manager.listener_modified')).toBe(0);
    expect(await gatewright.stat('listener_manager.total_listeners_draining')).toBe(0);
    await gatewright.stop();
  });
});

describe('64 clients at 4 workers', () => {
  const VALUE = 16;
  beforeAll(async () => { gatewright = await Gatewright.start({ 'base.yaml': base(http('http', 80)), 'limit.yaml': LIMIT(VALUE) }, { args: ['--concurrency', '4'] }); });

  test('never hold more than the limit, and leave nothing behind', async () => {
    let [now, most, turnedAway] = [0, 0, 0];
    let full = (): void => {};
    const wereFull = new Promise<void>((resolve) => { full = resolve; });
    const client = async (): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        const { held, fates } = await hold(gatewright.address(), 1);
        if (fates[0] === 'closed') turnedAway++;
        // Counted from after it was let in until before it leaves: never more than Envoy has. Nobody leaves before every place was taken once.
        for (const connection of held) {
          most = Math.max(most, ++now);
          if (now === VALUE) full();
          await wereFull;
          await connection.ask();
          now--;
          connection.leave();
        }
      }
    };
    await Promise.all(Array.from({ length: 64 }, client));
    expect(most).toBe(VALUE);
    expect(turnedAway).toBeGreaterThan(100);
    await free(VALUE);
  });
});
