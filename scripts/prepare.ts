// The part of setup that needs Node 24 and node_modules: Envoy, proto/ and the wasm filters, each only when missing or stale.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentError } from '../cli/environment-error.ts';
import { findEnvoy } from '../cli/envoy-binary.ts';

/** In this order: the types come from the Envoy that was found. Each script decides itself whether there is anything to do. */
const steps: readonly (readonly [script: string, ...args: string[]])[] = [
  ['generate-proto.ts', '--envoy', await envoy()],
  ['build-filters.ts'],
];

for (const [script, ...args] of steps) {
  const path = join(import.meta.dirname, script);
  if (!existsSync(path)) continue;
  const { status, error } = spawnSync(process.execPath, [path, ...args], { cwd: join(import.meta.dirname, '..'), stdio: 'inherit' });
  if (status !== 0) fail(`scripts/${script} failed${error === undefined ? '' : `: ${error.message}`}`, `read the error above; alone it is: npx node scripts/${script} ${args.join(' ')}`);
}

async function envoy(): Promise<string> {
  try {
    return await findEnvoy({ env: process.env, progress: (line) => process.stderr.write(`setup: ${line}\n`) });
  } catch (error) {
    if (error instanceof EnvironmentError) fail(error.message, error.nextStep);
    throw error;
  }
}

function fail(problem: string, nextStep: string): never {
  process.stderr.write(`setup: ${problem}\n  next: ${nextStep}\n`);
  process.exit(3);
}
