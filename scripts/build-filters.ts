// Compiles every filter of filters/ to build/<name>.wasm, when its sources are newer. `--force` compiles all.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';

const force = process.argv.includes('--force');
mkdirSync('build', { recursive: true });
for (const name of readdirSync('filters')) {
  const wasm = `build/${name}.wasm`;
  const newest = Math.max(...['asconfig.json', 'package-lock.json', ...sources(`filters/${name}`), ...sources('proxy-wasm-as/assembly')].map((file) => statSync(file).mtimeMs));
  if (!force && existsSync(wasm) && statSync(wasm).mtimeMs > newest) continue;
  const start = performance.now();
  const compiler = [`filters/${name}/filter.ts`, '--config', 'asconfig.json', '--target', 'release', '-o', wasm];
  const { status } = spawnSync(process.execPath, ['node_modules/assemblyscript/bin/asc.js', ...compiler], { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
  console.log(`built ${wasm} (${(statSync(wasm).size / 1024).toFixed(0)} KiB, ${((performance.now() - start) / 1000).toFixed(1)} s)`);
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`).filter((file) => file.endsWith('.ts'));
}
