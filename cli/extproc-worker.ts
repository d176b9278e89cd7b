// One process of the ext_proc service: login and resolver. `up` starts it, with the pool of extproc/worker-pool.ts.
import { pino } from 'pino';
import { Counter, Registry } from 'prom-client';
import { ownAddresses } from '../extproc/resolver/own-addresses.ts';
import { resolverProcessor } from '../extproc/resolver/processor.ts';
import { Resolver } from '../extproc/resolver/resolver.ts';
import type { KeyRingData } from '../extproc/oidc/keyring.ts';
import { serveAsWorker } from '../extproc/worker.ts';
import { realWorld } from '../extproc/world.ts';
import { login } from './extproc-oidc.ts';
import { traces } from './traces.ts';
import { trustSystemCa } from './trust.ts';

/** What workers are told beside policies. */
export interface News {
  /** Where we listen ourselves: nothing that a client asks for is dialled there. */
  readonly ownPorts: readonly number[];
  /** Before the first policy of a login. */
  readonly keys?: KeyRingData;
}

const registry = new Registry();
const refusals = new Counter({
  name: 'gatewright_resolver_refusals_total', help: 'Hosts that were not reached; detail: the class of address, or what is wrong with the host', labelNames: ['reason', 'detail'], registers: [registry],
});
let ownPorts: ReadonlySet<number> = new Set();
const spans = await traces(process.env);
const resolver = new Resolver({ world: realWorld, own: ownAddresses(realWorld.monotonic), ownPorts: () => ownPorts });
const log = pino({ level: process.env['GATEWRIGHT_LOG'] ?? 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
trustSystemCa(process.env, log);
const oidc = login({ world: realWorld, log, registry, env: process.env, ask: (question) => worker.ask(question) });

const worker = serveAsWorker({
  // Of several classes the first: how many combinations there are is for name servers to choose.
  processors: [oidc.processor, resolverProcessor(resolver, ({ reason, detail }) => { refusals.inc({ reason, detail: detail.split(',', 1)[0] ?? '' }); })],
  world: realWorld, registry, log, ...(spans === undefined ? {} : { tracer: spans.tracer, lastly: spans.flush }),
}, async (news) => {
  const { ownPorts: ports, keys } = news as News;
  ownPorts = new Set(ports);
  if (keys !== undefined) await oidc.learn(keys);
});
