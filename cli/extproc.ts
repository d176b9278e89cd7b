// The ext_proc service of `up`: there while a route needs it, with every policy before a route names it and until no route does.
import { join } from 'node:path';
import type { Logger } from 'pino';
import { type ExtprocPolicy, policies } from '../controller-glue/extproc-policies.ts';
import type { Ir } from '../controller-glue/ir.ts';
import { type PoolOptions, WorkerPool } from '../extproc/worker-pool.ts';
import type { News } from './extproc-worker.ts';
import { realWorld } from '../extproc/world.ts';

export interface ExtprocOptions {
  /** Mode 0700, with nothing else in it. */
  readonly folder: string;
  readonly workers: number;
  readonly log: Logger;
  /** Answers what workers ask. */
  readonly onAsk?: NonNullable<PoolOptions['onAsk']>;
}

/** How long requests have that are under way when nothing needs the service any more: longer than the longest of them takes. */
const PATIENCE_MS = 16_000;

export class Extproc {
  readonly #options: ExtprocOptions;
  readonly #address: string;
  #pool: Promise<WorkerPool> | undefined;
  #ended = false;
  /** Of the state in force, by key. */
  #inForce: ReadonlyMap<string, ExtprocPolicy> = new Map();
  /** What the workers have been told. */
  #known = new Map<string, ExtprocPolicy>();
  #ownPorts: readonly number[] = [];
  #draining: Promise<void> = Promise.resolve();

  constructor(options: ExtprocOptions) {
    this.#options = options;
    this.#address = join(options.folder, 'socket');
  }

  /** One for each worker: what Envoys are told before the service is there. */
  get socketPaths(): readonly string[] { return Array.from({ length: this.#options.workers }, (_, i) => `${this.#address}.${i}`); }

  /** Resolves when whatever these routes may ask can be answered. What is in force still can be. */
  async prepare(ir: Ir): Promise<void> {
    const wanted = policies(ir);
    if (wanted.length === 0 || this.#ended) return;
    const pool = await this.#running();
    for (const policy of wanted) {
      if (this.#known.has(key(policy))) continue;
      await pool.add(policy.processor, policy.id, policy.document);
      this.#known.set(key(policy), policy);
    }
  }

  /** Where we listen ourselves: nothing that a client asks for is dialled there. */
  async own(ports: readonly number[]): Promise<void> {
    this.#ownPorts = ports;
    // A worker that is gone is no trouble: its successor is told before it begins.
    const pool = await this.#pool?.catch(() => undefined);
    await pool?.inform({ ownPorts: ports } satisfies News).catch(() => undefined);
  }

  /** Envoy has taken this state: only now the policies of the one before may go, and the service when nothing needs it. */
  settle(ir: Ir): void {
    const wanted = new Map(policies(ir).map((policy) => [key(policy), policy]));
    // One state more: an Envoy that was away for the change may still be at the one before.
    const kept = new Map([...this.#inForce, ...wanted]);
    this.#inForce = wanted;
    if (wanted.size === 0) this.#leave(PATIENCE_MS);
    else {
      const processors = new Set([...this.#known.values(), ...kept.values()].map(({ processor }) => processor));
      this.#known = kept;
      void this.#pool?.then((pool) => {
        for (const each of processors) pool.retain(each, new Set([...kept.values()].filter(({ processor }) => processor === each).map(({ id }) => id)));
      }, () => undefined);
    }
  }

  /** In Prometheus' text form; empty while there is no service. */
  async metrics(): Promise<string> { return await (await this.#pool?.catch(() => undefined))?.metrics() ?? ''; }

  /** For good, at whatever moment. Envoys are to be gone before. */
  async stop(): Promise<void> {
    this.#ended = true;
    this.#leave(0);
    await this.#draining;
  }

  #leave(patience: number): void {
    const pool = this.#pool;
    this.#pool = undefined;
    this.#known = new Map();
    if (pool !== undefined) this.#draining = this.#draining.then(async () => { await (await pool.catch(() => undefined))?.drain(patience); });
  }

  #running(): Promise<WorkerPool> {
    if (this.#pool !== undefined) return this.#pool;
    const starting = this.#start();
    this.#pool = starting;
    starting.catch(() => { if (this.#pool === starting) this.#pool = undefined; });
    return starting;
  }

  async #start(): Promise<WorkerPool> {
    await this.#draining;   // its sockets have the same names
    const { workers, log, onAsk } = this.#options;
    const pool = await WorkerPool.start({ script: new URL('extproc-worker.ts', import.meta.url), workers, address: { kind: 'unix', path: this.#address }, log, world: realWorld, ...(onAsk && { onAsk }) });
    await pool.inform({ ownPorts: this.#ownPorts } satisfies News);
    return pool;
  }
}

const key = ({ processor, id }: ExtprocPolicy): string => `${processor} ${id}`;
