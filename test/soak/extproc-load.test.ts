// The service under load, behind an Envoy as it comes: every stream ends with a reset. GATEWRIGHT_SOAK=1 runs all 200,000 requests, else a hundredth.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WorkerPool } from '../../extproc/worker-pool.ts';
import { realWorld } from '../../extproc/world.ts';
import { Secret } from '../../policy/secret.ts';
import { EnvoyProcess } from '../envoy/envoy-process.ts';
import { extProcBootstrap } from '../envoy/extproc-bootstrap.ts';
import { scaled, soaking } from '../scale.ts';
import { type Outcome, wrk } from './wrk.ts';

const REQUESTS = scaled(200_000);
const SECONDS = soaking ? 10 : 1;
let folder: string;
let pool: WorkerPool;
let envoy: EnvoyProcess;
let url: string;

async function begin(workers: number): Promise<void> {
  pool = await WorkerPool.start({ script: join(import.meta.dirname, '../extproc/pool-worker.ts'), workers, address: { kind: 'unix', path: join(folder, 's') }, log: pino({ level: 'silent' }), world: realWorld });
  await pool.add('gate', 'policy-1', new Secret('{}'));
  envoy = await EnvoyProcess.start(extProcBootstrap({
    upstreamPort: undefined, messageTimeout: '10s', namespaces: ['gatewright.gate'], services: { service: pool.endpoints },
    routes: [{ prefix: '/', processor: 'gate', metadata: { 'gatewright-policy': 'policy-1' }, guard: 'policy-1' }],
  }));
  url = `http://${await envoy.address('edge')}/`;
}
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'gw-load-')); });
afterEach(async () => {
  await envoy.stop();
  await pool.drain(1000);
  rmSync(folder, { recursive: true, force: true });
});

/** So many requests, and on until `enough`. */
async function atLeast(requests: number, enough = () => true): Promise<Outcome> {
  const total = { requests: 0, broken: 0, statuses: {} as Record<string, number> };
  while (total.requests < requests || !enough()) {
    const { requests: more, broken, statuses } = await wrk(url, { folder, seconds: SECONDS });
    total.requests += more;
    total.broken += broken;
    for (const [status, count] of Object.entries(statuses)) total.statuses[status] = (total.statuses[status] ?? 0) + count;
    if (more === 0) throw new Error('nothing is answered');
  }
  return total;
}

async function delays(): Promise<string> {
  const lines = (await pool.metrics()).split('\n').filter((line) => /^gatewright_extproc_event_loop_delay/.test(line));
  return lines.map((line) => line.replace(/^gatewright_extproc_event_loop_delay_(\w+)_seconds (\S+)$/, (_, name: string, seconds: string) => `${name} ${(Number(seconds) * 1000).toFixed(1)} ms`)).join(', ');
}

test('no request fails over one connection, whose every stream is reset', { timeout: 300_000 }, async () => {
  await begin(1);
  const outcome = await atLeast(REQUESTS);
  console.log(`${outcome.requests} requests over ${await envoy.stat('cluster.service.upstream_cx_total')} connection; event-loop delay: ${await delays()}`);
  expect(outcome).toMatchObject({ broken: 0, statuses: { 200: outcome.requests } });
  expect(await envoy.stat('cluster.service.upstream_cx_total')).toBe(1);
  expect(await envoy.stat('cluster.service.http2.tx_reset')).toBeGreaterThan(outcome.requests / 2);
});

test('no request fails when one of two processes gets SIGTERM', { timeout: 300_000 }, async () => {
  await begin(2);
  const before = pool.pids;
  let gone = false;
  const load = atLeast(REQUESTS, () => gone);
  await sleep(SECONDS * 400);
  process.kill(before[0] ?? 0, 'SIGTERM');
  // It goes while the load is on: no request was left behind on its connection.
  try { await expect.poll(() => existsSync(`/proc/${before[0]}`), { timeout: 20_000 }).toBe(false); } finally { gone = true; }
  const outcome = await load;
  console.log(`${outcome.requests} requests with a worker that was stopped; event-loop delay of all: ${await delays()}`);
  expect(outcome).toMatchObject({ broken: 0, statuses: { 200: outcome.requests } });
  await expect.poll(() => pool.pids.length, { timeout: 20_000 }).toBe(2);
  expect(pool.pids).not.toContain(before[0]);
});

test('no request fails when one of two processes is killed, and none is let through that would not be', { timeout: 300_000 }, async () => {
  await begin(2);
  const [victim = 0] = pool.pids;
  const seconds = SECONDS * 2;
  const allowed = wrk(url, { folder, seconds, connections: 16 });
  const refused = wrk(url, { folder, seconds, connections: 16, headers: { 'x-refuse': 'yes' } });
  await expect.poll(() => envoy.stat('cluster.service.upstream_rq_total'), { interval: 10 }).toBeGreaterThan(0);
  await sleep(seconds * 400);
  process.kill(victim, 'SIGKILL');
  const [passing, refusing] = [await allowed, await refused];
  console.log(`killed: ${passing.requests + refusing.requests} requests, asked again: ${await envoy.stat('cluster.service.upstream_rq_retry')}`);
  expect(passing).toMatchObject({ broken: 0, statuses: { 200: passing.requests } });
  expect(refusing).toMatchObject({ broken: 0, statuses: { 403: refusing.requests } });
  expect(await envoy.stat('cluster.service.upstream_rq_retry')).toBeGreaterThan(0);
  await expect.poll(() => pool.pids.length, { timeout: 20_000 }).toBe(2);
});
