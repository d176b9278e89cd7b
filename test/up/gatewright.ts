// `gatewright up` as a user runs it: a process, a folder of YAML, a ready file. Tests change the files and ask the listeners.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ReadyFile {
  readonly generation: number;
  readonly gateways: readonly { readonly namespace: string; readonly name: string; readonly admin: string; readonly listeners: readonly { readonly name: string; readonly port: number; readonly url: string }[] }[];
  readonly admin: string;
  readonly metrics: string;
}

export interface GatewrightOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: --echo. */
  readonly echo?: boolean;
}

const CLI = new URL('../../cli/main.ts', import.meta.url).pathname;
// Every run gets ports of its own, by vitest's worker and in turn within it: below the ephemeral ones, beside those of `freePort`, and none that something listens on.
const worker = Number(process.env['VITEST_POOL_ID'] ?? 0);
let turn = process.pid % 30;
function nextOffset(): number {
  const listening = new Set(readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1).map((line) => line.trim().split(/\s+/)).filter(([, , , state]) => state === '0A').map(([, local = '']) => Number.parseInt(local.split(':')[1] ?? '', 16)));
  for (let tries = 0; tries < 30; tries++) {
    const offset = 10_000 + (worker % 3) * 3_000 + (turn++ % 30) * 100;
    if (![80, 81, 82, 90, 443, 13_000].some((port) => listening.has(offset + port))) return offset;
  }
  throw new Error('something listens on all ports of this worker: are there Envoys left over?');
}

export class Gatewright {
  readonly folder: string;
  readonly readyFile: string;
  readonly #process: ChildProcess;
  readonly #output: string[];
  readonly portOffset: number;

  private constructor(folder: string, readyFile: string, child: ChildProcess, output: string[], portOffset: number) {
    this.folder = folder;
    this.readyFile = readyFile;
    this.#process = child;
    this.#output = output;
    this.portOffset = portOffset;
  }

  /** Starts `up` on these files (name → YAML) without waiting for it. */
  static spawn(files: Readonly<Record<string, string>>, { args = [], env = {}, echo = true }: GatewrightOptions = {}): Gatewright {
    const folder = mkdtempSync(join(tmpdir(), 'gw-up-'));
    const readyFile = join(folder, '.ready.json');
    for (const [name, text] of Object.entries(files)) writeFile(join(folder, name), text);
    const portOffset = nextOffset();
    const child = spawn(process.execPath, [CLI, 'up', '-f', folder, '--ready-file', readyFile, '--port-offset', String(portOffset), ...(echo ? ['--echo'] : []), ...args], {
      env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output.push(text); });
    return new Gatewright(folder, readyFile, child, output, portOffset);
  }

  /** Starts `up` and waits until every listener serves. */
  static async start(files: Readonly<Record<string, string>>, options: GatewrightOptions = {}): Promise<Gatewright> {
    const gatewright = Gatewright.spawn(files, options);
    try { await gatewright.reaches(1); } catch (error) { await gatewright.stop(); throw error; }
    return gatewright;
  }

  get ready(): ReadyFile { return JSON.parse(readFileSync(this.readyFile, 'utf8')); }
  get generation(): number {
    try { return this.ready.generation; } catch { return 0; }
  }
  get output(): string { return this.#output.join(''); }
  get pid(): number { return this.#process.pid ?? 0; }

  /** Waits until this many states have been in force. */
  async reaches(generation: number): Promise<void> {
    await this.until(() => this.generation >= generation);
  }

  /** Waits for a condition; fails with the output of `up`. */
  async until(condition: () => boolean | Promise<boolean>, milliseconds = 20_000): Promise<void> {
    for (const end = Date.now() + milliseconds; Date.now() < end; await sleep(10)) {
      if (await condition()) return;
      if (this.#process.exitCode !== null) break;
    }
    throw new Error(`it did not come to that:\n${this.output}`);
  }

  /** "127.0.0.1:20080": where a listener of a Gateway serves. */
  address(listener = 'http', gateway?: string): string {
    const found = this.ready.gateways.filter(({ name }) => gateway === undefined || name === gateway).flatMap(({ listeners }) => listeners).find(({ name }) => name === listener);
    if (found === undefined) throw new Error(`no listener ${listener} in ${JSON.stringify(this.ready)}`);
    return new URL(found.url).host;
  }

  /** Replaces a file at once, as editors that write and rename do, and waits until the change is in force. */
  async replace(name: string, text: string): Promise<void> {
    const before = this.generation;
    writeFile(join(this.folder, `.${name}.new`), text);
    renameSync(join(this.folder, `.${name}.new`), join(this.folder, name));
    await this.reaches(before + 1);
  }

  async remove(name: string): Promise<void> {
    const before = this.generation;
    rmSync(join(this.folder, name));
    await this.reaches(before + 1);
  }

  /** A page of the controller: status, problems, metrics. */
  async page(name: string): Promise<string> { return (await fetch(this.ready.metrics.replace(/metrics$/, name))).text(); }

  /** The status of one object, as Kubernetes would hold it. */
  async status(kind: string, name: string): Promise<Record<string, never> | undefined> {
    const all = JSON.parse(await this.page('status')) as { kind: string; metadata: { name: string }; status: Record<string, never> }[];
    return all.find((object) => object.kind === kind && object.metadata.name === name)?.status;
  }

  async stat(name: string): Promise<number> {
    const text = await (await fetch(`${this.ready.admin}/stats?filter=^${name}$`)).text();
    return Number(text.split(': ')[1] ?? 0);
  }

  /** Waits for the process to end; its exit code, or the signal. */
  async ended(): Promise<number | string> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await new Promise((resolve) => this.#process.once('exit', resolve));
    return this.#process.exitCode ?? this.#process.signalCode ?? -1;
  }

  /** Ctrl-C. */
  async stop(): Promise<number | string> {
    this.#process.kill('SIGINT');
    const code = await this.ended();
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }
}

function writeFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
