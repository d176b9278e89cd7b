// How exact a delay of 2 s is with 1,000 requests waiting: ours and Envoy's own filter, from sending a request to its answer.
import { contentId } from '../controller-glue/content-id.ts';
import type { IrRoute } from '../controller-glue/ir.ts';
import { canonicalJson } from '../policy/canonical-json.ts';
import { FaultPolicy } from '../policy/fault.ts';
import { ask } from '../test/envoy/answer.ts';
import { EnvoyProcess } from '../test/envoy/envoy-process.ts';
import { plain, wasm } from './filters.ts';
import { any, carrying, listener } from './rounds.ts';
import type { Json } from './rounds.ts';
import { quantile } from './statistics.ts';

const WAITING = 1_000;
const DELAY = 2_000;

const native: Json = { name: 'fault', typedConfig: any('envoy.extensions.filters.http.fault.v3.HTTPFault', { delay: { fixedDelay: '2s', percentage: { numerator: 100, denominator: 'HUNDRED' } } }) };
function ours(): Json {
  const policy = FaultPolicy.parse({ faults: [{ delay: { fixedDelay: '2s' } }] });
  const route: IrRoute = { name: 'ours', owners: [], match: { path: { kind: 'prefix', value: '/' }, headers: [], query: [] }, action: { kind: 'forward', shares: [] }, fault: { id: contentId(canonicalJson(policy)), policy } };
  return carrying([wasm('gatewright.fault', 'fault', { source: 'route', stage: 'BeforeAuthorization' })], route);
}

/** Requests that come one a millisecond, so that no answer waits for the client. */
async function measure(one: Json): Promise<string> {
  const envoy = await EnvoyProcess.start({ static_resources: { listeners: [one] } });
  try {
    const address = await envoy.address('bench');
    const times: number[] = [];
    await Promise.all(Array.from({ length: WAITING }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, i));
      const start = performance.now();
      const { status } = await ask(address, '/');
      if (status !== 200) throw new Error(String(status));
      times.push(performance.now() - start - DELAY);
    }));
    return [0, 0.5, 0.99, 1].map((q) => `${quantile(times, q).toFixed(1)} ms`).join(' | ');
  } finally {
    await envoy.stop();
  }
}

export async function benchDelays(): Promise<void> {
  console.log(`Delay of ${DELAY / 1000} s, ${WAITING.toLocaleString('en')} requests waiting at once: how much later the answer comes (client and network included)\n`);
  console.log('| | least | median | 99 % | most |\n| --- | --- | --- | --- | --- |');
  console.log(`| native fault | ${await measure(listener([native], plain))} |`);
  console.log(`| ours | ${await measure(ours())} |\n`);
}
if (import.meta.main) await benchDelays();
