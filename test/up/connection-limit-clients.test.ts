// Client certificates of HTTPS listeners: asked for, verified, renewed without a drain, and what limits count by.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Pair, issueCertificate } from '../../examples/certificate.ts';
import { Gatewright } from './gatewright.ts';
import { type From, type HeldConnection, count, fateOf, hold, HeldConnection as Connection } from './held-connections.ts';
import { documents, gateway, gatewayClass, httpRoute, service } from './manifests.ts';

const server = issueCertificate('server authority', { authority: true });
const pair = issueCertificate('www.example.com', { names: ['*.example.com'], issuer: server });
const authorities = { one: issueCertificate('authority one', { authority: true }), two: issueCertificate('authority two', { authority: true }), other: issueCertificate('another', { authority: true }) };
const client = (name: string, issuer?: Pair): Pair => issueCertificate(name, issuer === undefined ? {} : { issuer });
const clients = { alice: client('alice', authorities.one), bob: client('bob', authorities.one), carol: client('carol', authorities.two), mallory: client('mallory', authorities.other), nobody: client('nobody'), late: issueCertificate('late', { issuer: authorities.one, days: -1 }) };

const listener = (name: string): object => ({ name, protocol: 'HTTPS', port: 90, hostname: `${name}.example.com`, tls: { certificateRefs: [{ name: 'tls' }] } });
const trusted = (...all: readonly Pair[]): string => documents({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'trusted' }, data: { 'ca.crt': all.map(({ certificate }) => certificate).join('') } });
const target = (sectionName: string): object => ({ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'eg', sectionName });
const policy = (sectionName: string, optional: boolean): object => ({
  apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'ClientTrafficPolicy', metadata: { name: sectionName },
  spec: { targetRefs: [target(sectionName)], tls: { clientValidation: { optional, caCertificateRefs: [{ kind: 'ConfigMap', name: 'trusted' }] } } },
});
const limit = (value: number): string => documents({
  apiVersion: 'gatewright.dev/v1alpha1', kind: 'ConnectionLimitPolicy', metadata: { name: 'each' }, spec: { targetRefs: [target('may')], limits: [{ name: 'each', per: 'ClientCertificate', value }] },
});

let gatewright: Gatewright;
beforeAll(async () => {
  gatewright = await Gatewright.start({
    'base.yaml': documents(
      gatewayClass, gateway(['must', 'may', 'open'].map(listener)), service(), httpRoute('all', [{ path: { value: '/' } }], { hostnames: [] }), policy('must', false), policy('may', true),
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tls' }, type: 'kubernetes.io/tls', stringData: { 'tls.crt': pair.certificate, 'tls.key': pair.key } },
    ),
    'trusted.yaml': trusted(authorities.one),
  });
});
afterAll(async () => { await gatewright?.stop(); });

const as = (listener: string, who?: Pair): From => ({ tls: { ca: server.certificate, servername: `${listener}.example.com`, ...(who === undefined ? {} : { cert: who.certificate, key: who.key }) } });
const connect = (listener: string, who?: Pair): Promise<HeldConnection> => Connection.open(gatewright.address(listener), as(listener, who));
/** 'served', or how the handshake was refused. */
async function outcome(listener: string, who?: Pair): Promise<string> {
  const connection = await connect(listener, who);
  const fate = fateOf(await connection.ask(`${listener}.example.com`));
  connection.leave();
  return fate === 'closed' ? connection.fault ?? fate : fate;
}
const NO_CERTIFICATE = 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED';
const refused = expect.stringMatching(/^ERR_SSL_(TLSV1_ALERT_UNKNOWN_CA|SSL\/TLS_ALERT_CERTIFICATE_EXPIRED|SSLV3_ALERT_CERTIFICATE_(EXPIRED|UNKNOWN))$|^ECONNRESET$/);

describe('a listener with clientValidation', () => {
  test.each<[string, string, Pair | undefined, unknown]>([
    ['must', 'no certificate', undefined, NO_CERTIFICATE], ['must', 'a good one', clients.alice, 'served'], ['must', 'one of another authority', clients.mallory, refused],
    ['must', 'one that it signed itself', clients.nobody, refused], ['must', 'one whose time is over', clients.late, refused],
    ['may', 'no certificate', undefined, 'served'], ['may', 'a good one', clients.alice, 'served'], ['may', 'one of another authority', clients.mallory, refused], ['may', 'one whose time is over', clients.late, refused],
    ['open', 'no certificate', undefined, 'served'],
  ])('%s: a client with %s', async (listener, _, who, expected) => { expect(await outcome(listener, who)).toEqual(expected); });

  test('does not answer for its neighbour, nor its neighbour for it', async () => {
    const connection = await connect('open');
    expect(fateOf(await connection.ask('must.example.com'))).toBe('status 404');
    connection.leave();
  });

  test('takes a new authority without touching the listener or an open connection', async () => {
    const held = await connect('must', clients.alice);
    expect(fateOf(await held.ask('must.example.com'))).toBe('served');
    expect(await outcome('must', clients.carol)).toEqual(refused);
    await gatewright.replace('trusted.yaml', trusted(authorities.two, authorities.one));
    await gatewright.until(async () => await outcome('must', clients.carol) === 'served');
    expect(await outcome('must', clients.alice)).toBe('served');
    await gatewright.replace('trusted.yaml', trusted(authorities.two));
    await gatewright.until(async () => await outcome('must', clients.alice) !== 'served');
    expect(await outcome('may', clients.alice)).toEqual(refused);
    expect(fateOf(await held.ask('must.example.com'))).toBe('served');
    held.leave();
    await gatewright.replace('trusted.yaml', trusted(authorities.one));
    for (const stat of ['listener_modified', 'listener_in_place_updated', 'total_listeners_draining', 'total_filter_chains_draining']) expect([stat, await gatewright.stat(`listener_manager.${stat}`)]).toEqual([stat, 0]);
  });

  test('whose authority is gone lets nobody in, and says why', async () => {
    await gatewright.remove('trusted.yaml');
    await gatewright.until(async () => await outcome('must') === 'status 500');
    expect(await outcome('may', clients.alice)).toBe('status 500');
    expect(JSON.stringify(await gatewright.status('ClientTrafficPolicy', 'must'))).toContain('ConfigMap default/trusted not found');
    expect(await outcome('open')).toBe('served');
    await gatewright.replace('trusted.yaml', trusted(authorities.one));
    await gatewright.until(async () => await outcome('must') === NO_CERTIFICATE);
    expect(await outcome('must', clients.alice)).toBe('served');
  });
});

describe('a limit per ClientCertificate', () => {
  test('counts each certificate by itself, and nobody who shows none', async () => {
    await gatewright.replace('limit.yaml', limit(2));
    const of = (who?: Pair) => hold(gatewright.address('may'), 4, as('may', who));
    const [alice, bob, none] = [await of(clients.alice), await of(clients.bob), await of()];
    expect([alice, bob, none].map(({ fates }) => count(fates))).toEqual(['2 served, 2 closed', '2 served, 2 closed', '4 served']);
    for (const { held } of [alice, bob, none]) for (const connection of held) connection.leave();
    await gatewright.until(async () => {
      const { held, fates } = await hold(gatewright.address('may'), 2, as('may', clients.alice));
      for (const connection of held) connection.leave();
      return count(fates) === '2 served';
    });
  });
});
