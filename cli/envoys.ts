// The data plane of `up`: an ADS server on a private Unix socket, and one Envoy for every Gateway that has a listener.
import type { Logger } from 'pino';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Unpublished } from '../controller-glue/controller.ts';
import type { Ir, IrGateway } from '../controller-glue/ir.ts';
import { AdsServer } from '../controller-glue/xds/ads.ts';
import { bootstrap } from '../controller-glue/xds/bootstrap.ts';
import { RouteCache } from '../controller-glue/xds/encode-routes.ts';
import { consistent } from '../controller-glue/xds/consistent.ts';
import type { JwkSet, WasmModules } from '../controller-glue/xds/extensions.ts';
import { refuseLarge, tooLarge } from '../controller-glue/xds/size.ts';
import { type Snapshot, buildSnapshot, withSessionKeys } from '../controller-glue/xds/snapshot.ts';
import { staticConfiguration } from '../controller-glue/xds/static.ts';
import { EnvoyRunner } from './envoy-runner.ts';
import { portsTaken } from './ports.ts';

export interface EnvoysOptions {
  readonly envoy: string;
  /** Mode 0700: sockets and bootstraps are nobody else's. */
  readonly folder: string;
  readonly concurrency: number;
  readonly address: string;
  readonly wasm: WasmModules;
  readonly caFile: string;
  /** By which the session filter knows what the login service signed. The same object as long as they are the same. */
  readonly sessionKeys: () => JwkSet;
  readonly extprocSocketPaths: readonly string[];
  readonly log: Logger;
  /** An Envoy that died is back, its admin interface on another port. */
  readonly restarted: () => void;
}

const nodeId = ({ namespace, name }: { readonly namespace: string; readonly name: string }): string => `${namespace}/${name}`;

const portsOf = ({ listeners }: IrGateway): number[] => listeners.map(({ port }) => port);

export class Envoys {
  readonly #options: EnvoysOptions;
  readonly #ads: AdsServer;
  readonly #runners = new Map<string, EnvoyRunner>();
  readonly #caches = new Map<string, RouteCache>();
  readonly #socket: string;
  /** Gateways with their ports that have been seen to take connections. */
  readonly #serving = new Set<string>();
  /** Ports that each Gateway's Envoy was given last. */
  readonly #ports = new Map<string, readonly number[]>();
  /** What each Gateway's Envoy is to have. */
  readonly #published = new Map<string, Snapshot>();
  #publishing: Promise<unknown> = Promise.resolve();
  #started = 0;
  #stopped = false;

  constructor(options: EnvoysOptions) {
    this.#options = options;
    this.#socket = join(options.folder, 'xds.sock');
    this.#ads = new AdsServer({ log: options.log });
  }

