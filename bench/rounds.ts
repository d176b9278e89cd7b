// CPU that one request (or connection) costs Envoy, in µs: user + system of the whole process, from /proc. One Envoy a scenario, all
// behind the product's hardened listener, visited in interleaved rounds; Envoy on core 0, wrk on core 1.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IrRoute } from '../controller-glue/ir.ts';
import { listenerJson } from '../controller-glue/xds/listeners.ts';
import { routeJson, virtualHostJson } from '../controller-glue/xds/routes.ts';
import { EnvoyProcess } from '../test/envoy/envoy-process.ts';
import { median, spread } from './statistics.ts';

export type Json = Record<string, unknown>;
export const any = (name: string, value: Json = {}): Json => ({ '@type': `type.googleapis.com/${name}`, ...value });
export const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 7);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 2);

/** One Envoy under load. */
export interface Scenario {
  readonly listener: Json;
  /** What the listener's filters need beside it: clusters, secrets. */
  readonly resources?: Json;
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Lua for wrk after those. */
  readonly script?: string;
  /** Asked once before the load: does the scenario do what its name says? Throws when not. */
  readonly check: (address: string) => Promise<void>;
  /** Which row `×` compares it with. */
  readonly peer?: string;
}

export interface Load {
  /** What is counted. */
  readonly unit: 'request' | 'connection';
  /** Answers other than 2xx are part of it. */
  readonly refusals?: boolean;
}

/** The listener of the product, with these filters and this route in place instead of by xDS. The route answers by itself. `host`: what its virtual host carries. */
export function listener(filters: readonly Json[], route: Json, networkFilters: readonly Json[] = [], host: Json = {}): Json {
  const json = listenerJson({ name: 'bench', port: 0, serves: [], bufferLimitBytes: 32_768, chains: [{ name: 'bench', serverNames: [], certificates: [], limits: [], http: {}, routeTable: 'bench' }] }, '127.0.0.1') as Json;
  const [chain] = json['filterChains'] as [{ filters: Json[] }];
  const hcm = chain.filters.find(({ name }) => name === 'envoy.filters.network.http_connection_manager') as Json;
  const manager = hcm['typedConfig'] as Json;
  delete manager['rds'];
  manager['routeConfig'] = { name: 'bench', virtualHosts: [{ ...host, name: 'all', domains: ['*'], routes: [{ ...route, route: undefined, directResponse: { status: 200, body: { inlineString: 'ok' } } }] }] };
  manager['httpFilters'] = [...filters, ...(manager['httpFilters'] as Json[]).filter(({ name }) => name === 'envoy.filters.http.router')];
  chain.filters = [...networkFilters, hcm];
  return json;
}

/** The same, with a route as the controller makes it and its policies beside it. */
export function carrying(filters: readonly Json[], route: IrRoute): Json {
  return listener(filters, routeJson(route) as Json, [], virtualHostJson({ name: 'all', domains: ['*'], keySets: {}, routes: [route] }) as Json);
}

/** CPU time of a process and all its threads, in µs. */
export function cpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;               // clock ticks of 10 ms: utime and stime
}

function drive(address: string, script: string, { unit, refusals = false }: Load): number {
  const connections = unit === 'connection' ? '-c8' : '-c32';
  const { stdout, status, stderr, error } = spawnSync('taskset', ['-c', '1', 'wrk', '-t1', connections, `-d${SECONDS}s`, '-s', script, `http://${address}/`], { encoding: 'utf8' });
  if (error || status !== 0) throw new Error(`wrk and taskset are needed: apt-get install wrk util-linux\n${error?.message ?? stderr}`);
  if (!refusals && /Non-2xx/.test(stdout)) throw new Error(`wrong answers under load:\n${stdout}`);
  return Number(/(\d+) requests in/.exec(stdout)?.[1]);
}

/** Prints a table: each scenario, what it adds to the first, and that in relation to what its peer adds. */
export async function cpuRounds(title: string, scenarios: Readonly<Record<string, Scenario>>, load: Load): Promise<void> {
  const running = new Map<string, { envoy: EnvoyProcess; address: string; script: string }>();
  const samples = new Map<string, number[]>();
  try {
    for (const [name, { listener: one, resources = {}, headers = {}, script: lua = '', check }] of Object.entries(scenarios)) {
      const envoy = await EnvoyProcess.start({ static_resources: { ...resources, listeners: [one] } });
      const address = await envoy.address('bench');
      const script = join(tmpdir(), `gw-bench-${process.pid}-${name.replace(/\W/g, '')}.lua`);
      running.set(name, { envoy, address, script });
      samples.set(name, []);
      spawnSync('taskset', ['-a', '-c', '-p', '0', String(envoy.pid)]);
      await check(address).catch((error: unknown) => { throw new Error(`${name}: ${String(error)}`); });
      const all = { ...headers, ...(load.unit === 'connection' ? { connection: 'close' } : {}) };
      writeFileSync(script, Object.entries(all).map(([key, value]) => `wrk.headers[${JSON.stringify(key)}] = ${JSON.stringify(value)}\n`).join('') + lua);
    }
    for (let round = 0; round <= ROUNDS; round++) {
      process.stderr.write(`\rround ${round} of ${ROUNDS}`);
      for (const [name, { envoy, address, script }] of round % 2 === 0 ? running : [...running].reverse()) {
        const before = cpu(envoy.pid);
        const count = drive(address, script, load);
        if (round > 0) samples.get(name)?.push((cpu(envoy.pid) - before) / count);      // round 0 warms up
      }
    }
    process.stderr.write('\r');
  } finally {
    for (const { envoy } of running.values()) await envoy.stop();
  }
  print(title, scenarios, samples, load);
}

function print(title: string, scenarios: Readonly<Record<string, Scenario>>, samples: ReadonlyMap<string, readonly number[]>, { unit }: Load): void {
  const [base = []] = samples.values();
  const added = (name: string): number[] => (samples.get(name) ?? []).map((value, i) => value - (base[i] ?? 0));
  console.log(`${title}: CPU µs per ${unit} of Envoy (median of ${ROUNDS} interleaved rounds, ± half the spread between quartiles)\n`);
  console.log(`| | CPU µs | added to ${Object.keys(scenarios)[0]} | × its peer |\n| --- | --- | --- | --- |`);
  for (const [i, [name, { peer }]] of Object.entries(scenarios).entries()) {
    const values = samples.get(name) ?? [];
    const more = added(name);
    const peers = peer === undefined ? [] : added(peer);
    const ratio = peer === undefined ? '' : `${median(more.map((value, k) => value / (peers[k] ?? 1))).toFixed(2)} (${peer})`;
    console.log(`| ${name} | ${median(values).toFixed(1)} ± ${spread(values).toFixed(1)} | ${i === 0 ? '' : `${median(more).toFixed(1)} ± ${spread(more).toFixed(1)}`} | ${ratio} |`);
  }
  console.log('');
}
