// Every host function and its statuses. The answers are those of Envoy 1.40.0 to the same script (fixtures/script.ts).
import { beforeAll, expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { fixture } from './fixture.ts';
import { told } from './told.ts';

let wasm: Uint8Array;
beforeAll(async () => { wasm = await fixture('script') });

interface Row {
  readonly name: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string;
  /** One entry a command: the command, and what the filter is told. */
  readonly calls: readonly (readonly [command: string, answer: string])[];
}

const rows: readonly Row[] = [
  { name: 'header names are read in any case, first value only', headers: { 'x-a': ['1', '2'] }, calls: [
    ['get 0 X-A', "0 '1'"], ['get 0 none', '1'], ['prop request/headers/x-a', "0 '1,2'"],
  ] },
  { name: 'add repeats a header, replace leaves one, remove none', calls: [
    ['add 0 X-B 1', '0'], ['add 0 x-b 2', '0'], ['get 0 x-b', "0 '1'"], ['prop request/headers/x-b', "0 '1,2'"],
    ['replace 0 X-B 3', '0'], ['prop request/headers/x-b', "0 '3'"], ['remove 0 X-b', '0'], ['get 0 x-b', '1'],
    ['replace 0 x-new 1', '0'], ['get 0 x-new', "0 '1'"], ['remove 0 none', '0'], ['add 0 x-empty', '0'], ['get 0 x-empty', "0 ''"],
  ] },
  { name: 'maps that are not there now are BadArgument, their pairs an empty list', calls: [
    ['get 2 x', '2'], ['add 2 x y', '2'], ['setpairs 2 a=b', '2'], ['get 1 x', '2'], ['get 4 x', '2'], ['get 5 x', '2'],
    ['get 6 :status', '2'], ['get 7 x', '2'], ['size 6', '2'], ['size 2', '2'], ['pairs 6', "0 ''"], ['pairs 1', "0 ''"],
  ] },
  { name: 'map numbers out of range are BadArgument', calls: [['get 8 x', '2'], ['add 8 x y', '2'], ['pairs 8', '2'], ['setpairs 8 a=b', '2'], ['size 8', '2']] },
  { name: 'pairs come as count, sizes, and NUL-ended texts', calls: [
    ['setpairs 0 :path=/&X-B=c', '0'], ['size 0', '0 10'],
    ['pairs 0', "0 '%02%00%00%00%05%00%00%00%01%00%00%00%03%00%00%00%01%00%00%00:path%00/%00x-b%00c%00'"],
  ] },
  { name: 'up to 1024 pairs are taken, beyond that the host sees none', calls: [
    ['manypairs 0 1024 1', '0'], ['size 0', '0 6144'], ['manypairs 0 1025 1', '0'], ['size 0', '0 0'], ['pairs 0', "0 ''"],
  ] },
  { name: 'up to 1 MiB of pairs is taken, beyond that the host sees none', calls: [
    ['manypairs 0 1000 1000', '0'], ['size 0', '0 1005000'], ['manypairs 0 1000 1034', '0'], ['size 0', '0 0'],
  ] },
  { name: 'pointers outside of memory are InvalidMemoryAccess', calls: [
    ['badlog', '6'], ['badkey', '6'], ['badout', '6'], ['badprop', '6'], ['badset', '6'], ['badtime', '6'], ['badrespond', '6'],
  ] },
  { name: 'levels above critical are BadArgument, those below the log level vanish', calls: [['log 6 x', '2'], ['log 0 x', '0'], ['level', '0 2'], ['log 4294967295 x', '2']] },
  { name: 'without a body the body is empty and cannot be set', calls: [
    ['buf 0 0 10', "0 ''"], ['bufstat 0', '0 0/0'], ['setbuf 0 0 0 x', '2'], ['setbuf 0 5 0 x', '2'], ['buf 2 0 9', "0 ''"],
  ] },
  { name: 'buffers that are not there are NotFound, numbers out of range BadArgument', calls: [
    ['buf 7 0 10', '1'], ['buf 4 0 10', '1'], ['setbuf 7 0 0 x', '1'], ['buf 9 0 0', '2'], ['bufstat 9', '2'], ['setbuf 9 0 0 x', '2'],
    ['setbuf 6 0 0 x', '2'], ['setbuf 8 0 0 x', '2'], ['setbuf 5 0 0 x', '2'],
  ] },
  { name: 'counters only grow, gauges go both ways, histograms only record', calls: [
    ['metric 0 c', '0'], ['metric 1 g', '0'], ['metric 2 h', '0'], ['metric 3 z', '2'],
    ['inc 0 5', '0'], ['inc 0 0', '2'], ['inc 0 -1', '2'], ['rec 0 4', '0'], ['read 0', '0 9'],
    ['inc 1 5', '0'], ['inc 1 -2', '0'], ['read 1', '0 3'], ['rec 1 9', '0'], ['read 1', '0 9'],
    ['inc 2 1', '2'], ['rec 2 3', '0'], ['read 2', '2'], ['inc 7 1', '2'], ['rec 7 1', '1'], ['read 7', '2'],
  ] },
  { name: 'a metric defined twice is one metric, of another kind another', calls: [
    ['metric 0 c', '0'], ['inc 0 5', '0'], ['metric 0 c', '0'], ['read 1', '0 5'], ['metric 1 c', '0'], ['read 2', '0 0'],
  ] },
  { name: 'shared data: 0 overwrites, another number must match, an absent key takes any', calls: [
    ['sget k', '1'], ['sset k v 7', '0'], ['sget k', "0 'v' 1"], ['sset k w 99', '8'], ['sget k', "0 'v' 1"], ['sset k w 0', '0'],
    ['sget k', "0 'w' 2"], ['sset k x 2', '0'], ['sget k', "0 'x' 3"], ['sset e  0', '0'], ['sget e', "0 '' 4"],
  ] },
  { name: 'queues are found by name, drained in order, then Empty', calls: [
    ['qres  q', '1'], ['qreg q', '0 1'], ['qres  q', '0 1'], ['qres vm q', '0 1'], ['qres other q', '1'], ['enq 1 m', '0'], ['enq 1 n', '0'],
    ['deq 1', "0 'm'"], ['deq 1', "0 'n'"], ['deq 1', '7'], ['deq 99', '1'], ['enq 99 m', '1'],
  ] },
  { name: 'unknown contexts, streams and functions have each their status', calls: [
    ['effective 999', '2'], ['effective 0', '0'], ['done', '1'], ['foreign nope', '1'], ['foreign clear_route_cache', "0 ''"],
    ['status', "0 0 ''"], ['continue 4', '2'], ['close 4', '2'], ['continue 3', '12'],
  ] },
  { name: 'WASI: random up to 64 KiB, two clocks, two outputs', calls: [
    ['random 65536', '0'], ['random 65537', '28'], ['wasitime 2', '58'], ['wasitime 0', '0 1735689600000000000'], ['wasitime 1', '0 1735689600000000000'],
    ['print 3 x', '8'],
  ] },
  { name: 'proc_exit returns, as in Envoy', calls: [['exit', 'returned'], ['get 0 :path', "0 '/'"]] },
  { name: 'http calls want a known cluster, :method, :path and :authority', calls: [
    ['call nocluster :method=GET&:path=/&:authority=h  100', '2'], ['call up :method=GET&:path=/  100', '2'],
    ['call up :method=GET&:authority=h  100', '2'], ['call up :path=/&:authority=h  100', '2'],
    ['call up :method=GET&:path=/&:authority=h  4294967295', '2'], ['call up :method=GET&:path=/&:authority=h  100', '0 4'],
    ['call up :method=GET&:path=/&:authority=h  100', '0 8'],
  ] },
  { name: 'filter state objects are set by name, compression works, properties are declared once', calls: [
    ['foreign set_envoy_filter_state %0a%0cenvoy.string%12%02hi%18%01', "0 ''"], ['prop filter_state/envoy.string', "0 'hi'"],
    ['foreign set_envoy_filter_state %0a%04nope%12%02hi%18%01', '1'], ['foreign set_envoy_filter_state zz', '2'],
    ['foreign compress hello', "0 'x%9c%cbH%cd%c9%c9%07%00%06,%02%15'"], ['foreign uncompress x%9c%cbH%cd%c9%c9%07%00%06,%02%15', "0 'hello'"],
    ['foreign uncompress hello', '3'], ['foreign declare_property %0a%01p%10%01', "0 ''"], ['foreign declare_property %0a%01p%10%01', '2'],
    // Declared by a stream, which Envoy does not look at when it sets.
    ['setprop p 1', '0'], ['setprop p 2', '0'], ['prop p', "0 '2'"],
  ] },
];

test.each(rows)('$name', ({ headers = {}, calls }) => {
  const vm = Vm.load(wasm, { vmId: 'vm', upstreams: { up: () => ({}) } });
  const { lines } = told(vm, calls.map(([command]) => `headers ${command}`).join(';'), headers);
  expect(lines).toEqual(calls.map(([command, answer]) => `headers ${command.split(' ')[0]}: ${answer}`));
});

const bodyRows: readonly (readonly [command: string, answer: string])[] = [
  ['bufstat 0', '0 11/0'], ['buf 0 0 100', "0 'hello%20world'"], ['buf 0 2 2', "0 'll'"], ['buf 0 11 5', "0 ''"], ['buf 0 100 5', "0 ''"],
  ['buf 0 5 4294967295', "0 '%20world'"], ['setbuf 0 0 0 pre-', '0'], ['buf 0 0 100', "0 'pre-hello%20world'"], ['setbuf 0 100 0 -post', '0'],
  ['buf 0 0 100', "0 'pre-hello%20world-post'"], ['setbuf 0 2 2 xx', '2'], ['setbuf 0 2 100 xx', '2'], ['setbuf 0 0 3 xx', '2'], ['setbuf 0 0 100 new', '0'],
  ['buf 0 0 100', "0 'new'"], ['setbuf 0 3 0 er', '0'], ['buf 0 0 100', "0 'newer'"],
];

test('a body can be prepended to, appended to and replaced; no other slice can be set', () => {
  const vm = Vm.load(wasm);
  const { lines, exchange } = told(vm, bodyRows.map(([command]) => `body ${command}`).join(';'), {}, { body: 'hello world' });
  expect(lines).toEqual(bodyRows.map(([command, answer]) => `body ${command.split(' ')[0]}: ${answer}`));
  expect(exchange.requestBody).toBe('newer');
});

/** What the root context, which has no stream, is told in proxy_on_configure. */
const configureRows: readonly (readonly [command: string, answer: string])[] = [
  ['prop plugin_name', "0 'probe'"], ['prop xds/node/id', "0 'n1'"], ['setprop k v', '1'], ['prop k', '1'], ['prop request/path', '1'],
  ['prop xds/route_name', '1'], ['prop source/address', '1'], ['prop filter_state', '1'], ['prop metadata', '1'], ['prop xds', '3'],
  ['buf 7 0 9', "0 'configure'"], ['get 0 x', '2'], ['pairs 0', "0 ''"], ['respond 403 x y', '0'], ['continue 0', '0'], ['close 0', '0'],
  ['foreign set_envoy_filter_state %0a%0cenvoy.string%12%02hi', '1'], ['foreign clear_route_cache', "0 ''"],
];

test('in proxy_on_configure there is a plugin and no stream', () => {
  const vm = Vm.load(wasm, {
    pluginName: 'probe', properties: { xds: { node: { id: 'n1' } } },
    pluginConfiguration: configureRows.map(([command]) => `configure ${command}`).join(';'),
  });
  expect(vm.logs.map(({ message }) => message)).toEqual(configureRows.map(([command, answer]) => `configure ${command.split(' ')[0]}: ${answer}`));
});

test('a property declared read-only by the root context is set once', () => {
  const vm = Vm.load(wasm, { pluginConfiguration: 'configure foreign declare_property %0a%01p%10%01' });
  expect(told(vm, 'headers setprop p 1;headers setprop p 2;headers prop p').lines).toEqual(['headers setprop: 0', 'headers setprop: 2', "headers prop: 0 '1'"]);
});

test('vm.metrics, vm.shared and vm.logs show what the guest left', () => {
  const vm = Vm.load(wasm);
  told(vm, 'headers metric 0 c;headers inc 0 5;headers sset k v 0;headers print 1 out%0a;headers print 2 err;headers log 3 warned');
  expect(vm.metrics).toEqual(new Map([['c', 5]]));
  expect(vm.shared.text('k')).toBe('v');
  expect(vm.logs.filter(({ message }) => !message.startsWith('headers'))).toEqual([
    { level: 'info', message: 'out' }, { level: 'error', message: 'err' }, { level: 'warn', message: 'warned' },
  ]);
});

test('the log level decides what is kept, and is what the guest is told', () => {
  const vm = Vm.load(wasm, { logLevel: 'error' });
  told(vm, 'headers print 1 out;headers log 3 warned;headers print 2 err;headers level;headers level');
  expect(vm.logs).toEqual([{ level: 'error', message: 'err' }]);
  const low = Vm.load(wasm, { logLevel: 'trace' });
  expect(told(low, 'headers log 0 low;headers level').lines).toEqual(['low', 'headers log: 0', 'headers level: 0 0']);
});

test('a foreign function of the test is called like those of Envoy', () => {
  const vm = Vm.load(wasm, { foreignFunctions: { twice: (argument) => Buffer.concat([argument, argument]), busy: () => 10 } });
  expect(told(vm, 'headers foreign twice ab;headers foreign busy').lines).toEqual(["headers foreign: 0 'abab'", 'headers foreign: 10']);
});
