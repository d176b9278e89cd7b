// What a request to a host named by the request costs in all: CPU of `gatewright up` with its Envoy and its service, beside an Envoy with native
// dynamic_forward_proxy. Interleaved rounds; Envoys on core 0, wrk and the upstream on core 1. Needs wrk, util-linux.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EnvoyProcess } from '../test/envoy/envoy-process.ts';
import { NameServer } from '../test/extproc/resolver/name-server.ts';
import { Gatewright } from '../test/up/gatewright.ts';
import { documents } from '../test/up/manifests.ts';
import { backend, dynamicRoute, edge } from '../test/up/resolver.ts';
import { type Json, ROUNDS, any, cpu, listener } from './rounds.ts';
import { median, spread } from './statistics.ts';

const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 2);
/** Names that clients ask for in turn, in the row that says so. */
const NAMES = 1000;

interface Row { readonly address: string; /** Lua: what wrk asks for. */ readonly script: string; readonly processes: () => readonly number[] }

/** A process and all that came of it. */
function tree(root: number): readonly number[] {
  const parents = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((name): [number, number] => {
    try { return [Number(name), Number(readFileSync(`/proc/${name}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')[1])]; } catch { return [0, 0]; }
  });
  const found = [root];
  for (const pid of found) found.push(...parents.filter(([, parent]) => parent === pid).map(([child]) => child));
  return found;
}

/** The product's listener with one route to a cluster. */
function proxy(cluster: Json, filters: readonly Json[] = []): Json {
  const json = listener(filters, { name: 'all', match: { prefix: '/' } });
  const [{ filters: [hcm] }] = json['filterChains'] as [{ filters: [{ typedConfig: { routeConfig: { virtualHosts: [{ routes: [Json] }] } } }] }];
  hcm.typedConfig.routeConfig.virtualHosts[0].routes[0] = { name: 'all', match: { prefix: '/' }, route: { cluster: 'upstream' } };
  return { static_resources: { listeners: [json], clusters: [{ name: 'upstream', ...cluster }] } };
}

function nativeDns(server: string): Json {
  const [address, port] = server.split(':');
  const cache = {
    name: 'bench', dns_lookup_family: 'V4_ONLY',
    typed_dns_resolver_config: { name: 'cares', typed_config: any('envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig', { resolvers: [{ socket_address: { address, port_value: Number(port) } }] }) },
  };
  return { dns_cache_config: { ...cache, dns_cache_circuit_breaker: { max_pending_requests: 10_000 } } };
}

/** Leaves this process free meanwhile: the name server is in it. */
async function drive({ address, script, processes }: Row): Promise<number> {
  const before = new Map(processes().map((pid) => [pid, cpu(pid)]));
  const { stdout } = await promisify(execFile)('taskset', ['-c', '1', 'wrk', '-t1', '-c32', `-d${SECONDS}s`, '-s', script, `http://${address}/bench`])
    .catch((error: unknown) => { throw new Error(`wrk and taskset are needed: apt-get install wrk util-linux\n${String(error)}`); });
  if (/Non-2xx/.test(stdout)) throw new Error(`wrong answers under load:\n${stdout}`);
  const used = [...before].reduce((sum, [pid, was]) => sum + cpu(pid) - was, 0);
  return used / Number(/(\d+) requests in/.exec(stdout)?.[1]);
}

export async function benchResolver(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gw-bench-'));
  const script = (name: string, lua: string): string => {
    const file = join(folder, `${name}.lua`);
    writeFileSync(file, lua);
    return file;
  };
  const names = await NameServer.start();
  names.zone = ({ type }) => type === 'A' ? { records: [{ type: 'A', ttl: 3600, value: '127.0.0.1' }] } : {};
  const upstream = await EnvoyProcess.start({ static_resources: { listeners: [listener([], { name: 'all', match: { prefix: '/' } })] } });
  const to = await upstream.address('bench');
  const port = to.split(':')[1] ?? '';
  const policy = { addresses: { allow: ['127.0.0.1'] }, ports: { allow: [{ port: Number(port) }] }, dns: { servers: [names.address], hostsFile: '' }, lookupFamily: 'IPv4' };
  const ours = await Gatewright.start({ 'bench.yaml': `${edge}\n---\n${documents(
    backend('bench', {}), dynamicRoute('bench'),
    { apiVersion: 'gatewright.dev/v1alpha1', kind: 'ResolverPolicy', metadata: { name: 'bench' }, spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'eg' }], ...policy } },
  )}` }, { args: ['--concurrency', '1'], echo: false });
  const fixed = await EnvoyProcess.start(proxy({ load_assignment: { cluster_name: 'upstream', endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: Number(port) } } } }] }] } }));
  const dns = nativeDns(names.address);
  const native = await EnvoyProcess.start(proxy(
    { lb_policy: 'CLUSTER_PROVIDED', cluster_type: { name: 'dfp', typed_config: any('envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig', dns) } },
    [{ name: 'dfp', typedConfig: any('envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig', dns) }],
  ));
  spawnSync('taskset', ['-a', '-c', '-p', '1', String(upstream.pid)]);
  for (const pid of [fixed.pid, native.pid, ...tree(ours.pid)]) spawnSync('taskset', ['-a', '-c', '-p', '0', String(pid)]);

  const one = script('one', `wrk.headers["Host"] = "upstream.test:${port}"`);
  const spelt = script('spelt', `wrk.headers["Host"] = "UPSTREAM.test:${port}"`);
  const many = script('many', `local n = 0\nrequest = function() n = n % ${NAMES} + 1; wrk.headers["Host"] = "name-" .. n .. ".test:${port}"; return wrk.format() end`);
  const nativeAt = { address: await native.address('bench'), processes: () => [native.pid] };
  const oursAt = { address: ours.address(), processes: () => tree(ours.pid) };
  const rows: Readonly<Record<string, Row & { readonly peer?: string }>> = {
    'a cluster of one endpoint': { address: await fixed.address('bench'), processes: () => [fixed.pid], script: one },
    'native dynamic_forward_proxy': { ...nativeAt, script: one },
    'ours, a known host': { ...oursAt, script: one, peer: 'native dynamic_forward_proxy' },
    [`native, ${NAMES} names in turn`]: { ...nativeAt, script: many },
    [`ours, ${NAMES} known names in turn`]: { ...oursAt, script: many, peer: `native, ${NAMES} names in turn` },
    'ours, asked each time (another spelling)': { ...oursAt, script: spelt, peer: 'native dynamic_forward_proxy' },
  };
  const samples = new Map<string, number[]>(Object.keys(rows).map((name) => [name, []]));
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      process.stderr.write(`\rround ${round} of ${ROUNDS}`);
      for (const [name, row] of round % 2 === 0 ? Object.entries(rows) : Object.entries(rows).reverse()) {
        const sample = await drive(row);
        if (round > 0) samples.get(name)?.push(sample);                     // round 0 warms up
      }
    }
    process.stderr.write('\r');
  } finally {
    for (const envoy of [fixed, native, upstream]) await envoy.stop();
    await ours.stop();
    await names[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`Dynamic resolver: CPU µs per request of all processes (median of ${ROUNDS} interleaved rounds, ± half the spread between quartiles), 32 connections\n`);
  console.log('| | CPU µs | × native |\n| --- | --- | --- |');
  for (const [name, { peer = '' }] of Object.entries(rows)) {
    const values = samples.get(name) ?? [], peers = samples.get(peer);
    const ratio = peers === undefined ? '' : median(values.map((value, i) => value / (peers[i] ?? 1))).toFixed(2);
    console.log(`| ${name} | ${median(values).toFixed(1)} ± ${spread(values).toFixed(1)} | ${ratio} |`);
  }
  console.log('');
}
if (import.meta.main) await benchResolver();
