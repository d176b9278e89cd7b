// The ext_proc service of `up`: there while a route needs it, with every policy before a route names it and until no route does. What it cannot be told
// is no reason to stop: it is said, and tried again.
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Unserved } from '../controller-glue/close-unserved.ts';
import { type ExtprocPolicy, policies, policyKey } from '../controller-glue/extproc-policies.ts';
import type { Ir } from '../controller-glue/ir.ts';
import { type PoolOptions, WorkerPool } from '../extproc/worker-pool.ts';
import type { News } from './extproc-worker.ts';
import { realWorld } from '../extproc/world.ts';

export interface ExtprocOptions {
  /** Mode 0700, with nothing else in it. */
  readonly folder: string;
  /** Of a worker. */
  readonly script: URL;
  readonly workers: number;
  readonly log: Logger;
  /** Answers what workers ask. */
  readonly onAsk?: NonNullable<PoolOptions['onAsk']>;
  /** Some of what `prepare` found to be unserved can be served now. */
  readonly mended: () => void;
}

/** How long requests have that are under way when nothing needs the service any more: longer than the longest of them takes. */
const PATIENCE_MS = 26_000;
/** Before what failed is tried again, and twice as long each time. */
const RETRY_AFTER_MS = 1_000;
const RETRY_AFTER_MOST_MS = 30_000;

export class Extproc {
  readonly #options: ExtprocOptions;
  readonly #address: string;
  #pool: Promise<WorkerPool> | undefined;
  #ended = false;
  /** Why there is no service, while one is needed and could not be started. */
  #out: string | undefined;
  /** Of the state that was prepared last. */
  #wanted: readonly ExtprocPolicy[] = [];
  #unserved: Unserved = new Map();
  #cancelRetry: (() => void) | undefined;
  #retrying = false;
  #pause = RETRY_AFTER_MS;
  /** Of the state in force, by key. */
  #inForce: ReadonlyMap<string, ExtprocPolicy> = new Map();
  /** What the workers have been told. */
  #known = new Map<string, ExtprocPolicy>();
  #news: News = { ownPorts: [] };
  #draining: Promise<void> = Promise.resolve();

  constructor(options: ExtprocOptions) {
    this.#options = options;
    this.#address = join(options.folder, 'socket');
  }

