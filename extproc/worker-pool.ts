// Several processes on one address. This one accepts the connections and hands each to a worker; so an address is always open, and a worker that ends,
// or dies, is replaced without Envoy noticing more than a connection that goes.
//
// A Unix address has one socket per worker, all of them endpoints of one cluster: Envoy opens one HTTP/2 connection per endpoint and goes round. With one
// socket for all, its one connection, and with it every request, would be with one worker.

import { chmod, rm } from 'node:fs/promises';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import type { Logger } from 'pino';
import { AggregatorRegistry } from 'prom-client';
import type { Secret } from '../policy/secret.ts';
import { type Address, type Certificates, listenerOptions, makePrivate } from './server.ts';
import { WorkerGone, WorkerProcess, type WorkerScript } from './worker-process.ts';
import type { World } from './world.ts';

export interface PoolOptions extends WorkerScript {
  readonly workers: number;
  readonly address: Address;
  /** On TCP: DNS names in the certificates of those who may bring policies over gRPC (policy-intake.ts); absent: nobody may. */
  readonly controllers?: readonly string[];
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly world: World;
}

/** Before a worker that died is replaced, and twice as long each time: one that dies at once must not take all the CPU. */
const RESPAWN_AFTER = 200;
const RESPAWN_AFTER_MOST = 10_000;
/** A worker that was ready for so long did not die of its beginning. */
const STEADY_AFTER = 10_000;
/** A worker that hangs would fail its share of the requests, and hold up whoever tells it something, for ever. */
const READY_WITHIN = 15_000;
const ASK_EVERY = 5_000;
const HUNG_AFTER = 10_000;
/** How long a policy waits for a worker while there is none. */
const ADD_PATIENCE = 10_000;
/** After the patience of a drain, for what workers do last. */
const END_PATIENCE = 2_000;
/** Connections that wait while no worker is ready, and for how long it is worth it: beyond that Envoy is better told at once. */
const MAX_HOMELESS = 1000;
const HOMELESS_PAUSE = 1_000;

export class WorkerPool {
  /** The endpoints for Envoy's cluster: paths, or the port. */
  readonly endpoints: readonly (string | number)[];
  readonly #options: PoolOptions;
  readonly #listeners: readonly Server[];
  readonly #workers = new Set<WorkerProcess>();
  /** Processor → id → document: what a worker that starts later gets first. */
  readonly #policies = new Map<string, Map<string, Secret>>();
  /** By slot, how many in a row have not lasted. */
  readonly #failures = new Map<number, number>();
  #certificates: Certificates | undefined;
  #news: unknown;
  #homeless: [Socket, number][] = [];
  /** No worker is ready, and none will be soon. */
  #hopeless = false;
  #becameReady = Promise.withResolvers<void>();
  #stopping = false;

