// HTTPS listeners through the whole product: certificates from Secrets, chosen by SNI, permitted by grants, renewed without a drain, never shown.
import { X509Certificate } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { type TLSSocket, connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Pair, issueCertificate } from '../../examples/certificate.ts';
import { Gatewright } from './gatewright.ts';
import { documents, gateway, gatewayClass, httpRoute, service } from './manifests.ts';

const authority = issueCertificate('test authority', { authority: true });
const certificateFor = (...names: string[]): Pair => issueCertificate(names[0] ?? '', { names, issuer: authority });
const pairs = {
  a: certificateFor('a.example.com'), renewed: certificateFor('a.example.com'), b: certificateFor('b.example.com'), rest: certificateFor('*.rest.example.com'), special: certificateFor('special.rest.example.com'),
  granted: certificateFor('granted.example.com'), refused: certificateFor('refused.example.com'), wrong: certificateFor('wrong.example.com'),
};

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const secret = (name: string, { certificate, key }: Pair, metadata: object = {}): object =>
  ({ apiVersion: 'v1', kind: 'Secret', metadata: { name, ...metadata }, type: 'kubernetes.io/tls', data: { 'tls.crt': base64(certificate), 'tls.key': base64(key) } });
const plainSecret = (name: string, { certificate, key }: Pair): object =>
  ({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: 'kubernetes.io/tls', stringData: { 'tls.crt': certificate, 'tls.key': key } });
const listener = (name: string, ref: object = { name: `${name}-tls` }, hostname = `${name}.example.com`): object =>
  ({ name, protocol: 'HTTPS', port: 90, hostname, tls: { mode: 'Terminate', certificateRefs: [ref] } });
const grant = {
  apiVersion: 'gateway.networking.k8s.io/v1beta1', kind: 'ReferenceGrant', metadata: { name: 'gateways', namespace: 'certificates' },
  spec: { from: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'default' }], to: [{ group: '', kind: 'Secret', name: 'granted-tls' }] },
};

const files = {
  'gateway.yaml': documents(gatewayClass, service(), gateway([
    listener('a'), listener('b'), listener('wrong'),
    listener('rest', { name: 'rest-tls' }, '*.rest.example.com'), listener('special', { name: 'special-tls' }, 'special.rest.example.com'), listener('missing', { name: 'missing-tls' }, 'missing.rest.example.com'),
    listener('granted', { name: 'granted-tls', namespace: 'certificates' }), listener('refused', { name: 'refused-tls', namespace: 'certificates' }),
  ]), httpRoute('all', [{ path: { value: '/' } }], { hostnames: [] })),
  'a.yaml': documents(secret('a-tls', pairs.a)),
  'secrets.yaml': documents(
    plainSecret('b-tls', pairs.b), plainSecret('rest-tls', pairs.rest), plainSecret('special-tls', pairs.special), plainSecret('wrong-tls', { certificate: pairs.wrong.certificate, key: pairs.b.key }),
    secret('granted-tls', pairs.granted, { namespace: 'certificates' }), secret('refused-tls', pairs.refused, { namespace: 'certificates' }), grant,
  ),
};

let gatewright: Gatewright;
beforeAll(async () => { gatewright = await Gatewright.start(files, { env: { GATEWRIGHT_LOG: 'trace' } }); });
afterAll(async () => { await gatewright?.stop(); });

const port = (): number => Number(gatewright.address('b').split(':')[1]);

/** A TLS connection, its name and chain verified as a browser would. */
function open(servername: string, ALPNProtocols: string[] = []): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: port(), servername, ca: authority.certificate, ALPNProtocols }, () => resolve(socket));
    socket.once('error', reject);
  });
}
/** The certificate that is served for a name; undefined when the connection is closed instead. */
async function served(servername: string): Promise<string | undefined> {
  try {
    const socket = await open(servername);
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ECONNRESET');
    return undefined;
  }
}
const fingerprint = ({ certificate }: Pair): string => new X509Certificate(certificate).fingerprint256;

function get(servername: string, host = servername): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: port(), servername, ca: authority.certificate, headers: { host }, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => { body += text; }).on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    }).on('error', reject).end();
  });
}
/** GET over an open HTTP/1.1 connection. */
function ask(socket: TLSSocket, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (bytes) => resolve(bytes.toString().split('\r\n')[0] ?? '')).once('close', () => reject(new Error('closed')));
    socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  });
}

interface ListenerStatus { readonly name: string; readonly conditions: readonly { type: string; status: string; reason: string; message: string }[] }
async function condition(name: string, type: string): Promise<Partial<ListenerStatus['conditions'][number]>> {
  const { listeners } = await gatewright.status('Gateway', 'eg') as unknown as { listeners: ListenerStatus[] };
  return listeners.find((each) => each.name === name)?.conditions.find((each) => each.type === type) ?? {};
}

