// Makes a fresh clone ready: npm start, npm test and npm run bench call this first. Says nothing when all is fresh.
// Plain JavaScript without dependencies on purpose: it must run on the Node that the machine happens to have (20 or later),
// before node_modules, and the Node 24 in it, exist. What needs Node 24 is in prepare.ts.
// Afterwards name node_modules/.bin/node, not node: on the first run the shell still remembers where `node` was before (seen with dash).

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const WANTED_MAJOR = 24;

if (Number(process.versions.node.split('.')[0]) < 20) fail(`this is Node ${process.versions.node}`, 'run npm with Node 20 or later; Node 24 then comes along as an npm package');
installModules();
const node = ensureNode();
const prepared = spawnSync(node, [join(root, 'scripts', 'prepare.ts')], { cwd: root, stdio: 'inherit' });
if (prepared.signal !== null) process.kill(process.pid, prepared.signal);
process.exit(prepared.status ?? 3);

/** npm ci, unless node_modules already comes from this package-lock.json. */
function installModules() {
  const stampFile = join(modules, '.gatewright-setup');
  const lockFile = join(root, 'package-lock.json');
  const stamp = createHash('sha256').update(readFileSync(lockFile)).digest('hex');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  // npm's own record, written when an install is complete: somebody ran npm ci or npm install by hand after the lock file last changed.
  const record = join(modules, '.package-lock.json');
  const upToDate = !existsSync(stampFile) && existsSync(record) && statSync(record).mtimeMs >= statSync(lockFile).mtimeMs;
  if (!upToDate) step('npm ci', () => run(npm(['ci', '--no-audit', '--no-fund']), root, 'check the network and the npm registry, then try again; npm ci shows the whole error'));
  writeFileSync(stampFile, stamp);
}

/**
 * The Node that TypeScript runs on, as a path. The npm package `node` brings it by an install script, which npm holds back under ignore-scripts=true or a
 * strict allowScripts; then that script is run here.
 */
function ensureNode() {
  const link = join(modules, '.bin', 'node');
  if (majorOf(link) === WANTED_MAJOR) return link;
  const installer = join(modules, 'node');
  if (existsSync(join(installer, 'installArchSpecificPackage.js'))) {
    step(`Node ${WANTED_MAJOR} (npm held back its install script)`, () => {
      const runner = existsSync(process.execPath) ? process.execPath : 'node'; // npm ci may just have deleted the Node that runs this
      const result = spawnSync(runner, ['installArchSpecificPackage'], { cwd: installer, encoding: 'utf8', env: { ...process.env, npm_config_ignore_scripts: 'true' } });
      if (result.status === 0) linkNode(link);
      else process.stderr.write(`${result.stderr || result.error?.message}\n`);
    });
  }
  if (majorOf(link) === WANTED_MAJOR) return link;
  if (Number(process.versions.node.split('.')[0]) >= WANTED_MAJOR) { // no such package for this platform; then the machine's own
    rmSync(link, { force: true });
    symlinkSync(process.execPath, link);
    return link;
  }
  return fail(`Node ${WANTED_MAJOR} could not be installed (the npm package node, for ${process.platform} ${process.arch})`, `install Node ${WANTED_MAJOR} and run this with it, or: cd node_modules/node && node installArchSpecificPackage`);
}

/** npm leaves the link out when the program was not there yet. */
function linkNode(link) {
  if (lstatSync(link, { throwIfNoEntry: false }) === undefined) symlinkSync(join('..', 'node', 'bin', 'node'), link);
}

function majorOf(program) {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 ? Number(/^v(\d+)/.exec(stdout)?.[1]) : undefined;
}

/** The npm that started us, else the one on PATH. */
function npm(args) {
  const started = process.env.npm_execpath;
  return started !== undefined && /\.c?js$/.test(started) ? [process.execPath, started, ...args] : ['npm', ...args];
}

function run([program, ...args], cwd, nextStep) {
  const { status, error } = spawnSync(program, args, { cwd, stdio: 'inherit' });
  if (error !== undefined || status !== 0) fail(`${[program, ...args].join(' ')} ${error === undefined ? `ended with ${status}` : `does not start: ${error.message}`}`, nextStep);
}

function step(what, work) {
  const started = performance.now();
  process.stderr.write(`setup: ${what} …\n`);
  work();
  process.stderr.write(`setup: ${what}: ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
}

function fail(problem, nextStep) {
  process.stderr.write(`setup: ${problem}\n  next: ${nextStep}\n`);
  return process.exit(3);
}
