// Several processes on one address: where connections go, and that policies are there before them.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import type { ClientHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issueCertificate } from '../../examples/certificate.ts';
import { type Address, type Certificates } from '../../extproc/server.ts';
import { METHOD } from '../../extproc/wire-request.ts';
import { type PoolOptions, WorkerPool } from '../../extproc/worker-pool.ts';
import { realWorld } from '../../extproc/world.ts';
import { Secret } from '../../policy/secret.ts';
import { ProcessingRequestSchema, ProcessingResponseSchema } from '../../proto/envoy/service/ext_proc/v3/external_processor_pb.js';
import { GrpcCall, session, turnedAway } from './grpc-client.ts';

const script = join(import.meta.dirname, 'pool-worker.ts');
const folder = mkdtempSync(join(tmpdir(), 'gw-pool-'));
const request = (headers: Readonly<Record<string, string>> = {}): Uint8Array => toBinary(ProcessingRequestSchema, create(ProcessingRequestSchema, { request: { case: 'requestHeaders', value: {
  headers: { headers: Object.entries(headers).map(([key, value]) => ({ key, rawValue: Buffer.from(value) })) },
} } }));
const start = (address: Address, workers = 2, more: Partial<PoolOptions> = {}): Promise<WorkerPool> => WorkerPool.start({ script, workers, address, log: pino({ level: 'silent' }), world: realWorld, ...more });
const reach = (endpoint: string | number): Promise<ClientHttp2Session> => session('http://localhost', { createConnection: () => connectSocket(String(endpoint)) });

/** Which process answers on this connection; else why not. */
async function asked(client: ClientHttp2Session, policy = 'policy-1', headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const bytes = await new GrpcCall(client, METHOD, { 'gatewright-policy': policy }).say(request(headers)).message();
  if (bytes === undefined) return 'gone';
  const { response } = fromBinary(ProcessingResponseSchema, bytes);
  if (response.case === 'immediateResponse') return response.value.details;
  const header = response.case === 'requestHeaders' ? response.value.response?.headerMutation?.setHeaders[0]?.header : undefined;
  return Buffer.from(header?.rawValue ?? []).toString();
}

interface Sides { readonly ours: Certificates; readonly theirs: { readonly ca: string; readonly key: string; readonly cert: string } }

let pool: WorkerPool;
beforeAll(async () => {
  pool = await start({ kind: 'unix', path: join(folder, 's') });
  await pool.add('gate', 'policy-1', new Secret('{"clientSecret":"hunter2"}'));
});
afterAll(async () => {
  await pool.drain(1000);
  rmSync(folder, { recursive: true, force: true });
});

test('each socket leads to a process of its own', async () => {
  const clients = await Promise.all(pool.endpoints.map(reach));
  const pids = await Promise.all(clients.map((client) => asked(client)));
  expect(new Set(pids)).toEqual(new Set(pool.pids.map(String)));
  for (const client of clients) client.destroy();
});

test('a policy that is added is everywhere; one that is not wanted any more goes', async () => {
  const clients = await Promise.all(pool.endpoints.map(reach));
  await pool.add('gate', 'policy-2', new Secret('{}'));
  for (const client of clients) expect(await asked(client, 'policy-2')).toMatch(/^\d+$/);
  pool.retain('gate', new Set(['policy-1']));
  for (const client of clients) await expect.poll(() => asked(client, 'policy-2')).toBe('gatewright_policy_unknown');
  for (const client of clients) client.destroy();
});

test('a policy that comes while a process dies is with its successor, too', async () => {
  const [victim = 0] = pool.pids;
  process.kill(victim, 'SIGKILL');
  await Promise.all(Array.from({ length: 20 }, (_, i) => pool.add('gate', `late-${i}`, new Secret('{}'))));
  await expect.poll(() => pool.pids.filter((pid) => pid !== victim).length, { timeout: 20_000 }).toBe(2);
  for (const endpoint of pool.endpoints) {
    const client = await reach(endpoint);
    for (let i = 0; i < 20; i++) expect(await asked(client, `late-${i}`)).toMatch(/^\d+$/);
    client.destroy();
  }
});

