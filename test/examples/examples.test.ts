// Every README is run: its commands in a shell at the root of the repository, its outputs compared to the letter.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findEnvoy } from '../../cli/envoy-binary.ts';
import { Terminal, readSteps } from './readme.ts';

const root = join(import.meta.dirname, '../..');
const folders = readdirSync(join(root, 'examples'), { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== 'keys').map(({ name }) => `examples/${name}`);

// As somebody has it who installed Envoy: a program of that name on PATH.
const bin = mkdtempSync(join(tmpdir(), 'gw-bin-'));
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  const envoy = await findEnvoy({ env: process.env, progress: console.error });
  symlinkSync(envoy, join(bin, 'envoy'));
  env = { ...process.env, ENVOY_BIN: envoy, PATH: [bin, process.env['PATH']].join(delimiter) };
});
afterAll(() => { rmSync(bin, { recursive: true }); });

test('every example has a README', () => {
  expect(folders.length).toBeGreaterThanOrEqual(5);
  expect(folders.filter((folder) => !existsSync(join(root, folder, 'README.md')))).toEqual([]);
});

test.each(['.', 'proxy-wasm-as', ...folders])('%s/README.md links to files that are there', (folder) => {
  const links = [...readFileSync(join(root, folder, 'README.md'), 'utf8').matchAll(/\]\(([^)#]+)\)/g)].map(([, path = '']) => path).filter((path) => !path.includes('://'));
  expect(links.filter((path) => !existsSync(join(root, folder, path)))).toEqual([]);
});

describe.each(['.', ...folders])('%s/README.md', (folder) => {
  test('prints what it says', { timeout: 180_000 }, async () => {
    const steps = readSteps(readFileSync(join(root, folder, 'README.md'), 'utf8'));
    expect(steps.length).toBeGreaterThan(0);
    const terminal = new Terminal({ cwd: root, env });
    let left: string[];
    try {
      for (const { line, command, output } of steps) expect({ line, command, ...await terminal.run(command) }).toEqual({ line, command, output, code: 0 });
    } finally {
      left = await terminal.close();
    }
    expect(left, 'still running after Ctrl-C').toEqual([]);
  });
});
