// resolver.wasm in the VM: what it remembers and for how long, what it never does, hostile input, memory.
import { describe, expect, test } from 'vitest';
import { type Exchange, type ForeignFunction, type OriginReply, type Properties, Status, Vm } from 'proxy-wasm-as/vm';
import { scaled } from '../scale.ts';

const WASM = new URL('../../build/resolver.wasm', import.meta.url);
const DIAL = 'envoy.network.transport_socket.original_dst_address';

const OURS = 'gatewright-00c0ffee00c0ffee';
const CONFIGURATION = JSON.stringify({ source: 'route', pseudonym: OURS });
const load = (foreignFunctions: Readonly<Record<string, ForeignFunction>> = {}): Vm => Vm.load(WASM, { pluginConfiguration: CONFIGURATION, foreignFunctions });

interface Said { readonly address?: string; readonly valid_for_ms?: string; readonly verdict?: string }
interface Options { readonly loop?: readonly string[]; readonly policy?: string; readonly said?: Said; readonly flags?: number; readonly reason?: string; readonly response?: OriginReply }

/** A request whose route has this policy, to which the service says this if it is asked. */
function ask(vm: Vm, host: string, { loop = [], policy = 'p1', said = { address: '192.0.2.1:443', valid_for_ms: '1000', verdict: policy }, flags = 0, reason = flags === 0x20 ? 'delayed connect error: Connection refused' : '', response = {} }: Options = {}): Exchange {
  const properties: Properties = {
    xds: { route_metadata: { filter_metadata: { gatewright: { resolver: policy } } } },
    metadata: { filter_metadata: { 'gatewright.resolver': { ...said } } }, response: { flags }, upstream: { transport_failure_reason: reason },
  };
  return vm.request({ ':authority': host, 'cdn-loop': loop }, { properties, response });
}

const written = ({ filterState }: Exchange): Record<string, string | undefined> => ({
  dials: filterState.get(DIAL), verdict: filterState.get('wasm.gatewright.resolver'), skip: filterState.get('wasm.gatewright.resolver.skip'), failed: filterState.get('wasm.gatewright.resolver.failed'),
});
/** Asks the service: every key is written, and empty. */
const asks = (failed = ''): object => ({ dials: undefined, verdict: '', skip: '', failed });
const repeats = (address = '192.0.2.1:443', policy = 'p1'): object => ({ dials: address, verdict: policy, skip: 'yes', failed: undefined });

describe('what was decided is repeated', () => {
  test('to the same host by the same policy', () => {
    const vm = load();
    expect(written(ask(vm, 'a.test'))).toEqual(asks());
    expect(written(ask(vm, 'a.test'))).toEqual(repeats());
    expect(written(ask(vm, 'a.test:443'))).toEqual(asks());
    expect(written(ask(vm, 'a.test', { policy: 'p2' }))).toEqual(asks());
    expect(written(ask(vm, 'a.test', { policy: 'p2' }))).toEqual(repeats('192.0.2.1:443', 'p2'));
    expect(written(ask(vm, '[2001:db8::1]:8443', { said: { address: '[2001:db8::1]:8443', valid_for_ms: '9', verdict: 'p1' } }))).toEqual(asks());
    expect(written(ask(vm, '[2001:db8::1]:8443'))).toEqual(repeats('[2001:db8::1]:8443'));
    expect(vm.metrics.get('gatewright_resolver_known')).toBe(3);
  });

  test('until it has run out, counted from when it was asked', () => {
    const vm = load();
    ask(vm, 'a.test', { response: { delayMs: 400 } });
    vm.clock.advance(400);
    vm.clock.advance(599);
    expect(written(ask(vm, 'a.test'))).toEqual(repeats());
    vm.clock.advance(1);
    expect(written(ask(vm, 'a.test'))).toEqual(asks());
  });

  test('a minute at most', () => {
    const vm = load();
    ask(vm, 'a.test', { said: { address: '192.0.2.1:443', valid_for_ms: '999999999999', verdict: 'p1' } });
    vm.clock.advance(59_999);
    expect(written(ask(vm, 'a.test'))).toEqual(repeats());
    vm.clock.advance(1);
    expect(written(ask(vm, 'a.test'))).toEqual(asks());
  });

  test('what the service said last', () => {
    const vm = load();
    const [first, second] = [ask(vm, 'a.test', { response: { delayMs: 10 } }), ask(vm, 'a.test', { said: { address: '192.0.2.2:443', valid_for_ms: '1000', verdict: 'p1' }, response: { delayMs: 20 } })];
    vm.clock.advance(20);
    expect([first.ended, second.ended]).toEqual([true, true]);
    expect(written(ask(vm, 'a.test'))).toEqual(repeats('192.0.2.2:443'));
  });
});