test('a policy that cannot be read is refused, without a word of it', async () => {
  await expect(pool.add('gate', 'policy-3', new Secret('{"clientSecret":"hunter2"'))).rejects.toThrow(/^add failed: Error$/);
});

test('when a process dies its socket goes on: by another at once, by its successor later', async () => {
  const [endpoint = ''] = pool.endpoints;
  const first = await reach(endpoint);
  const victim = Number(await asked(first));
  const gone = new Promise((resolve) => { first.once('close', resolve); });
  process.kill(victim, 'SIGKILL');
  await gone;
  await expect.poll(async () => { const client = await reach(endpoint); const pid = await asked(client); client.destroy(); return Number(pid); }, { timeout: 20_000 }).not.toBe(victim);
  await expect.poll(() => pool.pids.length, { timeout: 20_000 }).toBe(2);
  const own = await reach(endpoint);
  const other = await reach(pool.endpoints[1] ?? '');
  expect(new Set([await asked(own), await asked(other)])).toEqual(new Set(pool.pids.map(String)));
  own.destroy();
  other.destroy();
});

test('a process that hangs is replaced, and holds nobody up for longer', { timeout: 60_000 }, async () => {
  // But not with processes that begin: how long that takes is for the machine to say.
  const hasty = { ...realWorld, after: (milliseconds: number, call: () => void) => realWorld.after(milliseconds < 15_000 ? milliseconds / 4 : milliseconds, call) };
  const own = await WorkerPool.start({ script, workers: 2, address: { kind: 'unix', path: join(folder, 'hung', 's') }, log: pino({ level: 'silent' }), world: hasty });
  try {
    const [victim = 0] = own.pids;
    process.kill(victim, 'SIGSTOP');
    await own.add('gate', 'policy-1', new Secret('{}'));
    await own.inform('news');
    await expect.poll(() => own.pids.filter((pid) => pid !== victim).length, { timeout: 20_000 }).toBe(2);
    for (const endpoint of own.endpoints) {
      const client = await reach(endpoint);
      expect(await asked(client)).toMatch(/^\d+$/);
      client.destroy();
    }
  } finally { await own.drain(1000); }
});

describe('a worker that does not begin', () => {
  const logged: { readonly pid: number; readonly problem?: string; readonly pause?: number; readonly text: string }[] = [];
  const log = { info: () => undefined, warn: (fields: object, text: string) => { logged.push({ ...fields as { pid: number }, text }); } } as unknown as PoolOptions['log'];

  test('because it refuses a policy is ended and replaced, each time later, until one does; no word of the policy is logged', { timeout: 60_000 }, async () => {
    const obstacle = join(folder, 'obstacle');
    const own = await start({ kind: 'unix', path: join(folder, 'zombie', 's') }, 1, { log });
    try {
      await own.add('gate', 'policy-1', new Secret(JSON.stringify({ clientSecret: 'hunter2', refusedWhile: obstacle })));
      writeFileSync(obstacle, '');
      process.kill(own.pids[0] ?? 0, 'SIGKILL');
      const refusals = (): typeof logged => logged.filter(({ problem }) => problem !== undefined);
      await expect.poll(() => refusals().length, { timeout: 30_000 }).toBeGreaterThan(3);
      expect(refusals()[0]).toMatchObject({ problem: 'policy policy-1 of gate: add failed: Error', text: 'an ext_proc worker cannot begin; it is ended' });
      expect(own.pids).toEqual([]);
      // Nobody is kept waiting for what will not be there soon.
      await expect(reach(own.endpoints[0] ?? '')).rejects.toThrow();
      rmSync(obstacle);
      await expect.poll(() => own.pids.length, { timeout: 30_000 }).toBe(1);
      const client = await reach(own.endpoints[0] ?? '');
      expect(await asked(client)).toMatch(/^\d+$/);
      client.destroy();
      for (const { pid } of refusals()) expect(existsSync(`/proc/${pid}`)).toBe(false);
      const pauses = logged.flatMap(({ pause }) => pause ?? []);
      expect(pauses.slice(0, 3)).toEqual([200, 400, 800]);
      expect(JSON.stringify(logged)).not.toContain('hunter2');
    } finally { await own.drain(1000); }
  });

  test('because it hangs is ended, and said so', { timeout: 60_000 }, async () => {
    const hasty = { ...realWorld, after: (milliseconds: number, call: () => void) => realWorld.after(milliseconds / 100, call) };
    const script = join(folder, 'hangs.mjs');
    writeFileSync(script, 'setInterval(() => {}, 1000);');
    await expect(WorkerPool.start({ script, workers: 1, address: { kind: 'unix', path: join(folder, 'hangs', 's') }, log, world: hasty })).rejects.toThrow('gone');
  });

  test('holds a new policy up until there is one that can read it, and not for ever', { timeout: 60_000 }, async () => {
    const own = await start({ kind: 'unix', path: join(folder, 'nobody', 's') }, 1);
    try {
      process.kill(own.pids[0] ?? 0, 'SIGKILL');
      await own.add('gate', 'policy-1', new Secret('{}'));
      const client = await reach(own.endpoints[0] ?? '');
      expect(await asked(client)).toMatch(/^\d+$/);
      client.destroy();
      await expect(own.add('gate', 'policy-2', new Secret('{'))).rejects.toThrow(/^add failed: Error$/);
    } finally { await own.drain(1000); }
    await expect(own.add('gate', 'policy-3', new Secret('{}'))).rejects.toThrow('no ext_proc worker is ready');
  });
});