  async listen(): Promise<void> { await this.#ads.listen(this.#socket); }

  /** Brings every Gateway's Envoy to this state. Nothing is sent to any as long as something is too large. */
  publish(ir: Ir): Promise<Unpublished | undefined> {
    const publishing = this.#publish(ir);
    this.#publishing = publishing.catch(() => undefined);
    return publishing;
  }

  /** Call when the keys have changed: Envoys get the session filter anew, and nothing else. Resolves when they have it, or have been waited for long enough. */
  async renewSessionKeys(): Promise<void> {
    // Whoever publishes would be told that another state has taken the place of his, and never whether Envoy took it.
    for (let awaited: unknown; awaited !== this.#publishing;) await (awaited = this.#publishing);
    await Promise.all([...this.#published].map(([id, snapshot]) => this.#offer(id, withSessionKeys(snapshot, this.#options.wasm, this.#options.sessionKeys()))));
  }

  #offer(id: string, snapshot: Snapshot): ReturnType<AdsServer['publish']> {
    this.#published.set(id, snapshot);
    return this.#ads.publish(id, snapshot);
  }

  async #publish(ir: Ir): Promise<Unpublished | undefined> {
    if (this.#stopped) return undefined;
    const objects = ir.gateways.flatMap((gateway) => tooLarge(gateway, this.#cache(gateway)));
    if (objects.length > 0) return { kind: 'large', objects };
    const snapshots = ir.gateways.map((gateway) => ({ gateway, snapshot: this.#snapshot(gateway) }));
    const wanted = new Map(ir.gateways.map((gateway) => [nodeId(gateway), portsOf(gateway)]));
    const leaving = [...this.#runners.keys()].filter((id) => !wanted.has(id));
    // A port changes hands only when it is free: two Envoys on one would share its connections (reuse_port).
    const starting = new Set([...wanted].filter(([id]) => !this.#runners.has(id)).flatMap(([, ports]) => ports));
    for (const id of leaving) if (this.#ports.get(id)?.some((port) => starting.has(port)) === true) await this.#end(id);
    for (const [id, ports] of wanted) this.#ports.set(id, ports);
    const outcomes = await Promise.allSettled(snapshots.map(async ({ gateway, snapshot }) => {
      const faults = consistent(gateway, snapshot);
      if (faults.length > 0) throw new Error(`not published, since it refers to what is not there: ${faults.join('; ')}`);
      const published = this.#offer(nodeId(gateway), snapshot);
      await this.#start(gateway);
      return published;
    }));
    // Last, so that what the others are to have does not wait for it.
    for (const id of leaving) await this.#end(id);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const unpublished = outcomes.flatMap((outcome): Unpublished[] => {
      if (outcome.status !== 'fulfilled' || outcome.value === undefined) return [];
      return [outcome.value === 'unanswered' ? { kind: 'unanswered' } : { kind: 'refused', words: outcome.value.message }];
    });
    return unpublished.find(({ kind }) => kind === 'refused') ?? unpublished[0];
  }

  #cache(gateway: IrGateway): RouteCache {
    const cache = this.#caches.get(nodeId(gateway)) ?? new RouteCache();
    this.#caches.set(nodeId(gateway), cache);
    return cache;
  }

  #snapshot(gateway: IrGateway): Snapshot {
    const { wasm, caFile, address } = this.#options;
    const snapshot = buildSnapshot(gateway, { wasm, caFile, address, sessionKeys: this.#options.sessionKeys(), cache: this.#cache(gateway) });
    refuseLarge(snapshot);
    return snapshot;
  }

  /** Ports of this state that something else holds. */
  async portsTaken(ir: Ir): Promise<ReadonlyMap<number, string>> { return portsTaken(ir, this.#options.address, new Set([...this.#ports.values()].flat())); }

  async #end(id: string): Promise<void> {
    const runner = this.#runners.get(id);
    this.#runners.delete(id);
    this.#caches.delete(id);
    this.#published.delete(id);
    this.#ports.delete(id);
    await runner?.stop();
    this.#ads.forget(id);
  }

  /** What `envoy --mode validate` says to this state; undefined: it is good. */
  async validate({ gateways }: Ir): Promise<string | undefined> {
    const { envoy, folder, wasm, caFile, address } = this.#options;
    const file = join(folder, 'validate.json');
    for (const gateway of gateways) {
      writeFileSync(file, JSON.stringify(staticConfiguration(gateway, { wasm, caFile, address, sessionKeys: this.#options.sessionKeys() })), { mode: 0o600 });
      const refusal = await new Promise<string | undefined>((resolve) => {
        execFile(envoy, ['--mode', 'validate', '-c', file, '--use-dynamic-base-id', '--log-level', 'critical', '--log-format', '%v'], { timeout: 30_000 }, (error, _, stderr) => {
          resolve(error === null ? undefined : stderr.trim().split('\n').at(-1)?.replace(/^error initializing configuration '[^']*': /, '') ?? error.message);
        });
      });
      rmSync(file, { force: true });
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  async #start(gateway: IrGateway): Promise<void> {
    const id = nodeId(gateway);
    if (this.#runners.has(id)) return;
    const folder = join(this.#options.folder, String(this.#started++));
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { envoy, concurrency, extprocSocketPaths, log, restarted } = this.#options;
    // For as long as the Gateway is there: an Envoy that dies has a successor of this name, and no request that is going round outlives the last of them.
    const pseudonym = `gatewright-${randomBytes(8).toString('hex')}`;
    const runner = new EnvoyRunner({ envoy, folder, concurrency, restarted, bootstrap: bootstrap({ nodeId: id, pseudonym, xdsSocketPath: this.#socket, extprocSocketPaths }), log: (line) => log.warn({ envoy: id }, line) });
    this.#runners.set(id, runner);
    await runner.start();
  }

  /** Resolves when every listener takes connections. Each is tried until it does, and then no more: limits count our connections too. */
  async serving({ gateways }: Ir): Promise<void> {
    const wanted = new Map(gateways.flatMap((gateway) => portsOf(gateway).map((port) => [`${nodeId(gateway)} ${port}`, port] as [string, number])));
    for (const key of this.#serving) if (!wanted.has(key)) this.#serving.delete(key);
    await Promise.all([...wanted].filter(([key]) => !this.#serving.has(key)).map(async ([key, port]) => {
      for (let tries = 0; tries < 400 && !this.#stopped && !this.#serving.has(key); tries++) {
        if (await accepts(this.#options.address, port)) this.#serving.add(key);
        else await sleep(25);
      }
    }));
  }

  /** Of listeners and admin interfaces, those that Envoys have or are about to have. */
  ownPorts({ gateways }: Ir): number[] {
    const admin = [...this.#runners.values()].map((runner) => Number(new URL(runner.admin).port));
    return [...new Set([...gateways.flatMap(portsOf), ...[...this.#ports.values()].flat(), ...admin])];
  }

  /** URL of the admin interface of a Gateway's Envoy; it takes read paths only. */
  admin(gateway: { readonly namespace: string; readonly name: string }): string | undefined { return this.#runners.get(nodeId(gateway))?.admin; }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop()));
    await this.#ads.close();
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 500 });
    const end = (good: boolean) => (): void => {
      socket.destroy();
      resolve(good);
    };
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false));
  });
}
