// remoteJWKS through the whole product, over real TLS: what is held, what is refused and why, what heals by itself, how often is fetched. Two workers.
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Pair, issueCertificate } from '../../examples/certificate.ts';
import { jwks, keys, token } from '../cases/tokens.ts';
import { type Answer as HttpAnswer, ask } from '../envoy/answer.ts';
import { freePort } from '../free-port.ts';
import { Gatewright } from './gatewright.ts';
import { type Answer, KeyServer, json } from './key-server.ts';
import { base, documents, httpRoute, securityPolicy } from './manifests.ts';

const authority = issueCertificate('issuer authority', { authority: true });
const here = { names: ['localhost'], addresses: ['127.0.0.1'] };
const localhost = issueCertificate('localhost', { ...here, issuer: authority });
/** Certificates that must not be believed. */
const unbelievable: Readonly<Record<string, Pair>> = {
  'wrong-ca': issueCertificate('localhost', { ...here, issuer: issueCertificate('issuer authority', { authority: true }) }),
  'wrong-name': issueCertificate('localhost', { names: ['issuer.example', 'localhost.example'], issuer: authority }),
  'no-names': issueCertificate('localhost', { issuer: authority }),
  'address-alone': issueCertificate('localhost', { addresses: ['127.0.0.1'], issuer: authority }),
  'expired': issueCertificate('localhost', { ...here, issuer: authority, days: -1 }),
  'self-signed': issueCertificate('localhost', here),
};

const later = (milliseconds: number, answer: Answer): Answer => (response) => { setTimeout(() => answer(response), milliseconds); };
const never: Answer = () => {};
const text = (body: string): Answer => (response) => { response.end(body); };
const huge = { keys: [...jwks.keys, { kty: 'RSA', n: 'A'.repeat(8_000_000), e: 'AQAB' }] };
/** Answers that are no keys. */
const useless: Readonly<Record<string, Answer>> = {
  'slow': never,
  'huge': json(huge),
  'html': text('<html>Not here</html>'),
  'cut-short': text(JSON.stringify(jwks).slice(0, -3)),
  'status-500': (response) => { response.statusCode = 500; json(jwks)(response); },
  'redirect': (response) => { response.writeHead(302, { location: '/elsewhere' }).end(JSON.stringify(jwks)); },
};

const ports = new Map<string, number>();
const remotePolicy = (name: string, { port = ports.get(name) ?? 0, host = 'localhost', path = name, ...more }: { port?: number; host?: string; path?: string; [field: string]: unknown } = {}, jwt: object = {}): object =>
  securityPolicy(name, { jwt: { providers: [{ name: 'example', remoteJWKS: { uri: `https://${host}:${port}/${path}`, ...more }, ...jwt }] } });

const caFile = join(tmpdir(), `gw-ca-${process.pid}.pem`);
const servers = new Map<string, KeyServer>();
let server: KeyServer, gatewright: Gatewright;

beforeAll(async () => {
  writeFileSync(caFile, authority.certificate);
  server = await KeyServer.start(localhost, { ...Object.fromEntries(Object.entries(useless).map(([name, answer]) => [`/${name}`, answer])), '/elsewhere': json(jwks), '/good': later(400, json(jwks)), '/rotating': json(jwks), '/by-address': json(jwks) });
  for (const [name, pair] of Object.entries(unbelievable)) servers.set(name, await KeyServer.start(pair, { [`/${name}`]: json(jwks) }));
  const down = await KeyServer.start(localhost, {}, await freePort());
  ports.set('down', down.port);
  await down.stop();
  const names = [...Object.keys(unbelievable), ...Object.keys(useless), 'good', 'rotating', 'by-address', 'down'];
  for (const name of names) if (!ports.has(name)) ports.set(name, servers.get(name)?.port ?? server.port);
  const settings: Readonly<Record<string, Parameters<typeof remotePolicy>[1]>> = { 'rotating': { cacheDuration: '1s', failedRefetchDuration: '100ms' }, 'by-address': { host: '127.0.0.1' } };
  gatewright = await Gatewright.start({
    'base.yaml': base,
    'routes.yaml': documents(...[...names, 'by-wrong-address'].map((name) => httpRoute(name))),
    'policies.yaml': documents(...names.filter((name) => name !== 'good').map((name) => remotePolicy(name, settings[name]))),
    'wrong-address.yaml': documents(remotePolicy('by-wrong-address', { host: '127.0.0.1', port: servers.get('wrong-name')?.port ?? 0, path: 'wrong-name' })),
    'good.yaml': documents(remotePolicy('good')),
  }, { args: ['--concurrency', '2'], env: { SSL_CERT_FILE: caFile } });
}, 60_000);
afterAll(async () => {
  await gatewright?.stop();
  await Promise.all([server, ...servers.values()].map((one) => one?.stop()));
  rmSync(caFile, { force: true });
});

