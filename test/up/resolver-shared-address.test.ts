// Two names, one address: whoever has a name server can lead a name of his own to the addresses of another host.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Gatewright } from './gatewright.ts';
import { documents } from './manifests.ts';
import { Hosts, backend, dynamicRoute, edge, get } from './resolver.ts';

let hosts: Hosts, gatewright: Gatewright;
let port: number;
const ask = async (name: string): Promise<number> => (await get(gatewright.address(), '/secure', `${name}:${port}`)).status;

beforeAll(async () => {
  hosts = await Hosts.start();
  port = await hosts.secure('shared.test');
  hosts.names['shared.test'] = ['127.0.0.1', '127.0.0.9'];
  hosts.names['first.test'] = ['127.0.0.1'];
  hosts.names['second.test'] = ['127.0.0.9'];
  gatewright = await Gatewright.start({
    'edge.yaml': edge, 'routes.yaml': documents(backend('secure'), dynamicRoute('secure')), 'policy.yaml': documents(hosts.policy({ addresses: { allow: ['Loopback'] } })),
  }, { env: { SSL_CERT_FILE: hosts.caFile } });
}, 60_000);
afterAll(async () => {
  await gatewright?.stop();
  await hosts?.stop();
});

test('names whose certificate is not there do not make the addresses unreachable for the name whose it is', async () => {
  // Each fails twice: the second request tells the resolver of the first.
  for (let i = 0; i < 2; i++) for (const name of ['first.test', 'second.test']) expect(await ask(name)).toBe(503);
  expect(await ask('shared.test')).toBe(200);
});
