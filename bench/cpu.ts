// CPU that one request costs Envoy, in µs (user + system of the whole process, from /proc): no filter, Envoy's own jwt_authn + rbac,
// the same with its token cache, and ours. All behind the same hardened listener, in interleaved rounds, Envoy on core 0, wrk on core 1.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contentId } from '../controller-glue/content-id.ts';
import type { IrRoute } from '../controller-glue/ir.ts';
import { extensions } from '../controller-glue/xds/extensions.ts';
import { listenerJson } from '../controller-glue/xds/listeners.ts';
import { routeJson } from '../controller-glue/xds/routes.ts';
import { canonicalJson } from '../policy/canonical-json.ts';
import type { JwtPolicy } from '../policy/jwt.ts';
import { EnvoyProcess } from '../test/envoy/envoy-process.ts';
import { ask } from '../test/envoy/answer.ts';
import { jwks, keys, nowSeconds, token } from '../test/cases/tokens.ts';
import { median, spread } from './statistics.ts';

type Json = Record<string, unknown>;
const any = (name: string, value: Json = {}): Json => ({ '@type': `type.googleapis.com/${name}`, ...value });
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 7);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 2);
const ISSUER = 'https://iss.example';

const policy: JwtPolicy = {
  providers: [{ name: 'example', issuer: ISSUER, audiences: ['api'], keys: { jwks: jwks as never }, from: { headers: [{ name: 'authorization', prefix: 'Bearer ' }], params: ['access_token'], cookies: [] }, claimToHeaders: [] }],
  missing: 'Deny', claimHeaders: 'FilterState',
  authorization: { defaultAction: 'Deny', rules: [{ name: 'admins', action: 'Allow', jwt: { provider: 'example', scopes: [], claims: [{ claim: ['role'], type: 'String', values: ['admin'] }] } }] },
};
const claims = { iss: ISSUER, aud: 'api', sub: 'alice', role: 'admin', exp: nowSeconds() + 36_000, email: 'alice@example.com' };

/** The listener of the product, its filters and routes in place instead of by xDS. */
function listener(filters: readonly Json[], route: Json): Json {
  const json = listenerJson({ name: 'bench', port: 0, serves: [], chains: [{ name: 'bench', serverNames: [], certificates: [], routeTable: 'bench' }] }, '127.0.0.1') as Json;
  const [chain] = json['filterChains'] as [{ filters: [{ typedConfig: Json }] }];
  const manager = chain.filters[0].typedConfig;
  delete manager['rds'];
  manager['routeConfig'] = { name: 'bench', virtualHosts: [{ name: 'all', domains: ['*'], routes: [{ ...route, route: undefined, directResponse: { status: 200, body: { inlineString: 'ok' } } }] }] };
  manager['httpFilters'] = [...filters, ...(manager['httpFilters'] as Json[]).filter(({ name }) => name === 'envoy.filters.http.router')];
  return json;
}

const nativeJwt = (cache: boolean): Json => ({
  name: 'jwt',
  typedConfig: any('envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication', {
    providers: { example: { issuer: ISSUER, audiences: ['api'], forward: true, payloadInMetadata: 'example', localJwks: { inlineString: JSON.stringify(jwks) }, ...(cache && { jwtCacheConfig: { jwtCacheSize: 100 } }) } },
    rules: [{ match: { prefix: '/' }, requires: { providerName: 'example' } }],
  }),
});
const nativeRbac: Json = {
  name: 'rbac',
  typedConfig: any('envoy.extensions.filters.http.rbac.v3.RBAC', { rules: { action: 'ALLOW', policies: { admins: {
    permissions: [{ any: true }], principals: [{ metadata: { filter: 'envoy.filters.http.jwt_authn', path: [{ key: 'example' }, { key: 'role' }], value: { stringMatch: { exact: 'admin' } } } }],
  } } } }),
};
const plain: Json = { name: 'plain', match: { prefix: '/' } };

function ours(tokenCache: boolean): Json {
  const configuration = JSON.stringify({ source: 'route', tokenCache });
  const [extension] = extensions({ jwt: readFileSync(new URL('../build/jwt.wasm', import.meta.url)) }) as [{ name: string; typedConfig: Json }];
  (extension.typedConfig['config'] as Json)['configuration'] = any('google.protobuf.StringValue', { value: configuration });
  const route: IrRoute = { name: 'ours', owners: [], match: { path: { kind: 'prefix', value: '/' }, headers: [], query: [] }, action: { kind: 'forward', shares: [] }, jwt: { id: contentId(canonicalJson(policy)), policy } };
  const guard = { name: 'gatewright.guard', typedConfig: any('envoy.extensions.filters.http.rbac.v3.RBAC') };
  return listener([{ name: extension.name, disabled: true, typedConfig: extension.typedConfig }, guard], routeJson(route) as Json);
}

