// Policies that come by gRPC from a controller elsewhere, with grpc-js in the controller's place.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issueCertificate } from '../../examples/certificate.ts';
import { BackwardWriter } from '../../extproc/protobuf.ts';
import { METHOD } from '../../extproc/wire-request.ts';
import { type PoolOptions, WorkerPool } from '../../extproc/worker-pool.ts';
import { realWorld } from '../../extproc/world.ts';
import { ProcessingRequestSchema, ProcessingResponseSchema } from '../../proto/envoy/service/ext_proc/v3/external_processor_pb.js';
import { GrpcCall, session } from './grpc-client.ts';

const script = join(import.meta.dirname, 'pool-worker.ts');
const authority = issueCertificate('ours', { authority: true });
const own = issueCertificate('service', { names: ['localhost'], issuer: authority });
const envoy = issueCertificate('envoy', { names: ['envoy.gatewright.test'], issuer: authority });
const controller = issueCertificate('controller', { names: ['other.gatewright.test', 'controller.gatewright.test'], issuer: authority });
const headers = toBinary(ProcessingRequestSchema, create(ProcessingRequestSchema, { request: { case: 'requestHeaders', value: {} } }));
const logged: string[] = [];
const log = pino({ level: 'debug' }, { write: (line: string) => { logged.push(line); } });
const start = (more: Partial<PoolOptions> = {}): Promise<WorkerPool> => WorkerPool.start({
  script, workers: 2, log, world: realWorld, controllers: ['controller.gatewright.test'],
  address: { kind: 'tcp', host: '127.0.0.1', port: 0, certificates: { key: own.key, cert: own.certificate, ca: authority.certificate } }, ...more,
});

/** 'OK', or the code and what is said. */
function call(to: WorkerPool, method: 'Put' | 'Retain', processor: string, ids: readonly string[], document?: string, as: { readonly key: string; readonly certificate: string } = controller): Promise<string> {
  const client = new Client(`localhost:${to.endpoints[0]}`, credentials.createSsl(Buffer.from(authority.certificate), Buffer.from(as.key), Buffer.from(as.certificate)), { 'grpc.use_local_subchannel_pool': 1 });
  const writer = new BackwardWriter().begin();
  if (document !== undefined) writer.blob(3, Buffer.from(document));
  for (const id of ids.toReversed()) writer.text(2, id);
  writer.text(1, processor);
  const request = writer.finish();
  return new Promise((resolve) => {
    client.makeUnaryRequest(`/gatewright.v1.Policies/${method}`, (bytes: Buffer) => bytes, (bytes) => bytes.length, request, (error, answer) => {
      client.close();
      resolve(error === null ? (answer === 0 ? 'OK' : 'an answer with something in it') : `${status[error.code]}: ${error.details}`);
    });
  });
}

/** What every process says to a request under this policy. */
async function asked(of: WorkerPool, policy: string): Promise<string[]> {
  const clients = await Promise.all([1, 2].map(() => session(`https://localhost:${of.endpoints[0]}`, { ca: authority.certificate, key: envoy.key, cert: envoy.certificate })));
  const answers = await Promise.all(clients.map(async (client) => {
    const { response } = fromBinary(ProcessingResponseSchema, await new GrpcCall(client, METHOD, { 'gatewright-policy': policy }).say(headers).message() ?? new Uint8Array());
    return response.case === 'immediateResponse' ? response.value.details : String(response.case);
  }));
  for (const client of clients) client.destroy();
  return answers;
}
const KNOWN = ['requestHeaders', 'requestHeaders'];
const UNKNOWN = ['gatewright_policy_unknown', 'gatewright_policy_unknown'];

let pool: WorkerPool;
beforeAll(async () => { pool = await start(); });
afterAll(async () => { await pool.drain(100); });

