// A worker process for tests: lets requests pass, but those with x-refuse.
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { Policies } from '../../extproc/policies.ts';
import type { Authorizer } from '../../extproc/processor.ts';
import { serveAsWorker } from '../../extproc/worker.ts';
import { realWorld } from '../../extproc/world.ts';

const gate: Authorizer<unknown> = {
  name: 'gate', authorizes: true, policies: new Policies((document) => document),
  onRequestHeaders: ({ headers }) => headers.has('x-refuse') ? { kind: 'respond', status: 403, details: 'refused' } : { kind: 'pass', set: [['x-worker', String(process.pid)]] },
};
serveAsWorker({ processors: [gate], world: realWorld, log: pino({ level: 'warn' }, pino.destination(2)), registry: new Registry() });