describe('nothing is remembered', () => {
  test.each<[string, Said]>([
    ['that may not be', { address: '192.0.2.1:443', valid_for_ms: '0', verdict: 'p1' }],
    ['without a time', { address: '192.0.2.1:443', verdict: 'p1' }],
    ['without an address', { valid_for_ms: '1000', verdict: 'p1' }],
    ['without a verdict', { address: '192.0.2.1:443', valid_for_ms: '1000' }],
    ['that another policy decided', { address: '192.0.2.1:443', valid_for_ms: '1000', verdict: 'p2' }],
    ['that was refused', {}],
    ...['', '-1', '-1000', 'x', '1s', '1e999', 'NaN', '9'.repeat(400), '36893488147419104232', '0.5'].map((time): [string, Said] => [`for a time of ${JSON.stringify(time).slice(0, 20)}`, { address: '192.0.2.1:443', valid_for_ms: time, verdict: 'p1' }]),
  ])('%s', (_, said) => {
    const vm = load();
    for (let i = 0; i < 3; i++) expect(written(ask(vm, 'a.test', { said }))).toEqual(asks());
    expect(vm.dead).toBe(false);
  });

  const spellings = ['A.test', 'a.Test', 'a test', 'a\ttest', 'a,b', 'a@b', 'a/b', 'a%2eb', 'ä.test', 'a.test\u3002', '\u{1F4A9}', '', 'a\0b', 'a=b', 'a;b', '*'].map((host) => [JSON.stringify(host), host] as const);
  test.each([...spellings, ['261 bytes', `${'a'.repeat(257)}.com`] as const, ['100,000 bytes', 'a'.repeat(100_000)] as const])('of the host %s', (_, host) => {
    const vm = load();
    for (let i = 0; i < 3; i++) expect(written(ask(vm, host))).toEqual(asks());
    expect(written(ask(vm, host, { flags: 0x20, response: { status: 503 } }))).toEqual(asks());
    expect(written(ask(vm, host))).toEqual(asks());
    expect(vm.dead).toBe(false);
  });

  test('of a host of 260 bytes something is', () => {
    const vm = load();
    const host = `${'a'.repeat(256)}.com`;
    ask(vm, host);
    expect(written(ask(vm, host))).toEqual(repeats());
  });

  test('on a route without a policy, which the guard closes', () => {
    const vm = load();
    for (const properties of [{}, { xds: { route_metadata: { filter_metadata: { gatewright: { resolver: '' } } } } }, { xds: { route_metadata: { filter_metadata: { gatewright: { resolver: 7 } } } } }] satisfies Properties[]) {
      const said = { metadata: { filter_metadata: { 'gatewright.resolver': { address: '192.0.2.1:443', valid_for_ms: '1000', verdict: '' } } } };
      for (let i = 0; i < 3; i++) {
        expect(written(vm.request({ ':authority': 'a.test' }, { properties: { ...properties, ...said } }))).toEqual(asks());
      }
    }
  });

  test('that Envoy would not dial: the service is asked', () => {
    const vm = load({ set_envoy_filter_state: () => Status.BadArgument });
    ask(vm, 'a.test');
    expect(written(ask(vm, 'a.test'))).toEqual(asks());
    const long = load();
    ask(long, 'a.test', { said: { address: '1'.repeat(128), valid_for_ms: '1000', verdict: 'p1' } });
    expect(written(ask(long, 'a.test'))).toEqual(asks());
  });
});