describe('a listener with protocol HTTPS', () => {
  test.each<[string, string, Pair]>([
    ['from data', 'a.example.com', pairs.a], ['from stringData', 'b.example.com', pairs.b], ['for many names', 'x.rest.example.com', pairs.rest], ['of the more specific listener', 'special.rest.example.com', pairs.special], ['of another namespace, with a ReferenceGrant', 'granted.example.com', pairs.granted],
  ])('serves the certificate of its Secret (%s)', async (_, host, pair) => {
    expect(await served(host)).toBe(fingerprint(pair));
    expect((await get(host)).status).toBe(200);
  });

  test('tells the backend that it came by https', async () => {
    const { body } = await get('a.example.com');
    expect(JSON.parse(body).headers['X-Forwarded-Proto']).toEqual(['https']);
  });

  test.each([['no listener has the name', 'nobody.example.com'], ['its key is not the key of its certificate', 'wrong.example.com'], ['its Secret is of another namespace that grants nothing', 'refused.example.com']])(
    'closes the connection where %s', async (_, host) => { expect(await served(host)).toBeUndefined(); });

  test('does not answer on its connections for a host of another listener', async () => {
    expect((await get('a.example.com', 'b.example.com')).status).toBe(404);
    expect((await get('x.rest.example.com', 'special.rest.example.com')).status).toBe(421);
  });

  test('does not answer for a more specific listener that is at fault', async () => {
    expect(await get('missing.rest.example.com')).toMatchObject({ status: 421 });
  });

  test('speaks HTTP/2 by ALPN, HTTP/1.1 otherwise', async () => {
    const session = connectHttp2(`https://127.0.0.1:${port()}`, { servername: 'a.example.com', ca: authority.certificate });
    const status = await new Promise((resolve, reject) => {
      session.once('error', reject);
      session.request({ ':path': '/', ':authority': 'a.example.com' }).once('response', (headers) => resolve(headers[':status'])).once('error', reject).end();
    });
    session.destroy();
    expect(status).toBe(200);
    const socket = await open('a.example.com', ['http/1.1']);
    expect(socket.alpnProtocol).toBe('http/1.1');
    socket.destroy();
  });

  test('refuses TLS 1.1', async () => {
    const outcome = await new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: port(), servername: 'a.example.com', ca: authority.certificate, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }, () => resolve('connected'));
      socket.once('error', ({ message }) => resolve(message));
    });
    expect(outcome).toMatch(/protocol version/);
  });
});

describe('the status of a listener', () => {
  test.each<[string, string, string, string, RegExp]>([
    ['a', 'ResolvedRefs', 'True', 'ResolvedRefs', /resolved/],
    ['granted', 'ResolvedRefs', 'True', 'ResolvedRefs', /resolved/],
    ['wrong', 'ResolvedRefs', 'False', 'InvalidCertificateRef', /default\/wrong-tls: tls\.key is not the key of the first certificate/],
    ['wrong', 'Programmed', 'False', 'Invalid', /./],
    ['refused', 'ResolvedRefs', 'False', 'RefNotPermitted', /certificates\/refused-tls not permitted by any ReferenceGrant/],
    ['refused', 'Programmed', 'False', 'Invalid', /./],
  ])('%s: %s is %s (%s)', async (name, type, status, reason, message) => {
    expect(await condition(name, type)).toMatchObject({ status, reason, message: expect.stringMatching(message) });
  });
});

describe('a renewed certificate', () => {
  test('is served to new connections, without a change of the listener and without closing a connection', async () => {
    const before = await open('a.example.com', ['http/1.1']);
    expect(await ask(before, 'a.example.com')).toBe('HTTP/1.1 200 OK');
    await gatewright.replace('a.yaml', documents(secret('a-tls', pairs.renewed)));
    expect(await served('a.example.com')).toBe(fingerprint(pairs.renewed));
    expect(await ask(before, 'a.example.com')).toBe('HTTP/1.1 200 OK');
    before.destroy();
    expect(await served('b.example.com')).toBe(fingerprint(pairs.b));
    expect(await gatewright.stat('listener_manager.listener_modified')).toBe(0);
    expect(await gatewright.stat('listener_manager.total_listeners_draining')).toBe(0);
  });

  test('that is broken closes its listener, and mended it serves again', async () => {
    await gatewright.replace('a.yaml', documents(secret('a-tls', { certificate: pairs.a.certificate, key: pairs.renewed.key })));
    expect((await condition('a', 'ResolvedRefs')).reason).toBe('InvalidCertificateRef');
    await gatewright.until(async () => await served('a.example.com') === undefined);
    expect((await get('b.example.com')).status).toBe(200);
    await gatewright.replace('a.yaml', documents(secret('a-tls', pairs.a)));
    await gatewright.until(async () => await served('a.example.com') === fingerprint(pairs.a));
  });
});

describe('a private key', () => {
  // The number itself begins 48 characters into the first line of a P-256 key; the public part stands at the end.
  const pieces = Object.values(pairs).flatMap(({ key }) => {
    const [, first = '', second = ''] = key.split('\n');
    return [first.slice(48), second.slice(0, 24), base64(first.slice(50, 62))];
  });
  const shown = (text: string): string[] => pieces.filter((piece) => text.includes(piece));

  test('is found where it is (else the tests below would find nothing)', () => {
    expect(shown(Object.values(files).join(''))).toHaveLength(3 * 1 + 3 * 2);   // three Secrets by data, three keys by stringData
  });

  test('never appears in what Envoy and the controller show, nor in the logs', async () => {
    for (const page of ['status', 'problems', 'metrics']) expect(shown(await gatewright.page(page)), page).toEqual([]);
    for (const page of ['config_dump', 'config_dump?resource=dynamic_active_secrets', 'certs']) {
      const text = await (await fetch(`${gatewright.ready.admin}/${page}`)).text();
      expect(text.length).toBeGreaterThan(100);
      expect(shown(text), page).toEqual([]);
    }
    expect(gatewright.output).toMatch(/serving/);
    expect(shown(gatewright.output)).toEqual([]);
  });

  test.each(['xds', 'ir', 'status'])('never appears in translate --to %s', (stage) => {
    const { stdout, stderr } = spawnSync(process.execPath, [new URL('../../cli/main.ts', import.meta.url).pathname, 'translate', '-f', gatewright.folder, '--to', stage], { encoding: 'utf8' });
    expect(stdout).toContain(stage === 'xds' ? '[redacted]' : 'b');
    expect(shown(stdout + stderr)).toEqual([]);
  });
});
