// connection-limit.wasm as a network filter in the VM: the table over four workers, exact times, what becomes of counts, hostile configurations, memory.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Clock, type Connection, type ConnectionOptions, SharedData, Status, Vm } from 'proxy-wasm-as/vm';
import { type Client, type ConnectionCase, type Fate, type Limit, cases } from '../cases/connection-limit.ts';
import { scaled } from '../scale.ts';

const WASM = new URL('../../build/connection-limit.wasm', import.meta.url);
const configuration = (limits: readonly Limit[], listener = 'listener'): string => JSON.stringify({ connections: { listener, limits } });

/** The workers of one Envoy. */
function workers(limits: readonly Limit[], { count = 4, shared = new SharedData(), clock = new Clock(), listener = 'listener' } = {}): Vm[] {
  const vms = Array.from({ length: count }, () => Vm.load(WASM, { pluginConfiguration: configuration(limits, listener), shared, clock }));
  expect(vms.every(({ configured }) => configured)).toBe(true);
  return vms;
}
const digest = (name: string): string => createHash('sha256').update(name).digest('hex');
function optionsOf({ from = '127.0.0.1', serverName = '', certificate }: Client): ConnectionOptions {
  const source = from.includes(':') ? `[${from}]` : from;
  return {
    properties: { source: { address: `${source}:40000` }, connection: { requested_server_name: serverName } },
    ...(certificate && { handshake: { connection: { mtls: true, sha256_peer_certificate_digest: digest(certificate) } } }),
  };
}
/** Opens a connection and sends something: what becomes of it. */
function open(vm: Vm, client: Client = {}): { connection: Connection; fate: Fate } {
  const connection = vm.connection(optionsOf(client));
  connection.receive('hello');
  if (connection.outcome !== 'open') expect(connection.toUpstream).toBe('');
  return { connection, fate: connection.outcome === 'open' ? 'served' : connection.outcome === 'closed' ? 'refused' : 'waiting' };
}
/** The refusals there were, by `<limit>.<reason>`. */
function refusals({ metrics }: Vm, what = 'gatewright_connections_refused'): Record<string, number> {
  const found = [...metrics].flatMap(([name, value]) => {
    const [, limit, reason] = new RegExp(`^${what}\\.limit\\.(.+)\\.reason\\.(value|rate)$`).exec(name) ?? [];
    return limit === undefined || value === 0 ? [] : [[`${limit}.${reason}`, value]];
  });
  return Object.fromEntries(found);
}
const active = ({ metrics }: Vm): number => [...metrics].reduce((sum, [name, value]) => name.startsWith('gatewright_connections_active.') ? sum + value : sum, 0);
/** How many more are let in; they leave again. */
function room(vm: Vm, client: Client = {}): number {
  const inside: Connection[] = [];
  for (;;) {
    const { connection, fate } = open(vm, client);
    if (fate !== 'served') {
      connection.close();
      break;
    }
    inside.push(connection);
  }
  for (const connection of inside) connection.close();
  return inside.length;
}

describe('the table, over four workers', () => {
  test.each(cases)('$name', ({ limits, steps, refusals: wanted = {}, dry = {} }: ConnectionCase) => {
    const vms = workers(limits);
    const [first] = vms as [Vm];
    const connections = new Map<string, Connection>();
    steps.forEach((step, i) => {
      if ('open' in step) {
        const { connection, fate } = open(vms[i % vms.length] as Vm, step.as);
        expect(`${step.open} ${fate}`).toBe(`${step.open} ${step.fate}`);
        connections.set(step.open, connection);
      } else if ('close' in step) connections.get(step.close)?.close();
      else {
        if (connections.get(step.closed)?.outcome !== 'closed') first.clock.advance(3_000);
        expect(connections.get(step.closed)).toMatchObject({ outcome: 'closed', closeReason: 'wasm_downstream_close' });
      }
    });
    expect(refusals(first)).toEqual(wanted);
    expect(refusals(first, 'gatewright_connections_refused_dry_run')).toEqual(dry);
    for (const connection of connections.values()) connection.close();
    expect(active(first)).toBe(0);
    expect(vms.map(({ liveStreams }) => liveStreams)).toEqual([0, 0, 0, 0]);
    first.clock.advance(20_000);
    expect(vms.map(({ tickPeriod }) => tickPeriod)).toEqual([0, 0, 0, 0]);
    expect(vms.flatMap(({ logs }) => logs)).toEqual([]);
  });
});

