// A known host in a real Envoy: sent on its way without asking the service, for as long as the service said, by the policy it was asked by, and no further.
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, type Server, createServer } from 'node:http';
import { once } from 'node:events';
import { type AddressInfo, isIPv4 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FAILED_ATTRIBUTE, resolverProcessor } from '../../extproc/resolver/processor.ts';
import { Resolver } from '../../extproc/resolver/resolver.ts';
import { ExtProcServer } from '../../extproc/server.ts';
import { realWorld } from '../../extproc/world.ts';
import { Secret } from '../../policy/secret.ts';
import { NameServer, type Row } from '../extproc/resolver/name-server.ts';
import { exchange } from '../up/raw.ts';
import { EnvoyProcess } from './envoy-process.ts';
import { resolverSkipBootstrap } from './resolver-skip-bootstrap.ts';

const WASM = fileURLToPath(new URL('../../build/resolver.wasm', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'resolver-skip-'));

let names: NameServer, service: ExtProcServer, envoy: EnvoyProcess, edge: string, first: Server, port: number;
const answers: Record<string, { readonly addresses: readonly string[]; readonly ttl: number }> = {};
/** What the service was asked: the host, and what Envoy could not connect to. */
const asked: { readonly host: string | undefined; readonly failed: unknown }[] = [];
const reached: (string | undefined)[] = [];
/** Their CDN-Loop; Envoy makes one line of several. */
const loops: unknown[] = [];

async function host(address: string, at = 0): Promise<Server> {
  const server = createServer((request: IncomingMessage, response) => {
    reached.push(request.socket.localAddress);
    loops.push(request.headers['cdn-loop']);
    response.end(String(request.headers.host));
  }).listen(at, address);
  await once(server, 'listening');
  return server;
}

const get = async (path: string, hostHeader: string, headers = ''): Promise<{ status: number; details: string | undefined }> => {
  const [answer] = await exchange(edge, `GET /${path} HTTP/1.1\r\nHost: ${hostHeader}\r\n${headers}Connection: close\r\n\r\n`, 20_000);
  return { status: answer?.status ?? 0, details: /\r\nx-details: ([^\r]*)/i.exec(answer?.text ?? '')?.[1] };
};

