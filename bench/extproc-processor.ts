// The processor of bench/extproc.ts, and of its twin in Go: request headers in, one header set.
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Processor } from '../extproc/processor.ts';
import { ExtProcServer } from '../extproc/server.ts';
import { realWorld } from '../extproc/world.ts';

const processor: Processor = { name: 'bench', onRequestHeaders: ({ headers }) => ({ kind: 'mutate', set: [['x-bench', headers.get(':path') ?? '']] }) };
const server = new ExtProcServer({ processors: [processor], world: realWorld, log: pino(), registry: new Registry() });
await server.listen({ kind: 'unix', path: process.argv[2] ?? '' });
