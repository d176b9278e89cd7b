import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectSocket } from 'node:net';
import type { ClientHttp2Session } from 'node:http2';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { issueCertificate } from '../../examples/certificate.ts';
import type { AnyProcessor } from '../../extproc/processor.ts';
import { type Address, ExtProcServer } from '../../extproc/server.ts';
import { METHOD } from '../../extproc/wire-request.ts';
import { realWorld } from '../../extproc/world.ts';
import { ProcessingRequestSchema, type ProcessingResponse, ProcessingResponseSchema } from '../../proto/envoy/service/ext_proc/v3/external_processor_pb.js';
import { GrpcCall, framed, session, turnedAway } from './grpc-client.ts';
import { Clock } from './resolver/clock.ts';

const CHECK = '/grpc.health.v1.Health/Check';
let folder: string;
let servers: ExtProcServer[];
let clients: ClientHttp2Session[];
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'gw-server-')); servers = []; clients = []; });
afterEach(async () => {
  for (const client of clients) client.destroy();
  for (const server of servers) await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const plain: AnyProcessor = { name: 'plain' };
function made(processors: readonly AnyProcessor[] = [plain], world = realWorld): ExtProcServer {
  const server = new ExtProcServer({ processors, world, log: pino({ level: 'silent' }), registry: new Registry() });
  servers.push(server);
  return server;
}
const socket = (): string => join(folder, 'private', 's');
async function served(processors?: readonly AnyProcessor[]): Promise<{ server: ExtProcServer; client: ClientHttp2Session }> {
  const server = made(processors);
  await server.listen({ kind: 'unix', path: socket() });
  return { server, client: await reach(socket()) };
}
async function reach(path: string): Promise<ClientHttp2Session> {
  const client = await session('http://localhost', { createConnection: () => connectSocket(path) });
  clients.push(client);
  return client;
}
const headers = Buffer.from(toBinary(ProcessingRequestSchema, create(ProcessingRequestSchema, { request: { case: 'requestHeaders', value: {} } })));
const told = (bytes: Buffer | undefined): ProcessingResponse['response'] | undefined => bytes && fromBinary(ProcessingResponseSchema, bytes).response;
const refusal = (bytes: Buffer | undefined): string => { const answer = told(bytes); return answer?.case === 'immediateResponse' ? `${answer.value.status?.code} ${answer.value.details}` : String(answer?.case); };
const health = async (client: ClientHttp2Session, service: string): Promise<string> => {
  const { messages, status } = await new GrpcCall(client, CHECK).say(Buffer.concat([Buffer.from([10, service.length]), Buffer.from(service)])).end();
  return messages[0] === undefined ? `status ${status}` : ['UNKNOWN', 'SERVING', 'NOT_SERVING'][messages[0][1] ?? 0] ?? '';
};

test('the socket and its folder are ours alone', async () => {
  await served();
  expect([statSync(join(folder, 'private')).mode & 0o777, statSync(socket()).mode & 0o777]).toEqual([0o700, 0o600]);
});

test('a folder that others may enter is refused', async () => {
  chmodSync(folder, 0o755);
  await expect(made().listen({ kind: 'unix', path: join(folder, 's') })).rejects.toThrow('0700');
});

test('a path that no socket can have is refused', async () => {
  await expect(made().listen({ kind: 'unix', path: join(folder, 'x'.repeat(120)) })).rejects.toThrow('at most 107');
});

test('the socket of a run that was killed is replaced, and goes at the end', async () => {
  chmodSync(folder, 0o700);
  writeFileSync(join(folder, 's'), '');
  const server = made();
  await server.listen({ kind: 'unix', path: join(folder, 's') });
  expect((await new GrpcCall(await reach(join(folder, 's')), METHOD).say(headers).message())).toBeDefined();
  await server.drain(100);
  expect(existsSync(join(folder, 's'))).toBe(false);
});

test('TCP without certificates is refused', async () => {
  await expect(made().listen({ kind: 'tcp', host: '127.0.0.1', port: 0 } as unknown as Address)).rejects.toThrow('certificates');
});

test('over TCP both sides show certificates', async () => {
  const authority = issueCertificate('ours', { authority: true });
  const stranger = issueCertificate('theirs', { authority: true });
  const [own, envoy, foreign] = [issueCertificate('service', { names: ['localhost'], issuer: authority }), issueCertificate('envoy', { issuer: authority }), issueCertificate('envoy', { issuer: stranger })];
  const server = made();
  const port = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0, certificates: { key: own.key, cert: own.certificate, ca: authority.certificate } });
  const url = `https://localhost:${port}`;
  const as = ({ key, certificate }: { key: string; certificate: string }) => session(url, { ca: authority.certificate, key, cert: certificate });
  const client = await as(envoy);
  clients.push(client);
  expect(told(await new GrpcCall(client, METHOD).say(headers).message())?.case).toBe('requestHeaders');
  await turnedAway(port, { ca: authority.certificate, key: foreign.key, cert: foreign.certificate });
  await turnedAway(port, { ca: authority.certificate });
  await expect(session(`http://localhost:${port}`)).rejects.toThrow();
  const renewed = issueCertificate('service', { names: ['localhost'], issuer: stranger });
  server.renew({ key: renewed.key, cert: renewed.certificate, ca: stranger.certificate });
  await turnedAway(port, { ca: stranger.certificate, key: envoy.key, cert: envoy.certificate });
  expect(server.connections).toBe(1);
  clients.push(await session(url, { ca: stranger.certificate, key: foreign.key, cert: foreign.certificate }));
});

