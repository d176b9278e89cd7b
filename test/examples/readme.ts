// A README as a program: its ```console blocks are run in order, and what they print must be what stands there.
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Step { readonly line: number; readonly command: string; readonly output: string }

/** Commands begin with "$ "; what follows up to the next one is their output. */
export function readSteps(markdown: string): Step[] {
  const steps: { line: number; command: string; output: string }[] = [];
  let inside = false;
  for (const [i, line] of markdown.split('\n').entries()) {
    if (line.startsWith('```')) inside = !inside && line === '```console';
    else if (inside && line.startsWith('$ ')) steps.push({ line: i + 1, command: line.slice(2), output: '' });
    else if (inside) {
      const step = steps.at(-1);
      if (step === undefined) throw new Error(`line ${i + 1}: output before any command`);
      step.output += `${line}\n`;
    }
  }
  return steps;
}

/** Programs that stay, and what they say once they are ready. Nobody needs an & in a README: these go to the background. */
const staying: readonly { readonly command: RegExp; readonly ready: RegExp }[] = [
  { command: /^npm start\b/, ready: /Ctrl-C ends everything/ },
  { command: /^(\w+=\S+ )*npx gatewright up -f/, ready: /"msg":"serving"/ },
  { command: /^npx node \S*-server\.ts\b/, ready: /^https?:/m },
  { command: /^envoy /, ready: /starting main dispatch loop/ },
];

interface Running { readonly child: ChildProcess; readonly command: string; output: string }

export class Terminal {
  readonly #options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv };
  readonly #shell: ChildProcess;
  readonly #running: Running[] = [];
  #printed = '';

  constructor(options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }) {
    this.#options = options;
    this.#shell = spawn('bash', [], { ...options, stdio: ['pipe', 'pipe', 'ignore'] });
    this.#shell.stdout?.setEncoding('utf8').on('data', (text: string) => { this.#printed += text; });
  }

  /** Runs a command to its end, or to its ready sign when it is one that stays. What it printed to standard output, and its exit code. */
  async run(command: string): Promise<{ readonly output: string; readonly code: number }> {
    const found = staying.find((each) => each.command.test(command));
    return found === undefined ? this.#finish(command) : this.#start(command, found.ready);
  }

  async #finish(command: string): Promise<{ output: string; code: number }> {
    this.#printed = '';
    this.#shell.stdin?.write(`${command}\nprintf '\\1%s\\1' $?\n`);
    for (const end = Date.now() + 60_000; Date.now() < end; await sleep(5)) {
      const mark = /\u0001(\d+)\u0001$/.exec(this.#printed);
      if (mark !== null) return { output: this.#printed.slice(0, mark.index), code: Number(mark[1]) };
    }
    throw new Error(`${command}: not at its end after a minute; so far:\n${this.#printed}`);
  }

  async #start(command: string, ready: RegExp): Promise<{ output: string; code: number }> {
    // A process group of its own, as in a terminal: Ctrl-C reaches all of it.
    const running: Running = { child: spawn('bash', ['-c', command], { ...this.#options, stdio: ['ignore', 'pipe', 'pipe'], detached: true }), command, output: '' };
    this.#running.push(running);
    let printed = '';
    running.child.stdout?.setEncoding('utf8').on('data', (text: string) => { printed += text; running.output += text; });
    running.child.stderr?.setEncoding('utf8').on('data', (text: string) => { running.output += text; });
    for (const end = Date.now() + 60_000; Date.now() < end && running.child.exitCode === null; await sleep(20)) {
      // npm start prints much that differs from run to run; its README shows none of it.
      if (ready.test(running.output)) return { output: /^https?:/.test(printed) ? printed : '', code: 0 };
    }
    throw new Error(`${command}: not ready; it said:\n${running.output}`);
  }

  /** Ctrl-C in every terminal. Names the commands that left something running; that is ended too. */
  async close(): Promise<string[]> {
    this.#shell.kill();
    const stubborn: string[] = [];
    for (const { child, command } of this.#running.reverse()) {
      signal(child, 'SIGINT');
      for (const end = Date.now() + 15_000; Date.now() < end && signal(child, 0); await sleep(20));
      if (!signal(child, 'SIGKILL')) continue;
      stubborn.push(command);
    }
    return stubborn;
  }
}

/** To the whole group; false when nothing of it is left. */
function signal({ pid = 0 }: ChildProcess, name: NodeJS.Signals | 0): boolean {
  try { return process.kill(-pid, name); } catch { return false; }
}
