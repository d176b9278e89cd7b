// One request through the filter: order of the callbacks, stopping, bodies, local responses. As Envoy 1.40.0 does it.
import { beforeAll, describe, expect, test } from 'vitest';
import { type HeadersInput, type RequestOptions, Vm } from 'proxy-wasm-as/vm';
import { fixture } from './fixture.ts';
import { told } from './told.ts';

let wasm: Uint8Array;
let vm: Vm;
beforeAll(async () => {
  wasm = await fixture('script');
  vm = Vm.load(wasm);
});

describe('callbacks', () => {
  test('come in Envoy\'s order, log before done before delete', () => {
    const { lines, exchange } = told(vm, 'trace on', {}, { body: 'abc', trailers: { t: '1' }, response: { status: 201, body: 'defg', trailers: { u: '2', v: '3' } } });
    expect(lines).toEqual(['headers 5 0', 'body 3 0', 'trailers 1 1', 'rheaders 1 0', 'rbody 4 0', 'rtrailers 2 1', 'log 0 0', 'done 0 0', 'delete 0 0']);
    expect(exchange).toMatchObject({ outcome: 'continued', ended: true, heldIn: undefined, requestBody: 'abc', details: 'via_upstream' });
    expect(exchange.response).toMatchObject({ status: 201, body: 'defg', details: 'via_upstream', grpcStatus: undefined });
    expect(exchange.response?.trailers?.toObject()).toEqual({ u: '2', v: '3' });
    expect(vm.liveStreams).toBe(0);
  });

  test.each<{ name: string; options: RequestOptions; first: readonly string[] }>([
    { name: 'a request without a body ends at its headers', options: {}, first: ['headers 5 1', 'rheaders 1 1'] },
    { name: 'the last piece of a body says so', options: { body: ['ab', 'cd'] }, first: ['headers 5 0', 'body 2 0', 'body 2 1', 'rheaders 1 1'] },
    { name: 'Envoy\'s HTTP/1 ends a body with an empty piece', options: { body: ['ab', ''] }, first: ['headers 5 0', 'body 2 0', 'body 0 1', 'rheaders 1 1'] },
  ])('$name', ({ options, first }) => {
    expect(told(vm, 'trace on', {}, options).lines.slice(0, first.length)).toEqual(first);
  });
});

describe('request and response reach the other side as changed', () => {
  test('headers, repeated ones too', () => {
    const { exchange } = told(vm, 'headers add 0 x-b 1;headers add 0 x-b 2;headers remove 0 x-a;rheaders replace 2 :status 202;rheaders add 2 x-r 1', { 'x-a': '1' });
    expect([...exchange.requestHeaders]).toEqual([[':authority', 'www.example.com'], [':path', '/'], [':method', 'GET'], [':scheme', 'http'], ['x-b', '1'], ['x-b', '2']]);
    expect(exchange.response?.status).toBe(202);
    expect(exchange.response?.headers.toObject()).toEqual({ 'x-r': '1' });
  });

  test('a change of request headers makes Envoy choose the route again', () => {
    expect(told(vm, 'headers get 0 :path').exchange.routeCacheCleared).toBe(1); // x-script is removed
    expect(told(vm, 'headers add 0 a b;headers foreign clear_route_cache;rheaders add 2 a b').exchange.routeCacheCleared).toBe(3);
  });

  test('the response may depend on the request the upstream saw', () => {
    const { exchange } = told(vm, 'headers add 0 x-b 1;body setbuf 0 0 99 new', {}, {
      body: 'old', response: ({ headers, body }) => ({ body: `${headers.get('x-b')} ${body}` }),
    });
    expect(exchange.response?.body).toBe('1 new');
  });

  test('pairs and records are both headers', () => {
    const pairs: HeadersInput = [['X-A', '1'], ['x-a', '2'], [':path', '/p']];
    expect(vm.request(pairs).requestHeaders.all('x-a')).toEqual(['1', '2']);
    expect(vm.request(pairs).requestHeaders.get(':path')).toBe('/p');
  });
});

