// Compiles a filter that stands on the SDK, as a filter's author does, once per source.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
/** What fixtures import. */
const imported = ['proxy-wasm-as/assembly', 'filters'];

/** Path of the wasm of test/sdk/fixtures/<name>.ts. */
export function compileFilter(name: string): string {
  const source = join(import.meta.dirname, 'fixtures', `${name}.ts`);
  const hash = createHash('sha256').update(readFileSync(source));
  for (const folder of imported) {
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).sort()) if (file.endsWith('.ts')) hash.update(readFileSync(join(root, folder, file)));
  }
  const folder = join(root, 'node_modules/.cache/sdk-fixtures');
  const wasm = join(folder, `${name}-${hash.digest('hex').slice(0, 32)}.wasm`);
  if (existsSync(wasm)) return wasm;
  mkdirSync(folder, { recursive: true });
  const made = `${wasm}.${process.pid}`;
  const { status, stderr } = spawnSync(process.execPath, ['node_modules/assemblyscript/bin/asc.js', source, '--config', 'asconfig.json', '--target', 'release', '-o', made], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  renameSync(made, wasm);                        // another worker may be reading it
  return wasm;
}
