// The case table in a real Envoy, by fault.wasm with its policies in place and in route metadata, and by Envoy's own fault filter beside it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FaultCase, cases } from '../cases/fault.ts';
import { faultDeviations } from '../fault-deviations.ts';
import { EnvoyProcess } from './envoy-process.ts';
import { faultBootstrap, nativeToo } from './fault-bootstrap.ts';
import { FaultUpstream, type Seen, send } from './fault-upstream.ts';

let envoy: EnvoyProcess, upstream: FaultUpstream;
const address: Record<string, string> = {};
beforeAll(async () => {
  upstream = await FaultUpstream.start();
  envoy = await EnvoyProcess.start(faultBootstrap(new URL('../../build/fault.wasm', import.meta.url).pathname, upstream.port));
  for (const name of ['ours', 'routes', 'native']) address[name] = await envoy.address(name);
}, 60_000);
afterAll(async () => {
  await envoy?.stop();
  await upstream?.stop();
});

/** Timers of Envoy and of this process have milliseconds of their own. */
const CLOCKS = 2;

describe.each(['ours', 'routes'])('fault.wasm in Envoy, policies in %s', (listener) => {
  test.each(cases)('$policy: $name', async (one) => {
    const before = upstream.seen.length;
    const { status, body, headers, milliseconds } = await send(address[listener] ?? '', one);
    expect({ status, body, details: headers['x-details'] }).toEqual({ status: one.status, body: one.body ?? '', details: one.details });
    if (headers['content-length'] === '0') delete headers['content-length'];     // Envoy's HTTP/1 encoder adds it where there is no body
    for (const [name, value] of Object.entries(one.found ?? {})) expect(headers[name] ?? null, name).toBe(value);
    expect(milliseconds).toBeGreaterThanOrEqual((one.takes ?? 0) - CLOCKS);
    const answered = one.status !== 0 && one.details !== 'fault_filter_abort';
    expect(upstream.seen.slice(before).map((request) => request.body)).toEqual(answered ? [one.method === 'POST' ? 'question' : ''] : []);
  });

  test('no request made the VM stumble, and nothing is left active', async () => {
    expect(await envoy.stat('wasm.gatewright.fault.vm_reload_success')).toBe(0);
    expect(await envoy.stat('wasmcustom.gatewright_fault_active')).toBe(0);
    expect(await envoy.stat('wasmcustom.gatewright_fault_policy_unreadable')).toBe(0);
    expect(envoy.log).not.toMatch(/abort|trap|unreachable|wasm log/i);
  });
});

/** What a user relies on. */
function compared({ status, body, headers, milliseconds }: Seen, { takes = 0 }: FaultCase): unknown {
  const { date: _, 'x-envoy-upstream-service-time': __, ...rest } = headers;
  return { status, body, headers: rest, inTime: milliseconds >= takes - AT_ONCE };
}
/** Of a response whose rate is limited native sends at once what a sixteenth of a second allows. */
const AT_ONCE = 63 + CLOCKS;

describe('fault.wasm beside envoy.filters.http.fault', () => {
  const both = cases.filter(({ policy }) => nativeToo.has(policy));
  test.each(both)('$policy: $name', async (one) => {
    const [mine, theirs] = await Promise.all([send(address['ours'] ?? '', one), send(address['native'] ?? '', one)]);
    const deviation = faultDeviations.find(({ cases }) => cases.includes(one.name));
    const [ours, native] = [compared(mine, one), compared(theirs, one)];
    if (deviation) expect(ours, `no longer different: ${deviation.what}`).not.toEqual(native);
    else expect(ours).toEqual(native);
  });

  test('compares most of the table', () => expect(both.length).toBeGreaterThan(100));

  test('every deviation is one of a case of the table', () => {
    const names = both.map(({ name }) => name);
    expect(faultDeviations.flatMap(({ cases }) => cases).filter((name) => !names.includes(name))).toEqual([]);
  });
});

test('metrics of a route bear its name as a label', async () => {
  const { status } = await send(address['ours'] ?? '', { name: '', policy: 'orElse', status: 503 });
  expect(status).toBe(503);
  const prometheus = await (await fetch(`${envoy.admin}/stats/prometheus?filter=gatewright_fault`)).text();
  expect(prometheus).toMatch(/^gatewright_fault_aborts_injected\{route="rule\/orElse.x"\} \d+$/m);
  expect(prometheus).toMatch(/^gatewright_fault_aborts_dry_run\{route="rule\/dryRun.x"\} \d+$/m);
  expect(prometheus).toMatch(/^gatewright_fault_active\{\} 0$/m);
});
