// What happens later: ticks, held requests, http calls, queues. Time is the clock's only.
import { beforeAll, describe, expect, test } from 'vitest';
import { Clock, type HttpCall, SharedData, type UpstreamReply, Vm } from 'proxy-wasm-as/vm';
import { fixture } from './fixture.ts';
import { told } from './told.ts';

let wasm: Uint8Array;
beforeAll(async () => { wasm = await fixture('script') });

const messages = (vm: Vm, from = 0): string[] => vm.logs.slice(from).map(({ message }) => message);
const call = 'call up :method=GET&:path=/&:authority=h';

describe('clock', () => {
  test('is what the guest reads', () => {
    const clock = new Clock('2030-01-02T03:04:05.006Z');
    const vm = Vm.load(wasm, { clock });
    expect(told(vm, 'headers time;headers wasitime 0').lines).toEqual(['headers time: 0 1893553445006000000', 'headers wasitime: 0 1893553445006000000']);
    clock.advance(1.5);
    expect(told(vm, 'headers time').lines).toEqual(['headers time: 0 1893553445007500000']);
  });

  test('runs what is due at its due time, in order, and what that schedules in turn', () => {
    const clock = new Clock(0);
    const seen: string[] = [];
    clock.after(20, () => seen.push(`b ${clock.now}`));
    clock.after(10, () => { seen.push(`a ${clock.now}`); clock.after(5, () => seen.push(`c ${clock.now}`)) });
    clock.after(20, () => seen.push(`d ${clock.now}`));
    const gone = clock.after(15, () => seen.push('cancelled'));
    gone.cancel();
    expect(clock.untilNext).toBe(10);
    clock.advance(19);
    expect(seen).toEqual(['a 10', 'c 15']);
    clock.advance(1);
    expect(seen).toEqual(['a 10', 'c 15', 'b 20', 'd 20']);
    expect([clock.now, clock.untilNext]).toEqual([20, undefined]);
  });
});

