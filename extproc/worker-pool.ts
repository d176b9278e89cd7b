// Several processes on one address. This one accepts the connections and hands each to a worker; so an address is always open, and a worker that ends,
// or dies, is replaced without Envoy noticing more than a connection that goes.
//
// A Unix address has one socket per worker, all of them endpoints of one cluster: Envoy opens one HTTP/2 connection per endpoint and goes round. With one
// socket for all, its one connection, and with it every request, would be with one worker.

import { type ChildProcess, fork } from 'node:child_process';
import { chmod, rm } from 'node:fs/promises';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import type { Logger } from 'pino';
import { AggregatorRegistry } from 'prom-client';
import type { Secret } from '../policy/secret.ts';
import { type Address, listenerOptions, makePrivate } from './server.ts';
import type { FromWorker, ToWorker } from './worker.ts';
import type { World } from './world.ts';

export interface PoolOptions {
  /** A script that calls `serveAsWorker`. */
  readonly script: string | URL;
  readonly arguments?: readonly string[];
  readonly workers: number;
  readonly address: Address;
  /** Answers what workers `ask`, in JSON. `signal` aborts when the one that asked is gone. What it rejects with is not passed on: it may quote a secret. */
  readonly onAsk?: (question: unknown, from: { readonly signal: AbortSignal }) => Promise<unknown>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly world: World;
}

interface Worker {
  readonly process: ChildProcess;
  /** The socket that is its own. */
  readonly slot: number;
  /** Has all policies, and takes connections. */
  ready: boolean;
  /** Ends because it was told to; its successor has been called already. */
  leaving: boolean;
  connections: number;
  /** On their way to it. They are open here, too, until it has them: a worker that dies leaves no connection behind that nobody serves. */
  readonly handed: Map<number, Socket>;
  /** Calls off what waits to ask it whether it is still there. */
  unwatch: () => void;
  /** Aborted when it is gone. */
  readonly gone: AbortController;
  readonly exited: Promise<void>;
}

/** Before a worker that died is replaced: one that dies at once must not take all the CPU. */
const RESPAWN_AFTER = 200;
/** A worker that hangs would fail its share of the requests, and hold up whoever tells it something, for ever. */
const ASK_EVERY = 5_000;
const HUNG_AFTER = 10_000;
/** Connections that wait while no worker is ready. */
const MAX_HOMELESS = 1000;

export class WorkerPool {
  /** The endpoints for Envoy's cluster: paths, or the port. */
  readonly endpoints: readonly (string | number)[];
  readonly #options: PoolOptions;
  readonly #listeners: readonly Server[];
  readonly #workers = new Set<Worker>();
  /** Processor → id → document: what a worker that starts later gets first. */
  readonly #policies = new Map<string, Map<string, Secret>>();
  readonly #waiting = new Map<number, { readonly worker: Worker; readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }>();
  #news: unknown;
  #nextQuestion = 1;
  #homeless: [Socket, number][] = [];
  #stopping = false;

  private constructor(options: PoolOptions, listeners: readonly Server[], endpoints: readonly (string | number)[]) {
    this.#options = options;
    this.#listeners = listeners;
    this.endpoints = endpoints;
    for (const [slot, listener] of listeners.entries()) listener.on('connection', (socket: Socket) => this.#place(socket, slot));
  }

  /** Resolves when every worker is ready. */
  static async start(options: PoolOptions): Promise<WorkerPool> {
    const { address, workers } = options;
    if (address.kind === 'tcp' && address.certificates === undefined) throw new Error('TCP without certificates on both sides is refused');
    const slots = address.kind === 'unix' ? Array.from({ length: workers }, (_, i) => `${address.path}.${i}`) : [undefined];
    const listeners: Server[] = [];
    for (const path of slots) {
      if (path !== undefined) await makePrivate(path);
      const listener = createServer({ ...listenerOptions, pauseOnConnect: true });
      await new Promise<void>((resolve, reject) => {
        listener.once('error', reject);
        if (path !== undefined) listener.listen(path, resolve);
        else if (address.kind === 'tcp') listener.listen(address.port, address.host, resolve);
      });
      if (path !== undefined) await chmod(path, 0o600);
      listeners.push(listener);
    }
    const pool = new WorkerPool(options, listeners, slots.map((path, i) => path ?? (listeners[i]?.address() as AddressInfo).port));
    try { await Promise.all(Array.from({ length: workers }, (_, slot) => pool.#spawn(slot))); } catch (error) {
      await pool.drain(0);
      throw error;
    }
    return pool;
  }

  /** Resolves when every worker has the policy, those that start later included. Rejects when it cannot be read. */
  async add(processor: string, id: string, document: Secret): Promise<void> {
    const known = this.#policies.get(processor) ?? new Map<string, Secret>();
    // First, so that a worker that gets ready meanwhile has it.
    this.#policies.set(processor, known.set(id, document));
    const each = this.#alive().map((worker) => this.#ask(worker, { kind: 'add', processor, id, document: document.reveal() }).catch((error: unknown) => {
      if (worker.ready) throw error; // else it is gone, and its successor gets the policy
    }));
    try { await Promise.all(each); } catch (error) {
      known.delete(id);
      throw error;
    }
  }

