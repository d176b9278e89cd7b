// The dynamic resolver through the whole product: YAML to `up`, requests to its listener, hosts of the test that are reached. resolver-closed.test.ts: and that are not.
import { connect } from 'node:net';
import { connect as connectHttp2 } from 'node:http2';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { issueCertificate } from '../../examples/certificate.ts';
import { Gatewright } from './gatewright.ts';
import { documents, gateway, gatewayClass } from './manifests.ts';
import { type Echo, Hosts, backend, dynamicRoute, edge, get } from './resolver.ts';

let hosts: Hosts, gatewright: Gatewright, port: number;
const golden = readFileSync(new URL('../golden/a-dynamic-resolver-reaches-the-host-of-the-request/in.yaml', import.meta.url), 'utf8');
const other = issueCertificate('another authority', { authority: true });
const system = { wellKnownCACertificates: 'System' };
const configMap = (name: string, certificate: string): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { 'ca.crt': certificate } });
const client = issueCertificate('client', { names: ['client.test'], issuer: other });

const backends: Readonly<Record<string, object>> = {
  tls: { tls: system },
  plain: {},
  sockets: { tls: system, appProtocols: ['gateway.envoyproxy.io/wss'] },
  'http1-only': { tls: { ...system, alpnProtocols: ['http/1.1'] } },
  own: { tls: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'own-ca' }] } },
  fixed: { tls: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'own-ca' }], sni: 'fixed.test' } },
  known: { tls: system },
  shown: { tls: { ...system, clientCertificateRef: { name: 'shown' }, minVersion: '1.3' } },
};

beforeAll(async () => {
  hosts = await Hosts.start();
  port = await hosts.secure('good.test');
  gatewright = await Gatewright.start({
    'edge.yaml': edge,
    'routes.yaml': documents(
      configMap('own-ca', other.certificate),
      { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata: { name: 'shown' }, stringData: { 'tls.crt': client.certificate, 'tls.key': client.key } },
      ...Object.entries(backends).flatMap(([name, spec]) => [backend(name, spec), dynamicRoute(name)]),
    ),
    'policy.yaml': documents(...Object.keys(backends).map((name) => hosts.policy(name === 'known' ? { dns: { servers: [hosts.dns.address], hostsFile: '', minTtl: '60s' } } : {}, { kind: 'HTTPRoute', name }, name))),
  }, { env: { SSL_CERT_FILE: hosts.caFile } });
}, 60_000);
afterAll(async () => {
  await gatewright?.stop();
  await hosts?.stop();
});
beforeEach(() => { hosts.reached.length = 0; });

const ask = async (path: string, host: string): Promise<{ readonly status: number; readonly echo: Partial<Echo> }> => {
  const { status, body } = await get(gatewright.address(), path, host);
  return { status, echo: status === 200 ? JSON.parse(body) as Echo : {} };
};

describe('a host is reached', () => {
  test('over TLS, by HTTP/2 where it has that', async () => {
    expect(await ask('/tls', `good.test:${port}`)).toEqual({ status: 200, echo: { at: '127.0.0.1', version: '2.0', host: `good.test:${port}` } });
  });
  test('over TLS, by HTTP/1.1 where that is all it has, and where the Backend says so', async () => {
    const old = await hosts.secure('old.test', { protocols: ['http/1.1'] });
    expect((await ask('/tls', `old.test:${old}`)).echo.version).toBe('1.1');
    expect((await ask('/http1-only', `good.test:${port}`)).echo.version).toBe('1.1');
  });
  test('without TLS', async () => {
    const plain = await hosts.plain('plain.test');
    expect(await ask('/plain', `plain.test:${plain}`)).toMatchObject({ status: 200, echo: { host: `plain.test:${plain}` } });
  });
  test('by the name that was checked, however it is spelt', async () => {
    expect((await ask('/tls', `GOOD.test.:${port}`)).echo.host).toBe(`good.test:${port}`);
  });
  test('with the authorities of the Backend in place of the system\'s', async () => {
    const mine = await hosts.secure('mine.test', { pair: issueCertificate('mine', { names: ['mine.test'], issuer: other }) });
    expect((await ask('/own', `mine.test:${mine}`)).status).toBe(200);
    expect((await ask('/own', `good.test:${port}`)).status).toBe(503);
    expect((await ask('/tls', `mine.test:${mine}`)).status).toBe(503);
  });
  test('under a server name that the Backend fixes, and then no other', async () => {
    const fixed = await hosts.secure('anything.test', { pair: issueCertificate('fixed', { names: ['fixed.test'], issuer: other }) });
    expect((await ask('/fixed', `anything.test:${fixed}`)).status).toBe(200);
    const own = await hosts.secure('own-name.test', { pair: issueCertificate('own', { names: ['own-name.test'], issuer: other }) });
    expect((await ask('/fixed', `own-name.test:${own}`)).status).toBe(503);
  });
  test('with a certificate of ours, where it asks for one, and a version to begin with', async () => {
    const closed = await hosts.secure('closed.test', { clients: other.certificate });
    expect((await ask('/shown', `closed.test:${closed}`)).status).toBe(200);
    expect((await ask('/tls', `closed.test:${closed}`)).status).toBe(503);
  });

  test.each([['of a Backend for it', '/sockets'], ['where HTTP/2 would do for all else', '/tls']])('by a WebSocket, %s', async (_, path) => {
    const sockets = await hosts.secure('sockets.test');
    const [host = '', edgePort] = gatewright.address().split(':');
    const socket = connect({ host, port: Number(edgePort) });
    const text = await new Promise<string>((resolve, reject) => {
      let seen = '';
      socket.setTimeout(20_000, () => reject(new Error(seen))).on('error', reject).setEncoding('latin1').on('data', (chunk: string) => {
        seen += chunk;
        if (chunk.includes('\r\n\r\n')) socket.write('hello');
        if (seen.endsWith('hello')) resolve(seen);
      });
      socket.write(`GET ${path} HTTP/1.1\r\nHost: sockets.test:${sockets}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n`);
    });
    socket.destroy();
    expect(text).toMatch(/^HTTP\/1\.1 101 /);
    expect(hosts.reached).toEqual([`sockets.test:${sockets}`]);
  });

  test('by gRPC', async () => {
    const session = connectHttp2(`http://${gatewright.address()}`);
    const stream = session.request({ ':method': 'POST', ':path': '/tls', ':authority': `good.test:${port}`, 'content-type': 'application/grpc', te: 'trailers' });
    const trailers = await new Promise((resolve, reject) => { stream.on('error', reject).on('trailers', resolve).resume().end('message'); });
    session.destroy();
    expect(trailers).toMatchObject({ 'grpc-status': '0' });
  });
});

