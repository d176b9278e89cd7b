// A network filter: callbacks, data, holding and closing. As Envoy 1.40.0 does it.
import { beforeAll, expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { fixture } from './fixture.ts';

let wasm: Uint8Array;
beforeAll(async () => { wasm = await fixture('script') });

/** A VM whose connections run the given script, and what it told since it was configured. */
function load(script: string): { vm: Vm; lines: () => string[] } {
  const vm = Vm.load(wasm, { pluginConfiguration: script });
  const before = vm.logs.length;
  return { vm, lines: () => vm.logs.slice(before).map(({ message }) => message) };
}

test('data passes both ways, and the end is close, done, log, delete', () => {
  const { vm, lines } = load('trace on;log prop source/address;log prop k;new setprop k v');
  const connection = vm.connection({ properties: { source: { address: '10.0.0.7:1234' } } });
  connection.receive('one');
  connection.send('<one>');
  connection.receive('', true);
  connection.send('', true);
  connection.close();
  expect(lines()).toEqual([
    'new 0 0', 'new setprop: 0', 'down 3 0', 'up 5 0', 'down 0 1', 'up 0 1', 'upclose 0 0',
    'downclose 2 0', 'done 0 0', 'log 0 0', "log prop: 0 '10.0.0.7:1234'", "log prop: 0 'v'", 'delete 0 0',
  ]);
  expect(connection).toMatchObject({ outcome: 'closed', closeReason: undefined, toUpstream: 'one', toClient: '<one>' });
  expect(connection.filterState).toEqual(new Map([['wasm.k', 'v']]));
  expect(vm.liveStreams).toBe(0);
});

test('what can be read on a new connection', () => {
  const { vm, lines } = load('new prop source/address;new prop source/port;new prop connection/requested_server_name;new prop connection/mtls;new prop request/path;new prop xds/route_name;new prop request/time;new buf 2 0 9;new continue 3;new get 0 x;new respond 403 a b');
  vm.connection({ properties: { connection: { requested_server_name: 'a.test' } } });
  expect(lines()).toEqual([
    "new prop: 0 '127.0.0.1:50000'", "new prop: 0 'P%c3%00%00%00%00%00%00'", "new prop: 0 'a.test'", "new prop: 0 '%00'", 'new prop: 1', 'new prop: 1',
    "new prop: 0 '%00%00W%c0~h%16%18'", "new buf: 0 ''", 'new continue: 12', 'new get: 2', 'new respond: 0',
  ]);
});

test('data can be read and changed, only its own direction', () => {
  const { vm, lines } = load('down buf 2 0 99;down buf 3 0 99;down setbuf 2 0 0 pre-;up buf 3 0 99;up setbuf 3 0 99 new');
  const connection = vm.connection();
  connection.receive('one');
  connection.send('two');
  expect(lines()).toEqual(["down buf: 0 'one'", "down buf: 0 ''", 'down setbuf: 0', "up buf: 0 'two'", 'up setbuf: 0']);
  expect(connection).toMatchObject({ outcome: 'open', toUpstream: 'pre-one', toClient: 'new' });
});

test.each([
  { script: 'new close 2', reason: 'wasm_downstream_close' },
  { script: 'new close 3', reason: 'wasm_upstream_close' },
])('$script closes at once, whatever is returned', ({ script, reason }) => {
  const { vm, lines } = load(`trace on;${script}`);
  const connection = vm.connection();
  expect(lines()).toEqual(['new 0 0', 'new close: 0', 'downclose 1 0', 'done 0 0', 'log 0 0', 'delete 0 0']);
  expect(connection).toMatchObject({ outcome: 'closed', closeReason: reason });
  connection.receive('late');
  connection.close();
  expect(lines()).toHaveLength(6);
});

test('stopped when it is new, it goes on with the first data that is not stopped', () => {
  const { vm, lines } = load('trace on;new hold');
  const connection = vm.connection();
  expect(connection.outcome).toBe('held');
  connection.receive('one');
  expect(lines()).toEqual(['new 0 0', 'new hold: 0', 'down 3 0']);
  expect(connection).toMatchObject({ outcome: 'open', toUpstream: 'one' });
});

test('stopped when it is new and at its data, it waits until a tick continues; what came passes without being shown again', () => {
  const { vm, lines } = load('trace on;new hold;new tick 100;down hold;tick tick 0;tick effective;tick continue 2');
  const connection = vm.connection();
  connection.receive('one');
  connection.receive('two');
  expect(connection).toMatchObject({ outcome: 'held', toUpstream: '' });
  vm.clock.advance(100);
  expect(lines()).toEqual([
    'new 0 0', 'new hold: 0', 'new tick: 0', 'down 3 0', 'down hold: 0', 'down 6 0', 'down hold: 0', 'tick tick: 0', 'tick effective: 0', 'tick continue: 0',
  ]);
  expect(connection).toMatchObject({ outcome: 'open', toUpstream: 'onetwo' });
});

test('what the handshake brings is there with the first data', () => {
  const { vm, lines } = load('new prop connection/mtls;new prop connection/sha256_peer_certificate_digest;down prop connection/mtls;down prop connection/sha256_peer_certificate_digest');
  vm.connection({ handshake: { connection: { mtls: true, sha256_peer_certificate_digest: 'ab12' } } }).receive('x');
  expect(lines()).toEqual(["new prop: 0 '%00'", 'new prop: 1', "down prop: 0 '%01'", "down prop: 0 'ab12'"]);
});

test('closed late from a tick', () => {
  const { vm, lines } = load('trace on;new hold;new tick 100;tick tick 0;tick effective;tick close 2');
  const connection = vm.connection();
  vm.clock.advance(100);
  expect(connection).toMatchObject({ outcome: 'closed', closeReason: 'wasm_downstream_close' });
  expect(lines().slice(-4)).toEqual(['downclose 1 0', 'done 0 0', 'log 0 0', 'delete 0 0']);
});

test('stopped data is shown again with what follows, and passes as one', () => {
  const { vm, lines } = load('trace on;down hold;down tick 100;tick effective;tick continue 2;tick tick 0');
  const connection = vm.connection();
  connection.receive('one');
  connection.receive('two', true);
  expect(lines().filter((line) => /^down \d/.test(line))).toEqual(['down 3 0', 'down 6 1']);
  expect(connection.toUpstream).toBe('');
  vm.clock.advance(100);
  expect(connection).toMatchObject({ outcome: 'open', toUpstream: 'onetwo' });
});

test('a trap closes it, and a dead VM closes every new one', () => {
  const { vm, lines } = load('trace on;new trap');
  expect(vm.connection()).toMatchObject({ outcome: 'closed', closeReason: 'wasm_fail_stream' });
  expect(vm.dead).toBe(true);
  const before = lines().length;
  expect(vm.connection()).toMatchObject({ outcome: 'closed', closeReason: 'wasm_fail_stream' });
  expect(lines()).toHaveLength(before);
  expect(vm.liveStreams).toBe(0);
});

test.each(['FAIL_RELOAD', 'FAIL_CLOSED', 'FAIL_OPEN'] as const)('one that lives when another kills the VM is closed with its next data (%s)', (failurePolicy) => {
  const vm = Vm.load(wasm, { pluginConfiguration: 'down trap', failurePolicy });
  const [idle, killer] = [vm.connection(), vm.connection()];
  killer.receive('x');
  vm.clock.advance(2_000);
  expect(vm.connection().outcome).toBe(failurePolicy === 'FAIL_CLOSED' ? 'closed' : 'open');
  expect(idle.outcome).toBe('open');
  idle.receive('x');
  expect(idle).toMatchObject({ outcome: 'closed', closeReason: 'wasm_fail_stream', toUpstream: '' });
});
