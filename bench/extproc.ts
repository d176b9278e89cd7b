// What one request costs an ext_proc service: CPU of its process, from /proc, beside the same processor in Go; and what the hop costs Envoy and the client.
// Interleaved rounds; Envoy on core 0, service and wrk on core 1. Needs wrk, util-linux, Go.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvoyProcess } from '../test/envoy/envoy-process.ts';
import { extProcBootstrap } from '../test/envoy/extproc-bootstrap.ts';
import { ROUNDS, cpu } from './rounds.ts';
import { median, spread } from './statistics.ts';

const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 2);
const GRACEFUL = 'envoy.reloadable_features.ext_proc_graceful_grpc_close';

interface Row { readonly service: readonly string[]; /** Envoy ends streams as our bootstrap has it, not by a reset. */ readonly graceful: boolean; readonly peer?: string }
interface Running { readonly child: ChildProcess; readonly envoy: EnvoyProcess; readonly url: string; readonly service: number[]; readonly proxy: number[]; readonly p50: number[]; readonly p99: number[] }

function goTwin(): string {
  const binary = join(import.meta.dirname, '../build/go-twin');
  const { status, error } = spawnSync('go', ['build', '-o', binary, '.'], { cwd: join(import.meta.dirname, 'go-twin'), stdio: 'inherit' });
  if (error || status !== 0) throw new Error('Go is needed, 1.26 or later: go.dev/dl');
  return binary;
}

async function start(folder: string, name: string, { service: [command = '', ...rest], graceful }: Row): Promise<Running> {
  const home = join(folder, name.replace(/\W/g, ''));
  mkdirSync(home, { mode: 0o700 });
  const socket = join(home, 's');
  const child = spawn('taskset', ['-c', '1', command, ...rest, socket], { stdio: 'inherit' });
  for (let tries = 0; !existsSync(socket); tries++) {
    if (child.exitCode !== null || tries > 200) throw new Error(`${command} did not start`);
    await sleep(50);
  }
  const envoy = await EnvoyProcess.start({
    ...extProcBootstrap({ upstreamPort: undefined, messageTimeout: '10s', namespaces: [], services: { service: [socket] }, routes: [{ prefix: '/', processor: 'bench' }] }),
    layered_runtime: { layers: [{ name: 'static', static_layer: { [GRACEFUL]: graceful } }] },
  });
  spawnSync('taskset', ['-a', '-c', '-p', '0', String(envoy.pid)]);
  return { child, envoy, url: `http://${await envoy.address('edge')}/`, service: [], proxy: [], p50: [], p99: [] };
}

function drive({ child, envoy, url, service, proxy, p50, p99 }: Running, counts: boolean): void {
  const before = [cpu(child.pid ?? 0), cpu(envoy.pid)] as const;
  const { stdout, error } = spawnSync('taskset', ['-c', '1', 'wrk', '-t1', '-c32', `-d${SECONDS}s`, '--latency', url], { encoding: 'utf8' });
  if (error) throw new Error('wrk and taskset are needed: apt-get install wrk util-linux');
  if (/Non-2xx/.test(stdout)) throw new Error(`wrong answers under load:\n${stdout}`);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  const milliseconds = (share: string): number => {
    const [, value = 'NaN', unit] = new RegExp(`${share}%\\s+([\\d.]+)(us|ms|s)`).exec(stdout) ?? [];
    return Number(value) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1);
  };
  if (!counts) return;
  service.push((cpu(child.pid ?? 0) - before[0]) / requests);
  proxy.push((cpu(envoy.pid) - before[1]) / requests);
  p50.push(milliseconds('50'));
  p99.push(milliseconds('99'));
}

export async function benchExtProc(): Promise<void> {
  const go = [goTwin(), '-socket'];
  const ours = [process.execPath, join(import.meta.dirname, 'extproc-processor.ts')];
  const rows: Readonly<Record<string, Row>> = {
    'Go': { service: go, graceful: false },
    'TypeScript': { service: ours, graceful: false, peer: 'Go' },
    'Go, graceful close': { service: go, graceful: true },
    'TypeScript, graceful close': { service: ours, graceful: true, peer: 'Go, graceful close' },
  };
  const folder = mkdtempSync(join(tmpdir(), 'gw-bench-'));
  const running = new Map<string, Running>();
  try {
    for (const [name, row] of Object.entries(rows)) running.set(name, await start(folder, name, row));
    for (let round = 0; round <= ROUNDS; round++) {
      process.stderr.write(`\rround ${round} of ${ROUNDS}`);
      for (const [, each] of round % 2 === 0 ? running : [...running].reverse()) drive(each, round > 0);     // round 0 warms up
    }
    process.stderr.write('\r');
  } finally {
    for (const { child, envoy } of running.values()) {
      child.kill('SIGKILL');
      await envoy.stop();
    }
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`ext_proc, request headers → one header set: CPU µs per request (median of ${ROUNDS} interleaved rounds, ± half the spread between quartiles), 32 connections\n`);
  console.log('| service | its CPU µs | × Go | Envoy\'s CPU µs | p50 ms | p99 ms |\n| --- | --- | --- | --- | --- | --- |');
  for (const [name, { service, proxy, p50, p99 }] of running) {
    const peer = running.get(rows[name]?.peer ?? '');
    const ratio = peer === undefined ? '' : median(service.map((value, i) => value / (peer.service[i] ?? 1))).toFixed(2);
    console.log(`| ${name} | ${median(service).toFixed(1)} ± ${spread(service).toFixed(1)} | ${ratio} | ${median(proxy).toFixed(1)} | ${median(p50).toFixed(1)} | ${median(p99).toFixed(1)} |`);
  }
  console.log('');
}
