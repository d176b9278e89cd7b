// `gatewright up`: files in, one Envoy per Gateway out. The composition root: everything real is made here and handed on.
import { pino } from 'pino';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Applied, Controller } from '../controller-glue/controller.ts';
import type { Ir } from '../controller-glue/ir.ts';
import { OnceKeeper } from '../extproc/oidc/once-keeper.ts';
import { realWorld } from '../extproc/world.ts';
import { type Sourced, FileSource } from '../controller-glue/sources/files.ts';
import { EchoBackends } from './echo.ts';
import { Extproc } from './extproc.ts';
import { findEnvoy } from './envoy-binary.ts';
import { existing } from './inputs.ts';
import { releaseMemoryWhenIdle } from './idle-memory.ts';
import { InputError } from './input-error.ts';
import { Envoys } from './envoys.ts';
import { LoginKeys } from './login-keys.ts';
import { Observer } from './observer.ts';
import { refusePortsInUse } from './ports.ts';
import { problemLines } from './problems.ts';
import { writeReadyFile } from './ready-file.ts';
import { systemCaFile } from './system-ca.ts';
import { wasmModules } from './wasm-modules.ts';

export interface UpOptions {
  readonly file: readonly string[];
  readonly echo: boolean;
  readonly address: string;
  readonly portOffset: number;
  readonly envoy?: string;
  readonly readyFile?: string;
  readonly concurrency: number;
}

/** What is there once every listener serves. */
export interface Ready { readonly ir: Ir; readonly admin: string | undefined; readonly metrics: string }

/** Runs until SIGINT or SIGTERM. `onReady` is called once, when every listener serves. */
export async function up(options: UpOptions, env: NodeJS.ProcessEnv, onReady?: (ready: Ready) => void): Promise<void> {
  const log = pino({ level: env['GATEWRIGHT_LOG'] ?? 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
  existing(options.file);
  const stop = stopSignal();
  const cleanups: (() => Promise<void> | void)[] = [];
  try {
    const echo = new EchoBackends();
    cleanups.push(() => echo.close());
    // One after the other, so that a state that waits for a new echo server is not overtaken by an older one.
    let covering: Promise<unknown> = Promise.resolve();
    const bring = ({ resources, problems }: Sourced): Promise<void> => {
      const covered = covering.then(() => options.echo ? echo.cover(resources) : resources);
      covering = covered.catch(() => undefined);
      return covered.then((all) => controller.apply({ resources: all, problems }));
    };
    const source = new FileSource(options.file, (sourced) => { bring(sourced).catch((error: unknown) => log.error(error, 'applying a change failed')); });
    if (source.initial.fatal) throw new InputError([...problemLines(source.initial.problems), 'gatewright: nothing is served until this is mended'].join('\n'));

    const envoy = await findEnvoy({ explicit: options.envoy, env, progress: (line) => log.info(line) });
    const folder = mkdtempSync(join(tmpdir(), 'gatewright-'));
    cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
    const loginKeys = new LoginKeys({ env, world: realWorld, log }, (keys) => Promise.all([extproc.inform({ keys }), envoys.renewSessionKeys()]));
    cleanups.push(() => loginKeys.close());
    const once = new OnceKeeper(realWorld);
    const extproc = new Extproc({
      folder: join(folder, 'extproc'), script: new URL('extproc-worker.ts', import.meta.url), workers: Math.max(1, options.concurrency), log,
      onAsk: (question, { signal }) => once.answer(question, signal),
      mended: () => { controller.again().catch((error: unknown) => log.error(error, 'applying a change failed')); },
    });
    cleanups.push(() => extproc.stop());
    const envoys = new Envoys({ envoy, folder, concurrency: options.concurrency, address: options.address, wasm: wasmModules(), caFile: systemCaFile(env), extprocSocketPaths: extproc.socketPaths, sessionKeys: () => loginKeys.publicKeys, log, restarted: () => inTurn(async () => {
      if (inForce !== undefined) await tellOwnPorts(inForce.ir);
      writeReady();
    }) });
    cleanups.push(() => envoys.stop());
    const observer = await Observer.start(() => extproc.metrics());
    cleanups.push(() => observer.stop());
    cleanups.push(() => source.close());                             // the first to end: nothing new is started from here on

    let shown = new Set<string>();
    let first = true;
    let inForce: Applied | undefined;
    const writeReady = (): void => {
      if (options.readyFile !== undefined && inForce !== undefined) writeReadyFile(options.readyFile, inForce, { address: options.address, admin: (gateway) => envoys.admin(gateway), metrics: observer.url });
    };
    const applied = async (state: Applied): Promise<void> => {
      const lines = problemLines(state.problems);
      for (const line of lines) if (!shown.has(line)) log.warn(line);
      shown = new Set(lines);
      observer.show(state);
      await envoys.serving(state.ir);
      inForce = state;
      writeReady();
      log.info({ generation: state.generation, problems: lines.length }, first ? 'serving' : 'change in force');
      if (first) onReady?.({ ir: state.ir, admin: state.ir.gateways.map((gateway) => envoys.admin(gateway)).find((url) => url !== undefined), metrics: observer.url });
      first = false;
      releaseMemoryWhenIdle();
    };
    let showing = Promise.resolve();
    const inTurn = (show: () => void | Promise<void>): void => { showing = showing.then(show).catch((error: unknown) => log.error(error, 'writing the state failed')); };
    const tellOwnPorts = (ir: Ir): Promise<void> => extproc.inform({ ownPorts: [...envoys.ownPorts(ir), Number(new URL(observer.url).port)] });
    const tagKey = randomBytes(32);
    const controller = new Controller({
      settings: { portOffset: options.portOffset, address: options.address, tag: (secret) => createHmac('sha256', tagKey).update(secret.reveal()).digest('base64url') },
      prepare: async (ir) => {
        await tellOwnPorts(ir);
        const closed = await loginKeys.prepare(ir);
        return new Map([...await extproc.prepare(ir), ...closed]);
      },
      publish: async (ir) => {
        const unpublished = await envoys.publish(ir);
        await tellOwnPorts(ir);   // an Envoy that is new has an admin interface now
        if (unpublished === undefined) extproc.settle(ir);
        return unpublished;
      },
      validate: (ir) => envoys.validate(ir),
      portsTaken: (ir) => envoys.portsTaken(ir),
      onApplied: (state) => inTurn(() => applied(state)),
    });
    await refusePortsInUse(source.initial.resources, options);
    await envoys.listen();
    await Promise.race([stop.signal, bring(source.initial).then(() => source.watch())]);
    log.info(await stop.signal, 'stopping');
  } finally {
    // A second signal does not cut this short: no process may stay behind.
    for (const cleanup of cleanups.reverse()) await cleanup();
    stop.forget();
  }
}

/** SIGINT or SIGTERM, as a promise. */
function stopSignal(): { readonly signal: Promise<{ signal: string }>; forget(): void } {
  let caught: (signal: NodeJS.Signals) => void = () => {};
  const signal = new Promise<{ signal: string }>((resolve) => { caught = (name) => resolve({ signal: name }); });
  process.on('SIGINT', caught).on('SIGTERM', caught);
  return { signal, forget: () => { process.off('SIGINT', caught).off('SIGTERM', caught); } };
}
