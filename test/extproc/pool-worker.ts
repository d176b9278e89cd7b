// A worker process for tests: lets requests pass, but those with x-refuse; those with x-ask get what the process in charge says.
// The last it does is to write the file that it is given. A policy may name a file: while it is there, the policy is refused.
import { existsSync, writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { Policies } from '../../extproc/policies.ts';
import type { Authorizer } from '../../extproc/processor.ts';
import { serveAsWorker } from '../../extproc/worker.ts';
import { realWorld } from '../../extproc/world.ts';

const gate: Authorizer<unknown> = {
  name: 'gate', authorizes: true, deadline: 20_000,
  policies: new Policies((document) => {
    const { refusedWhile = '' } = document as { refusedWhile?: string };
    if (existsSync(refusedWhile)) throw new Error(`not now: ${JSON.stringify(document)}`);
    return document;
  }),
  onRequestHeaders: ({ headers }) => {
    const question = headers.get('x-ask');
    if (question !== undefined) return worker.ask({ question }).then((answer) => answer, ({ message }: Error) => message).then((answer) => ({ kind: 'pass', set: [['x-worker', JSON.stringify(answer) ?? 'nothing']] }));
    return headers.has('x-refuse') ? { kind: 'respond', status: 403, details: 'refused' } : { kind: 'pass', set: [['x-worker', String(process.pid)]] };
  },
};
const worker = serveAsWorker({ processors: [gate], world: realWorld, log: pino({ level: 'warn' }, pino.destination(2)), registry: new Registry(), lastly: async () => { if (process.argv[2] !== undefined) writeFileSync(process.argv[2], ''); } });
