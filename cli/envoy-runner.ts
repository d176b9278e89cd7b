// One Envoy process for a Gateway: started with a bootstrap, watched, started again when it dies, ended with us.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentError } from './environment-error.ts';

export interface EnvoyOptions {
  readonly envoy: string;
  /** Short, writable, private: holds the bootstrap and the admin address. */
  readonly folder: string;
  readonly bootstrap: unknown;
  readonly concurrency: number;
  readonly log: (line: string) => void;
  /** It died and is back, its admin interface on another port. */
  readonly restarted: () => void;
}

/** Pauses before a dead Envoy is started again: longer each time, back to the first after a minute of life. */
const RESTART_MS = [100, 200, 500, 1_000, 5_000] as const;

export class EnvoyRunner {
  readonly #options: EnvoyOptions;
  #child: ChildProcess | undefined;
  #stopping = false;
  #restarts = 0;

  constructor(options: EnvoyOptions) { this.#options = options; }

  /** Resolves when the admin interface answers. */
  async start(): Promise<void> {
    writeFileSync(this.#bootstrap, JSON.stringify(this.#options.bootstrap), { mode: 0o600 });
    this.#spawn();
    for (let tries = 0; tries < 600; tries++) {
      if (this.#stopping) return;
      if (this.#restarts > 2) break;
      if (await fetch(`${this.admin}/ready`).then(() => true, () => false)) return;
      await sleep(25);
    }
    throw new EnvironmentError(`Envoy (${this.#options.envoy}) does not start; its last words are above`, 'try it with --envoy PATH, or a release from 1.37 on');
  }

  /** URL of the admin interface, on loopback. */
  get admin(): string {
    try { return `http://${readFileSync(this.#adminFile, 'utf8').trim()}`; } catch { return 'http://127.0.0.1:1'; }
  }

  /** SIGTERM, and SIGKILL when that does not help within 5 s. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await gone;
    clearTimeout(timer);
  }

  get #bootstrap(): string { return join(this.#options.folder, 'bootstrap.json'); }
  get #adminFile(): string { return join(this.#options.folder, 'admin'); }

  async #respawn(): Promise<void> {
    this.#spawn();
    while (!this.#stopping && !(await fetch(`${this.admin}/ready`).then(() => true, () => false))) await sleep(25);
    if (!this.#stopping) this.#options.restarted();
  }

  #spawn(): void {
    rmSync(this.#adminFile, { force: true });
    const { envoy, concurrency, log } = this.#options;
    const started = Date.now();
    const child = this.#child = spawn(envoy, [
      '-c', this.#bootstrap, '--use-dynamic-base-id', '--concurrency', String(concurrency), '--admin-address-path', this.#adminFile, '--log-level', 'warning', '--log-format', '%v',
    ], { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => { if (!this.#stopping) for (const line of text.split('\n')) if (line !== '') log(line); });
    let over = false;
    const ended = (how: string): void => {
      if (over || this.#stopping) return;
      over = true;
      if (Date.now() - started > 60_000) this.#restarts = 0;
      const pause = RESTART_MS[Math.min(this.#restarts++, RESTART_MS.length - 1)] ?? 5_000;
      log(`Envoy ended (${how}); starting it again in ${pause} ms`);
      setTimeout(() => { if (!this.#stopping) void this.#respawn(); }, pause).unref();
    };
    child.once('error', ({ message }) => ended(message)).once('exit', (code, signal) => ended(signal ?? `exit code ${code}`));
  }
}
