// A worker of the ext_proc service for tests. It exits at once while the file that $MOODY_EXITS names is there, and refuses policies while that of $MOODY_REFUSES is.
import { existsSync } from 'node:fs';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { Policies } from '../../extproc/policies.ts';
import { serveAsWorker } from '../../extproc/worker.ts';
import { realWorld } from '../../extproc/world.ts';

if (existsSync(process.env['MOODY_EXITS'] ?? '')) process.exit(1);
const policies = new Policies((document) => {
  if (existsSync(process.env['MOODY_REFUSES'] ?? '')) throw new Error(JSON.stringify(document));
  return document;
});
serveAsWorker({ processors: [{ name: 'resolver', policies }], world: realWorld, log: pino({ level: 'silent' }), registry: new Registry() });
