// The dynamic resolver through the whole product: YAML to `up`, requests to its listener, and hosts of the test that are reached, or are not.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Gatewright } from './gatewright.ts';
import { documents } from './manifests.ts';
import { exchange } from './raw.ts';
import { Hosts, backend, dynamicRoute, edge } from './resolver.ts';

let hosts: Hosts, gatewright: Gatewright, port: number;
const get = async (path: string, host: string): Promise<{ status: number; body: string }> => {
  const [answer] = await exchange(gatewright.address(), `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 20_000);
  return { status: answer?.status ?? 0, body: answer?.text.split('\r\n\r\n').slice(1).join('') ?? '' };
};

beforeAll(async () => {
  hosts = await Hosts.start();
  port = await hosts.secure('good.test');
  gatewright = await Gatewright.start({
    'edge.yaml': edge,
    'routes.yaml': documents(backend('tls'), dynamicRoute('tls'), backend('plain', {}), dynamicRoute('plain')),
    'policy.yaml': documents(hosts.policy()),
  }, { env: { SSL_CERT_FILE: hosts.caFile } });
}, 60_000);
afterAll(async () => {
  await gatewright?.stop();
  await hosts?.stop();
});
beforeEach(() => { hosts.reached.length = 0; });

test('a host is reached over verified TLS, by the name that the request says', async () => {
  const answer = await get('/tls', `good.test:${port}`);
  if (process.env['SHOW']) console.log(gatewright.output, answer);
  expect(answer).toMatchObject({ status: 200, body: expect.stringContaining(`good.test:${port}`) as string });
  expect(hosts.reached).toEqual([`good.test:${port}`]);
});
