// One process of a WorkerPool. The whole script of a worker: `serveAsWorker({ processors, … })`.

import type { Socket } from 'node:net';
import { Secret } from '../policy/secret.ts';
import type { PolicyIntake } from './policy-intake.ts';
import type { AnyProcessor } from './processor.ts';
import { type Certificates, ExtProcServer, type ServerOptions } from './server.ts';

export type ToWorker =
  | { readonly kind: 'begin'; readonly certificates?: Certificates; readonly controllers?: readonly string[] }
  | { readonly kind: 'add'; readonly processor: string; readonly id: string; readonly document: string }
  | { readonly kind: 'retain'; readonly processor: string; readonly ids: readonly string[] }
  | { readonly kind: 'renew'; readonly certificates: Certificates }
  | { readonly kind: 'connection'; readonly number: number }
  /** Whatever the one in charge and the script have agreed on. */
  | { readonly kind: 'news'; readonly news: unknown }
  /** To a question of the worker's own. */
  | { readonly kind: 'answer'; readonly number: number; readonly value?: unknown; readonly problem?: string }
  | { readonly kind: 'metrics' }
  /** Still there? */
  | { readonly kind: 'ping' }
  | { readonly kind: 'drain'; readonly patience: number };

export type FromWorker =
  | { readonly kind: 'done'; readonly question: number; readonly value?: unknown; readonly problem?: string }
  | FromWorkerAsking & { readonly number: number }
  | { readonly kind: 'adopted'; readonly number: number }
  | { readonly kind: 'closed' }
  /** Sends no more connections, please; `drain` is the answer, and nothing comes after it. */
  | { readonly kind: 'leaving'; readonly patience: number };

export type FromWorkerAsking =
  | { readonly kind: 'ask'; readonly asked: unknown }
  /** What a controller brought, for all workers. */
  | { readonly kind: 'put'; readonly processor: string; readonly id: string; readonly document: string }
  | { readonly kind: 'keep'; readonly processor: string; readonly ids: readonly string[] };

/** How long requests have after a SIGTERM. */
const PATIENCE = 30_000;
/** And what is done after them; the pool gives a worker somewhat more. */
const LASTLY_WITHIN = 1_000;

export interface WorkerOptions extends ServerOptions {
  /** Once all requests are answered, before the process ends: spans to be sent, say. */
  readonly lastly?: () => Promise<void>;
}

/** What the script of a worker gets in hand. */
export interface AsWorker {
  readonly server: ExtProcServer;
  /** Asks the process in charge: its `onAsk` answers, in JSON both ways. Rejects when it refuses or is gone. */
  readonly ask: (question: unknown) => Promise<unknown>;
}

/** `onNews` is told what the pool was last told by `inform`, before the first request and whenever there is something new. */
export function serveAsWorker(options: WorkerOptions, onNews: (news: unknown) => void | Promise<void> = () => undefined): AsWorker {
  const server = new ExtProcServer(options);
  const policiesOf = (name: string): AnyProcessor['policies'] => options.processors.find((processor) => processor.name === name)?.policies;
  const asked = new Map<number, { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }>();
  let questions = 0;
  const send = (message: FromWorker): void => { if (process.connected) process.send?.(message); };
  const carryOut = async (message: ToWorker): Promise<unknown> => {
    switch (message.kind) {
      case 'begin': server.prepare(message.certificates, message.controllers && intake(message.controllers)); return undefined;
      case 'add': {
        const policies = policiesOf(message.processor);
        if (policies === undefined) throw new UnknownProcessor();
        policies.add(message.id, new Secret(message.document));
        return undefined;
      }
      case 'retain': policiesOf(message.processor)?.retain(new Set(message.ids)); return undefined;
      case 'renew': server.renew(message.certificates); return undefined;
      case 'news': await onNews(message.news); return undefined;
      case 'metrics': return options.registry.getMetricsAsJSON();
      case 'answer': {
        const waiting = asked.get(message.number);
        asked.delete(message.number);
        if (message.problem === undefined) waiting?.resolve(message.value);
        else waiting?.reject(new Error(message.problem));
        return undefined;
      }
      case 'ping': case 'connection': return undefined;
      case 'drain':
        await server.drain(message.patience);
        if (options.lastly !== undefined) await Promise.race([options.lastly().catch(() => undefined), new Promise<void>((resolve) => { options.world.after(LASTLY_WITHIN, resolve); })]);
        process.exit(0);
    }
  };
  process.on('message', (message: ToWorker & { question?: number }, socket: Socket | undefined) => {
    if (message.kind === 'connection') {
      // It may have closed on the way.
      if (socket === undefined) send({ kind: 'closed' });
      else {
        socket.once('close', () => send({ kind: 'closed' }));
        server.adopt(socket);
      }
      send({ kind: 'adopted', number: message.number });
      return;
    }
    const { question } = message;
    carryOut(message).then(
      (value) => { if (question !== undefined) send({ kind: 'done', question, value }); },
      // The message of an exception may quote the document, which may hold a secret.
      (error: unknown) => { if (question !== undefined) send({ kind: 'done', question, problem: `${message.kind} failed: ${error instanceof Error ? error.name : 'error'}` }); },
    );
  });
  // Not ready from now on; drained when no connection can come any more.
  process.on('SIGTERM', () => {
    server.health.ready = false;
    send({ kind: 'leaving', patience: PATIENCE });
  });
  // A terminal's Ctrl-C reaches every process; the one in charge decides.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit(1));
  const request = (asking: FromWorkerAsking): Promise<unknown> => new Promise((resolve, reject) => {
    if (process.send === undefined || !process.connected) { reject(new Error('the process in charge is gone')); return; }
    const number = ++questions;
    process.send({ ...asking, number } satisfies FromWorker, undefined, undefined, (error) => {
      if (error !== null && asked.delete(number)) reject(new Error('the process in charge is gone'));
    });
    asked.set(number, { resolve, reject });
  });
  const intake = (controllers: readonly string[]): PolicyIntake => ({
    controllers,
    put: async (processor, id, document) => await request({ kind: 'put', processor, id, document: document.reveal() }) as string | undefined,
    retain: (processor, ids) => request({ kind: 'keep', processor, ids }),
  });
  return { server, ask: (question) => request({ kind: 'ask', asked: question }) };
}

class UnknownProcessor extends Error { override readonly name = 'UnknownProcessor'; }
