// A route's timeout holds while its host is looked up, too.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Gatewright } from './gatewright.ts';
import { documents } from './manifests.ts';
import { Hosts, backend, dynamicRoute, edge, get } from './resolver.ts';

let hosts: Hosts, gatewright: Gatewright, port: number;
const rule = (name: string, more: object = {}): object => ({ matches: [{ path: { type: 'PathPrefix', value: `/${name}` } }], backendRefs: [{ group: 'gateway.envoyproxy.io', kind: 'Backend', name: 'any' }], ...more });

beforeAll(async () => {
  hosts = await Hosts.start();
  port = await hosts.plain('slow.test');
  const { zone } = hosts.dns;
  hosts.dns.zone = (question) => ({ ...zone(question), afterMs: 4_000 });
  gatewright = await Gatewright.start({
    'edge.yaml': edge, 'policy.yaml': documents(hosts.policy({ dns: { servers: [hosts.dns.address], hostsFile: '', timeout: '10s', minTtl: '10m' } })),
    'routes.yaml': documents(backend('any', {}), dynamicRoute('any', 'any', {}, { rules: [rule('hurried', { timeouts: { request: '1500ms' } }), rule('patient')] })),
  });
}, 60_000);
afterAll(async () => {
  await gatewright?.stop();
  await hosts?.stop();
});

test('who may wait gets an answer, and who may not gets 504', async () => {
  const [hurried, patient] = await Promise.all(['/hurried', '/patient'].map((path) => get(gatewright.address(), path, `slow.test:${port}`)));
  expect(hurried).toEqual({ status: 504, body: 'host lookup timed out\n' });
  expect(patient?.status).toBe(200);
  expect(hosts.reached).toEqual([`slow.test:${port}`]);
});

test('what was learnt too late for one serves the next', async () => {
  expect((await get(gatewright.address(), '/hurried', `slow.test:${port}`)).status).toBe(200);
});