const scenarios = {
  'no filter': { listener: listener([], plain), key: keys.RS256 },
  'native RS256': { listener: listener([nativeJwt(false), nativeRbac], plain), key: keys.RS256 },
  'native RS256, cached': { listener: listener([nativeJwt(true), nativeRbac], plain), key: keys.RS256 },
  'ours RS256, every signature verified': { listener: ours(false), key: keys.RS256 },
  'ours RS256 (default)': { listener: ours(true), key: keys.RS256 },
  'native ES256': { listener: listener([nativeJwt(false), nativeRbac], plain), key: keys.ES256 },
  'ours ES256, every signature verified': { listener: ours(false), key: keys.ES256 },
  'ours ES256 (default)': { listener: ours(true), key: keys.ES256 },
} as const;
type Name = keyof typeof scenarios;

/** CPU time of a process and all its threads, in µs. */
function cpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;               // clock ticks of 10 ms: utime and stime
}

function load(address: string, script: string): number {
  const { stdout, status, stderr, error } = spawnSync('taskset', ['-c', '1', 'wrk', '-t1', '-c32', `-d${SECONDS}s`, '-s', script, `http://${address}/`], { encoding: 'utf8' });
  if (error || status !== 0) throw new Error(`wrk and taskset are needed: apt-get install wrk util-linux\n${error?.message ?? stderr}`);
  if (/Non-2xx/.test(stdout)) throw new Error(`wrong answers under load:\n${stdout}`);
  return Number(/(\d+) requests in/.exec(stdout)?.[1]);
}

export async function benchCpu(): Promise<void> {
  const running = new Map<Name, { envoy: EnvoyProcess; address: string; script: string }>();
  const samples = new Map<Name, number[]>();
  try {
    for (const [name, scenario] of Object.entries(scenarios) as [Name, (typeof scenarios)[Name]][]) {
      const envoy = await EnvoyProcess.start({ static_resources: { listeners: [scenario.listener] } });
      spawnSync('taskset', ['-a', '-c', '-p', '0', String(envoy.pid)]);
      const authorization = `Bearer ${token(claims, scenario.key)}`;
      const address = await envoy.address('bench');
      const { status, body } = await ask(address, '/', { headers: { authorization } });
      if (status !== 200) throw new Error(`${name}: ${status} ${body}`);
      if (name !== 'no filter' && (await ask(address, '/')).status !== 401) throw new Error(`${name} lets requests without a token in`);
      const script = join(tmpdir(), `gw-bench-${name.replace(/\W/g, '')}.lua`);
      writeFileSync(script, `wrk.headers["Authorization"] = "${authorization}"\n`);
      running.set(name, { envoy, address, script });
      samples.set(name, []);
    }
    for (let round = 0; round <= ROUNDS; round++) {
      process.stderr.write(`\rround ${round} of ${ROUNDS}`);
      for (const [name, { envoy, address, script }] of round % 2 === 0 ? running : [...running].reverse()) {
        const before = cpu(envoy.pid);
        const requests = load(address, script);
        if (round > 0) samples.get(name)?.push((cpu(envoy.pid) - before) / requests);     // round 0 warms up
      }
    }
    process.stderr.write('\r');
  } finally {
    for (const { envoy } of running.values()) await envoy.stop();
  }
  const base = samples.get('no filter') ?? [];
  console.log(`CPU µs per request of Envoy 1.40 (median of ${ROUNDS} interleaved rounds, ± half the spread between quartiles)\n`);
  console.log('| | CPU µs | added to no filter | × native of the same algorithm |\n| --- | --- | --- | --- |');
  for (const [name, values] of samples) {
    const added = values.map((value, i) => value - (base[i] ?? 0));
    const native = samples.get(name.includes('ES256') ? 'native ES256' : 'native RS256') ?? [];
    const ratios = added.map((value, i) => value / ((native[i] ?? 0) - (base[i] ?? 0)));
    console.log(`| ${name} | ${median(values).toFixed(1)} ± ${spread(values).toFixed(1)} | ${name === 'no filter' ? '' : `${median(added).toFixed(1)} ± ${spread(added).toFixed(1)}`} | ${name === 'no filter' ? '' : median(ratios).toFixed(2)} |`);
  }
}
if (import.meta.main) await benchCpu();
