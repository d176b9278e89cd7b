// One worker as the process in charge sees it: what it is told and asked, the connections that it has been given, and its end.

import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { Secret } from '../policy/secret.ts';
import type { FromWorker, ToWorker } from './worker.ts';

export interface WorkerScript {
  /** A script that calls `serveAsWorker`. */
  readonly script: string | URL;
  readonly arguments?: readonly string[];
  /** Answers what workers `ask`, in JSON. `signal` aborts when the one that asked is gone. What it rejects with is not passed on: it may quote a secret. */
  readonly onAsk?: (question: unknown, from: { readonly signal: AbortSignal }) => Promise<unknown>;
}

/** What it has the process in charge do. */
export interface Charge {
  /** It wants no more connections. */
  leaves(patience: number): void;
  /** A policy for all workers. Resolves with what is wrong with it, if anything is. */
  put(processor: string, id: string, document: Secret): Promise<string | undefined>;
  keep(processor: string, ids: ReadonlySet<string>): void;
}

/** It did not answer, because it is no more; nothing is said about what it was asked. */
export class WorkerGone extends Error {
  override readonly name = 'WorkerGone';
  constructor() { super('an ext_proc worker is gone'); }
}

export class WorkerProcess {
  /** The socket that is its own. */
  readonly slot: number;
  /** Has all policies, and takes connections. */
  ready = false;
  /** When it came to that. */
  readySince: number | undefined;
  /** Ends because it was told to; its successor has been called already. */
  leaving = false;
  connections = 0;
  /** Calls off what waits to ask it whether it is still there. */
  unwatch: () => void = () => undefined;
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #onAsk: WorkerScript['onAsk'];
  readonly #charge: Charge;
  readonly #gone = new AbortController();
  readonly #waiting = new Map<number, { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }>();
  /** On their way to it. They are open here, too, until it has them: a worker that dies leaves no connection behind that nobody serves. */
  readonly #handed = new Map<number, Socket>();
  #numbers = 0;

  constructor(slot: number, { script, arguments: rest = [], onAsk }: WorkerScript, charge: Charge) {
    this.slot = slot;
    this.#charge = charge;
    this.#onAsk = onAsk;
    this.#child = fork(script, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (message: FromWorker) => this.#heard(message));
    this.#child.on('error', () => {}); // 'exit' follows
    this.exited = new Promise<void>((resolve) => { this.#child.once('exit', () => resolve()); }).then(() => {
      this.ready = false;
      this.unwatch();
      this.#gone.abort();
      for (const { reject } of this.#waiting.values()) reject(new WorkerGone());
      this.#waiting.clear();
    });
  }

  get pid(): number { return this.#child.pid ?? 0; }
  /** What it ended by. */
  get end(): { readonly code: number | null; readonly signal: string | null } { return { code: this.#child.exitCode, signal: this.#child.signalCode }; }

  kill(): void { this.#child.kill('SIGKILL'); }

  /** Rejects with WorkerGone, or with what it says is wrong. */
  ask(message: ToWorker): Promise<unknown> {
    const question = ++this.#numbers;
    return new Promise((resolve, reject) => {
      if (this.#gone.signal.aborted) { reject(new WorkerGone()); return; }
      this.#waiting.set(question, { resolve, reject });
      this.#child.send({ ...message, question }, (error) => { if (error !== null && this.#waiting.delete(question)) reject(new WorkerGone()); });
    });
  }

  tell(message: ToWorker): void { this.#child.send(message, () => {}); }

  hand(socket: Socket): void {
    this.connections++;
    const number = ++this.#numbers;
    this.#handed.set(number, socket);
    this.#child.send({ kind: 'connection', number } satisfies ToWorker, socket, { keepOpen: true }, () => {});
  }

  /** What it was given and did not take. */
  get left(): readonly Socket[] { return [...this.#handed.values()]; }

  #heard(message: FromWorker): void {
    switch (message.kind) {
      case 'adopted':
        this.#handed.get(message.number)?.destroy();
        this.#handed.delete(message.number);
        return;
      case 'closed': this.connections--; return;
      case 'ask': {
        const { number, asked } = message;
        const onAsk = this.#onAsk;
        if (onAsk === undefined) this.tell({ kind: 'answer', number, problem: 'nobody answers questions here' });
        else void this.#answer(number, () => onAsk(asked, { signal: this.#gone.signal }));
        return;
      }
      case 'put': void this.#answer(message.number, () => this.#charge.put(message.processor, message.id, new Secret(message.document))); return;
      case 'keep': void this.#answer(message.number, async () => this.#charge.keep(message.processor, new Set(message.ids))); return;
      case 'leaving': this.#charge.leaves(message.patience); return;
      case 'done': {
        const question = this.#waiting.get(message.question);
        this.#waiting.delete(message.question);
        if (message.problem === undefined) question?.resolve(message.value);
        else question?.reject(new Error(message.problem));
      }
    }
  }

  async #answer(number: number, answer: () => Promise<unknown>): Promise<void> {
    try {
      const value = await answer();
      this.tell({ kind: 'answer', number, value });
    } catch (error) {
      this.tell({ kind: 'answer', number, problem: `refused: ${error instanceof Error ? error.name : 'error'}` });
    }
  }
}
