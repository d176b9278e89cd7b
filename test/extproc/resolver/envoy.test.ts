// The resolver in a real Envoy, with a name server and hosts of our own: what is reached, and above all what is not.
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { type Http2SecureServer, type Http2ServerRequest, type Http2ServerResponse, createSecureServer } from 'node:http2';
import { type Server as HttpsServer, createServer as createHttpsServer } from 'node:https';
import { once } from 'node:events';
import { type AddressInfo, isIPv4 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { issueCertificate } from '../../../examples/certificate.ts';
import { Resolver } from '../../../extproc/resolver/resolver.ts';
import { resolverProcessor } from '../../../extproc/resolver/processor.ts';
import { ExtProcServer } from '../../../extproc/server.ts';
import { realWorld } from '../../../extproc/world.ts';
import { Secret } from '../../../policy/secret.ts';
import { OWN, attacks } from '../../cases/resolver-attacks.ts';
import { EnvoyProcess } from '../../envoy/envoy-process.ts';
import { exchange } from '../../up/raw.ts';
import { resolverBootstrap } from './envoy-bootstrap.ts';
import { NameServer, type Reply, type Row } from './name-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'resolver-'));
const authority = issueCertificate('test authority', { authority: true });
const stranger = issueCertificate('another authority', { authority: true });

let names: NameServer, service: ExtProcServer, envoy: EnvoyProcess, edge: string;
/** On every address of this machine; what it gets on 127.0.0.1 must not come through the closed policy. */
let host: Server, port: number;
const reached: { readonly at: string | undefined; readonly host: string | undefined }[] = [];
const secure: (Http2SecureServer | HttpsServer)[] = [];
const answers: Record<string, readonly string[]> = {};

const rows = (addresses: readonly string[], type: string | undefined): Row[] => addresses.filter((each) => isIPv4(each) === (type === 'A')).map((value) => ({ type: isIPv4(value) ? 'A' : 'AAAA', ttl: 0, value }));

/** A TLS host of one version of HTTP. Answers with the host it was asked for. */
async function secureHost({ certificate: cert, key }: { readonly certificate: string; readonly key: string }, version: '1.1' | '2.0'): Promise<number> {
  const answer = (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void => { (response as ServerResponse).end(`${request.httpVersion} ${request.headers[':authority'] as string | undefined ?? request.headers.host}`); };
  const server = version === '1.1' ? createHttpsServer({ cert, key }, answer) : createSecureServer({ cert, key }, answer);
  server.on('sessionError', () => undefined).on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  secure.push(server);
  return (server.address() as AddressInfo).port;
}

const get = async (policy: string, hostHeader: string, headers = ''): Promise<{ status: number; details: string | undefined; body: string }> => {
  const [answer] = await exchange(edge, `GET /${policy} HTTP/1.1\r\nHost: ${Buffer.from(hostHeader).toString('latin1')}\r\n${headers}Connection: close\r\n\r\n`, 10_000);
  const [head = '', body = ''] = (answer?.text ?? '').split('\r\n\r\n');
  return { status: answer?.status ?? 0, details: /\r\nx-details: ([^\r]*)/i.exec(head)?.[1], body: body.replace(/^[0-9a-f]+\r\n|\r\n0$/g, '') };
};

beforeAll(async () => {
  names = await NameServer.start();
  names.zone = ({ name, type }) => answers[name] === undefined ? { code: 3 } : { records: rows(answers[name], type) };
  host = createServer((request: IncomingMessage, response) => {
    reached.push({ at: request.socket.localAddress?.replace('::ffff:', ''), host: request.headers.host });
    response.end(`${request.socket.localAddress} ${request.headers.host}`);
  }).listen(0, '::');
  await once(host, 'listening');
  port = (host.address() as AddressInfo).port;

  const resolver = new Resolver({ world: realWorld, own: () => new Set(OWN) });
  const processor = resolverProcessor(resolver);
  const policy = (id: string, tls: boolean, addresses: object, timeout = '3s') => processor.policies.add(id, new Secret(JSON.stringify({
    policy: { addresses, ports: { allow: [{ port: 1, endPort: 65_535 }] }, dns: { servers: [names.address], hostsFile: '', minTtl: '1ms', negativeTtl: '1ms', timeout } }, tls,
  })));
  policy('closed', false, {});
  policy('second', false, { allow: ['127.0.0.2'] });
  policy('open', false, { allow: ['Loopback'] });
  policy('hasty', false, { allow: ['Loopback'] }, '300ms');
  policy('secure', true, { allow: ['Loopback'] });
  const socket = join(folder, 'service', 'socket');
  service = new ExtProcServer({ processors: [processor], world: realWorld, log: { warn: () => undefined }, registry: new Registry() });
  await service.listen({ kind: 'unix', path: socket });
  envoy = await EnvoyProcess.start(resolverBootstrap({ socket, plain: ['closed', 'second', 'open', 'hasty', 'unknown'], tls: ['secure'], authority: authority.certificate }));
  edge = await envoy.address('edge');
});
afterAll(async () => {
  await envoy?.stop();
  await service?.stop();
  host?.closeAllConnections();
  for (const each of [host, ...secure]) each?.close();
  await names?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => { reached.length = 0; });

describe('no attack reaches a host', () => {
  const withPort = (text: string): string => /:0\d*$|[\0\r\n]/.test(text) || text.startsWith('::') ? text : `${text.replace(/:[1-9][0-9]*$/, '')}:${port}`;
  test.each(attacks)('$host ($resolves)', async ({ host: attack, resolves, reason }) => {
    const name = attack.replace(/:[0-9]+$/, '').toLowerCase();
    if (resolves !== undefined) answers[name] = resolves;
    const { status, details } = await get('closed', withPort(attack));
    // What is no authority at all Envoy refuses itself.
    expect([400, 403, 502]).toContain(status);
    if (status !== 400) expect(details).toBe(reason);
    expect(reached).toEqual([]);
  });

  test('the host is there all the same: a policy that opens loopback reaches it', async () => {
    answers['inside.test'] = ['127.0.0.1'];
    expect(await get('open', `inside.test:${port}`)).toMatchObject({ status: 200 });
    expect(reached).toEqual([{ at: '127.0.0.1', host: `inside.test:${port}` }]);
  });

  test('a name that flips between the address allowed and another is dialled at that one only', async () => {
    let turn = 0;
    const zone = names.zone;
    names.zone = ({ type }) => type === 'A' ? { records: rows([turn++ % 2 === 0 ? '127.0.0.2' : '127.0.0.1'], 'A') } : {};
    const statuses: number[] = [];
    for (let i = 0; i < 60; i++) statuses.push((await get('second', `rebind.test:${port}`)).status);
    names.zone = zone;
    expect(new Set(statuses)).toEqual(new Set([200, 403]));
    expect(new Set(reached.map(({ at }) => at))).toEqual(new Set(['127.0.0.2']));
  });

  test('nor does a client choose by a header, or without a policy', async () => {
    answers['second.test'] = ['127.0.0.2'];
    await get('second', `second.test:${port}`, `x-envoy-original-dst-host: 127.0.0.1:${port}\r\n`);
    expect(new Set(reached.map(({ at }) => at))).toEqual(new Set(['127.0.0.2']));
    expect((await get('unknown', `second.test:${port}`)).status).toBe(503);
  });
});

test('upstream gets the name that was checked', async () => {
  answers['inside.test'] = ['127.0.0.1'];
  expect(await get('open', `INSIDE.test.:${port}`)).toMatchObject({ status: 200 });
  expect(reached).toEqual([{ at: '127.0.0.1', host: `inside.test:${port}` }]);
});

test('of several addresses one that answers is dialled, at the first request', async () => {
  const only = createServer((_, response) => response.end('the one')).listen(0, '127.0.0.3');
  await once(only, 'listening');
  answers['several.test'] = ['127.0.0.4', '127.0.0.3'];
  expect(await get('open', `several.test:${(only.address() as AddressInfo).port}`)).toMatchObject({ status: 200, body: 'the one' });
  only.closeAllConnections();
  only.close();
});

test('what a filter saw fail is not dialled again: filter state reaches the resolver', async () => {
  answers['pair.test'] = ['127.0.0.5', '127.0.0.6'];
  expect((await get('open', `pair.test:${port}`)).status).toBe(200);
  expect((await get('open', `pair.test:${port}`, `x-failed: 127.0.0.5:${port}\r\n`)).status).toBe(200);
  expect(reached.map(({ at }) => at)).toEqual(['127.0.0.5', '127.0.0.6']);
});

test('an IPv6 literal is dialled as one', async () => {
  expect(await get('open', `[::1]:${port}`)).toMatchObject({ status: 200 });
  expect(reached).toEqual([{ at: '::1', host: `[::1]:${port}` }]);
});

describe('a name server that', () => {
  const troubles: readonly (Reply & { readonly name: string; readonly first: { readonly status: number; readonly details: string } })[] = [
    { name: 'says nothing', silent: true, first: { status: 504, details: 'gatewright_resolver_dns_timeout' } },
    { name: 'fails', code: 2, first: { status: 502, details: 'gatewright_resolver_dns_failed' } },
    { name: 'refuses', code: 5, first: { status: 502, details: 'gatewright_resolver_dns_failed' } },
    { name: 'talks nonsense', garbage: true, first: { status: 502, details: 'gatewright_resolver_dns_failed' } },
    { name: 'answers under another id', wrongId: true, records: [{ type: 'A', ttl: 0, value: '127.0.0.1' }], first: { status: 504, details: 'gatewright_resolver_dns_timeout' } },
  ];
  test.each(troubles)('$name: names in use go on, a new one is told why not', async ({ name, first, ...reply }) => {
    const known = `known-${name.replaceAll(' ', '-')}.test`;
    answers[known] = ['127.0.0.1'];
    await expect.poll(async () => (await get('hasty', `${known}:${port}`)).status).toBe(200);
    const zone = names.zone;
    names.zone = () => reply;
    try {
      const statuses = await Promise.all(Array.from({ length: 40 }, async () => (await get('hasty', `${known}:${port}`)).status));
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect(await get('hasty', `new-${name.replaceAll(' ', '-')}.test:${port}`)).toMatchObject(first);
    } finally { names.zone = zone; }
  });

  test('answers with a thousand records, mostly of places that are not for clients: one that is, is dialled', async () => {
    const zone = names.zone;
    names.zone = ({ type }) => ({ truncate: true, records: type === 'A' ? rows(['10.0.0.1', '169.254.169.254', '127.0.0.2', ...Array.from({ length: 997 }, (_, i) => `10.1.${i >> 8}.${i & 255}`)], 'A') : [] });
    try { expect((await get('second', `many.test:${port}`)).status).toBe(200); } finally { names.zone = zone; }
    expect(reached.map(({ at }) => at)).toEqual(['127.0.0.2']);
  });

  test('flaps, under load: every answer is 200 or says why, and names in use go on', async () => {
    const zone = names.zone;
    let turn = 0;
    names.zone = (question) => turn++ % 3 === 0 ? { code: 2 } : turn % 7 === 0 ? { silent: true } : zone(question);
    answers['steady.test'] = ['127.0.0.1'];
    await expect.poll(async () => (await get('hasty', `steady.test:${port}`)).status).toBe(200);
    for (let i = 0; i < 20; i++) answers[`flap${i}.test`] = ['127.0.0.1'];
    const steady: number[] = [];
    const others: (string | undefined)[] = [];
    try {
      await Promise.all(Array.from({ length: 10 }, async (_, client) => {
        for (let i = 0; i < 20; i++) {
          steady.push((await get('hasty', `steady.test:${port}`)).status);
          const { status, details } = await get('hasty', `flap${(client + i) % 20}.test:${port}`);
          if (status !== 200) others.push(details);
        }
      }));
    } finally { names.zone = zone; }
    expect(new Set(steady)).toEqual(new Set([200]));
    expect(others.filter((details) => details?.startsWith('gatewright_resolver_dns_') !== true)).toEqual([]);
  });
});

describe('TLS', () => {
  test.each([
    { name: 'good.test', pair: () => issueCertificate('good', { names: ['good.test'], issuer: authority }), status: 200 },
    { name: 'GOOD.test.', pair: () => issueCertificate('good', { names: ['good.test'], issuer: authority }), status: 200 },
    { name: 'one.wild.test', pair: () => issueCertificate('wild', { names: ['*.wild.test'], issuer: authority }), status: 200 },
    { name: 'wrong.test', pair: () => issueCertificate('good', { names: ['good.test'], issuer: authority }), status: 503 },
    { name: 'expired.test', pair: () => issueCertificate('expired', { names: ['expired.test'], issuer: authority, days: -1 }), status: 503 },
    { name: 'stranger.test', pair: () => issueCertificate('stranger', { names: ['stranger.test'], issuer: stranger }), status: 503 },
    { name: 'self.test', pair: () => issueCertificate('self', { names: ['self.test'] }), status: 503 },
  ])('$name: $status', async ({ name, pair, status }) => {
    answers[name.toLowerCase().replace(/\.$/, '')] = ['127.0.0.1'];
    const canonical = name.toLowerCase().replace(/\.$/, '');
    for (const version of ['1.1', '2.0'] as const) {
      const at = await secureHost(pair(), version);
      const answer = await get('secure', `${name}:${at}`);
      expect(answer.status).toBe(status);
      if (status === 200) expect(answer.body.trim()).toBe(`${version} ${canonical}:${at}`);
    }
  });
});