describe('is not who it should be: never its answer', () => {
  test.each([
    ['wrong-name.test', () => issueCertificate('wrong', { names: ['good.test'], issuer: hosts.authority })],
    ['expired.test', () => hosts.certificate('expired.test', -1)],
    ['self-signed.test', () => issueCertificate('self', { names: ['self-signed.test'] })],
    ['stranger.test', () => issueCertificate('strange', { names: ['stranger.test'], issuer: other })],
  ])('%s', async (name, pair) => {
    const impostor = await hosts.secure(name, { pair: pair() });
    expect(await ask('/tls', `${name}:${impostor}`)).toEqual({ status: 503, echo: {} });
    expect(hosts.reached).toEqual([]);
  });
  test('a host that speaks no TLS', async () => {
    const plain = await hosts.plain('no-tls.test');
    expect((await ask('/tls', `no-tls.test:${plain}`)).status).toBe(503);
    expect(hosts.reached).toEqual([]);
  });
  test('nor is a connection to a host good for another at the same address', async () => {
    hosts.names['neighbour.test'] = ['127.0.0.1'];
    expect((await ask('/tls', `good.test:${port}`)).status).toBe(200);
    expect((await ask('/tls', `neighbour.test:${port}`)).status).toBe(503);
  });
});

test('what it does is seen: its metrics beside ours', async () => {
  await ask('/tls', `good.test:${port}`);
  await ask('/tls', 'no-such-name.test');
  const metrics = await gatewright.page('metrics');
  expect(metrics).toMatch(/gatewright_extproc_messages_total\{[^}]*outcome="pass"[^}]*\} [1-9]/);
  expect(metrics).toMatch(/gatewright_resolver_refusals_total\{reason="gatewright_resolver_no_such_name",detail=""\} 1/);
  expect(metrics).toMatch(/^gatewright_generation 1$/m);
});

describe('a host that is known', () => {
  const messages = async (): Promise<number> => [...(await gatewright.page('metrics')).matchAll(/^gatewright_extproc_messages_total\{[^}]*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);

  test('is reached again without asking, over the same verified TLS; another spelling of it, and another policy, ask', async () => {
    const host = `known.test:${await hosts.secure('known.test')}`;
    expect((await ask('/known', host)).status).toBe(200);
    const before = await messages();
    for (let i = 0; i < 20; i++) expect(await ask('/known', host)).toMatchObject({ status: 200, echo: { at: '127.0.0.1', host } });
    expect(await messages()).toBe(before);
    expect((await ask('/known', host.toUpperCase())).status).toBe(200);
    expect(await messages()).toBe(before + 1);
    expect((await ask('/tls', host)).status).toBe(200);
    expect(await messages()).toBe(before + 2);
  });
  test('is not for a client to know: neither the address nor the verdict is taken from a header', async () => {
    const before = await messages();
    const answer = await get(gatewright.address(), '/known', 'nobody.test', `gatewright.resolver.skip: yes\r\nwasm.gatewright.resolver.skip: yes\r\nx-envoy-original-dst-host: 127.0.0.1:${port}\r\n`);
    expect(answer).toEqual({ status: 502, body: 'no such host\n' });
    expect(await messages()).toBe(before + 1);
  });
});

describe('the documents of Envoy Gateway\'s task, as they are', () => {
  test('reach a host over TLS at port 443; without the first there is no Backend', async () => {
    const parts = golden.split(/^---\n/m);
    const inputs = { 'edge.yaml': documents(gatewayClass, gateway()), 'task.yaml': parts.filter((text) => text.includes('dynamic-forward-proxy') || text.includes('kind: Backend')).join('---\n') };
    const config = parts.find((text) => text.includes('kind: ConfigMap')) ?? '';
    const task = await Gatewright.start(inputs);
    try {
      expect((await get(task.address(), '/headers', 'no-such-host.invalid')).status).toBe(500);
      await task.replace('config.yaml', config);
      // Without a network no name is found. That it is the resolver who says so, by its defaults, is what counts.
      expect((await get(task.address(), '/headers', '169.254.169.254')).body).toBe('address refused\n');
      expect((await get(task.address(), '/headers', 'localhost:8080')).body).toBe('port refused\n');
      await task.remove('config.yaml');
      expect((await get(task.address(), '/headers', 'no-such-host.invalid')).status).toBe(500);
    } finally { await task.stop(); }
  });
});
