// What passes our own checks and Envoy refuses all the same: shown on its object, everything else served, healed when it is corrected.
// The example is a certificate on a curve that OpenSSL knows and Envoy's BoringSSL does not.
import { connect } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { issueCertificate } from '../../examples/certificate.ts';
import { policies } from '../cases/jwt.ts';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { documents, gateway, gatewayClass, httpRoute, securityPolicy, service } from './manifests.ts';

const good = issueCertificate('a.example.com', { names: ['a.example.com'] });
const strange = issueCertificate('a.example.com', { names: ['a.example.com'], curve: 'secp256k1' });
const secret = ({ certificate, key }: { certificate: string; key: string }): object =>
  ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tls' }, type: 'kubernetes.io/tls', stringData: { 'tls.crt': certificate, 'tls.key': key } });
const https = { name: 'https', protocol: 'HTTPS', port: 90, hostname: 'a.example.com', tls: { certificateRefs: [{ name: 'tls' }] } };
const files = {
  'base.yaml': documents(gatewayClass, gateway([{ name: 'http', protocol: 'HTTP', port: 80 }, https]), service()),
  'routes.yaml': documents(httpRoute('open', undefined, { hostnames: [] }), httpRoute('plain', undefined, { hostnames: [] }), securityPolicy('plain', policies.plain)),
  'secret.yaml': documents(secret(good)),
};

let gatewright: Gatewright | undefined;
afterEach(async () => { await gatewright?.stop(); });

const status = async (one: Gatewright, path: string): Promise<number> => (await ask(one.address(), path)).status;
/** Does the HTTPS listener finish a handshake? */
const handshakes = (one: Gatewright): Promise<boolean> => new Promise((resolve) => {
  const socket = connect({ host: '127.0.0.1', port: one.portOffset + 90, servername: 'a.example.com', ca: good.certificate, timeout: 2_000 }, () => resolve(true));
  socket.once('error', () => resolve(false)).once('timeout', () => { socket.destroy(); resolve(false); });
  socket.once('close', () => resolve(false));
});
const problems = async (one: Gatewright): Promise<string> => one.page('problems');

describe('a certificate that Envoy refuses', () => {
  test('shows on its Secret with Envoy\'s words; what else changed with it is in force, what was there is served', async () => {
    const one = gatewright = await Gatewright.start(files);
    expect(await handshakes(one)).toBe(true);
    await one.replace('all.yaml', documents(httpRoute('more', undefined, { hostnames: [] })));
    const generation = one.generation;
    await one.replace('secret.yaml', documents(secret(strange), httpRoute('beside', undefined, { hostnames: [] })));
    await one.until(() => one.generation > generation);
    expect(await problems(one)).toMatch(/"message": "Envoy refuses it: [^"]{10,}"/);
    expect(JSON.parse(await problems(one))).toContainEqual(expect.objectContaining({ object: expect.objectContaining({ kind: 'Secret', name: 'tls' }) }));
    expect(await Promise.all(['/open', '/more', '/beside', '/plain'].map((path) => status(one, path)))).toEqual([200, 200, 200, 401]);
    const listeners = (await one.status('Gateway', 'eg') as unknown as { listeners: { name: string; conditions: { type: string; status: string }[] }[] }).listeners;
    expect(listeners.find(({ name }) => name === 'https')?.conditions).toContainEqual(expect.objectContaining({ type: 'ResolvedRefs', status: 'False' }));
    expect(listeners.find(({ name }) => name === 'http')?.conditions).toContainEqual(expect.objectContaining({ type: 'Programmed', status: 'True' }));
  });

  test('is forgotten once it is corrected', async () => {
    const one = gatewright = await Gatewright.start(files);
    await one.replace('secret.yaml', documents(secret(strange)));
    await one.until(async () => (await problems(one)).includes('Envoy refuses it'));
    await one.replace('secret.yaml', documents(secret(good)));
    await one.until(() => handshakes(one));
    expect(await problems(one)).toBe('[]\n');
  });

  test('does not keep `up` from starting', async () => {
    const one = gatewright = await Gatewright.start({ ...files, 'secret.yaml': documents(secret(strange)) });
    expect(await Promise.all(['/open', '/plain'].map((path) => status(one, path)))).toEqual([200, 401]);
    expect(await handshakes(one)).toBe(false);
    expect(await problems(one)).toContain('Envoy refuses it');
  });
});