describe('an address that Envoy cannot connect to', () => {
  const UF = { flags: 0x20, response: { status: 503 } };

  test('is forgotten, and the next request says so, once', () => {
    const vm = load();
    ask(vm, 'a.test');
    expect(written(ask(vm, 'a.test', UF))).toEqual(repeats());
    const said = { address: '192.0.2.2:443', valid_for_ms: '0', verdict: 'p1' };
    expect(written(ask(vm, 'a.test', { said }))).toEqual(asks('192.0.2.1:443'));
    expect(written(ask(vm, 'a.test', { said }))).toEqual(asks());
    expect(vm.metrics.get('gatewright_resolver_failed_addresses')).toBe(1);
  });

  test('is forgotten, too, where a gRPC request got a 200', () => {
    const vm = load();
    ask(vm, 'a.test');
    ask(vm, 'a.test', { flags: 0x20, response: { status: 200, headers: { 'grpc-status': '14' } } });
    expect(written(ask(vm, 'a.test'))).toEqual(asks('192.0.2.1:443'));
  });

  test.each(['', 'TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: delayed connect error', 'TLS_error'])('is not blamed for what may be the name\'s fault: %j', (reason) => {
    const vm = load();
    ask(vm, 'a.test');
    expect(written(ask(vm, 'a.test', { ...UF, reason }))).toEqual(repeats());
    expect(written(ask(vm, 'a.test'))).toEqual(asks());
  });

  test('is told of too when it was just decided', () => {
    const vm = load();
    expect(written(ask(vm, 'a.test', UF))).toEqual(asks());
    expect(written(ask(vm, 'a.test', { said: { address: '192.0.2.2:443', valid_for_ms: '1000', verdict: 'p1' } }))).toEqual(asks('192.0.2.1:443'));
    expect(written(ask(vm, 'a.test'))).toEqual(repeats('192.0.2.2:443'));
  });

  test.each<[string, number, number]>([['503 by the host', 503, 0], ['an overflow', 503, 0x40], ['a reset', 503, 0x10], ['a timeout', 504, 0x4]])('not so: %s', (_, status, flags) => {
    const vm = load();
    ask(vm, 'a.test');
    ask(vm, 'a.test', { flags, response: { status } });
    expect(written(ask(vm, 'a.test'))).toEqual(repeats());
  });

  test('fails the host by that policy, and no other', () => {
    const vm = load();
    for (const policy of ['p1', 'p2']) ask(vm, 'a.test', { policy });
    ask(vm, 'a.test', UF);
    expect(written(ask(vm, 'a.test', { policy: 'p2' }))).toEqual(repeats('192.0.2.1:443', 'p2'));
  });
});

describe('under hostile clients', () => {
  test('memory stays as it is, and a host in use is not forgotten', () => {
    const vm = load();
    const said = { address: '192.0.2.1:443', valid_for_ms: '3600000', verdict: 'p1' };
    const flood = (from: number, count: number): void => {
      for (let i = from; i < from + count; i++) {
        ask(vm, `${i}.${'x'.repeat(i % 200)}.test`, { said, ...(i % 3 === 0 ? { flags: 0x20, response: { status: 503 } } : {}) });
        if (i % 100 === 0) ask(vm, 'hot.test', { said });
      }
    };
    flood(0, 30_000);
    const before = vm.pages;
    flood(30_000, scaled(100_000) + 20_000);
    expect(vm.pages).toBeLessThanOrEqual(before * 1.3);
    expect(vm.pages).toBeLessThan(200);
    expect(written(ask(vm, 'hot.test'))).toEqual(repeats());
    expect(written(ask(vm, '0..test'))).toEqual(asks());
    expect(vm.liveStreams).toBe(0);
    expect(vm.dead).toBe(false);
  }, 120_000);

  test('a client that leaves in the middle leaves nothing', () => {
    const vm = load();
    for (let i = 0; i < 100; i++) ask(vm, 'a.test', { response: { delayMs: 50 } }).cancel();
    vm.clock.advance(100);
    expect(vm.liveStreams).toBe(0);
    expect(written(ask(vm, 'a.test'))).toEqual(asks());
  });
});

