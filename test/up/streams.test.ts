// A policy change touches no listener: a streaming response stays open while policies, routes and backends around it come and go.
import { type Server, createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { policies } from '../cases/jwt.ts';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { documents, endpoint, gateway, gatewayClass, httpRoute, securityPolicy, service } from './manifests.ts';

let upstream: Server, gatewright: Gatewright;
beforeAll(async () => {
  // /stream answers a line every 20 ms until the client leaves; anything else answers at once.
  upstream = createServer((request, response) => {
    if (!request.url?.startsWith('/stream')) return void response.end('ok');
    response.writeHead(200, { 'content-type': 'text/plain' });
    let line = 0;
    const timer = setInterval(() => response.write(`${line++}\n`), 20);
    response.once('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  gatewright = await Gatewright.start({
    'base.yaml': documents(gatewayClass, gateway(), ...endpoint((upstream.address() as AddressInfo).port)),
    'stream.yaml': documents(httpRoute('stream')),
    'other.yaml': documents(httpRoute('plain')),
  });
});
afterAll(async () => {
  await gatewright?.stop();
  upstream?.closeAllConnections();
  upstream?.close();
});

const listeners = async (): Promise<number[]> => Promise.all(['listener_added', 'listener_modified', 'listener_removed', 'listener_in_place_updated', 'total_listeners_draining'].map((name) => gatewright.stat(`listener_manager.${name}`)));

test('a stream outlives twenty changes, and no listener is touched', async () => {
  let lines = 0, ended: string | undefined;
  const stream = get({ host: '127.0.0.1', port: Number(gatewright.address().split(':')[1]), path: '/stream', headers: { host: 'www.example.com' }, agent: false }, (response) => {
    response.setEncoding('utf8').on('data', (text: string) => { lines += text.split('\n').length - 1; });
    response.once('end', () => { ended = 'end'; }).once('error', ({ message }) => { ended = message; });
  });
  await gatewright.until(() => lines > 3);
  const before = await listeners();

  const status = async (path: string): Promise<number> => (await ask(gatewright.address(), path)).status;
  for (let round = 0; round < 4; round++) {
    await gatewright.replace('policy.yaml', documents(securityPolicy('plain', policies.plain)));
    expect(await status('/plain')).toBe(401);
    await gatewright.replace('policy.yaml', documents(securityPolicy('plain', { authorization: { defaultAction: 'Deny' } })));
    expect(await status('/plain')).toBe(403);
    await gatewright.replace('more.yaml', documents(httpRoute(`more-${round}`, undefined, { backend: 'second' }), service('second'), securityPolicy(`more-${round}`, policies.claims)));
    expect(await status(`/more-${round}`)).toBe(401);
    await gatewright.remove('more.yaml');
    expect(await status(`/more-${round}`)).toBe(404);
    await gatewright.remove('policy.yaml');
    expect(await status('/plain')).toBe(200);
  }

  expect(await listeners()).toEqual(before);
  expect(before.slice(1)).toEqual([0, 0, 0, 0]);
  const seen = lines;
  await gatewright.until(() => lines > seen + 5);
  expect(ended).toBeUndefined();
  stream.destroy();
  await sleep(0);
}, 60_000);