test('several processors on one address are chosen by name; an unknown one, or none, is closed', async () => {
  const say = (name: string): AnyProcessor => ({ name, onRequestHeaders: () => ({ kind: 'respond', status: 200, details: `by_${name}` }) });
  const { client } = await served([say('one'), say('two')]);
  const asked = (metadata: Readonly<Record<string, string>>) => new GrpcCall(client, METHOD, metadata).say(headers).message().then(refusal);
  expect(await asked({ 'gatewright-processor': 'two' })).toBe('200 by_two');
  expect(await asked({ 'gatewright-processor': 'three' })).toBe('503 gatewright_processor_unknown');
  expect(await asked({})).toBe('503 gatewright_processor_unknown');
});

test('names are unique and plain', () => {
  expect(() => made([plain, plain])).toThrow('two processors of one name');
  expect(() => made([{ name: 'a b' }])).toThrow('a b');
  expect(() => made([])).toThrow('no processor');
});

test('what is not ext_proc is not implemented', async () => {
  const { client } = await served();
  expect(await new GrpcCall(client, '/envoy.service.ext_proc.v3.ExternalProcessor/Other').say(headers).end()).toMatchObject({ status: '12', messages: [] });
  expect(await new GrpcCall(client, METHOD).sayRaw(Buffer.concat([Buffer.from([1]), framed(headers).subarray(1)])).end()).toMatchObject({ status: '12', messages: [] });
});

test('a message in pieces is one message, and two in one piece are two', async () => {
  const { client } = await served();
  const call = new GrpcCall(client, METHOD);
  for (const byte of framed(headers)) { call.sayRaw(Buffer.from([byte])); await new Promise(setImmediate); }
  call.sayRaw(Buffer.concat([framed(headers), framed(headers)]));
  expect(told(await call.message(2))?.case).toBe('requestHeaders');
  expect((await call.end()).messages).toHaveLength(3);
});

test('a message beyond the limits ends the call with an error', async () => {
  const { client } = await served([{ name: 'small', limits: { bodyBytes: 1000, headerBytes: 1000 } }]);
  const call = new GrpcCall(client, METHOD).sayRaw(Buffer.from([0, 0x10, 0, 0, 0]));
  expect(await call.end()).toMatchObject({ status: '8', messages: [] });
});

test('health: by service; not ready while draining, and a watcher is told', async () => {
  let answer = (): void => {};
  const { server, client } = await served([{ name: 'slow', deadline: 60_000, onRequestHeaders: () => new Promise((resolve) => { answer = () => resolve({ kind: 'continue' }); }) }]);
  const services = ['', 'liveness', 'readiness', 'envoy.service.ext_proc.v3.ExternalProcessor', 'other'];
  expect(await Promise.all(services.map((service) => health(client, service)))).toEqual(['SERVING', 'SERVING', 'SERVING', 'SERVING', 'status 5']);
  const watch = new GrpcCall(client, '/grpc.health.v1.Health/Watch').say(Buffer.alloc(0));
  expect([...await watch.message(0) ?? []]).toEqual([8, 1]);
  const undecided = new GrpcCall(client, METHOD).say(headers);
  await expect.poll(() => answer.toString()).toContain('resolve');
  server.health.ready = false;
  expect(await Promise.all(services.map((service) => health(client, service)))).toEqual(['NOT_SERVING', 'SERVING', 'NOT_SERVING', 'NOT_SERVING', 'status 5']);
  expect([...await watch.message(1) ?? []]).toEqual([8, 2]);
  const drained = server.drain(30_000);
  answer();
  expect(told(await undecided.message())?.case).toBe('requestHeaders');
  await undecided.end();
  await drained;
  expect((await watch.end()).status).toBe('14');
});

test('over TLS, where Envoy cannot be told not to come, it is let in until the patience is nearly over', async () => {
  const clock = new Clock();
  const authority = issueCertificate('ours', { authority: true });
  const [own, envoy] = [issueCertificate('service', { names: ['localhost'], issuer: authority }), issueCertificate('envoy', { issuer: authority })];
  const server = made([plain], { ...realWorld, monotonic: clock.monotonic, after: clock.after });
  const port = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0, certificates: { key: own.key, cert: own.certificate, ca: authority.certificate } });
  const client = await session(`https://localhost:${port}`, { ca: authority.certificate, key: envoy.key, cert: envoy.certificate });
  clients.push(client);
  const drained = server.drain(30_000);
  await clock.pass(28_900);
  const late = new GrpcCall(client, METHOD).say(headers);
  expect(told(await late.message())?.case).toBe('requestHeaders');
  await late.end();
  await clock.pass(200);
  await drained;
  expect(server.connections).toBe(0);
});

test('what does not end is cut after the patience', async () => {
  const { server, client } = await served([{ name: 'stuck', deadline: 60_000, onRequestHeaders: () => new Promise<never>(() => {}) }]);
  const call = new GrpcCall(client, METHOD).say(headers);
  await expect.poll(async () => server.connections).toBe(1);
  await server.drain(50);
  expect((await call.end()).messages).toEqual([]);
});

test('a thousand streams that are reset do not cost the connection', async () => {
  const { client, server } = await served();
  for (let i = 0; i < 3000; i++) {
    const stream = client.request({ ':path': METHOD, ':method': 'POST', 'content-type': 'application/grpc' });
    stream.on('error', () => {}).close(8);
    if (i % 100 === 0) await new Promise(setImmediate);
  }
  expect(refusal(await new GrpcCall(client, METHOD).say(headers).message())).toBe('requestHeaders');
  expect(server.connections).toBe(1);
});