  /** Drops all others of that processor. */
  retain(processor: string, ids: ReadonlySet<string>): void {
    const known = this.#policies.get(processor);
    for (const id of known?.keys() ?? []) if (!ids.has(id)) known?.delete(id);
    for (const worker of this.#alive()) this.#tell(worker, { kind: 'retain', processor, ids: [...ids] });
  }

  /** Tells every worker, those that start later too. Resolves when all that are there know; only the last word counts. */
  async inform(news: unknown): Promise<void> {
    this.#news = news;
    await Promise.all(this.#alive().map((worker) => this.#ask(worker, { kind: 'news', news })));
  }

  /** Of all workers together, in Prometheus' text form. */
  async metrics(): Promise<string> {
    const each = await Promise.all(this.#alive().map((worker) => this.#ask(worker, { kind: 'metrics' }).catch(() => undefined)));
    return AggregatorRegistry.aggregate(each.filter((metrics) => metrics !== undefined) as object[]).metrics();
  }

  get pids(): readonly number[] { return this.#alive().map(({ process }) => process.pid ?? 0); }

  /** No request fails that comes before this; then the workers are gone. */
  async drain(patience: number): Promise<void> {
    this.#stopping = true;
    // Not waited for: it would ask the workers, dead ones too, about every connection that they have been given.
    for (const listener of this.#listeners) listener.close();
    for (const worker of this.#workers) this.#tell(worker, { kind: 'drain', patience });
    const giveUp = this.#options.world.after(patience + 1000, () => { for (const { process } of this.#workers) process.kill('SIGKILL'); });
    await Promise.all([...this.#workers].map(({ exited }) => exited));
    giveUp();
    for (const endpoint of this.endpoints) if (typeof endpoint === 'string') await rm(endpoint, { force: true });
  }

  #alive(): Worker[] { return [...this.#workers].filter(({ ready }) => ready); }

  /** To the worker whose socket it is; to the one with the fewest when that is away, and on TCP. */
  #place(socket: Socket, slot: number): void {
    const alive = this.#alive();
    const own = this.#options.address.kind === 'unix' ? alive.find((worker) => worker.slot === slot) : undefined;
    const worker = own ?? alive.sort((a, b) => a.connections - b.connections)[0];
    if (worker === undefined) {
      if (this.#homeless.length < MAX_HOMELESS && !this.#stopping) this.#homeless.push([socket, slot]);
      else socket.destroy();
      return;
    }
    worker.connections++;
    const number = this.#nextQuestion++;
    worker.handed.set(number, socket);
    worker.process.send({ kind: 'connection', number } satisfies ToWorker, socket, { keepOpen: true }, () => {});
  }

  async #spawn(slot: number): Promise<void> {
    const { script, arguments: rest = [], address, log, world } = this.#options;
    const child = fork(script, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const exited = new Promise<void>((resolve) => { child.once('exit', () => resolve()); });
    const worker: Worker = { process: child, slot, ready: false, leaving: false, connections: 0, handed: new Map(), unwatch: () => undefined, gone: new AbortController(), exited };
    this.#workers.add(worker);
    child.on('message', (message: FromWorker) => this.#heard(worker, message));
    child.on('error', () => {}); // 'exit' follows
    void exited.then(() => {
      worker.ready = false;
      worker.unwatch();
      worker.gone.abort();
      this.#workers.delete(worker);
      for (const socket of worker.handed.values()) this.#place(socket, slot);
      for (const [id, question] of this.#waiting) if (question.worker === worker) { this.#waiting.delete(id); question.reject(new Error('an ext_proc worker is gone')); }
      if (this.#stopping || worker.leaving) return;
      log.warn({ pid: child.pid, code: child.exitCode, signal: child.signalCode }, 'an ext_proc worker died; another takes its place');
      world.after(RESPAWN_AFTER, () => this.#respawn(slot));
    });
    const certificates = address.kind === 'tcp' ? address.certificates : undefined;
    await this.#ask(worker, { kind: 'begin', ...(certificates && { certificates: { key: String(certificates.key), cert: String(certificates.cert), ca: String(certificates.ca) } }) });
    for (;;) {
      // Whatever is added while these are under way is in the next round.
      const before = this.#documents();
      const news = this.#news;
      if (news !== undefined) await this.#ask(worker, { kind: 'news', news });
      await Promise.all(before.map(([processor, id, document]) => this.#ask(worker, { kind: 'add', processor, id, document: document.reveal() })));
      if (this.#news === news && this.#documents().every(([, id]) => before.some(([, known]) => known === id))) break;
    }
    worker.ready = true;
    this.#watch(worker);
    const homeless = this.#homeless.splice(0);
    for (const [socket, own] of homeless) this.#place(socket, own);
  }

  #watch(worker: Worker): void {
    const { log, world } = this.#options;
    worker.unwatch = world.after(ASK_EVERY, () => {
      worker.unwatch = world.after(HUNG_AFTER, () => {
        log.warn({ pid: worker.process.pid }, 'an ext_proc worker does not answer; it is ended');
        worker.process.kill('SIGKILL');
      });
      this.#ask(worker, { kind: 'ping' }).then(() => {
        worker.unwatch();
        if (worker.ready) this.#watch(worker);
      }, () => worker.unwatch());
    });
  }

  /** That it dies, too, is seen and heard where workers exit. */
  #respawn(slot: number): void {
    if (!this.#stopping) this.#spawn(slot).catch(() => {});
  }

  #documents(): [processor: string, id: string, document: Secret][] {
    return [...this.#policies].flatMap(([processor, known]) => [...known].map(([id, document]): [string, string, Secret] => [processor, id, document]));
  }

  #heard(worker: Worker, message: FromWorker): void {
    switch (message.kind) {
      case 'adopted':
        worker.handed.get(message.number)?.destroy();
        worker.handed.delete(message.number);
        return;
      case 'closed': worker.connections--; return;
      case 'ask': void this.#answer(worker, message.number, message.asked); return;
      case 'leaving':
        worker.ready = false;
        worker.leaving = true;
        this.#tell(worker, { kind: 'drain', patience: message.patience });
        this.#respawn(worker.slot);
        return;
      case 'done': {
        const question = this.#waiting.get(message.question);
        this.#waiting.delete(message.question);
        if (message.problem === undefined) question?.resolve(message.value);
        else question?.reject(new Error(message.problem));
      }
    }
  }

  async #answer(worker: Worker, number: number, asked: unknown): Promise<void> {
    const { onAsk } = this.#options;
    if (onAsk === undefined) { this.#tell(worker, { kind: 'answer', number, problem: 'nobody answers questions here' }); return; }
    try {
      const value = await onAsk(asked, { signal: worker.gone.signal });
      this.#tell(worker, { kind: 'answer', number, value });
    } catch (error) {
      this.#tell(worker, { kind: 'answer', number, problem: `refused: ${error instanceof Error ? error.name : 'error'}` });
    }
  }

  #ask(worker: Worker, message: ToWorker): Promise<unknown> {
    const question = this.#nextQuestion++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(question, { worker, resolve, reject });
      this.#tell(worker, { ...message, question });
    });
  }

  #tell(worker: Worker, message: ToWorker & { question?: number }): void {
    worker.process.send(message, (error) => {
      if (error === null || message.question === undefined) return;
      this.#waiting.get(message.question)?.reject(error);
      this.#waiting.delete(message.question);
    });
  }
}
