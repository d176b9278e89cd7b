// What only a real Envoy can show of fault.wasm: several workers, HTTP/2 streams and trailers, back-pressure, a worker that was held up.
import { connect, createServer, type ClientHttp2Session, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultPolicyInput } from '../cases/fault.ts';
import { EnvoyProcess } from './envoy-process.ts';
import { wasmFilter } from './fault-bootstrap.ts';
import { httpListener } from './http-listener.ts';

const WASM = new URL('../../build/fault.wasm', import.meta.url).pathname;
/** EG's and ours, of connections. The windows of HTTP/2 are EG's too, on both sides: they are what a filter may buffer there, and Envoy's own are 16 MiB. */
const BUFFER = 32_768;
type Json = Record<string, unknown>;

/** By path. */
const policies: Readonly<Record<string, FaultPolicyInput>> = {
  few: { faults: [{ delay: { fixedDelay: '400ms' } }], maxActiveFaults: 5 },
  byHeader: { faults: [{ delay: { headerDelay: {} }, abort: { headerAbort: {} } }] },
  reset: { faults: [{ abort: { reset: true } }] },
  slow: { faults: [{ responseRateLimit: { limitKbps: 10 } }] },
  snail: { faults: [{ responseRateLimit: { limitKbps: 1 } }] },
  brisk: { faults: [{ responseRateLimit: { limitKbps: 1_024 } }] },
  replaced: { faults: [{ response: { replace: { httpStatus: 418, body: 'teapot' } } }] },
  timed: { faults: [{ delay: { fixedDelay: '59s' }, response: { delay: { fixedDelay: '59s' }, replace: { httpStatus: 418 } } }] },
  late: { faults: [{ response: { delay: { fixedDelay: '100ms' } } }] },
};

/** gRPC's way: an answer of some messages and trailers; as many bytes as the path asks for. */
function serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const size = Number(/size=(\d+)/.exec(String(headers[':path']))?.[1] ?? 5);
  let received = 0;
  stream.on('data', (data: Buffer) => { received += data.length; }).on('error', () => {}).on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'x-received': String(received) }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.alloc(size, 'x'));
  });
}

let upstream: Http2Server, envoy: EnvoyProcess, address: string;
const sessions: ClientHttp2Session[] = [];
beforeAll(async () => {
  upstream = createServer({ maxSessionMemory: 1_000 }).on('stream', serve);
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const endpoint = (port: number): Json => ({ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] });
  const h2 = { '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions', explicit_http_config: { http2_protocol_options: { initial_stream_window_size: 65_536, initial_connection_window_size: 1_048_576 } } };
  const cluster = (name: string, port: number): Json => ({
    name, type: 'STATIC', connect_timeout: '5s', per_connection_buffer_limit_bytes: BUFFER, typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': h2 },
    circuit_breakers: { thresholds: [{ max_requests: 10_000, max_pending_requests: 10_000 }] }, load_assignment: { cluster_name: name, endpoints: [endpoint(port)] },
  });
  const rules = Object.entries(policies).map(([name, policy]) => ({ match: { prefix: `/${name}` }, policy }));
  envoy = await EnvoyProcess.start({
    static_resources: {
      listeners: [{
        ...httpListener('ours', [wasmFilter(WASM, { rules })], [
          { match: { prefix: '/replaced/nowhere' }, route: { cluster: 'nowhere' } },
          { match: { prefix: '/timed' }, route: { cluster: 'upstream', max_stream_duration: { max_stream_duration: '0.2s' } } }, { match: { prefix: '/' }, route: { cluster: 'upstream', timeout: '0s' } },
        ]),
        per_connection_buffer_limit_bytes: BUFFER,
      }],
      clusters: [cluster('upstream', (upstream.address() as AddressInfo).port), { name: 'nowhere', type: 'STATIC', connect_timeout: '5s' }],
    },
  }, { concurrency: 4 });
  address = await envoy.address('ours');
}, 60_000);
afterAll(async () => {
  for (const session of sessions) session.destroy();
  await envoy?.stop();
  await new Promise((resolve) => upstream.close(resolve));
});