describe('ticks', () => {
  test('come once a period until the period is 0', () => {
    const vm = Vm.load(wasm, { clock: new Clock(0), pluginConfiguration: 'configure tick 100;tick time' });
    expect(vm.tickPeriod).toBe(100);
    vm.clock.advance(99);
    expect(messages(vm, 1)).toEqual([]);
    vm.clock.advance(201);
    expect(messages(vm, 1)).toEqual(['tick time: 0 100000000', 'tick time: 0 200000000', 'tick time: 0 300000000']);
    told(vm, 'headers tick 0');
    const before = vm.logs.length;
    vm.clock.advance(1000);
    expect(messages(vm, before)).toEqual([]);
  });

  test('setting the period starts it anew', () => {
    const vm = Vm.load(wasm, { clock: new Clock(0), pluginConfiguration: 'configure tick 100;tick time' });
    vm.clock.advance(90);
    told(vm, 'headers tick 50');
    const before = vm.logs.length;
    vm.clock.advance(60);
    expect(messages(vm, before)).toEqual(['tick time: 0 140000000']);
  });

  test('a held request continues from a tick through the effective context', () => {
    const vm = Vm.load(wasm, { pluginConfiguration: 'tick get 0 :path;tick effective;tick get 0 :path;tick continue 0;tick get 0 :path;tick tick 0' });
    const { exchange } = told(vm, 'trace on;headers tick 200;headers hold', { ':path': '/a' }, { body: 'abc' });
    expect(exchange).toMatchObject({ outcome: 'held', heldIn: 'request', ended: false });
    vm.clock.advance(199);
    expect(exchange.outcome).toBe('held');
    const before = vm.logs.length;
    vm.clock.advance(1);
    expect(messages(vm, before)).toEqual([
      'tick get: 2', 'tick effective: 0', "tick get: 0 '/a'", 'tick continue: 0', 'tick get: 2', 'tick tick: 0',
      'body 3 1', 'rheaders 1 1', 'log 0 0', 'done 0 0', 'delete 0 0',
    ]);
    expect(exchange).toMatchObject({ outcome: 'continued', ended: true, requestBody: 'abc' });
  });

  test('a held request is answered from a tick', () => {
    const vm = Vm.load(wasm, { pluginConfiguration: 'tick effective;tick respond 429 slow_down later;tick tick 0' });
    const { exchange } = told(vm, 'headers tick 10;headers hold');
    vm.clock.advance(10);
    expect(exchange).toMatchObject({ outcome: 'responded', ended: true, response: { status: 429, details: 'slow_down', body: 'later' } });
    expect(vm.liveStreams).toBe(0);
  });

  test('a held response continues from a tick', () => {
    const vm = Vm.load(wasm, { pluginConfiguration: 'tick effective;tick continue 1' });
    const { exchange } = told(vm, 'headers tick 10;rheaders hold', {}, { response: { status: 206, body: 'x' } });
    expect(exchange).toMatchObject({ heldIn: 'response', response: undefined });
    vm.clock.advance(10);
    expect(exchange).toMatchObject({ outcome: 'continued', heldIn: undefined, response: { status: 206, body: 'x' } });
  });

  test('a held body goes on as one when it is continued', () => {
    const vm = Vm.load(wasm, { pluginConfiguration: 'tick effective;tick buf 0 0 99;tick continue 0' });
    const { exchange } = told(vm, 'headers tick 10;body hold', {}, { body: ['ab', 'cd'] });
    const before = vm.logs.length;
    vm.clock.advance(10);
    expect(messages(vm, before)).toEqual(['tick effective: 0', "tick buf: 0 'abcd'", 'tick continue: 0']);
    expect(exchange).toMatchObject({ outcome: 'continued', requestBody: 'abcd' });
  });

  test('respond in a tick without an effective context answers nobody', () => {
    const vm = Vm.load(wasm, { pluginConfiguration: 'tick respond 403 x y' });
    const { exchange } = told(vm, 'headers tick 10;headers hold');
    vm.clock.advance(10);
    expect(messages(vm).at(-1)).toBe('tick respond: 0');
    expect(exchange.outcome).toBe('held');
  });

  test('the effective context ends with the callback that set it', () => {
    const vm = Vm.load(wasm, { pluginConfiguration: 'tick effective;tick get 0 :path' });
    told(vm, 'headers tick 10;headers hold', { ':path': '/held' });
    vm.clock.advance(10);
    expect(messages(vm).at(-1)).toBe("tick get: 0 '/held'");
    expect(told(vm, 'headers get 0 :path', { ':path': '/other' }).lines).toEqual(["headers get: 0 '/other'"]);
  });

  test('a stream that has gone cannot become the effective context', () => {
    const vm = Vm.load(wasm, { pluginConfiguration: 'tick effective' });
    const { exchange } = told(vm, 'headers tick 10;headers hold');
    exchange.cancel();
    vm.clock.advance(10);
    expect(messages(vm).at(-1)).toBe('tick effective: 2');
  });
});

