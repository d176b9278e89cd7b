// proxy_get_property: paths, encodings and what is missing. The answers are those of Envoy 1.40.0.
import { beforeAll, expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { fixture } from './fixture.ts';
import { told } from './told.ts';

let wasm: Uint8Array;
beforeAll(async () => { wasm = await fixture('script') });

const properties = {
  xds: {
    route_name: 'rt',
    route_metadata: { filter_metadata: { gw: { s: 'text', n: 7, b: true, l: ['a', 1], m: { x: 'y', k: 2 } }, nul: { z: null } } },
    listener_metadata: { filter_metadata: { only: { s: 'x' } } },
  },
  metadata: { filter_metadata: { 'envoy.filters.http.jwt_authn': { p1: { sub: 'alice', exp: 1.5 } } } },
  source: { address: '10.0.0.7:1234', port: 1234 },
  connection: { mtls: true, id: 9 },
};

const rows: readonly (readonly [path: string, answer: string, why: string])[] = [
  ['xds/route_metadata/filter_metadata/gw/s', "0 'text'", 'text is itself'],
  ['xds/route_metadata/filter_metadata/gw/n', "0 '%00%00%00%00%00%00%1c@'", 'a number in metadata is a double'],
  ['xds/route_metadata/filter_metadata/gw/b', "0 '%01'", 'a boolean is one byte'],
  ['xds/route_metadata/filter_metadata/gw/l', "0 '%02%00%00%00%01%00%00%00%00%00%00%00%08%00%00%00%00%00%00%00a%00%00%00%00%00%00%00%00%f0?%00%00'", 'a list is pairs without values'],
  ['xds/route_metadata/filter_metadata/gw/l/0', "0 'a'", 'a list has numbered elements'],
  ['xds/route_metadata/filter_metadata/gw/l/2', '1', 'an index past the end is absent'],
  ['xds/route_metadata/filter_metadata/gw/m', "0 '%02%00%00%00%01%00%00%00%01%00%00%00%01%00%00%00%08%00%00%00x%00y%00k%00%00%00%00%00%00%00%00@%00'", 'a struct is pairs'],
  ['xds/route_metadata/filter_metadata/gw/m/x', "0 'y'", 'a leaf of a struct'],
  ['xds/route_metadata/filter_metadata/nul/z', '3', 'null cannot be serialised'],
  ['xds/route_metadata/filter_metadata/nul', '3', 'nor can what holds a null'],
  ['xds/route_metadata/filter_metadata', '3', 'nor can all namespaces when one holds a null'],
  ['xds/listener_metadata/filter_metadata', "0 '%01%00%00%00%04%00%00%00%10%00%00%00only%00%01%00%00%00%01%00%00%00%01%00%00%00s%00x%00%00'", 'without a null they are nested pairs'],
  ['xds/listener_metadata', "0 '%0a%12%0a%04only%12%0a%0a%08%0a%01s%12%03%1a%01x'", 'the message is protobuf'],
  ['xds/route_metadata/filter_metadata/gw/none', '1', 'an absent key'],
  ['xds/route_metadata/filter_metadata/none/k', '1', 'an absent namespace'],
  ['xds/route_metadata/filter_metadata/gw/s/x', '1', 'below a leaf is nothing'],
  ['xds/virtual_host_metadata', "0 ''", 'metadata that was not given is an empty message'],
  ['xds/virtual_host_metadata/filter_metadata', "0 '%00%00%00%00'", 'and an empty map'],
  ['metadata/filter_metadata/envoy.filters.http.jwt_authn/p1/sub', "0 'alice'", 'a dot does not separate'],
  ['metadata/filter_metadata/envoy.filters.http.jwt_authn/p1/exp', "0 '%00%00%00%00%00%00%f8?'", 'dynamic metadata has doubles too'],
  ['xds/route_name', "0 'rt'", 'given'],
  ['source/address', "0 '10.0.0.7:1234'", 'address and port in one text'],
  ['source/port', "0 '%d2%04%00%00%00%00%00%00'", 'an integer outside metadata has 64 bits'],
  ['connection/mtls', "0 '%01'", 'a boolean'],
  ['connection/id', "0 '%09%00%00%00%00%00%00%00'", 'an integer'],
  ['connection/requested_server_name', "0 ''", 'no SNI is empty'],
  ['request/path', "0 '/p?q=1'", 'with the query'],
  ['request/url_path', "0 '/p'", 'without'],
  ['request/query', "0 'q=1'", 'the query alone'],
  ['request/host', "0 'www.example.com'", ':authority'],
  ['request/scheme', "0 'http'", ':scheme'],
  ['request/method', "0 'GET'", ':method'],
  ['request/protocol', "0 'HTTP/1.1'", 'always'],
  ['request/headers/x-a', "0 '1,2'", 'repeated headers are joined'],
  ['request/headers/none', '1', 'an absent header'],
  ['request/time', "0 '%00%00W%c0~h%16%18'", 'the start in nanoseconds'],
  ['request/referer', '1', 'an absent header'],
  ['request/duration', '1', 'not before the end'],
  ['request', '3', 'a namespace is no value'],
  ['source', '3', 'nor this one'],
  ['filter_state', '3', 'nor this one'],
  ['response/code', '1', 'no response yet'],
  ['response/headers', "0 '%00%00%00%00'", 'no response headers yet'],
  ['plugin_name', "0 'probe'", ''],
  ['plugin_root_id', "0 'rid'", ''],
  ['plugin_vm_id', "0 'vmid'", ''],
  ['', '3', 'the empty path'],
  ['node/id', '1', 'an old name'],
  ['route_name', '1', 'an old name'],
  ['listener_metadata', '1', 'an old name'],
  ['constructor', '1', 'no property of JavaScript'],
  ['xds/__proto__', '1', 'nor this one'],
];

test.each(rows)('%s → %s %s', (path, answer) => {
  const vm = Vm.load(wasm, { properties, pluginName: 'probe', rootId: 'rid', vmId: 'vmid' });
  const { lines } = told(vm, `headers prop ${path}`, { ':path': '/p?q=1', 'x-a': ['1', '2'] });
  expect(lines).toEqual([`headers prop: ${answer}`]);
});

test('properties of a request go before those of the VM, path by path', () => {
  const vm = Vm.load(wasm, { properties: { source: { address: 'vm', port: 1 }, xds: { route_name: 'vm' } } });
  const { lines } = told(vm, 'headers prop source/address;headers prop source/port;headers prop xds/route_name', {}, { properties: { source: { address: 'request' } } });
  expect(lines).toEqual(["headers prop: 0 'request'", "headers prop: 0 '%01%00%00%00%00%00%00%00'", "headers prop: 0 'vm'"]);
});

const setRows: readonly (readonly [command: string, answer: string])[] = [
  ['prop k', '1'], ['setprop k v1', '0'], ['prop k', "0 'v1'"], ['setprop k v2', '0'], ['prop k', "0 'v2'"], ['prop filter_state/wasm.k', "0 'v2'"],
  ['prop k/x', '1'], ['prop wasm.k', '1'], ['prop filter_state/k', '1'], ['setprop a%00b v', '0'], ['prop a/b', '1'],
  ['setprop request v', '0'], ['prop request', '3'], ['setprop e', '0'], ['prop e', "0 ''"],
];

test('what a filter sets is filter state under wasm., read back by one segment', () => {
  const vm = Vm.load(wasm);
  const { lines, exchange } = told(vm, setRows.map(([command]) => `headers ${command}`).join(';'));
  expect(lines).toEqual(setRows.map(([command, answer]) => `headers ${command.split(' ')[0]}: ${answer}`));
  expect(exchange.filterState).toEqual(new Map([['wasm.k', 'v2'], ['wasm.a\0b', 'v'], ['wasm.request', 'v'], ['wasm.e', '']]));
});

test('filter state can still be set and read in proxy_on_log', () => {
  const vm = Vm.load(wasm);
  const { lines } = told(vm, 'headers setprop k v;log prop k;log setprop k w;log prop k');
  expect(lines).toEqual(['headers setprop: 0', "log prop: 0 'v'", 'log setprop: 0', "log prop: 0 'w'"]);
});

test('the request is out of sight in the response phase, and back in proxy_on_log', () => {
  const vm = Vm.load(wasm);
  const phases = ['rheaders', 'log'].flatMap((phase) => ['get 0 :path', 'prop request/path', 'get 2 :status', 'prop response/code', 'prop response/code_details', 'add 0 x y'].map((call) => `${phase} ${call}`));
  expect(told(vm, phases.join(';'), { ':path': '/a' }).lines).toEqual([
    'rheaders get: 2', 'rheaders prop: 1', "rheaders get: 0 '200'", "rheaders prop: 0 '%c8%00%00%00%00%00%00%00'", "rheaders prop: 0 'via_upstream'", 'rheaders add: 2',
    "log get: 0 '/a'", "log prop: 0 '/a'", "log get: 0 '200'", "log prop: 0 '%c8%00%00%00%00%00%00%00'", "log prop: 0 'via_upstream'", 'log add: 2',
  ]);
});
