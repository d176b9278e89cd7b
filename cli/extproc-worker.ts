// One process of the ext_proc service: the resolver. `up` starts it, with the pool of extproc/worker-pool.ts.
import { pino } from 'pino';
import { Counter, Registry } from 'prom-client';
import { ownAddresses } from '../extproc/resolver/own-addresses.ts';
import { resolverProcessor } from '../extproc/resolver/processor.ts';
import { Resolver } from '../extproc/resolver/resolver.ts';
import { serveAsWorker } from '../extproc/worker.ts';
import { realWorld } from '../extproc/world.ts';
import { tracer } from './traces.ts';

/** What workers are told beside policies. */
export interface News { readonly ownPorts: readonly number[] }

const registry = new Registry();
const refusals = new Counter({
  name: 'gatewright_resolver_refusals_total', help: 'Hosts that were not reached; detail: the class of address, or what is wrong with the host', labelNames: ['reason', 'detail'], registers: [registry],
});
let ownPorts: ReadonlySet<number> = new Set();
const traces = await tracer(process.env);
const resolver = new Resolver({ world: realWorld, own: ownAddresses(realWorld.monotonic), ownPorts: () => ownPorts });

serveAsWorker({
  // Of several classes the first: how many combinations there are is for name servers to choose.
  processors: [resolverProcessor(resolver, ({ reason, detail }) => { refusals.inc({ reason, detail: detail.split(',', 1)[0] ?? '' }); })],
  world: realWorld, registry, ...(traces === undefined ? {} : { tracer: traces }),
  log: pino({ level: process.env['GATEWRIGHT_LOG'] ?? 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2)),
}, (news) => { ownPorts = new Set((news as News).ownPorts); });
