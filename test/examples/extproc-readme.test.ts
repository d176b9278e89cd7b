// The README of extproc: its code blocks are run exactly as they stand there, then the service behind a real Envoy.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EnvoyProcess } from '../envoy/envoy-process.ts';
import { extProcBootstrap } from '../envoy/extproc-bootstrap.ts';
import { Recorder, exchange } from '../envoy/extproc-exchange.ts';
import { failures } from '../../extproc/failure.ts';

const root = join(import.meta.dirname, '../..');
const markdown = readFileSync(join(root, 'extproc/README.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'gw-extproc-readme-'));
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST') && name !== 'NODE_ENV'));
let service: ChildProcess | undefined;

/** The code block after the paragraph that ends with this file name. */
function block(file: string): string {
  const found = new RegExp(`\`${file.replaceAll('.', '\\.')}\`:\n\n\`\`\`ts\n(.*?)^\`\`\``, 'ms').exec(markdown)?.[1];
  if (found === undefined) throw new Error(`no code block for ${file}`);
  return found;
}

beforeAll(() => {
  mkdirSync(join(folder, 'private'), { mode: 0o700 });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  // As when it is installed; Node reads no TypeScript under node_modules, so the package's name stands for the folder itself.
  for (const file of ['greeting.ts', 'greeting.test.ts', 'serve.ts']) writeFileSync(join(folder, file), block(file).replaceAll("'gatewright/", `'${root}/`));
});
afterAll(() => {
  service?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

test('its tests pass', { timeout: 60_000 }, () => {
  const { status, stdout, stderr } = spawnSync('npx', ['vitest', 'run', '--reporter=json', '--outputFile=report.json'], { cwd: folder, env, encoding: 'utf8' });
  expect({ status, output: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, output: '' });
  expect(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))).toMatchObject({ numTotalTests: 2, numPassedTests: 2 });
});

test('the service does the same behind Envoy, and ends by itself', { timeout: 60_000 }, async () => {
  const socket = join(folder, 'private', 's');
  const child = service = spawn(process.execPath, ['serve.ts', socket], { cwd: folder, env, stdio: 'inherit' });
  const ended = new Promise<number | null>((resolve) => { child.once('exit', resolve); });
  await expect.poll(() => existsSync(socket), { timeout: 20_000 }).toBe(true);
  const recorder = await Recorder.start();
  const envoy = await EnvoyProcess.start(extProcBootstrap({ upstreamPort: recorder.port, messageTimeout: '2s', namespaces: [], services: { service: [socket] }, routes: [{ prefix: '/', processor: 'greeting' }] }));
  try {
    const address = await envoy.address('edge');
    expect((await exchange(address, '/a', { headers: [['x-caller', 'ann']] })).status).toBe(200);
    expect(recorder.got.get('/a')?.headers).toContainEqual(['x-greeting', 'hello ann']);
    expect(await exchange(address, '/b')).toMatchObject({ status: 400, body: 'who are you?' });
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  } finally {
    await envoy.stop();
    await recorder.stop();
  }
});

test('names every reason', () => {
  const named = new Map([...markdown.matchAll(/^\| (`gatewright_\w+`(?:, `gatewright_\w+`)*) \| ([\d, ]+) \|/gm)].flatMap(([, reasons = '', statuses = '']) => {
    const all = statuses.split(', ').map(Number);
    return [...reasons.matchAll(/\w+/g)].map(([reason], i) => [reason, all[i] ?? all[0]] as const);
  }));
  expect(Object.fromEntries(named)).toEqual(failures);
});