describe('a worker asks the process in charge', () => {
  const questions: { readonly question: string; readonly signal: AbortSignal }[] = [];
  let asking: WorkerPool;
  let client: ClientHttp2Session;
  beforeAll(async () => {
    asking = await start({ kind: 'unix', path: join(folder, 'ask', 's') }, 1, {
      onAsk: async (asked, { signal }) => {
        const { question } = asked as { question: string };
        questions.push({ question, signal });
        if (question === 'refuse') throw new RangeError('hunter2');
        if (question === 'wait') await new Promise((resolve) => { signal.addEventListener('abort', resolve); });
        return question === 'nothing' ? undefined : { answer: question, list: [1, null] };
      },
    });
    await asking.add('gate', 'policy-1', new Secret('{}'));
    client = await reach(asking.endpoints[0] ?? '');
  });
  afterAll(async () => { await asking.drain(1000); });

  test.each([
    ['gets the answer', 'hello', '{"answer":"hello","list":[1,null]}'],
    ['an answer may be nothing', 'nothing', 'nothing'],
    ['is told of a refusal, without its words', 'refuse', '"refused: RangeError"'],
  ])('and %s', async (_, question, answer) => {
    expect(await asked(client, 'policy-1', { 'x-ask': question })).toBe(answer);
  });

  test('who would answer one that dies meanwhile is told that it is of no use any more', async () => {
    const answer = asked(client, 'policy-1', { 'x-ask': 'wait' });
    await expect.poll(() => questions.at(-1)?.question).toBe('wait');
    expect(questions.at(-1)?.signal.aborted).toBe(false);
    process.kill(asking.pids[0] ?? 0, 'SIGKILL');
    await expect.poll(() => questions.at(-1)?.signal.aborted).toBe(true);
    expect(await answer).toBe('gone');
  });

  test('and is told so where nobody answers', async () => {
    const own = await reach(pool.endpoints[0] ?? '');
    expect(await asked(own, 'policy-1', { 'x-ask': 'hello' })).toBe('"nobody answers questions here"');
    own.destroy();
  });
});

test('metrics are those of all processes together', async () => {
  const text = await pool.metrics();
  expect(text).toMatch(/^gatewright_extproc_messages_total\{processor="gate",phase="request_headers",outcome="pass",reason=""\} [1-9]/m);
  expect(text).not.toContain('hunter2');
});

test('after the drain nothing is left', async () => {
  const short = await start({ kind: 'unix', path: join(folder, 'short', 's') });
  const pids = short.pids;
  await short.drain(1000);
  expect([...short.endpoints.map((path) => existsSync(String(path))), ...pids.map((pid) => existsSync(`/proc/${pid}`))]).toEqual([false, false, false, false]);
});