describe('a controller', () => {
  test('brings a policy, and every process has it once it is answered', async () => {
    expect(await asked(pool, 'first')).toEqual(UNKNOWN);
    expect(await call(pool, 'Put', 'gate', ['first'], '{"clientSecret":"hunter2"}')).toBe('OK');
    expect(await asked(pool, 'first')).toEqual(KNOWN);
  });

  test('may bring it again: an id stands for its content', async () => {
    expect(await call(pool, 'Put', 'gate', ['first'], '{"clientSecret":"hunter2"}')).toBe('OK');
    expect(await asked(pool, 'first')).toEqual(KNOWN);
  });

  test('says which ones stay', async () => {
    expect(await call(pool, 'Put', 'gate', ['second'], '{}')).toBe('OK');
    expect(await call(pool, 'Retain', 'gate', ['second', 'third'])).toBe('OK');
    expect([await asked(pool, 'first'), await asked(pool, 'second')]).toEqual([UNKNOWN, KNOWN]);
  });

  test('is known by processes that start later, too', async () => {
    const before = pool.pids;
    for (const pid of before) process.kill(pid, 'SIGKILL');
    expect(await call(pool, 'Put', 'gate', ['late'], '{}')).toBe('OK');
    await expect.poll(() => pool.pids.filter((pid) => !before.includes(pid)).length, { timeout: 20_000 }).toBe(2);
    expect([await asked(pool, 'second'), await asked(pool, 'late')]).toEqual([KNOWN, KNOWN]);
  });

  test.each([
    ['what is no JSON', 'gate', ['bad'], '{"clientSecret":"hunter2"', 'INVALID_ARGUMENT: add failed: Error'],
    ['nothing', 'gate', ['bad'], undefined, 'INVALID_ARGUMENT: add failed: Error'],
    ['a policy of nobody\'s', 'none', ['bad'], '{}', 'INVALID_ARGUMENT: add failed: UnknownProcessor'],
    ['one without an id', 'gate', [], '{}', 'INVALID_ARGUMENT: one id is needed'],
    ['one with two', 'gate', ['bad', 'worse'], '{}', 'INVALID_ARGUMENT: one id is needed'],
    ['more than any policy is', 'gate', ['bad'], ' '.repeat(4 * 1024 * 1024), expect.stringMatching(/^RESOURCE_EXHAUSTED: message of \d+ bytes/)],
  ])('that brings %s is told so, without a word of it', async (_, processor, ids, document, said) => {
    expect(await call(pool, 'Put', processor, ids, document)).toEqual(said);
    expect(await asked(pool, 'bad')).toEqual(UNKNOWN);
  });
});

describe('who may not', () => {
  test.each([
    ['an Envoy', envoy],
    ['who has the name for a subject alone', issueCertificate('controller.gatewright.test', { issuer: authority })],
    ['who has it among other things', issueCertificate('x', { names: ['controller.gatewright.test.example', 'x.controller.gatewright.test'], issuer: authority })],
    ['who has a wildcard', issueCertificate('x', { names: ['*.gatewright.test'], issuer: authority })],
  ])('%s: neither bring nor drop a policy', async (_, pair) => {
    expect(await call(pool, 'Put', 'gate', ['forged'], '{}', pair)).toBe('PERMISSION_DENIED: for controllers alone');
    expect(await call(pool, 'Retain', 'gate', [], undefined, pair)).toBe('PERMISSION_DENIED: for controllers alone');
    expect([await asked(pool, 'forged'), await asked(pool, 'second')]).toEqual([UNKNOWN, KNOWN]);
  });

  test('a certificate of another authority is none', async () => {
    const stranger = issueCertificate('theirs', { authority: true });
    const forged = issueCertificate('controller', { names: ['controller.gatewright.test'], issuer: stranger });
    expect(await call(pool, 'Put', 'gate', ['forged'], '{}', forged)).toMatch(/^UNAVAILABLE/);
    expect(await asked(pool, 'forged')).toEqual(UNKNOWN);
  });

  test('where no controller is named, nobody does', async () => {
    const closed = await start({ controllers: undefined as never });
    try { expect(await call(closed, 'Put', 'gate', ['first'], '{}')).toMatch(/^UNIMPLEMENTED/); } finally { await closed.drain(100); }
  });

  test('on a Unix socket nobody can be told apart, so none may be named', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gw-intake-'));
    try { await expect(start({ address: { kind: 'unix', path: join(folder, 'private', 's') } })).rejects.toThrow('nobody shows who he is'); } finally { rmSync(folder, { recursive: true }); }
  });
});

test('no word of any of them is logged', () => { expect(logged.join('')).not.toContain('hunter2'); });
