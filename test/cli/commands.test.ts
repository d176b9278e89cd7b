// The command line as scripts use it: exit codes, what goes to which stream, standard input.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { base, documents, httpRoute, securityPolicy } from '../up/manifests.ts';

const CLI = new URL('../../cli/main.ts', import.meta.url).pathname;
const run = (args: readonly string[], input = ''): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8', input, timeout: 20_000, killSignal: 'SIGKILL' });

let folder: string;
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'gw-cli-')); });
afterAll(() => rmSync(folder, { recursive: true }));

const good = documents(httpRoute('foo'), securityPolicy('foo', { authorization: { defaultAction: 'Deny' } }));

describe('usage', () => {
  test.each([[['--help'], 0], [['up', '--help'], 0], [['--version'], 0], [[], 2], [['frobnicate'], 2], [['up'], 2], [['check', '-f', 'x', '--bogus'], 2], [['up', '-f', 'x', '--port-offset', '-1'], 2]])('%j ends with %i', (args, status) => {
    expect(run(args).status).toBe(status);
  });

  test('--help names every command', () => {
    const { stdout } = run(['--help']);
    for (const command of ['up', 'translate', 'check']) expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
  });
});

test.each(['--help', `translate -f examples/fault-injection`])('a reader that has gone is no fault: %s', (command) => {
  const { stderr } = spawnSync('bash', ['-c', `"${process.execPath}" "${CLI}" ${command} | true`], { encoding: 'utf8', timeout: 20_000 });
  expect(stderr).toBe('');
});

describe('check', () => {
  test('is content with good input', () => {
    expect(run(['check', '-f', '-'], `${base}\n---\n${good}`)).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+ objects, no problems\n$/) });
  });

  test('names file, line and field of every problem', () => {
    const path = file('bad.yaml', 'apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata:\n  name: p\nspec:\n  targetRefs:\n    - group: gateway.networking.k8s.io\n      kind: HTTPRoute\n      name: foo\n  jwt:\n    providerz: []\n');
    const { status, stdout } = run(['check', '-f', path]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/bad\.yaml:11: error: .*spec\.jwt\.providerz.*providers/);
  });

  test('a path that is not there ends with 1 and says so', () => {
    expect(run(['check', '-f', join(folder, 'nowhere')])).toMatchObject({ status: 1, stderr: expect.stringContaining('nowhere') });
  });
});

describe('translate', () => {
  test.each(['ir', 'xds', 'status'])('--to %s prints JSON and YAML of the same', (stage) => {
    const json = run(['translate', '-f', '-', '--to', stage, '-o', 'json'], `${base}\n---\n${good}`);
    expect(json.status).toBe(0);
    const yaml = run(['translate', '-f', '-', '--to', stage], `${base}\n---\n${good}`);
    expect(parseAllDocuments(yaml.stdout)[0]?.toJS()).toEqual(JSON.parse(json.stdout));
  });

  test('--to xds has the parts that the contract names', () => {
    const { stdout } = run(['translate', '-f', '-', '-o', 'json'], `${base}\n---\n${good}`);
    const xds = JSON.parse(stdout) as Record<string, { '@type': string }[]>;
    expect(Object.keys(xds)).toEqual(['listeners', 'routes', 'clusters', 'endpoints', 'secrets', 'extensions']);
    expect(xds['listeners']?.[0]?.['@type']).toBe('type.googleapis.com/envoy.config.listener.v3.Listener');
  });

  test('--to status is a list of objects with their status', () => {
    const { stdout } = run(['translate', '-f', '-', '--to', 'status', '-o', 'json'], `${base}\n---\n${good}`);
    const statuses = JSON.parse(stdout) as { apiVersion: string; kind: string; metadata: { name: string }; status: object }[];
    expect(statuses.map(({ kind }) => kind).sort()).toEqual(['Gateway', 'GatewayClass', 'HTTPRoute', 'SecurityPolicy']);
  });

  test('documents that cannot be read end with 1', () => {
    expect(run(['translate', '-f', '-'], 'a: [').status).toBe(1);
  });

  test('another stage or format ends with 1 and names the ones there are', () => {
    expect(run(['translate', '-f', '-', '--to', 'wasm'], base)).toMatchObject({ status: 1, stderr: expect.stringContaining('ir, xds or status') });
    expect(run(['translate', '-f', '-', '-o', 'xml'], base)).toMatchObject({ status: 1, stderr: expect.stringContaining('yaml or json') });
  });
});

describe('up', () => {
  test('does not start on input that does not parse', () => {
    const { status, stderr } = run(['up', '-f', file('broken.yaml', 'kind: [')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/broken\.yaml:1: error: /);
  });

  test('an Envoy that is not one ends with 3 and a next step', () => {
    expect(run(['up', '-f', file('base.yaml', base), '--envoy', '/bin/false'])).toMatchObject({ status: 3, stderr: expect.stringMatching(/--envoy[^]*next: /) });
  });

  test('a port that something else holds ends with 3 and names it', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)));
    const { status, stderr } = run(['up', '-f', file('taken.yaml', base.replace('"port": 80', `"port": ${port}`))]);
    server.close();
    expect(status).toBe(3);
    expect(stderr).toContain(`127.0.0.1:${port} cannot be bound: `);
  });
});