function session(): ClientHttp2Session {
  const one = connect(`http://${address}`).on('error', () => {});
  sessions.push(one);
  return one;
}
interface Reply { readonly status: number; readonly headers: IncomingHttpHeaders; readonly trailers: IncomingHttpHeaders; readonly size: number; readonly body: string; readonly milliseconds: number; readonly error: string }
function ask(client: ClientHttp2Session, path: string, headers: Record<string, string> = {}, body?: Buffer): Promise<Reply> {
  const start = performance.now();
  return new Promise((resolve) => {
    const stream = client.request({ ':path': path, ':method': body ? 'POST' : 'GET', ...headers });
    let found: IncomingHttpHeaders = {}, trailers: IncomingHttpHeaders = {}, error = '', size = 0, text = '';
    stream.on('response', (response) => { found = response; }).on('trailers', (end) => { trailers = end; }).on('error', ({ message }: Error) => { error = message; });
    stream.on('data', (data: Buffer) => { size += data.length; if (size < 1_000) text += data; });
    stream.on('close', () => resolve({ status: Number(found[':status'] ?? 0), headers: found, trailers, size, body: text, milliseconds: performance.now() - start, error }));
    stream.end(body);
  });
}
const active = (): Promise<number> => envoy.stat('wasmcustom.gatewright_fault_active');
/** Waits for what has to come about; the bound only guards against hanging. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !await holds(); tries++) {
    if (tries > 1_000) throw new Error('never came about');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('maxActiveFaults is exact over four workers', async () => {
  const clients = Array.from({ length: 20 }, session);
  for (let round = 0; round < 3; round++) {
    let running = true, most = 0;
    const answers = Promise.all(clients.map((client) => ask(client, '/few'))).finally(() => { running = false; });
    while (running) most = Math.max(most, await active());
    expect(most).toBe(5);
    const replies = await answers;
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
    expect(replies.filter(({ milliseconds }) => milliseconds >= 398)).not.toHaveLength(0);
    await until(async () => await active() === 0);
  }
  // All twenty came before the first five were through, or fewer would have been turned away.
  const [delayed, overflowed] = [await envoy.stat('wasmcustom.gatewright_fault_delays_injected'), await envoy.stat('wasmcustom.gatewright_fault_overflow')];
  expect(delayed + overflowed).toBe(60);
  expect(delayed).toBeGreaterThanOrEqual(15);
});

test('a client that leaves gives its place back', async () => {
  const clients = Array.from({ length: 5 }, session);
  await Promise.all(clients.map((client) => ask(client, '/late')));
  const waiting = clients.map((client) => ask(client, '/byHeader', { 'x-envoy-fault-delay-request': '59000' }));
  await until(async () => await active() === 5);
  for (const client of clients) client.destroy();
  await Promise.all(waiting);
  await until(async () => await active() === 0);
});

test.each([['aborted', { 'x-envoy-fault-abort-request': '503' }, 503], ['let go', {}, 200]])('1,000 that are due at once, since their worker was held up, are all %s', async (_, headers, status) => {
  const client = session();
  const many = [client, ...Array.from({ length: 19 }, session)];
  await Promise.all(many.map((one) => ask(one, '/reset')));
  const due = Date.now() + 6_000;
  const replies = Promise.all(Array.from({ length: 1_000 }, (_, i) => ask(many[i % many.length] as ClientHttp2Session, '/byHeader', { ...headers, 'x-envoy-fault-delay-request': String(Math.max(1, due - Date.now())) })));
  await until(async () => await active() === 1_000);
  process.kill(envoy.pid, 'SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - Date.now()) + 200));
  process.kill(envoy.pid, 'SIGCONT');
  expect(new Set((await replies).map((reply) => reply.status))).toEqual(new Set([status]));
  expect(await envoy.stat('wasm.gatewright.fault.vm_reload_success')).toBe(0);
  await until(async () => await active() === 0);
}, 60_000);

test('trailers do not overtake a slow body', async () => {
  const reply = await ask(session(), '/slow?size=2000', { 'content-type': 'application/grpc' });
  expect(reply).toMatchObject({ status: 200, size: 2_000, trailers: { 'grpc-status': '0' }, error: '' });
  expect(reply.milliseconds).toBeGreaterThanOrEqual(194);
});

test('a slow body takes as long as its bytes, whatever its length', async () => {
  const reply = await ask(session(), '/brisk?size=1048576');
  expect(reply).toMatchObject({ status: 200, size: 1_048_576, trailers: { 'grpc-status': '0' } });
  expect(reply.milliseconds).toBeGreaterThanOrEqual(998);
});

test('a body that is slower than it comes waits at the upstream, not in memory', async () => {
  const before = await memory();
  const streams = Array.from({ length: 20 }, () => session().request({ ':path': '/snail?size=16777216' }));
  for (const stream of streams) stream.on('error', () => {});
  await Promise.all(streams.map((stream) => new Promise((resolve) => stream.on('response', resolve))));
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(await memory() - before).toBeLessThan(32 * 1024 * 1024);                  // of 320 MiB
  for (const stream of streams) stream.close();
  await until(async () => await active() === 0);
});
async function memory(): Promise<number> {
  return Number((await (await fetch(`${envoy.admin}/memory`)).json() as { allocated: string }).allocated);
}

test('a request with a body larger than the buffers is delayed and arrives whole', async () => {
  const reply = await ask(session(), '/byHeader', { 'x-envoy-fault-delay-request': '100' }, Buffer.alloc(1_048_576));
  expect(reply).toMatchObject({ status: 200, headers: { 'x-received': '1048576' } });
  expect(reply.milliseconds).toBeGreaterThanOrEqual(98);
});

test('a reset ends its stream and no other of the connection', async () => {
  const client = session();
  const [reset, other] = await Promise.all([ask(client, '/reset'), ask(client, '/byHeader', { 'x-envoy-fault-delay-request': '50' })]);
  expect(reset).toMatchObject({ status: 0 });
  expect(reset.error).toMatch(/closed with error/i);
  expect(other).toMatchObject({ status: 200, body: 'xxxxx' });
  expect(client.closed).toBe(false);
});

test('replaces answers with trailers, and those that Envoy gives itself', async () => {
  const client = session();
  expect(await ask(client, '/replaced')).toMatchObject({ status: 418, body: 'teapot', trailers: {} });
  expect(await ask(client, '/replaced/nowhere')).toMatchObject({ status: 418, body: 'teapot' });
});

test('a timeout of the host in the delay is not taken for an answer of the backend', async () => {
  expect(await ask(session(), '/timed')).toMatchObject({ status: 504 });
  await until(async () => await active() === 0);
});

test('a delayed answer keeps its trailers', async () => {
  const reply = await ask(session(), '/late');
  expect(reply).toMatchObject({ status: 200, body: 'xxxxx', trailers: { 'grpc-status': '0' } });
  expect(reply.milliseconds).toBeGreaterThanOrEqual(98);
});

test('no request made a VM stumble', async () => {
  expect(envoy.log).not.toMatch(/trap|unreachable|RangeError|wasm log/i);
  expect(await envoy.stat('wasm.gatewright.fault.vm_reload_success')).toBe(0);
});