describe('stopping', () => {
  test.each<{ name: string; script: string; options?: RequestOptions; lines: readonly string[]; heldIn: 'request' | 'response' | undefined }>([
    { name: 'StopIteration at the headers stops the body too', script: 'trace on;headers ret 1', options: { body: 'abc' }, lines: ['headers 5 0', 'headers ret: 0'], heldIn: 'request' },
    { name: '3 and 4 stop everything as well', script: 'trace on;headers ret 3', options: { body: 'abc' }, lines: ['headers 5 0', 'headers ret: 0'], heldIn: 'request' },
    { name: 'unknown values stop', script: 'trace on;headers ret 9', options: { body: 'abc' }, lines: ['headers 5 0', 'headers ret: 0'], heldIn: 'request' },
    { name: '2 continues', script: 'trace on;headers ret 2', lines: ['headers 5 1', 'headers ret: 0', 'rheaders 1 1', 'log 0 0', 'done 0 0', 'delete 0 0'], heldIn: undefined },
    { name: '1 at the body keeps it, and the next piece is shown with it', script: 'trace on;body ret 1', options: { body: ['ab', 'cd'] }, lines: ['headers 5 0', 'body 2 0', 'body ret: 0', 'body 4 1', 'body ret: 0'], heldIn: 'request' },
    { name: '2 at the body keeps it out of sight, and the next piece is shown alone', script: 'trace on;body ret 2', options: { body: ['abc', 'd'] }, lines: ['headers 5 0', 'body 3 0', 'body ret: 0', 'body 1 1', 'body ret: 0'], heldIn: 'request' },
    { name: '3 at the body drops it', script: 'trace on;body ret 3', options: { body: ['ab', 'cd'] }, lines: ['headers 5 0', 'body 2 0', 'body ret: 0', 'body 2 1', 'body ret: 0'], heldIn: 'request' },
    { name: 'trailers can be held', script: 'trace on;trailers ret 1', options: { body: 'ab', trailers: { t: '1' } }, lines: ['headers 5 0', 'body 2 0', 'trailers 1 1', 'trailers ret: 0'], heldIn: 'request' },
    { name: 'response headers can be held', script: 'trace on;rheaders ret 1', options: { response: { body: 'x' } }, lines: ['headers 5 1', 'rheaders 1 0', 'rheaders ret: 0'], heldIn: 'response' },
    { name: 'response body can be held', script: 'trace on;rbody ret 1', options: { response: { body: 'x' } }, lines: ['headers 5 1', 'rheaders 1 0', 'rbody 1 1', 'rbody ret: 0'], heldIn: 'response' },
    { name: 'continue inside the callback that stops does not help', script: 'trace on;headers continue 0;headers get 0 :path;headers ret 1', lines: ['headers 5 1', 'headers continue: 0', 'headers get: 2', 'headers ret: 0'], heldIn: 'request' },
  ])('$name', ({ script, options, lines, heldIn }) => {
    const own = Vm.load(wasm);
    const { lines: found, exchange } = told(own, script, {}, options);
    expect(found).toEqual(lines);
    expect(exchange.heldIn).toBe(heldIn);
    expect(exchange.outcome).toBe(heldIn === undefined ? 'continued' : 'held');
    expect(exchange.ended).toBe(heldIn === undefined);
  });

  test('trailers that go on take a body with them that waits, and trailers that are stopped do not', () => {
    const answer: RequestOptions = { response: { body: ['abc', 'd'], trailers: { t: '1' } } };
    const free = told(Vm.load(wasm), 'trace on;rbody ret 2', {}, answer);
    expect(free.lines.slice(1, 7)).toEqual(['rheaders 1 0', 'rbody 3 0', 'rbody ret: 0', 'rbody 1 0', 'rbody ret: 0', 'rtrailers 1 1']);
    expect(free.exchange).toMatchObject({ outcome: 'continued', response: { body: 'abcd' } });
    expect(told(Vm.load(wasm), 'rbody ret 2;rtrailers ret 1', {}, answer).exchange.heldIn).toBe('response');
  });

  test('a body that waits out of sight goes on whole from a tick', () => {
    const own = Vm.load(wasm, { pluginConfiguration: 'tick effective;tick continue 1' });
    const { exchange } = told(own, 'headers tick 10;rbody hold;rbody ret 2', {}, { response: { body: ['abc', 'd'] } });
    expect(exchange.heldIn).toBe('response');
    own.clock.advance(10);
    expect(exchange).toMatchObject({ outcome: 'continued', response: { body: 'abcd' } });
  });

  test('continue inside a callback lets go what an earlier piece stopped', () => {
    const { lines, exchange } = told(vm, 'trace on;body continue 0;body ret 1', {}, { body: ['ab', 'cd'] });
    expect(lines.filter((line) => /^r?(body|headers) \d/.test(line))).toEqual(['headers 5 0', 'body 2 0', 'body 4 1', 'rheaders 1 1']);
    expect(exchange).toMatchObject({ outcome: 'continued', requestBody: 'abcd' });
  });

  test('with allow_on_headers_stop_iteration the body is still shown, and its Continue lets both go', () => {
    const own = Vm.load(wasm, { allowOnHeadersStopIteration: true });
    const { lines, exchange } = told(own, 'trace on;headers ret 1;body replace 0 x-n 1', {}, { body: 'abc' });
    expect(lines.slice(0, 5)).toEqual(['headers 5 0', 'headers ret: 0', 'body 3 1', 'body replace: 0', 'rheaders 1 1']);
    expect(exchange.requestHeaders.get('x-n')).toBe('1');
  });

  test('a client that sends piece by piece', () => {
    const before = vm.logs.length;
    const exchange = vm.request({ 'x-script': 'trace on' }, { endOfStream: false });
    expect(exchange.outcome).toBe('held');
    expect(exchange.heldIn).toBeUndefined();
    exchange.sendBody('ab');
    exchange.sendBody('c', true);
    expect(vm.logs.slice(before, before + 4).map(({ message }) => message)).toEqual(['headers 5 0', 'body 2 0', 'body 1 1', 'rheaders 1 1']);
    expect(exchange).toMatchObject({ outcome: 'continued', requestBody: 'abc' });
  });

  test('trailers end a request too', () => {
    const exchange = vm.request({}, { endOfStream: false });
    exchange.sendTrailers({ t: '1' });
    expect(exchange.outcome).toBe('continued');
  });

  test('a client that leaves: log, done, delete, and no response', () => {
    const own = Vm.load(wasm);
    const { exchange } = told(own, 'trace on;headers ret 1;log prop response/code;log prop response/code_details');
    const before = own.logs.length;
    exchange.cancel();
    exchange.cancel();
    expect(own.logs.slice(before).map(({ message }) => message)).toEqual(['log 0 0', 'log prop: 1', "log prop: 0 'downstream_remote_disconnect'", 'done 0 0', 'delete 0 0']);
    expect(exchange).toMatchObject({ outcome: 'reset', ended: true, response: undefined, details: 'downstream_remote_disconnect' });
    expect(own.liveStreams).toBe(0);
  });

  test.each([
    { name: 'close in the request', script: 'trace on;headers close 0;log prop response/code', details: 'wasm_close_stream', lines: ['headers 5 1', 'headers close: 0', 'log 0 0', 'log prop: 1', 'done 0 0', 'delete 0 0'] },
    { name: 'close in the response', script: 'rheaders close 1;log prop response/code', details: 'via_upstream', lines: ['rheaders close: 0', "log prop: 0 '%c8%00%00%00%00%00%00%00'"] },
  ])('$name resets the stream', ({ script, details, lines: wanted }) => {
    const { lines, exchange } = told(vm, script);
    expect(lines).toEqual(wanted);
    expect(exchange).toMatchObject({ outcome: 'reset', response: undefined, details });
  });
});