test('the last that a process does is done, whether it is drained or told to end', async () => {
  const done = join(folder, 'done');
  const own = await start({ kind: 'unix', path: join(folder, 'lastly', 's') }, 1, { arguments: [done] });
  process.kill(own.pids[0] ?? 0, 'SIGTERM');
  await expect.poll(() => existsSync(done), { timeout: 20_000 }).toBe(true);
  await expect.poll(() => own.pids.length, { timeout: 20_000 }).toBe(1);
  rmSync(done);
  await own.drain(0);
  expect(existsSync(done)).toBe(true);
});

test('over TCP the processes share one port, with certificates on both sides', async () => {
  const authority = issueCertificate('ours', { authority: true });
  const [own, envoy] = [issueCertificate('service', { names: ['localhost'], issuer: authority }), issueCertificate('envoy', { issuer: authority })];
  const secure = await start({ kind: 'tcp', host: '127.0.0.1', port: 0, certificates: { key: own.key, cert: own.certificate, ca: authority.certificate } });
  try {
    await secure.add('gate', 'policy-1', new Secret('{}'));
    const clients = [];
    for (let i = 0; i < 2; i++) clients.push(await session(`https://localhost:${secure.endpoints[0]}`, { ca: authority.certificate, key: envoy.key, cert: envoy.certificate }));
    expect(new Set(await Promise.all(clients.map((client) => asked(client))))).toEqual(new Set(secure.pids.map(String)));
    for (const client of clients) client.destroy();
    await turnedAway(Number(secure.endpoints[0]), { ca: authority.certificate });
  } finally { await secure.drain(500); }
  await expect(start({ kind: 'tcp', host: '127.0.0.1', port: 0 } as unknown as Address)).rejects.toThrow('certificates');
});

test('certificates are renewed in every process, those that start later too; connections that are open stay', { timeout: 60_000 }, async () => {
  const [first, second] = ['first', 'second'].map((name) => {
    const authority = issueCertificate(name, { authority: true });
    const [own, envoy] = [issueCertificate('service', { names: ['localhost'], issuer: authority }), issueCertificate('envoy', { issuer: authority })];
    return { ours: { key: own.key, cert: own.certificate, ca: authority.certificate }, theirs: { ca: authority.certificate, key: envoy.key, cert: envoy.certificate } };
  }) as [Sides, Sides];
  const secure = await start({ kind: 'tcp', host: '127.0.0.1', port: 0, certificates: first.ours });
  const port = Number(secure.endpoints[0]);
  const every = async ({ theirs }: Sides): Promise<Set<string>> => {
    const clients = await Promise.all([1, 2, 3, 4].map(() => session(`https://localhost:${port}`, theirs)));
    const pids = await Promise.all(clients.map((client) => asked(client)));
    for (const client of clients) client.destroy();
    return new Set(pids);
  };
  try {
    await secure.add('gate', 'policy-1', new Secret('{}'));
    const before = await session(`https://localhost:${port}`, first.theirs);
    await expect(secure.renew({ ...second.ours, key: 'no key' })).rejects.toThrow(/^renew failed: Error$/);
    expect(await every(first)).toEqual(new Set(secure.pids.map(String)));
    await secure.renew(second.ours);
    expect(await every(second)).toEqual(new Set(secure.pids.map(String)));
    await turnedAway(port, first.theirs);
    expect(await asked(before)).toMatch(/^\d+$/);
    before.destroy();
    const dead = secure.pids;
    for (const pid of dead) process.kill(pid, 'SIGKILL');
    await expect.poll(() => secure.pids.filter((pid) => !dead.includes(pid)).length, { timeout: 20_000 }).toBe(2);
    expect(await every(second)).toEqual(new Set(secure.pids.map(String)));
    await turnedAway(port, first.theirs);
  } finally { await secure.drain(500); }
  await expect(pool.renew(first.ours)).rejects.toThrow('no certificates on a Unix socket');
});

test('a script that does not start is an error, not a loop', { timeout: 60_000 }, async () => {
  await expect(WorkerPool.start({ script: join(folder, 'none.ts'), workers: 1, address: { kind: 'unix', path: join(folder, 'none', 's') }, log: pino({ level: 'silent' }), world: realWorld })).rejects.toThrow('gone');
});
