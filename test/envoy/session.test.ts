// A live session in a real Envoy: its requests pass without asking the login service, with its headers and none of its cookies. All others are asked.
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Policies } from '../../extproc/policies.ts';
import type { Authorizer } from '../../extproc/processor.ts';
import { ExtProcServer } from '../../extproc/server.ts';
import { realWorld } from '../../extproc/world.ts';
import { Secret } from '../../policy/secret.ts';
import type { SessionPolicy } from '../../policy/session.ts';
import { keys, nowSeconds, token } from '../cases/tokens.ts';
import { EnvoyProcess } from './envoy-process.ts';
import { sessionBootstrap } from './session-bootstrap.ts';
import { type Seen, Upstream } from './upstream.ts';

const built = (name: string): string => fileURLToPath(new URL(`../../build/${name}.wasm`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'session-'));
const COOKIE = '__Host-gatewright-assertion-scope12345', SESSION = '__Host-gatewright-session-scope12345';
const policy: SessionPolicy = { scope: 'scope12345', cookie: COOKIE, paths: ['/callback', '/logout'], removeHeaders: ['x-user', 'x-groups'] };

let service: ExtProcServer, envoy: EnvoyProcess, upstream: Upstream, edge: string;
/** Paths that the service was asked about. */
const asked: string[] = [];

/** In place of the login service: it knows a session by its cookie, and sends everybody else away. */
const stand: Authorizer<unknown> = {
  name: 'oidc', authorizes: true, policies: new Policies((document) => document),
  onRequestHeaders({ headers }) {
    asked.push(headers.get(':path') ?? '');
    if (!(headers.get('cookie') ?? '').includes(`${SESSION}=good`)) return { kind: 'respond', status: 302, headers: [['location', '/login']], body: '', details: 'login' };
    return { kind: 'pass', set: [['x-user', 'asked']], remove: ['cookie'], metadata: { 'gatewright.oidc': { claims: '{"roles":["admin"]}' } } };
  },
};

const claims = (over: object = {}): Record<string, unknown> => ({ aud: 'scope12345', pid: 'p1', iat: nowSeconds(), exp: nowSeconds() + 60, set: [['x-user', 'alice'], ['authorization', 'Bearer abc']], claims: { roles: ['admin'] }, ...over });
const assertion = (over: object = {}, key = keys.ES256): string => `${COOKIE}=${token(claims(over), key, { typ: 'session+jwt' })}`;

interface Answer { readonly status: number; readonly seen: Seen | undefined }
const get = (path: string, headers: Record<string, string | string[]> = {}): Promise<Answer> => new Promise((resolve, reject) => {
  const [host, port] = edge.split(':');
  httpRequest({ host, port, path, headers, agent: false }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; }).on('end', () => resolve({ status: response.statusCode ?? 0, seen: response.statusCode === 200 ? JSON.parse(text) as Seen : undefined }));
  }).on('error', reject).end();
});