const good = token({ sub: 'alice' });
const get = (name: string, jwt = good): Promise<HttpAnswer> => ask(gatewright.address(), `/${name}/x`, { headers: { authorization: `Bearer ${jwt}` } });
const many = async (count: number, name: string, jwt = good): Promise<number[]> => (await Promise.all(Array.from({ length: count }, () => get(name, jwt)))).map(({ status }) => status);
const all = (count: number, status: number): number[] => Array.from({ length: count }, () => status);

describe('the first requests', () => {
  test('200 at once are held until the keys come, none is lost, and each of the two workers fetches once', async () => {
    expect(server.count('/good')).toBe(0);
    const start = performance.now();
    expect(await many(200, 'good')).toEqual(all(200, 200));
    expect(performance.now() - start).toBeGreaterThan(390);
    expect(server.count('/good')).toBe(2);
  });

  test('later ones find the keys there', async () => {
    expect(await many(50, 'good')).toEqual(all(50, 200));
    expect((await get('good', token({ sub: 'alice' }, keys.stranger))).body).toBe('Jwt verification fails');
    expect(server.count('/good')).toBe(2);
  });

  test('a request without a token is answered without keys', async () => {
    expect((await ask(gatewright.address(), '/status-500/x')).body).toBe('Jwt is missing');
    expect(server.count('/status-500')).toBe(0);
  });

  test('a host named by its address is verified by its address', async () => {
    expect((await get('by-address')).status).toBe(200);
  });
});

describe('a policy that changes', () => {
  test('keeps the keys when place and settings are the same', async () => {
    await gatewright.replace('good.yaml', documents(remotePolicy('good', {}, { claimToHeaders: [{ header: 'x-sub', claim: 'sub' }] })));
    expect(JSON.parse((await get('good')).body).headers['X-Sub']).toEqual(['alice']);
    expect(await many(100, 'good')).toEqual(all(100, 200));
    expect(server.count('/good')).toBe(2);
  });

  test('fetches anew when the settings are others', async () => {
    await gatewright.replace('good.yaml', documents(remotePolicy('good', { cacheDuration: '10m' })));
    expect(await many(100, 'good')).toEqual(all(100, 200));
    expect(server.count('/good')).toBe(4);
  });
});

const refusal = { status: 401, body: 'Jwks remote fetch is failed' };

describe('a server whose certificate is not to be believed gets no request', () => {
  test.each(Object.keys(unbelievable))('%s', async (name) => {
    const answer = await get(name);
    expect(answer).toMatchObject(refusal);
    expect(answer.headers['www-authenticate']).toMatch(/error="invalid_token"$/);
    expect(servers.get(name)?.total).toBe(0);
    expect(servers.get(name)?.handshakesBrokenOff).toBeGreaterThan(0);
  });

  test('an address that the certificate does not hold', async () => {
    expect(await get('by-wrong-address')).toMatchObject(refusal);
    expect(servers.get('wrong-name')?.total).toBe(0);
  });
});

describe('an answer without keys', () => {
  test.each(Object.keys(useless))('%s', async (name) => {
    const start = performance.now();
    expect(await get(name)).toMatchObject(refusal);
    expect(server.count(`/${name}`)).toBeGreaterThan(0);
    if (name === 'slow') expect(performance.now() - start).toBeGreaterThan(4_900);
  });

  test('a redirect is not followed', () => { expect(server.count('/elsewhere')).toBe(0); });

  test('does not trouble the other routes, nor the VM', async () => {
    expect(await many(30, 'good')).toEqual(all(30, 200));
    expect(await gatewright.stat('wasm.gatewright.jwt.vm_reload_success')).toBe(0);
    expect(gatewright.output).not.toMatch(/unreachable|abort/);
  });

  test('heals without a restart', async () => {
    server.answer('/html', json(jwks));
    await gatewright.until(async () => (await many(30, 'html')).every((status) => status === 200));
  });
});

test('a server that is down refuses, and heals when it comes', async () => {
  expect(await get('down')).toMatchObject(refusal);
  const back = await KeyServer.start(localhost, { '/down': json(jwks) }, ports.get('down'));
  try {
    await gatewright.until(async () => (await many(30, 'down')).every((status) => status === 200));
    expect(back.count('/down')).toBe(2);
  } finally {
    await back.stop();
  }
  // The keys stay although the server is gone again.
  expect(await many(30, 'down')).toEqual(all(30, 200));
});

test('keys rotate: with cacheDuration 1s the new key is taken and the old one no longer, and an outage changes nothing', async () => {
  expect(await many(30, 'rotating')).toEqual(all(30, 200));
  server.answer('/rotating', json({ keys: [keys.ES256.jwk] }));
  const fresh = token({ sub: 'alice' }, keys.ES256);
  await gatewright.until(async () => (await many(30, 'rotating', fresh)).every((status) => status === 200) && (await many(30, 'rotating')).every((status) => status === 401));
  server.answer('/rotating', (response) => { response.writeHead(503).end(); });
  const before = server.count('/rotating');
  await gatewright.until(async () => {
    expect(await many(30, 'rotating', fresh)).toEqual(all(30, 200));
    return server.count('/rotating') > before + 4;
  });
});