describe('what counts together', () => {
  const inTwo = (per: NonNullable<Limit['per']>, first: Client = {}, second: Client = {}): readonly Fate[] => {
    const shared = new SharedData();
    const limits: readonly Limit[] = [{ name: 'one', per, value: 1 }];
    const [here] = workers(limits, { count: 1, shared, listener: 'here' }) as [Vm];
    const [there] = workers(limits, { count: 1, shared, listener: 'there' }) as [Vm];
    return [open(here, first).fate, open(there, second).fate];
  };
  test('Listener: each listener by itself', () => expect(inTwo('Listener')).toEqual(['served', 'served']));
  test('Gateway: all listeners', () => expect(inTwo('Gateway')).toEqual(['served', 'refused']));
  test('SourceIP: over all listeners', () => {
    expect(inTwo('SourceIP')).toEqual(['served', 'refused']);
    expect(inTwo('SourceIP', {}, { from: '127.0.0.2' })).toEqual(['served', 'served']);
  });
  test('limits of different names never', () => {
    const [vm] = workers([{ name: 'one', per: 'Gateway', value: 1 }, { name: 'two', per: 'Gateway', value: 2 }]) as [Vm];
    expect(room(vm)).toBe(1);
  });

  const together = (ipv6PrefixLength: number | undefined, ...addresses: readonly string[]): boolean => {
    const [vm] = workers([{ name: 'one', per: 'SourceIP', value: 1, ...(ipv6PrefixLength && { ipv6PrefixLength }) }]) as [Vm];
    return addresses.map((from) => open(vm, { from }).fate).at(-1) === 'refused';
  };
  test.each<[string, number | undefined, readonly [string, string], boolean]>([
    ['an IPv6 network of 64 bits', undefined, ['2001:db8::1', '2001:db8:0:0:ffff::2'], true],
    ['another IPv6 network', undefined, ['2001:db8::1', '2001:db8:0:1::1'], false],
    ['IPv6 addresses, each by itself', 128, ['2001:db8::1', '2001:db8::2'], false],
    ['an IPv6 network of 61 bits', 61, ['2001:db8:0:7::1', '2001:db8::1'], true],
    ['beyond 61 bits', 61, ['2001:db8:0:8::1', '2001:db8::1'], false],
    ['an IPv4 address however it is written', undefined, ['::ffff:192.0.2.1', '192.0.2.1'], true],
    ['IPv4 addresses that IPv6 writes as neighbours', undefined, ['::ffff:192.0.2.1', '::ffff:192.0.2.2'], false],
    ['a link-local address with its zone', undefined, ['fe80::1%3', 'fe80::1'], true],
  ])('%s', (_, length, addresses, same) => expect(together(length, ...addresses)).toBe(same));

  test('what has no address, as on a Unix socket: all of it', () => {
    const [vm] = workers([{ name: 'one', per: 'SourceIP', sources: ['10.0.0.0/8'], allow: ['10.0.0.0/8'], value: 1 }]) as [Vm];
    const unix = (): string => vm.connection({ properties: { source: { address: '/run/socket' } } }).outcome;
    expect([unix(), unix()]).toEqual(['open', 'closed']);
  });

  test('the same client under limits of two kinds does not mix', () => {
    const shared = new SharedData();
    const [byListener] = workers([{ name: 'x', per: 'Listener', value: 1 }], { shared, count: 1, listener: 'a.example.com' }) as [Vm];
    const [byName] = workers([{ name: 'x', per: 'ServerName', value: 1 }], { shared, count: 1 }) as [Vm];
    expect([open(byListener).fate, open(byName, { serverName: 'a.example.com' }).fate]).toEqual(['served', 'served']);
  });
});