describe('a request that this gateway has sent itself', () => {
  const ends = ({ response, filterState }: Exchange): object => ({ status: response?.status, details: response?.details, dials: filterState.get(DIAL), adds: filterState.get('wasm.gatewright.resolver.loop') });
  const passes = { status: 200, details: 'via_upstream', dials: undefined, adds: OURS };
  const closed = { status: 508, details: 'gatewright_resolver_loop', dials: undefined, adds: undefined };
  const unreadable = { status: 400, details: 'gatewright_resolver_loop_unreadable', dials: undefined, adds: undefined };

  test.each<[string, readonly string[]]>([
    ['alone', [OURS]], ['among others', [`cloudflare, ${OURS}`]], ['first', [`${OURS},cdn.test`]], ['with parameters', [`${OURS};v=1`]], ['with parameters, apart', [`cdn.test;a="b, c" , ${OURS} ; v="1"`]],
    ['in the second line', ['cdn.test', OURS]], ['in the last of a hundred', [...Array.from({ length: 99 }, (_, i) => `cdn-${i}.test`), OURS]], ['in capitals', [OURS.toUpperCase()]], ['twice', [`${OURS}, ${OURS}`]],
    ['behind an open quotation, where lines were put together', [`"open, ${OURS}`]], ['behind an open quotation of another line', ['cdn.test;a="', OURS]], ['where it only begins', [`${OURS.slice(0, -1)},${OURS.slice(0, 9)}${OURS}, ${OURS}`]],
    ['behind 50,000 bytes', [`${'gatewright-00c0ffee00c0ffe '.repeat(2_000)}${OURS}`]], ['in a tab', [`\t${OURS}\t`]],
  ])('is known by its name: %s', (_, loop) => {
    const vm = load();
    expect(ends(ask(vm, 'a.test', { loop }))).toEqual(closed);
    expect(vm.metrics.get('gatewright_resolver_loops')).toBe(1);
    expect(vm.dead).toBe(false);
  });

  test.each<[string, readonly string[]]>([
    ['none', []], ['an empty one', ['']], ['others', ['cloudflare; loops=1; subreqs=1', 'akamai;v=1.0;c=1']], ['another gateway of ours', ['gatewright-00c0ffee00c0ffef']],
    ['a longer name', [`${OURS}0, x${OURS}, ${OURS}.test, a!${OURS}, ${OURS}~`]], ['a part of it', [OURS.slice(1), OURS.slice(0, -1)]], ['nothing', [' , ,']], ['a quotation that ends', ['a;b="\\"", c;d="\\\\"']],
  ])('is no other: %s', (_, loop) => {
    const vm = load();
    expect(ends(ask(vm, 'a.test', { loop }))).toEqual(passes);
    expect(vm.metrics.get('gatewright_resolver_loops') ?? 0).toBe(0);
  });

  test.each<[string, readonly string[]]>([['"', ['"']], ['a;b="c', ['a;b="c']], ['a;b="c\\"', ['a;b="c\\"']], ['a;b="c\\', ['a;b="c\\']], ['of the second line', ['a', '"']]])('whose CDN-Loop would swallow the name is refused: %s', (_, loop) => {
    expect(ends(ask(load(), 'a.test', { loop }))).toEqual(unreadable);
  });

  test('is known where its host is, too, and the host stays remembered', () => {
    const vm = load();
    ask(vm, 'a.test');
    expect(ends(ask(vm, 'a.test', { loop: ['cdn.test', OURS] }))).toEqual(closed);
    expect(ends(ask(vm, 'a.test', { loop: ['cdn.test'] }))).toEqual({ ...passes, dials: '192.0.2.1:443' });
  });

  test('gets a 508 that is nothing to learn from', () => {
    const vm = load();
    expect(ends(ask(vm, 'a.test', { loop: [OURS] }))).toEqual(closed);
    expect(written(ask(vm, 'a.test'))).toEqual(asks());
  });

  test('carries the name that the node has, where the configuration gives none; that of the configuration goes first', () => {
    const properties = { xds: { node: { metadata: { gatewright: { pseudonym: 'Node-1' } } } } };
    const [ofNode, given] = ['{"source":"route"}', CONFIGURATION].map((pluginConfiguration) => Vm.load(WASM, { pluginConfiguration, properties }));
    expect(ends(ask(ofNode as Vm, 'a.test'))).toEqual({ ...passes, adds: 'Node-1' });
    expect(ends(ask(ofNode as Vm, 'a.test', { loop: ['node-1'] }))).toEqual(closed);
    expect(ends(ask(given as Vm, 'a.test', { loop: ['Node-1'] }))).toEqual(passes);
  });
});

describe('the plugin configuration', () => {
  const named = (pseudonym: unknown): string => JSON.stringify({ source: 'route', pseudonym });
  test.each([
    '', '{', '[]', '{}', '{"source":"rules"}', '{"source":5}', '{"source":"route","rules":[]}', '"route"',
    '{"source":"route"}', ...['', 'a b', 'a,b', 'a;b', '"a"', 'a:1', 'ä', 'a'.repeat(128), 7, null, ['a']].map(named),
  ])('%j is refused', (pluginConfiguration) => {
    const vm = Vm.load(WASM, { pluginConfiguration });
    expect(vm.configured).toBe(false);
    expect(vm.logs.at(-1)?.message).toMatch(/^gatewright\.resolved: ./);
    expect(vm.dead).toBe(false);
  });
});