describe('http calls', () => {
  const root = 'answer pairs 6;answer get 6 x-up;answer buf 4 0 99;answer get 7 t;answer status';
  const load = (reply: (call: HttpCall) => UpstreamReply | 'timeout' | 'refused' | 'reset'): Vm => Vm.load(wasm, { pluginConfiguration: root, upstreams: { up: reply } });

  test('are answered to the root context when their delay is over', () => {
    const vm = load(() => ({ headers: { 'x-up': '1' }, body: 'hello', trailers: { t: '2' }, delayMs: 30 }));
    told(vm, `headers ${call} BODY 100 a=b`);
    const before = vm.logs.length;
    vm.clock.advance(29);
    expect(messages(vm, before)).toEqual([]);
    vm.clock.advance(1);
    expect(messages(vm, before)).toEqual([
      'answer 1 4 2 5 1', "answer pairs: 0 '%02%00%00%00%07%00%00%00%03%00%00%00%04%00%00%00%01%00%00%00:status%00200%00x-up%001%00'",
      "answer get: 0 '1'", "answer buf: 0 'hello'", "answer get: 0 '2'", "answer status: 0 0 ''",
    ]);
    expect(vm.calls).toHaveLength(1);
    expect(vm.calls[0]).toMatchObject({ cluster: 'up', timeout: 100, token: 4 });
    expect(vm.calls[0]?.headers.toObject()).toEqual({ ':method': 'GET', ':path': '/', ':authority': 'h', 'content-length': '4' });
    expect(Buffer.from(vm.calls[0]?.body ?? []).toString()).toBe('BODY');
    expect(vm.calls[0]?.trailers.toObject()).toEqual({ a: 'b' });
  });

  test('answered without delay are delivered when the VM settles, never inside the request', () => {
    const vm = load(() => ({}));
    expect(told(vm, `headers ${call}  100`).lines).toEqual(['headers call: 0 4']);
    const before = vm.logs.length;
    vm.settle();
    expect(messages(vm, before)[0]).toBe('answer 1 4 1 0 0');
  });

  test.each<{ name: string; reply: 'timeout' | 'refused' | 'reset' | UpstreamReply; timeout: number; after: number; lines: string[] }>([
    { name: 'no answer is Envoy\'s own 504 at the timeout', reply: 'timeout', timeout: 100, after: 100, lines: ['answer 1 4 3 24 0', "answer buf: 0 'upstream%20request%20timeout'", "answer status: 0 0 ''"] },
    { name: 'an answer after the timeout is none', reply: { delayMs: 101 }, timeout: 100, after: 200, lines: ['answer 1 4 3 24 0', "answer buf: 0 'upstream%20request%20timeout'", "answer status: 0 0 ''"] },
    { name: 'a refused connection is Envoy\'s own 503', reply: 'refused', timeout: 100, after: 0, lines: ['answer 1 4 3 98 0', "answer buf: 0 'upstream%20connect%20error%20or%20disconnect/reset%20before%20headers.%20rese", "answer status: 0 0 ''"] },
    { name: 'a broken answer has no headers and a status', reply: 'reset', timeout: 100, after: 0, lines: ['answer 1 4 0 0 0', 'answer buf: 1', "answer status: 0 11 'reset'"] },
    { name: 'a timeout of 0 waits for ever', reply: 'timeout', timeout: 0, after: 1e6, lines: [] },
    { name: 'a timeout of 0 takes a late answer', reply: { delayMs: 5e5 }, timeout: 0, after: 1e6, lines: ['answer 1 4 1 0 0', "answer buf: 0 ''", "answer status: 0 0 ''"] },
  ])('$name', ({ reply, timeout, after, lines }) => {
    const vm = load(() => reply);
    told(vm, `headers ${call}  ${timeout}`);
    const before = vm.logs.length;
    vm.clock.advance(after);
    expect(messages(vm, before).filter((line) => /^answer (\d|buf|status)/.test(line)).map((line) => line.slice(0, 88))).toEqual(lines.map((line) => line.slice(0, 88)));
  });

  test('their answers cannot be read later', () => {
    const vm = load(() => ({ headers: { 'x-up': '1' }, body: 'hello' }));
    told(vm, `headers ${call}  100`);
    vm.settle();
    expect(told(vm, 'headers get 6 x-up;headers buf 4 0 9').lines).toEqual(['headers get: 2', 'headers buf: 1']);
  });

  test('a held request goes on when its answer comes', () => {
    const vm = Vm.load(wasm, { pluginConfiguration: 'answer effective;answer continue 0', upstreams: { up: () => ({ delayMs: 5 }) } });
    const { exchange } = told(vm, `headers ${call}  100;headers hold`);
    expect(exchange.outcome).toBe('held');
    vm.clock.advance(5);
    expect(exchange.outcome).toBe('continued');
  });

  test('can be made in proxy_on_configure and from a tick', () => {
    const vm = Vm.load(wasm, { pluginConfiguration: `configure ${call}  100;configure tick 10;tick ${call}  100`, upstreams: { up: () => ({}) } });
    vm.clock.advance(10);
    expect(vm.calls.map(({ token }) => token)).toEqual([4, 8]);
  });
});

describe('queues', () => {
  test('tell the worker that registered last, when the clock moves', () => {
    const shared = new SharedData();
    const clock = new Clock();
    const [first, second] = [Vm.load(wasm, { shared, clock, pluginConfiguration: 'configure qreg q;queue deq 1' }), Vm.load(wasm, { shared, clock })];
    told(second, 'headers enq 1 hello');
    expect(messages(first)).toEqual(['configure qreg: 0 1']);
    clock.advance(0);
    expect(messages(first)).toEqual(['configure qreg: 0 1', 'queue 1', "queue deq: 0 'hello'"]);
  });
});
