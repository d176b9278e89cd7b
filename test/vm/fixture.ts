// Compiles the AssemblyScript fixtures of these tests, once per source: later runs take the wasm from the cache.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const folder = fileURLToPath(new URL('./fixtures/', import.meta.url));
const cache = fileURLToPath(new URL('../../node_modules/.cache/vm-fixtures/', import.meta.url));

/** The wasm of `fixtures/<name>.ts`. */
export function fixture(name: string): Promise<Uint8Array> {
  return compile(name, readFileSync(join(folder, `${name}.ts`), 'utf8'));
}

/** The wasm of a source given as text: for modules too small to be worth a file. `options` are asc's own. */
export async function compile(name: string, source: string, options: readonly string[] = ['--use', `abort=${name}/abort`]): Promise<Uint8Array> {
  const key = createHash('sha256').update(`${asc.version} ${options.join(' ')} ${source} ${imported('raw-abi.ts')} ${imported('wire.ts')}`).digest('hex').slice(0, 32);
  const path = join(cache, `${name}-${key}.wasm`);
  if (existsSync(path)) return readFileSync(path);
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main([`${name}.ts`, '-O3', '--outFile', 'out.wasm', '--runtime', 'incremental', '--exportStart', '_initialize', ...options], {
    readFile: (file) => (file === `${name}.ts` ? source : imported(file)),
    writeFile: (_file, contents) => { wasm = contents as Uint8Array },
    listFiles: () => [],
  });
  if (error !== null || wasm === undefined) throw new Error(`${name}: ${stderr.toString()}`, { cause: error });
  mkdirSync(cache, { recursive: true });
  // By rename: another worker may be reading it.
  writeFileSync(`${path}.${process.pid}`, wasm);
  renameSync(`${path}.${process.pid}`, path);
  return wasm;
}

/** The text of a file that a fixture imports; null where asc must look elsewhere. */
function imported(file: string): string | null {
  const path = join(folder, file);
  return file.endsWith('.ts') && existsSync(path) ? readFileSync(path, 'utf8') : null;
}
