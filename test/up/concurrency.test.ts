// Limits on requests in flight through the whole product: who is turned away, and what the metrics say of it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { HoldingBackend } from './holding-backend.ts';
import { documents, endpoint, gateway, gatewayClass, httpRoute } from './manifests.ts';

const few = {
  apiVersion: 'gatewright.dev/v1alpha1', kind: 'ConcurrencyPolicy', metadata: { name: 'few' },
  spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'limited' }], limits: [{ name: 'in-all', value: 2 }, { name: 'dry', value: 1, dryRun: true }] },
};

let gatewright: Gatewright, backend: HoldingBackend;
beforeAll(async () => {
  backend = await HoldingBackend.start();
  gatewright = await Gatewright.start({ 'all.yaml': documents(gatewayClass, gateway(), ...endpoint(backend.port), httpRoute('limited'), few) }, { echo: false, args: ['--concurrency', '2'] });
});
afterAll(async () => {
  backend?.release('answer');
  await gatewright?.stop();
  await backend?.stop();
});

/** What Envoy's Prometheus page says of our limits, without what is none. */
async function metrics(): Promise<string[]> {
  const page = await (await fetch(`${gatewright.ready.admin}/stats/prometheus`)).text();
  return page.split('\n').filter((line) => line.startsWith('gatewright_concurrency_') && !line.endsWith(' 0')).sort();
}

test('two are at work, the third is turned away; limit and reason are labels', async () => {
  const held = [ask(gatewright.address(), '/limited'), ask(gatewright.address(), '/limited')];
  await gatewright.until(() => backend.held === 2);
  expect(await ask(gatewright.address(), '/limited')).toMatchObject({ status: 429, body: 'concurrency limit exceeded' });
  expect(await metrics()).toEqual([
    'gatewright_concurrency_active{limit="default/few/dry"} 2',
    'gatewright_concurrency_active{limit="default/few/in-all"} 2',
    'gatewright_concurrency_refused_dry_run{limit="default/few/dry",reason="value"} 1',
    'gatewright_concurrency_refused{limit="default/few/in-all",reason="value"} 1',
  ]);
  backend.release('answer');
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200]);
  await gatewright.until(async () => (await metrics()).every((line) => line.includes('_refused')));
});
