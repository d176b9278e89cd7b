// A real Envoy for tests: starts it with a bootstrap, waits until it serves, ends it. Never skips: no Envoy is a failure.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findEnvoy } from '../../cli/envoy-binary.ts';

export class EnvoyProcess {
  readonly admin: string;
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #log: string[];
  private constructor(admin: string, process: ChildProcess, folder: string, log: string[]) {
    this.admin = admin;
    this.#process = process;
    this.#folder = folder;
    this.#log = log;
  }

  /** `bootstrap` without `admin`; listeners may bind port 0. */
  static async start(bootstrap: Record<string, unknown>, { concurrency = 1 } = {}): Promise<EnvoyProcess> {
    const envoy = await findEnvoy({ env: process.env, progress: console.error });
    const folder = mkdtempSync(join(tmpdir(), 'gw-envoy-'));
    const config = join(folder, 'envoy.json');
    writeFileSync(config, JSON.stringify({ admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } }, ...bootstrap }));
    const child = spawn(envoy, ['-c', config, '--use-dynamic-base-id', '--concurrency', String(concurrency), '--admin-address-path', join(folder, 'admin'), '--log-level', 'warning'], { stdio: ['ignore', 'ignore', 'pipe'] });
    const log: string[] = [];
    child.stderr.setEncoding('utf8').on('data', (text: string) => { log.push(text); });
    for (let tries = 0; tries < 400; tries++) {
      if (child.exitCode !== null) throw new Error(`Envoy did not start:\n${log.join('')}`);
      const admin = `http://${read(join(folder, 'admin'))}`;
      const ready = await fetch(`${admin}/ready`).then((response) => response.ok, () => false);
      if (ready) return new EnvoyProcess(admin, child, folder, log);
      await sleep(50);
    }
    child.kill('SIGKILL');
    throw new Error(`Envoy was not ready after 20 s:\n${log.join('')}`);
  }

  /** Where a listener is bound: "127.0.0.1:4711". */
  async address(listener: string): Promise<string> {
    const text = await (await fetch(`${this.admin}/listeners?format=json`)).text();
    const found = JSON.parse(text).listener_statuses.find((status: { name: string }) => status.name === listener);
    const { address, port_value } = found.local_address.socket_address;
    return `${address}:${port_value}`;
  }

  async stat(name: string): Promise<number> {
    const text = await (await fetch(`${this.admin}/stats?filter=^${name}$`)).text();
    return Number(text.split(': ')[1] ?? 0);
  }

  /** The sum of all statistics that a pattern finds. */
  async sum(pattern: string): Promise<number> {
    const text = await (await fetch(`${this.admin}/stats?filter=${encodeURIComponent(pattern)}`)).text();
    return text.split('\n').reduce((sum, line) => sum + Number(line.split(': ')[1] ?? 0), 0);
  }

  get pid(): number { return this.#process.pid ?? 0; }
  get log(): string { return this.#log.join(''); }

  async stop(): Promise<void> {
    this.#process.kill('SIGKILL');
    if (this.#process.exitCode === null && this.#process.signalCode === null) await new Promise((resolve) => this.#process.once('exit', resolve));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function read(file: string): string {
  try { return readFileSync(file, 'utf8'); } catch { return ''; }
}
