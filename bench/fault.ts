// What a fault costs the requests it does not touch, and those that it aborts: Envoy's own filter, ours, and a Rust twin.
import { contentId } from '../controller-glue/content-id.ts';
import type { IrRoute } from '../controller-glue/ir.ts';
import { canonicalJson } from '../policy/canonical-json.ts';
import { FaultPolicy } from '../policy/fault.ts';
import { ask } from '../test/envoy/answer.ts';
import { emptyFilter, plain, rustFilter, rustTwin, wasm } from './filters.ts';
import { any, carrying, cpuRounds, listener } from './rounds.ts';
import type { Json, Scenario } from './rounds.ts';

const native = (percentage: number): Json => ({
  name: 'fault', typedConfig: any('envoy.extensions.filters.http.fault.v3.HTTPFault', { abort: { httpStatus: 503, percentage: { numerator: percentage, denominator: 'HUNDRED' } } }),
});

function route(percentage: number): IrRoute {
  const policy = FaultPolicy.parse({ faults: [{ abort: { httpStatus: 503, percentage } }] });
  return { name: 'ours', owners: [], match: { path: { kind: 'prefix', value: '/' }, headers: [], query: [] }, action: { kind: 'forward', shares: [] }, fault: { id: contentId(canonicalJson(policy)), policy } };
}
/** As in an Envoy of somebody else's: no policy to read from the route. */
const configured = (percentage: number): Json => ({ ...wasm('gatewright.fault', 'fault', { rules: [{ match: {}, policy: { faults: [{ abort: { httpStatus: 503, percentage } }] } }] }), disabled: false });
const ours = (): Json => wasm('gatewright.fault', 'fault', { source: 'route', stage: 'BeforeAuthorization' });

/** 100 requests: none of 0 % is aborted, and of 50 % some are and some are not. */
function scenario(one: Json, percentage: number, peer?: string): Scenario {
  return {
    listener: one, ...(peer === undefined ? {} : { peer }),
    check: async (address) => {
      const statuses = await Promise.all(Array.from({ length: 100 }, async () => (await ask(address, '/')).status));
      const aborted = statuses.filter((status) => status === 503).length;
      if (percentage === 0 ? aborted !== 0 : aborted < 10 || aborted > 90) throw new Error(`${aborted} of 100 aborted`);
    },
  };
}

export async function benchFault(): Promise<void> {
  const twin = rustFilter('gatewright.fault', rustTwin('fault'));
  await cpuRounds('Fault injection', {
    'no filter': scenario(listener([], plain), 0),
    'empty wasm filter': scenario(listener([emptyFilter()], plain), 0),
    'native fault, 0 %': scenario(listener([native(0)], plain), 0),
    'Rust twin, 0 %': scenario(carrying([twin], route(0)), 0, 'empty wasm filter'),
    'ours, 0 %': scenario(carrying([ours()], route(0)), 0, 'empty wasm filter'),
    'ours by plugin configuration, 0 %': scenario(listener([configured(0)], plain), 0, 'empty wasm filter'),
    'native fault, 50 % aborted': scenario(listener([native(50)], plain), 50),
    'Rust twin, 50 % aborted': scenario(carrying([twin], route(50)), 50, 'native fault, 50 % aborted'),
    'ours, 50 % aborted': scenario(carrying([ours()], route(50)), 50, 'native fault, 50 % aborted'),
  }, { unit: 'request', refusals: true });
}
if (import.meta.main) await benchFault();