describe('time', () => {
  test('a refused connection is closed after its closeDelay, to the millisecond', () => {
    const [vm] = workers([{ name: 'one', value: 1, closeDelay: '2s500ms' }]) as [Vm];
    open(vm);
    const { connection } = open(vm);
    vm.clock.advance(2_499);
    expect(connection.outcome).toBe('held');
    vm.clock.advance(1);
    expect(connection).toMatchObject({ outcome: 'closed', closeReason: 'wasm_downstream_close' });
  });

  test('a thousand that wait are each closed at their time', () => {
    const [vm] = workers([{ name: 'one', value: 1, closeDelay: '1s' }]) as [Vm];
    open(vm);
    const refused = Array.from({ length: 1_000 }, () => {
      vm.clock.advance(1);
      return open(vm).connection;
    });
    for (let i = 0; i < 1_000; i++) {
      expect(refused.filter(({ outcome }) => outcome === 'closed')).toHaveLength(i);
      vm.clock.advance(1);
    }
    expect(vm.liveStreams).toBe(1);
  });

  test('a rate lets one in for each interval that has passed', () => {
    const [one, two] = workers([{ name: 'one', rate: { connections: 4, per: '1s', burst: 2 } }]) as [Vm, Vm];
    const fates: Fate[] = [];
    for (let i = 0; i < 8; i++) {
      fates.push(open(i % 2 === 0 ? one : two).fate);
      one.clock.advance(125);
    }
    expect(fates).toEqual(['served', 'served', 'served', 'refused', 'served', 'refused', 'served', 'refused']);
  });
});

describe('counts', () => {
  const limits: readonly Limit[] = [{ name: 'one', value: 3, closeDelay: '1s' }];

  test('come back when a worker dies, ten seconds after its last heartbeat', () => {
    const vms = workers(limits);
    const [first, second] = vms as [Vm, Vm];
    open(first);
    open(first);
    const { connection } = open(second);
    kill(first);
    expect(first.dead).toBe(true);
    expect(room(second)).toBe(0);
    first.clock.advance(12_000);
    expect(room(second)).toBe(2);
    connection.close();
    first.clock.advance(12_000);
    expect(room(first)).toBe(3);
    expect(active(first)).toBe(0);
  });

  test('outlive a configuration, stricter or wider, whatever worker they are on', () => {
    const vms = workers([{ name: 'one', value: 2 }]);
    const [first, second] = vms as [Vm, Vm];
    const { connection } = open(first);
    open(second);
    const update = (value: number): void => { for (const vm of vms) vm.update(configuration([{ name: 'one', value }])); };
    update(1);
    expect(vms.map((vm) => room(vm))).toEqual([0, 0, 0, 0]);
    update(4);
    expect(room(second)).toBe(2);
    connection.close();
    first.clock.advance(60_000);
    expect(room(first)).toBe(3);
    expect(vms.map(({ liveRoots }) => liveRoots)).toEqual([1, 2, 1, 1]);
  });

  test('are of a limit by its name: renamed, it begins at nothing, and the old name ends', () => {
    const [vm] = workers([{ name: 'one', value: 1 }], { count: 1 }) as [Vm];
    const { connection } = open(vm);
    vm.update(configuration([{ name: 'two', value: 1 }]));
    expect(room(vm)).toBe(1);
    expect(vm.metrics.get('gatewright_connections_active.limit.one')).toBe(1);
    connection.close();
    expect(vm.metrics.get('gatewright_connections_active.limit.one')).toBe(0);
  });

  test('are exact when sixty-four clients come and go on four workers', () => {
    const vms = workers([{ name: 'one', value: 10 }, { name: 'two', per: 'SourceIP', value: 3 }]);
    let seed = 1;
    const dice = (sides: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * sides);
    };
    const inside: { connection: Connection; from: string }[] = [];
    let most = 0;
    for (let i = 0; i < 5_000; i++) {
      if (dice(2) === 0 && inside.length > 0) inside.splice(dice(inside.length), 1)[0]?.connection.close();
      const from = `127.0.0.${dice(8)}`;
      const { connection, fate } = open(vms[dice(4)] as Vm, { from });
      const free = inside.length < 10 && inside.filter((each) => each.from === from).length < 3;
      expect(fate).toBe(free ? 'served' : 'refused');
      if (fate === 'served') inside.push({ connection, from });
      most = Math.max(most, inside.length);
    }
    expect(most).toBe(10);
    for (const { connection } of inside) connection.close();
    expect(active(vms[0] as Vm)).toBe(0);
  });
});

test('a host that keeps no shared data has no counts: all are refused, none waits, nothing traps', () => {
  class Forgetful extends SharedData {
    override set(): Status { return Status.InternalFailure; }
  }
  const vms = workers([{ name: 'one', value: 5, rate: { connections: 5 } }, { name: 'two', rate: { connections: 5 } }], { shared: new Forgetful() });
  expect(vms.map((vm) => open(vm).fate)).toEqual(['refused', 'refused', 'refused', 'refused']);
  expect(vms.map(({ lastTrap }) => lastTrap)).toEqual([undefined, undefined, undefined, undefined]);
});

