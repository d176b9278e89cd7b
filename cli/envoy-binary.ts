// Decides which Envoy is run: the user's if one is named, else one on this machine, else a pinned release fetched once.

import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { EnvironmentError } from './environment-error.ts';
import { fetchEnvoy } from './fetch-envoy.ts';

/** The release we fetch and test with. */
export const PINNED_VERSION = '1.40.0';
// 1.37 is the first whose admin interface can be limited to paths that read (Admin.allow_paths).
const OLDEST: Version = [1, 37];

export interface Search {
  /** --envoy PATH, when given. Named by the user, so a bad one is an error and nothing else is tried. */
  readonly explicit?: string | undefined;
  /** Reads ENVOY_BIN, PATH, XDG_CACHE_HOME and HOME; also what child processes get. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told one line per thing that takes long or is worth knowing. */
  readonly progress: (line: string) => void;
}

/**
 * The path of an Envoy that starts and is recent enough: --envoy, else $ENVOY_BIN, else `envoy` on PATH, else the pinned release, cached under
 * $XDG_CACHE_HOME (~/.cache). Throws EnvironmentError when there is none and none can be fetched.
 */
export async function findEnvoy({ explicit, env, progress }: Search): Promise<string> {
  for (const [from, path] of [['--envoy', explicit], ['$ENVOY_BIN', env['ENVOY_BIN']]] as const) {
    if (path === undefined || path === '') continue;
    const problem = await unusable(path);
    if (problem === undefined) return path;
    throw new EnvironmentError(`${from} names ${path}, which ${problem}`, `name an Envoy of ${OLDEST.join('.')} or later, or leave ${from} out and the pinned ${PINNED_VERSION} is used`);
  }
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'envoy');
    if (folder === '' || !(await executable(path))) continue;
    const problem = await unusable(path);
    if (problem === undefined) return path;
    progress(`envoy: not using ${path}, which ${problem}`);
  }
  return pinned(env, progress);
}

async function pinned(env: Search['env'], progress: Search['progress']): Promise<string> {
  const path = join(env['XDG_CACHE_HOME'] || join(env['HOME'] ?? homedir(), '.cache'), 'gatewright', `envoy-${PINNED_VERSION}`, 'envoy');
  if (!(await executable(path))) await fetchEnvoy(PINNED_VERSION, path, env, progress);
  const problem = await unusable(path);
  if (problem === undefined) return path;
  throw new EnvironmentError(`the fetched ${path} ${problem}`, `delete it to fetch it again, or give a working Envoy: --envoy PATH or $ENVOY_BIN`);
}

type Version = readonly [major: number, minor: number];

/** Why this Envoy cannot be used, as the rest of a sentence; undefined when it can. */
async function unusable(path: string): Promise<string | undefined> {
  if (!(await executable(path))) return 'does not exist or may not be executed';
  const output = await promisify(execFile)(path, ['--version'], { timeout: 20_000 }).then(({ stdout }) => stdout, (error: Error) => error);
  if (output instanceof Error) return `does not run: ${output.message.trim()}`;
  // "…/envoy  version: 9e55…f23/1.40.0/Clean/RELEASE/BoringSSL"
  const found = output.match(/version: \w+\/(\d+)\.(\d+)\.\d+/);
  if (found === null) return 'is not Envoy: its --version names no Envoy release';
  const [major, minor]: Version = [Number(found[1]), Number(found[2])];
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) return `is Envoy ${major}.${minor}; ${OLDEST.join('.')} or later is needed`;
  return undefined;
}

async function executable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(() => true, () => false);
}