  private constructor(options: PoolOptions, listeners: readonly Server[]) {
    this.#options = options;
    this.#listeners = listeners;
    this.endpoints = listeners.map((listener) => { const at = listener.address(); return typeof at === 'string' ? at : (at as AddressInfo).port; });
    this.#certificates = options.address.kind === 'tcp' ? asText(options.address.certificates) : undefined;
    for (const [slot, listener] of listeners.entries()) listener.on('connection', (socket: Socket) => this.#place(socket, slot));
  }

  /** Resolves when every worker is ready. */
  static async start(options: PoolOptions): Promise<WorkerPool> {
    const { address, workers } = options;
    if (address.kind === 'tcp' && address.certificates === undefined) throw new Error('TCP without certificates on both sides is refused');
    if (address.kind === 'unix' && options.controllers !== undefined) throw new Error('on a Unix socket nobody shows who he is: policies come from this process alone');
    const listeners: Server[] = [];
    try {
      for (let slot = 0; slot < (address.kind === 'unix' ? workers : 1); slot++) listeners.push(await listener(address, slot));
    } catch (error) {
      for (const each of listeners) each.close();
      throw error;
    }
    const pool = new WorkerPool(options, listeners);
    try { await Promise.all(Array.from({ length: workers }, (_, slot) => pool.#spawn(slot))); } catch (error) {
      await pool.drain(0);
      throw error;
    }
    return pool;
  }

  /** Resolves when every worker has the policy, those that start later included. Rejects when it cannot be read, or nobody is there to read it. */
  async add(processor: string, id: string, document: Secret): Promise<void> {
    const known = this.#policies.get(processor) ?? new Map<string, Secret>();
    this.#policies.set(processor, known);
    // An id stands for its content: what is known stays, whatever becomes of this.
    const isNew = !known.has(id);
    const deadline = this.#options.world.monotonic() + ADD_PATIENCE;
    try {
      for (;;) {
        await this.#somebody(deadline);
        // First, so that a worker that gets ready meanwhile has it.
        if (isNew) known.set(id, document);
        const told = await Promise.allSettled(this.#alive().map((worker) => worker.ask({ kind: 'add', processor, id, document: document.reveal() })));
        for (const outcome of told) if (outcome.status === 'rejected' && !(outcome.reason instanceof WorkerGone)) throw outcome.reason;
        // One that is gone has a successor, which gets what one of the others could read.
        if (told.some(({ status }) => status === 'fulfilled')) return;
      }
    } catch (error) {
      if (isNew) known.delete(id);
      throw error;
    }
  }

  /** Drops all others of that processor. */
  retain(processor: string, ids: ReadonlySet<string>): void {
    const known = this.#policies.get(processor);
    for (const id of known?.keys() ?? []) if (!ids.has(id)) known?.delete(id);
    for (const worker of this.#alive()) worker.tell({ kind: 'retain', processor, ids: [...ids] });
  }

  /** Tells every worker, those that start later too. Resolves when all that are there know; only the last word counts. */
  async inform(news: unknown): Promise<void> {
    this.#news = news;
    await this.#tellAll((worker) => worker.ask({ kind: 'news', news }));
  }

  /** On TCP: connections from now on are made with these; those that are open stay. Rejects, and nothing has changed for workers to come, when they cannot be read. */
  async renew(certificates: Certificates): Promise<void> {
    const before = this.#certificates;
    if (before === undefined) throw new Error('there are no certificates on a Unix socket');
    const now = this.#certificates = asText(certificates);
    try { await this.#tellAll((worker) => worker.ask({ kind: 'renew', certificates: now })); } catch (error) {
      if (this.#certificates === now) this.#certificates = before;
      throw error;
    }
  }

  /** Of all workers together, in Prometheus' text form. */
  async metrics(): Promise<string> {
    const each = await Promise.all(this.#alive().map((worker) => worker.ask({ kind: 'metrics' }).catch(() => undefined)));
    return AggregatorRegistry.aggregate(each.filter((metrics) => metrics !== undefined) as object[]).metrics();
  }

  get pids(): readonly number[] { return this.#alive().map(({ pid }) => pid); }

  /** No request fails that comes before this; then the workers are gone. */
  async drain(patience: number): Promise<void> {
    this.#stopping = true;
    this.#becameReady.resolve();
    // Not waited for: it would ask the workers, dead ones too, about every connection that they have been given.
    for (const each of this.#listeners) each.close();
    for (const worker of this.#workers) worker.tell({ kind: 'drain', patience });
    const giveUp = this.#options.world.after(patience + END_PATIENCE, () => { for (const worker of this.#workers) worker.kill(); });
    await Promise.all([...this.#workers].map(({ exited }) => exited));
    giveUp();
    for (const [socket] of this.#homeless.splice(0)) socket.destroy();
    for (const endpoint of this.endpoints) if (typeof endpoint === 'string') await rm(endpoint, { force: true });
  }

  #alive(): WorkerProcess[] { return [...this.#workers].filter(({ ready }) => ready); }

  /** Those that are gone before they have heard it do not count. */
  async #tellAll(tell: (worker: WorkerProcess) => Promise<unknown>): Promise<void> {
    await Promise.all(this.#alive().map((worker) => tell(worker).catch((error: unknown) => { if (!(error instanceof WorkerGone)) throw error; })));
  }

  /** Resolves while a worker is ready. */
  async #somebody(deadline: number): Promise<void> {
    const { world } = this.#options;
    while (this.#alive().length === 0) {
      const left = deadline - world.monotonic();
      if (this.#stopping || left <= 0) throw new NoWorker();
      const over = Promise.withResolvers<void>();
      const cancel = world.after(left, over.resolve);
      await Promise.race([this.#becameReady.promise, over.promise]);
      cancel();
    }
  }

  /** To the worker whose socket it is; to the one with the fewest when that is away, and on TCP. */
  #place(socket: Socket, slot: number): void {
    const alive = this.#alive();
    const own = this.#options.address.kind === 'unix' ? alive.find((worker) => worker.slot === slot) : undefined;
    const worker = own ?? alive.sort((a, b) => a.connections - b.connections)[0];
    if (worker !== undefined) worker.hand(socket);
    else if (this.#homeless.length < MAX_HOMELESS && !this.#stopping && !this.#hopeless) this.#homeless.push([socket, slot]);
    else socket.destroy();
  }

  /** Rejects when it does not become ready; it is gone then. */
  async #spawn(slot: number): Promise<void> {
    const { log, world } = this.#options;
    const worker: WorkerProcess = new WorkerProcess(slot, this.#options, {
      leaves: (patience) => this.#leaves(worker, patience),
      put: (processor, id, document) => this.add(processor, id, document).then(() => undefined, (error: Error) => { if (error instanceof NoWorker) throw error; return error.message; }),
      keep: (processor, ids) => this.retain(processor, ids),
    });
    this.#workers.add(worker);
    void worker.exited.then(() => this.#exited(worker));
    const cancel = world.after(READY_WITHIN, () => worker.kill());
    try { await this.#prepare(worker); } catch (error) {
      // Half told it would neither serve nor go. Its words hold nothing of a document.
      if (!(error instanceof WorkerGone)) log.warn({ pid: worker.pid, problem: (error as Error).message }, 'an ext_proc worker cannot begin; it is ended');
      worker.kill();
      await worker.exited;
      throw error;
    } finally { cancel(); }
    if (worker.leaving) return;
    worker.ready = true;
    worker.readySince = world.monotonic();
    this.#hopeless = false;
    this.#watch(worker);
    this.#becameReady.resolve();
    this.#becameReady = Promise.withResolvers();
    for (const [socket, own] of this.#homeless.splice(0)) this.#place(socket, own);
  }

  /** Whatever is new while this is under way is in the next round. */
  async #prepare(worker: WorkerProcess): Promise<void> {
    const { controllers } = this.#options;
    let certificates = this.#certificates;
    let news: unknown;
    await worker.ask({ kind: 'begin', ...(certificates && { certificates }), ...(controllers && { controllers }) });
    for (let told: readonly Document[] = []; this.#certificates !== certificates || this.#news !== news || !this.#documents().every(({ document }) => told.some((known) => known.document === document));) {
      if (this.#certificates !== undefined && this.#certificates !== certificates) await worker.ask({ kind: 'renew', certificates: certificates = this.#certificates });
      if (this.#news !== news) await worker.ask({ kind: 'news', news: news = this.#news });
      told = this.#documents();
      await Promise.all(told.map(({ processor, id, document }) => worker.ask({ kind: 'add', processor, id, document: document.reveal() }).catch((error: unknown) => {
        throw error instanceof WorkerGone ? error : new Error(`policy ${id} of ${processor}: ${(error as Error).message}`);
      })));
    }
  }

  #exited(worker: WorkerProcess): void {
    const { log, world } = this.#options;
    this.#workers.delete(worker);
    for (const socket of worker.left) this.#place(socket, worker.slot);
    if (this.#stopping || worker.leaving) return;
    const failures = worker.readySince !== undefined && world.monotonic() - worker.readySince >= STEADY_AFTER ? 1 : (this.#failures.get(worker.slot) ?? 0) + 1;
    this.#failures.set(worker.slot, failures);
    const pause = Math.min(RESPAWN_AFTER * 2 ** (failures - 1), RESPAWN_AFTER_MOST);
    log.warn({ pid: worker.pid, ...worker.end, pause }, 'an ext_proc worker died; another takes its place');
    world.after(pause, () => this.#respawn(worker.slot));
    if (pause <= HOMELESS_PAUSE || this.#alive().length > 0) return;
    this.#hopeless = true;
    for (const [socket] of this.#homeless.splice(0)) socket.destroy();
  }

  #leaves(worker: WorkerProcess, patience: number): void {
    worker.ready = false;
    worker.leaving = true;
    worker.tell({ kind: 'drain', patience });
    this.#respawn(worker.slot);
  }

  #watch(worker: WorkerProcess): void {
    const { log, world } = this.#options;
    worker.unwatch = world.after(ASK_EVERY, () => {
      worker.unwatch = world.after(HUNG_AFTER, () => {
        log.warn({ pid: worker.pid }, 'an ext_proc worker does not answer; it is ended');
        worker.kill();
      });
      worker.ask({ kind: 'ping' }).then(() => {
        worker.unwatch();
        if (worker.ready) this.#watch(worker);
      }, () => worker.unwatch());
    });
  }

  /** That it dies, too, is seen and heard where workers exit. */
  #respawn(slot: number): void {
    if (!this.#stopping) this.#spawn(slot).catch(() => {});
  }

  #documents(): Document[] { return [...this.#policies].flatMap(([processor, known]) => [...known].map(([id, document]) => ({ processor, id, document }))); }
}

class NoWorker extends Error {
  override readonly name = 'NoWorker';
  constructor() { super('no ext_proc worker is ready'); }
}

interface Document { readonly processor: string; readonly id: string; readonly document: Secret }

async function listener(address: Address, slot: number): Promise<Server> {
  const path = address.kind === 'unix' ? `${address.path}.${slot}` : undefined;
  if (path !== undefined) await makePrivate(path);
  const server = createServer({ ...listenerOptions, pauseOnConnect: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    if (path !== undefined) server.listen(path, resolve);
    else if (address.kind === 'tcp') server.listen(address.port, address.host, resolve);
  });
  // Later: a connection that could not be accepted.
  server.on('error', () => {});
  if (path !== undefined) await chmod(path, 0o600);
  return server;
}

/** As they travel to workers. */
function asText({ key, cert, ca }: Certificates): Certificates { return { key: String(key), cert: String(cert), ca: String(ca) }; }