  /** One for each worker: what Envoys are told before the service is there. */
  get socketPaths(): readonly string[] { return Array.from({ length: this.#options.workers }, (_, i) => `${this.#address}.${i}`); }

  /**
   * Resolves when whatever these routes may ask can be answered, but for what is returned. What is in force still can be. What failed before is tried again
   * in the background, and nobody waits for that.
   */
  async prepare(ir: Ir): Promise<Unserved> {
    const wanted = this.#wanted = policies(ir);
    if (this.#ended) return new Map();
    const out = this.#out;
    const fresh = wanted.filter((policy) => !this.#known.has(policyKey(policy)) && !this.#unserved.has(policyKey(policy)));
    const failed = out === undefined ? await this.#tell(fresh) : new Map(fresh.map((policy) => [policyKey(policy), out]));
    const all = new Map([...this.#unserved, ...failed]);
    this.#unserved = new Map(wanted.map(policyKey).filter((key) => !this.#known.has(key)).map((key) => [key, all.get(key) ?? 'it ended meanwhile']));
    this.#retryLater();
    return this.#unserved;
  }

  /** What workers are to know beside policies, from now on. */
  async inform(more: Partial<News>): Promise<void> {
    this.#news = { ...this.#news, ...more };
    const pool = await this.#there();
    await pool?.inform(this.#news);
  }

  /** Envoy has taken this state: only now the policies of the one before may go, and the service when nothing needs it. */
  settle(ir: Ir): void {
    const wanted = new Map(policies(ir).map((policy) => [policyKey(policy), policy]));
    // One state more: an Envoy that was away for the change may still be at the one before.
    const kept = new Map([...this.#inForce, ...wanted]);
    this.#inForce = wanted;
    if (wanted.size === 0 && this.#unserved.size === 0) { this.#leave(PATIENCE_MS); return; }
    const processors = new Set([...this.#known.values(), ...kept.values()].map(({ processor }) => processor));
    this.#known = kept;
    void this.#pool?.then((pool) => {
      for (const each of processors) pool.retain(each, new Set([...kept.values()].filter(({ processor }) => processor === each).map(({ id }) => id)));
    }, () => undefined);
  }

  /** In Prometheus' text form; empty while there is no service. */
  async metrics(): Promise<string> { return await (await this.#there())?.metrics() ?? ''; }

  /** For good, at whatever moment. Envoys are to be gone before. */
  async stop(): Promise<void> {
    this.#ended = true;
    this.#cancelRetry?.();
    this.#leave(0);
    await this.#draining;
  }

  #leave(patience: number): void {
    const pool = this.#pool;
    this.#pool = undefined;
    this.#known = new Map();
    if (pool !== undefined) this.#draining = this.#draining.then(async () => { await (await pool.catch(() => undefined))?.drain(patience); });
  }

  /** What could not be told, by key, and why. */
  async #tell(some: readonly ExtprocPolicy[]): Promise<Unserved> {
    const failed = new Map<string, string>();
    if (some.length === 0) return failed;
    const starting = this.#running();
    let pool: WorkerPool;
    try { pool = await starting; } catch (error) {
      const out = this.#out = (error as Error).message;
      return new Map(some.map((policy) => [policyKey(policy), out]));
    }
    await Promise.all(some.map(async (policy) => {
      try {
        await pool.add(policy.processor, policy.id, policy.document);
        if (this.#pool === starting) this.#known.set(policyKey(policy), policy);
      } catch (error) { failed.set(policyKey(policy), (error as Error).message); }
    }));
    return failed;
  }

  #retryLater(): void {
    if (this.#unserved.size === 0) {
      this.#cancelRetry?.();
      this.#cancelRetry = undefined;
      this.#pause = RETRY_AFTER_MS;
      this.#out = undefined;
    } else if (!this.#ended && !this.#retrying && this.#cancelRetry === undefined) {
      this.#cancelRetry = realWorld.after(this.#pause, () => void this.#retry());
      this.#pause = Math.min(2 * this.#pause, RETRY_AFTER_MOST_MS);
    }
  }

  async #retry(): Promise<void> {
    this.#cancelRetry = undefined;
    this.#retrying = true;
    const failed = await this.#tell(this.#wanted.filter((policy) => this.#unserved.has(policyKey(policy))));
    this.#retrying = false;
    if (this.#ended) return;
    const left = [...this.#unserved].filter(([key]) => !this.#known.has(key));
    const mended = left.length < this.#unserved.size;
    this.#unserved = new Map(left.map(([key, why]) => [key, failed.get(key) ?? why]));
    this.#retryLater();
    if (mended) this.#options.mended();
  }

  /** The service, if it is there or about to be; one that failed before is not waited for. */
  async #there(): Promise<WorkerPool | undefined> { return this.#out === undefined ? this.#pool?.catch(() => undefined) : undefined; }

  #running(): Promise<WorkerPool> {
    if (this.#pool !== undefined) return this.#pool;
    const starting = this.#start();
    this.#pool = starting;
    starting.catch(() => { if (this.#pool === starting) this.#pool = undefined; });
    return starting;
  }

  async #start(): Promise<WorkerPool> {
    await this.#draining;   // its sockets have the same names
    const { script, workers, log, onAsk } = this.#options;
    const pool = await WorkerPool.start({ script, workers, address: { kind: 'unix', path: this.#address }, log, world: realWorld, ...(onAsk && { onAsk }) });
    for (let told: News | undefined; told !== this.#news;) await pool.inform(told = this.#news);
    this.#out = undefined;
    return pool;
  }
}