beforeAll(async () => {
  names = await NameServer.start();
  names.zone = ({ name, type }) => {
    const { addresses, ttl } = answers[name] ?? { addresses: [], ttl: 0 };
    return addresses.length === 0 ? { code: 3 } : { records: addresses.filter((each) => isIPv4(each) === (type === 'A')).map((value): Row => ({ type: isIPv4(value) ? 'A' : 'AAAA', ttl, value })) };
  };
  first = await host('127.0.0.1');
  port = (first.address() as AddressInfo).port;
  const processor = resolverProcessor(new Resolver({ world: realWorld, own: () => new Set() }));
  const listening = { ...processor, onRequestHeaders: ((message, stream) => {
    asked.push({ host: message.headers.get(':authority'), failed: stream.attribute(FAILED_ATTRIBUTE) });
    return processor.onRequestHeaders(message, stream);
  }) satisfies typeof processor.onRequestHeaders };
  for (const id of ['open', 'other']) processor.policies.add(id, new Secret(JSON.stringify({
    policy: { addresses: { allow: ['Loopback'] }, ports: { allow: [{ port: 1, endPort: 65_535 }] }, dns: { servers: [names.address], hostsFile: '', minTtl: '1ms', negativeTtl: '1ms' } }, tls: false,
  })));
  processor.policies.add('closed', new Secret(JSON.stringify({ policy: { dns: { servers: [names.address], hostsFile: '' }, ports: { allow: [{ port: 1, endPort: 65_535 }] } }, tls: false })));
  service = new ExtProcServer({ processors: [listening], world: realWorld, log: { warn: () => undefined }, registry: new Registry() });
  const socket = join(folder, 'service', 'socket');
  await service.listen({ kind: 'unix', path: socket });
  envoy = await EnvoyProcess.start(resolverSkipBootstrap(WASM, socket, ['open', 'other', 'closed']));
  edge = await envoy.address('edge');
});
afterAll(async () => {
  await envoy?.stop();
  await service?.stop();
  first?.close();
  await names?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => { asked.length = 0; reached.length = 0; loops.length = 0; });

test('the second request to a host asks nobody', async () => {
  answers['known.test'] = { addresses: ['127.0.0.1'], ttl: 300 };
  for (let i = 0; i < 20; i++) expect(await get('open', `known.test:${port}`)).toMatchObject({ status: 200 });
  expect(asked).toHaveLength(1);
  expect(reached).toHaveLength(20);
  expect(await envoy.stat('wasmcustom.gatewright_resolver_known')).toBe(19);
});

test('until what DNS said has run out, and then not though Envoy has a connection there', async () => {
  answers['short.test'] = { addresses: ['127.0.0.1'], ttl: 3 };
  expect((await get('open', `short.test:${port}`)).status).toBe(200);
  answers['short.test'] = { addresses: [], ttl: 3 };
  let status = 200;
  for (let tries = 0; tries < 50_000 && status === 200; tries++) ({ status } = await get('open', `short.test:${port}`));
  expect(status).toBe(502);
  // The service counts from when DNS answered, the filter from when it asked: for the moment between the two it asks anew.
  expect(asked.length).toBeLessThan(reached.length / 5);
});

test('by the policy that it was decided by, and by no other', async () => {
  answers['shared.test'] = { addresses: ['127.0.0.1'], ttl: 300 };
  expect((await get('open', `shared.test:${port}`)).status).toBe(200);
  expect((await get('other', `shared.test:${port}`)).status).toBe(200);
  expect(await get('closed', `shared.test:${port}`)).toMatchObject({ status: 403, details: 'gatewright_resolver_address_refused' });
  expect(await get('closed', `shared.test:${port}`)).toMatchObject({ status: 403, details: 'gatewright_resolver_address_refused' });
  expect((await get('open', `shared.test:${port}`)).status).toBe(200);
  expect(asked).toHaveLength(4);
});

test('for another spelling the service is asked each time', async () => {
  answers['spelt.test'] = { addresses: ['127.0.0.1'], ttl: 300 };
  for (const spelling of ['SPELT.test', 'spelt.test.', 'spelt.tesT', 'SPELT.test', 'spelt.test.']) expect((await get('open', `${spelling}:${port}`)).status).toBe(200);
  expect(asked).toHaveLength(5);
  await get('open', `spelt.test:${port}`);
  await get('open', `spelt.test:${port}`);
  expect(asked).toHaveLength(6);
});

test('the guard wants a verdict: from the service, or from memory', async () => {
  answers['guarded.test'] = { addresses: ['127.0.0.1'], ttl: 300 };
  expect((await get('no-service/open', `guarded.test:${port}`)).status).toBe(403);
  expect((await get('no-memory/open', `guarded.test:${port}`)).status).toBe(200);
  expect((await get('no-service/open', `guarded.test:${port}`)).status).toBe(403);
  expect((await get('open', `guarded.test:${port}`)).status).toBe(200);
  expect((await get('no-service/open', `guarded.test:${port}`)).status).toBe(200);
  expect((await get('no-service/other', `guarded.test:${port}`)).status).toBe(403);
});

test('a request that the Envoy has sent itself is at its end, known or not, and a host is told by whom it is asked', async () => {
  answers['loop.test'] = { addresses: ['127.0.0.1'], ttl: 300 };
  for (let i = 0; i < 2; i++) {
    expect(await get('open', `loop.test:${port}`, 'CDN-Loop: other\r\nCDN-Loop: EDGE-1;v=1\r\n')).toEqual({ status: 508, details: 'gatewright_resolver_loop' });
    expect(await get('open', `loop.test:${port}`, 'CDN-Loop: other\r\nCDN-Loop: edge-11\r\n')).toMatchObject({ status: 200 });
  }
  expect(loops).toEqual(Array(2).fill('other,edge-11,edge-1'));
  expect(await get('open', `loop.test:${port}`, 'CDN-Loop: "\r\n')).toEqual({ status: 400, details: 'gatewright_resolver_loop_unreadable' });
  expect(asked).toHaveLength(1);
});

test('no header sets what the filters say to each other', async () => {
  answers['forged.test'] = { addresses: ['127.0.0.1'], ttl: 300 };
  const names = ['wasm.gatewright.resolver', 'gatewright.resolver', 'wasm.gatewright.resolver.skip', 'envoy.network.transport_socket.original_dst_address', 'x-envoy-original-dst-host'];
  const headers = names.map((name) => `${name}: ${name.includes('dst') ? `127.0.0.1:${port}` : name.endsWith('skip') ? 'yes' : 'closed'}\r\n`).join('');
  expect(await get('no-service/open', `forged.test:${port}`, headers)).toMatchObject({ status: 403 });
  expect(await get('closed', `forged.test:${port}`, headers)).toMatchObject({ status: 403, details: 'gatewright_resolver_address_refused' });
  expect(reached).toEqual([]);
});

test.each([['', 503], ['content-type: application/grpc\r\n', 200]])('an address that cannot be connected to is forgotten, and the service told: it chooses another (%j)', async (headers, status) => {
  answers['moves.test'] = { addresses: ['127.0.0.1', '127.0.0.2'], ttl: 300 };
  const leaves = await host('127.0.0.1');
  const { port: at } = leaves.address() as AddressInfo;
  expect((await get('open', `moves.test:${at}`)).status).toBe(200);
  const stays = await host('127.0.0.2', at);
  leaves.closeAllConnections();
  await new Promise((closed) => { leaves.close(closed); });
  expect(await get('open', `moves.test:${at}`, headers)).toMatchObject({ status, details: expect.stringContaining('connect') });
  expect(asked).toHaveLength(1);
  for (let i = 0; i < 3; i++) expect((await get('open', `moves.test:${at}`)).status).toBe(200);
  expect(asked).toEqual([{ host: `moves.test:${at}`, failed: '' }, { host: `moves.test:${at}`, failed: `127.0.0.1:${at}` }]);
  expect(reached).toEqual(['127.0.0.1', '127.0.0.2', '127.0.0.2', '127.0.0.2']);
  stays.close();
});

test('an address is not blamed for a TLS failure: with a name of their own, clients could talk the service out of it', async () => {
  answers['other-name.test'] = { addresses: ['127.0.0.1', '127.0.0.2'], ttl: 300 };
  const twin = await host('127.0.0.2', port);
  for (let i = 0; i < 3; i++) expect(await get('tls/open', `other-name.test:${port}`)).toMatchObject({ status: 503, details: expect.stringContaining('TLS_error') });
  expect(asked).toEqual(Array.from({ length: 3 }, () => ({ host: `other-name.test:${port}`, failed: '' })));
  twin.close();
});

test('an answer of 503 by the host itself says nothing about its address', async () => {
  answers['busy.test'] = { addresses: ['127.0.0.1'], ttl: 300 };
  const busy = createServer((_, response) => { response.writeHead(503).end(); }).listen(0, '127.0.0.1');
  await once(busy, 'listening');
  const at = (busy.address() as AddressInfo).port;
  for (let i = 0; i < 4; i++) expect((await get('open', `busy.test:${at}`)).status).toBe(503);
  expect(asked).toHaveLength(1);
  busy.close();
});

test('the service is gone: known hosts are reached, and no others', async () => {
  answers['survives.test'] = { addresses: ['127.0.0.1'], ttl: 300 };
  answers['unseen.test'] = { addresses: ['127.0.0.1'], ttl: 300 };
  expect((await get('open', `survives.test:${port}`)).status).toBe(200);
  await service.stop();
  expect((await get('open', `survives.test:${port}`)).status).toBe(200);
  expect((await get('open', `unseen.test:${port}`)).status).toBe(500);
  expect(reached).toHaveLength(2);
});