/** Nothing that a client does traps the filter; a host that breaks off does. */
function kill(vm: Vm): void {
  const { shared } = vm;
  const get = shared.get.bind(shared);
  shared.get = () => { throw new WebAssembly.RuntimeError('the host broke off'); };
  vm.connection(optionsOf({}));
  shared.get = get;
}

describe('what a client sends', () => {
  test('before it is decided is decided once', () => {
    const [vm] = workers([{ name: 'one', per: 'ClientCertificate', value: 1 }]) as [Vm];
    const { connection } = open(vm, { certificate: 'alice' });
    for (let i = 0; i < 10; i++) connection.receive('more');
    expect(vm.metrics.get('gatewright_connections_active.limit.one')).toBe(1);
    expect(connection.toUpstream).toBe('hello' + 'more'.repeat(10));
  });

  test('while it waits for its end goes nowhere', () => {
    const [vm] = workers([{ name: 'one', value: 1, closeDelay: '1s' }]) as [Vm];
    open(vm);
    const { connection } = open(vm);
    for (let i = 0; i < 10; i++) connection.receive('more');
    vm.clock.advance(1_000);
    expect(connection).toMatchObject({ outcome: 'closed', toUpstream: '' });
  });
});

describe('memory', () => {
  test('stays as it is over 100,000 connections', { timeout: 600_000 }, () => {
    const limits: readonly Limit[] = [{ name: 'one', value: 1_000 }, { name: 'two', per: 'SourceIP', value: 5, closeDelay: '1s', rate: { connections: 100, per: '1s' } }, { name: 'three', per: 'ServerName', value: 500 }];
    const [vm] = workers(limits, { count: 1 }) as [Vm];
    const run = (from: number, count: number): void => {
      for (let i = from; i < from + count; i += 100) {
        const connections = Array.from({ length: 100 }, (_, j) => open(vm, { from: `10.${(i >> 8) & 255}.${i & 255}.${j % 18}`, serverName: `name-${i + j}.example.com` }).connection);
        for (const connection of connections) connection.close();
        vm.clock.advance(50);
      }
    };
    run(0, 3_000);
    const { pages } = vm;
    run(3_000, scaled(100_000));
    expect(vm.pages).toBe(pages);
    expect(vm.liveStreams).toBe(0);
    expect(active(vm)).toBe(0);
  });
});

describe('a configuration', () => {
  test.each<[string, unknown, string]>([
    ['that is not JSON', 'x', 'not JSON; wanted: {"connections":{…}} or {"requests":{…}}'],
    ['without either', {}, 'exactly one of connections, requests is needed'],
    ['with both', { connections: {}, requests: {} }, 'exactly one of connections, requests is needed'],
    ['with a limit of nothing', { connections: { listener: 'l', limits: [{ name: 'a' }] } }, 'connections.limits[0]: must have value or rate'],
    ['with a network that is none', { connections: { listener: 'l', limits: [{ name: 'a', value: 1, sources: ['10.0.0.0/33'] }] } }, 'connections.limits[0].sources[0]: must be a network such as 10.0.0.0/8 or 2001:db8::/32'],
    ['with a source that is none', { requests: { source: 'file' } }, 'requests.source: must be route'],
  ])('%s is refused, and the log says why', (_, document, problem) => {
    const vm = Vm.load(WASM, { pluginConfiguration: typeof document === 'string' ? document : JSON.stringify(document) });
    expect(vm.configured).toBe(false);
    expect(vm.logs).toEqual([{ level: 'error', message: `gatewright.connection_limit: configuration: ${problem}` }]);
  });

  test('for the other kind of filter closes, and leaves nobody waiting', () => {
    const network = Vm.load(WASM, { pluginConfiguration: '{"requests":{"source":"route"}}' });
    expect(network.connection()).toMatchObject({ outcome: 'closed', toUpstream: '' });
    const http = Vm.load(WASM, { pluginConfiguration: configuration([{ name: 'one', value: 1 }]) });
    expect(http.request().response).toMatchObject({ status: 500, details: 'gatewright_connection_limit_misplaced' });
    expect([network.dead, http.dead]).toEqual([false, false]);
  });

  test('that is refused does not disturb the one in force', () => {
    const [vm] = workers([{ name: 'one', value: 1 }], { count: 1 }) as [Vm];
    expect(vm.update(configuration([{ name: 'one' }]))).toBe(false);
    expect(room(vm)).toBe(1);
  });
});