describe('local responses', () => {
  const grpc = { 'content-type': 'application/grpc' };
  test.each<{ name: string; script: string; headers?: Record<string, string>; status: number; details?: string; body?: string; grpcStatus?: number; found: Record<string, string> }>([
    { name: 'text and length for a body, white space out of details', script: 'headers respond 403 a%20b%09c%0ad hello x-a=1&X-A=2', status: 403, details: 'a_b_c_d', body: 'hello', found: { 'x-a': '1,2', 'content-length': '5', 'content-type': 'text/plain' } },
    { name: 'own content type is kept, own length is not', script: 'headers respond 418 d body content-type=application/json&content-length=99', status: 418, body: 'body', found: { 'content-type': 'application/json', 'content-length': '4' } },
    { name: 'no body, no content headers', script: 'headers respond 403 d  content-type=x/y', status: 403, found: {} },
    { name: 'the return value does not count', script: 'headers respond 403 d b;headers ret 0', status: 403, body: 'b', found: { 'content-length': '1', 'content-type': 'text/plain' } },
    { name: 'of two, the first with the details of the last', script: 'headers respond 403 first one;headers respond 401 second two', status: 403, details: 'second', body: 'one', found: { 'content-length': '3', 'content-type': 'text/plain' } },
    { name: 'HEAD keeps the length and loses the body', script: 'headers respond 403 d body', headers: { ':method': 'HEAD' }, status: 403, body: '', found: { 'content-length': '4', 'content-type': 'text/plain' } },
    { name: 'in the response phase it replaces the response', script: 'rheaders respond 403 d b x-a=1', status: 403, body: 'b', found: { 'x-a': '1', 'content-length': '1', 'content-type': 'text/plain' } },
    { name: 'it can be changed by the filter\'s own response callback', script: 'headers respond 403 d b;rheaders add 2 x-late 1', status: 403, body: 'b', found: { 'content-length': '1', 'content-type': 'text/plain', 'x-late': '1' } },
    { name: 'it can be replaced there', script: 'headers respond 403 one b1;rheaders respond 404 two b2', status: 404, details: 'two', body: 'b2', found: { 'content-length': '2', 'content-type': 'text/plain' } },
    { name: 'after a whole request body', script: 'body respond 413 d b', status: 413, body: 'b', found: { 'content-length': '1', 'content-type': 'text/plain' } },
    { name: 'gRPC: 403 is 7, the body a message', script: 'headers respond 403 d a%20b%25c%0a', headers: grpc, status: 200, grpcStatus: 7, found: { 'content-type': 'application/grpc', 'grpc-status': '7', 'grpc-message': 'a b%25c%0A' } },
    ...[[400, 13], [401, 16], [404, 12], [429, 14], [502, 14], [503, 14], [504, 14], [500, 2], [200, 2], [418, 2]].map(([status, code]) => (
      { name: `gRPC: ${status} is ${code}`, script: `headers respond ${status} d`, headers: grpc, status: 200, grpcStatus: code as number, found: { 'content-type': 'application/grpc', 'grpc-status': `${code}` } })),
    { name: 'gRPC: own status by argument', script: 'headers respond 403 d body  9', headers: { 'content-type': 'application/grpc+proto' }, status: 200, grpcStatus: 9, found: { 'content-type': 'application/grpc', 'grpc-status': '9', 'grpc-message': 'body' } },
    { name: 'gRPC: own status by header', script: 'headers respond 403 d body grpc-status=5&content-type=x/y', headers: grpc, status: 200, grpcStatus: 5, found: { 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': 'body' } },
    { name: 'grpc-web is not gRPC', script: 'headers respond 403 d', headers: { 'content-type': 'application/grpc-web' }, status: 403, found: {} },
    { name: 'a parameter is not gRPC', script: 'headers respond 403 d', headers: { 'content-type': 'application/grpc;x=1' }, status: 403, found: {} },
    { name: 'a gRPC status means nothing to other requests', script: 'headers respond 403 d   5', status: 403, found: {} },
  ])('$name', ({ script, headers, status, details = 'd', body = '', grpcStatus, found }) => {
    const { exchange } = told(vm, script, headers, { body: script.startsWith('body') ? 'x' : [], response: { body: 'from upstream' } });
    expect(exchange.outcome).toBe('responded');
    expect(exchange.response).toMatchObject({ status, details, body });
    expect(exchange.response?.grpcStatus).toBe(grpcStatus);
    expect(exchange.response?.headers.toObject()).toEqual(found);
    expect(vm.liveStreams).toBe(0);
  });

  test('pass the filter\'s own response callbacks, with the request still in sight', () => {
    const { lines } = told(vm, 'trace on;headers respond 403 d hello;rheaders get 0 :path;rheaders get 2 :status;rheaders prop response/code;log prop response/code_details', { ':path': '/a' });
    expect(lines).toEqual([
      'headers 5 1', 'headers respond: 0', 'rheaders 3 0', "rheaders get: 0 '/a'", "rheaders get: 0 '403'", "rheaders prop: 0 '%93%01%00%00%00%00%00%00'",
      'rbody 5 1', 'log 0 0', "log prop: 0 'd'", 'done 0 0', 'delete 0 0',
    ]);
  });

  test('come too late once the response headers have left: the stream is reset', () => {
    const { exchange } = told(vm, 'rbody respond 403 inbody b', {}, { response: { body: 'x' } });
    expect(exchange).toMatchObject({ outcome: 'reset', details: 'inbody', response: undefined });
  });

  test('the upstream is not asked', () => {
    let asked = 0;
    told(vm, 'headers respond 403', {}, { response: () => { asked++; return {} } });
    expect(asked).toBe(0);
  });
});
