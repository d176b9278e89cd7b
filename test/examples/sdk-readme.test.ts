// The README of proxy-wasm-as: its code blocks are compiled and run exactly as they stand there, then the wasm in Envoy too.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../envoy/answer.ts';
import { EnvoyProcess } from '../envoy/envoy-process.ts';
import { Upstream } from '../envoy/upstream.ts';
import { readSteps } from './readme.ts';

const root = join(import.meta.dirname, '../..');
const markdown = readFileSync(join(root, 'proxy-wasm-as/README.md'), 'utf8');
/** The code block that follows the paragraph beginning with this file name. */
function block(file: string): string {
  const found = new RegExp(`^\`${file.replaceAll('.', '\\.')}\`[^\`]*(?:\`[^\`\n]+\`[^\`]*)*?\n\n\`\`\`\\w+\n(.*?)^\`\`\``, 'ms').exec(markdown)?.[1];
  if (found === undefined) throw new Error(`no code block for ${file}`);
  return found;
}

const folder = mkdtempSync(join(tmpdir(), 'gw-sdk-'));
// As in a terminal, and not as a part of this test run.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST') && name !== 'NODE_ENV'));
const run = (command: string): { status: number | null; output: string } => {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', command], { cwd: folder, env, encoding: 'utf8' });
  return { status, output: stdout + stderr };
};

beforeAll(() => {
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const file of ['filter.ts', 'asconfig.json', 'filter.test.ts']) writeFileSync(join(folder, file), block(file));
});
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

test('the filter compiles by the command that stands there', () => {
  const steps = readSteps(markdown);
  expect(steps).toHaveLength(1);
  for (const { command } of steps) expect(run(command)).toMatchObject({ status: 0 });
});

test('its tests pass', { timeout: 60_000 }, () => {
  const { status, output } = run('npx vitest run --reporter=json --outputFile=report.json');
  expect({ status, output: status === 0 ? '' : output }).toEqual({ status: 0, output: '' });
  expect(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))).toMatchObject({ numTotalTests: 4, numPassedTests: 4 });
});

test('it does the same in Envoy', { timeout: 60_000 }, async () => {
  const upstream = await Upstream.start();
  const type = (name: string): object => ({ '@type': `type.googleapis.com/${name}` });
  const filter = {
    ...type('envoy.extensions.filters.http.wasm.v3.Wasm'),
    config: {
      configuration: { ...type('google.protobuf.StringValue'), value: 'checkout' }, failure_policy: 'FAIL_RELOAD',
      vm_config: { runtime: 'envoy.wasm.runtime.v8', code: { local: { filename: join(folder, 'filter.wasm') } } },
    },
  };
  const manager = {
    ...type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'), stat_prefix: 'sdk',
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'upstream' } }] }] },
    http_filters: [{ name: 'team', typed_config: filter }, { name: 'router', typed_config: type('envoy.extensions.filters.http.router.v3.Router') }],
  };
  const envoy = await EnvoyProcess.start({
    static_resources: {
      listeners: [{ name: 'sdk', address: { socket_address: { address: '127.0.0.1', port_value: 0 } }, filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }] }],
      clusters: [{ name: 'upstream', load_assignment: { cluster_name: 'upstream', endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: upstream.port } } } }] }] } }],
    },
  });
  try {
    const address = await envoy.address('sdk');
    expect(JSON.parse((await ask(address, '/cart')).body).headers['x-team']).toBe('checkout');
    expect(await ask(address, '/cart', { headers: { 'x-team': 'payments' } })).toMatchObject({ status: 400, body: 'x-team is ours to set' });
  } finally {
    await envoy.stop();
    await upstream.stop();
  }
});
