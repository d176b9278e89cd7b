// The request timeout covers a fault's delay, in the real Envoy: for requests that are delayed, and without touching what else uses the route.
import { once } from 'node:events';
import { type Server, createServer, request } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { documents, endpoint, gateway, gatewayClass, httpRoute } from './manifests.ts';

const traffic = (name: string, spec: object): object => ({
  apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'BackendTrafficPolicy', metadata: { name },
  spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name }], timeout: { http: { requestTimeout: '3s' } }, ...spec },
});
const delayed = (percentage: number): object => ({ faultInjection: { delay: { fixedDelay: '700ms', percentage } } });

let backend: Server, gatewright: Gatewright;
beforeAll(async () => {
  // /…/silent never answers, everything else answers once the request is whole; a WebSocket is echoed.
  backend = createServer((incoming, response) => {
    if (incoming.url?.endsWith('/silent')) return;
    incoming.resume().on('end', () => response.end('whole'));
  }).on('upgrade', (_, socket: Socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  });
  await once(backend.listen(0, '127.0.0.1'), 'listening');
  gatewright = await Gatewright.start({
    'all.yaml': documents(gatewayClass, gateway(), ...endpoint((backend.address() as AddressInfo).port), httpRoute('plain'), traffic('plain', {}), httpRoute('held'), traffic('held', delayed(100)), httpRoute('spared'), traffic('spared', delayed(0.0001))),
  }, { echo: false });
});
afterAll(async () => {
  await gatewright?.stop();
  backend?.closeAllConnections();
  backend?.close();
});

const options = (path: string, headers: Record<string, string> = {}, method = 'GET') => {
  const [hostname, port] = gatewright.address().split(':');
  return { hostname, port, path, method, headers: { host: 'www.example.com', ...headers }, agent: false };
};

test('a delayed request to a silent backend has no longer than any other', async () => {
  // With the delay on top it would be 3.7 s, and the other one, which came 400 ms later, would be first.
  const order: string[] = [];
  const held = ask(gatewright.address(), '/held/silent').then(({ status, body }) => { order.push('held'); return { status, body }; });
  await sleep(400);
  const plain = ask(gatewright.address(), '/plain/silent').then(({ status, body }) => { order.push('plain'); return { status, body }; });
  expect(await Promise.all([held, plain])).toEqual([{ status: 504, body: 'upstream request timeout' }, { status: 504, body: 'upstream request timeout' }]);
  expect(order).toEqual(['held', 'plain']);
});
test('a delayed request that is answered in time is answered', async () => {
  expect(await ask(gatewright.address(), '/held/x')).toMatchObject({ status: 200, body: 'whole' });
});
test('an upload that takes longer than the timeout is not cut off', async () => {
  const upload = request(options('/spared/x', { 'content-length': '4' }, 'POST'));
  const answered = once(upload, 'response');
  upload.write('ab');
  await sleep(3_500);
  upload.end('cd');
  const [response] = await answered;
  expect(response.statusCode).toBe(200);
  response.resume();
});
test.each(['spared', 'held'])('a WebSocket stays open: %s', async (route) => {
  const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' };
  const [, socket] = await once(request(options(`/${route}/x`, headers)).end(), 'upgrade') as [unknown, Socket];
  await sleep(3_500);
  socket.write('still here');
  const [data] = await once(socket, 'data', { signal: AbortSignal.timeout(5_000) });
  expect(String(data)).toBe('still here');
  socket.destroy();
});