beforeAll(async () => {
  upstream = await Upstream.start();
  for (const id of ['p1', 'p2']) stand.policies.add(id, new Secret('{}'));
  service = new ExtProcServer({ processors: [stand], world: realWorld, log: { warn: () => undefined }, registry: new Registry() });
  const socket = join(folder, 'service', 'socket');
  await service.listen({ kind: 'unix', path: socket });
  envoy = await EnvoyProcess.start(sessionBootstrap({ session: built('session'), jwt: built('jwt'), socket, upstream: upstream.port }, policy, { keys: [keys.ES256.jwk] }));
  edge = await envoy.address('edge');
});
afterAll(async () => {
  await envoy?.stop();
  await service?.stop();
  await upstream?.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => { asked.length = 0; });

test('a request of a live session asks nobody, and goes on with the session\'s headers and without its cookies', async () => {
  const cookie = `a=1; ${assertion()}; ${SESSION}=good; gatewright-login-x=1; b=2`;
  for (let i = 0; i < 20; i++) {
    const { status, seen } = await get('/x?y=1', { cookie, 'x-user': ['root', 'toor'], 'x_groups': 'admins', authorization: 'Basic Zm9v' });
    expect([status, seen?.path]).toEqual([200, '/x?y=1']);
    expect(seen?.headers).toMatchObject({ cookie: 'a=1; b=2', 'x-user': 'alice', authorization: 'Bearer abc' });
    expect(Object.keys(seen?.headers ?? {}).filter((name) => /groups|oidc/.test(name))).toEqual([]);
  }
  expect((await get('/', { cookie: assertion() })).seen?.headers).not.toHaveProperty('cookie');
  expect(asked).toEqual([]);
  expect(await envoy.stat('wasmcustom.gatewright_session_live')).toBe(21);
});

test.each<[string, () => Record<string, string | string[]>]>([
  ['without an assertion', () => ({})],
  ['with a forged one', () => ({ cookie: assertion().slice(0, -4) + 'AAAA' })],
  ['with one that is over', () => ({ cookie: assertion({ exp: nowSeconds() - 1 }) })],
  ['with one of another policy', () => ({ cookie: assertion({ pid: 'p2' }) })],
  ['with one of another scope', () => ({ cookie: assertion({ aud: 'another' }) })],
  ['with two', () => ({ cookie: `${assertion()}; ${assertion()}` })],
  ['with two in two headers', () => ({ cookie: [assertion(), assertion()] })],
  ['with headers named like what the filters say to each other', () => ({ 'wasm.gatewright.oidc': 'p1', 'gatewright.oidc': 'p1', 'wasm.gatewright.oidc.skip': 'yes', 'gatewright.oidc.claims': '{"roles":["admin"]}' })],
])('a request %s is asked about', async (_, headers) => {
  expect((await get('/x', { ...headers(), 'x-user': 'root' })).status).toBe(302);
  expect(asked).toEqual(['/x']);
  expect((await get('/no-service', headers())).status).toBe(403);
});

test.each(['/callback?code=a', '/logout', '/%6cogout', '//logout', '/x/../logout'])('%s is the service\'s own', async (path) => {
  expect((await get(path, { cookie: assertion() })).status).toBe(302);
  expect(asked.length).toBe(1);
});

test('what the service is asked about, it decides: what a client wrote for a session\'s is gone, and the cookies are still there', async () => {
  const { status, seen } = await get('/x', { cookie: `${SESSION}=good; a=1`, 'x-groups': 'admins' });
  expect([status, seen?.headers['x-user'], seen?.headers['x-groups']]).toEqual([200, 'asked', undefined]);
  expect(asked).toEqual(['/x']);
});

test('the guard wants a verdict for this route\'s policy: from the assertion, or from the service', async () => {
  expect((await get('/no-service', { cookie: assertion() })).status).toBe(200);
  expect((await get('/no-service', { cookie: `${SESSION}=good` })).status).toBe(403);
  expect((await get('/no-memory', { cookie: assertion() })).status).toBe(302);
  expect((await get('/no-memory', { cookie: `${SESSION}=good` })).status).toBe(200);
  expect((await get('/other', { cookie: assertion() })).status).toBe(302);
  expect((await get('/other', { cookie: assertion({ pid: 'p2' }) })).status).toBe(200);
  expect(asked).toEqual(['/no-memory', '/no-memory', '/other']);
});

test('jwt judges the claims of the session, whoever let it pass', async () => {
  expect((await get('/admin', { cookie: assertion() })).status).toBe(200);
  expect((await get('/admin', { cookie: assertion({ claims: { roles: ['user'] } }) })).status).toBe(403);
  expect((await get('/admin', { cookie: assertion({ claims: {} }) })).status).toBe(403);
  expect(asked).toEqual([]);
  expect((await get('/admin', { cookie: `${SESSION}=good` })).status).toBe(200);
  expect(asked).toEqual(['/admin']);
});

test('cookies that come in crumbs (HTTP/2) are one list', async () => {
  const client = connect(`http://${edge}`);
  const stream = client.request({ ':path': '/x', cookie: ['a=1', assertion(), `${SESSION}=good`, 'b=2'] as unknown as string });
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += String(chunk);
  client.close();
  expect((JSON.parse(text) as Seen).headers).toMatchObject({ cookie: 'a=1; b=2', 'x-user': 'alice' });
  expect(asked).toEqual([]);
});

test('the service is gone: live sessions pass until they are over, and nobody else', async () => {
  await service.stop();
  expect((await get('/x', { cookie: assertion() })).status).toBe(200);
  expect((await get('/x', { cookie: `${SESSION}=good` })).status).toBe(500);
  expect(await envoy.stat('wasmcustom.gatewright_session_asked')).toBeGreaterThan(0);
});
