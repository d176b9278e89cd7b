// Requests that a fault holds up while the routes are changed: they go on to where their route led when they came, though no route leads there any longer.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { base, documents, httpRoute } from './manifests.ts';

const targetRefs = [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'one' }];
const traffic = (spec: object): object => ({ apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'BackendTrafficPolicy', metadata: { name: 'one' }, spec: { targetRefs, ...spec } });
const faultInjection = { delay: { fixedDelay: '6s' } };
const circuitBreaker = { maxConnections: 9 };
const nothing = documents(httpRoute('elsewhere'));

let gatewright: Gatewright;
beforeAll(async () => { gatewright = await Gatewright.start({ 'base.yaml': base, 'one.yaml': documents(httpRoute('one')), 'policy.yaml': nothing }); });
afterAll(async () => { await gatewright?.stop(); });

test.each([
  ['the route gets a cluster of its own', { faultInjection }, documents(traffic({ circuitBreaker }))],
  ['the route has no cluster of its own any longer', { faultInjection, circuitBreaker }, nothing],
])('%s', async (_, before, after) => {
  await gatewright.replace('policy.yaml', documents(traffic(before)));
  const answer = ask(gatewright.address(), '/one');
  await gatewright.until(async () => await gatewright.stat('wasmcustom.gatewright_fault_active') === 1);
  await gatewright.replace('policy.yaml', after);
  expect(await gatewright.stat('wasmcustom.gatewright_fault_active')).toBe(1);
  expect((await answer).status).toBe(200);
});
