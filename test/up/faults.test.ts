// Faults through the whole product: EG's own YAML unchanged, our kind beside it, a real Envoy, real clients.
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ISSUER, goodClaims } from '../cases/jwt.ts';
import { jwks, keys, token } from '../cases/tokens.ts';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { base, documents, httpRoute, securityPolicy } from './manifests.ts';

const input = (name: string): string => readFileSync(join(import.meta.dirname, '../../examples/fault-injection', name), 'utf8');
const target = (name: string): object => ({ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name });
const traffic = (name: string, spec: object): object => ({ apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'BackendTrafficPolicy', metadata: { name }, spec: { targetRefs: [target(name)], ...spec } });
const faults = (name: string, list: readonly object[], spec: object = {}): object => ({ apiVersion: 'gatewright.dev/v1alpha1', kind: 'FaultPolicy', metadata: { name }, spec: { targetRefs: [target(name)], faults: list, ...spec } });
const jwt = { providers: [{ name: 'p', issuer: ISSUER, localJWKS: { type: 'Inline', inline: JSON.stringify(jwks) } }] };

const policies: readonly object[] = [
  traffic('grpc', { faultInjection: { abort: { grpcStatus: 14 } } }),
  traffic('timeout', { faultInjection: { delay: { fixedDelay: '60s' } }, timeout: { http: { requestTimeout: '300ms' } } }),
  traffic('within', { faultInjection: { delay: { fixedDelay: '100ms' } }, timeout: { http: { requestTimeout: '30s' } } }),
  traffic('both', { faultInjection: { delay: { fixedDelay: '100ms' }, abort: { httpStatus: 418 } } }),
  traffic('never', { faultInjection: { abort: { httpStatus: 503, percentage: 0 } } }),
  traffic('sum', { faultInjection: { abort: { httpStatus: 503, percentage: 0 } } }),
  faults('sum', [{ match: { headers: [{ name: 'x-tester', value: '1' }] }, abort: { httpStatus: 599 } }]),
  faults('header', [{ delay: { headerDelay: {} }, abort: { headerAbort: {} } }]),
  faults('reset', [{ abort: { reset: true } }]),
  faults('replaced', [{ response: { replace: { httpStatus: 502, body: 'instead', headers: [{ name: 'x-fault', value: 'yes' }] } } }]),
  faults('dry', [{ dryRun: true, abort: { httpStatus: 503 } }]),
  faults('sticky', [{ sticky: { type: 'Header', name: 'x-user' }, abort: { httpStatus: 503, percentage: 50 } }]),
  faults('scheduled', [{ schedule: { start: '2000-01-01T00:00:00Z', end: '2001-01-01T00:00:00Z' }, abort: { httpStatus: 503 } }]),
  // Before authorization by what anybody sends, after it by what only a token says.
  securityPolicy('before', { jwt }), traffic('before', { faultInjection: { abort: { httpStatus: 501 } } }),
  securityPolicy('claims', { jwt }), faults('claims', [{ match: { claims: [{ name: 'role', values: ['admin'] }] }, abort: { httpStatus: 501 } }]),
];
const names = ['foo', 'bar', ...new Set(policies.map((policy) => (policy as { metadata: { name: string } }).metadata.name))];

let gatewright: Gatewright;
beforeAll(async () => {
  gatewright = await Gatewright.start({
    'base.yaml': base, 'routes.yaml': documents(...names.map((name) => httpRoute(name))), 'policies.yaml': documents(...policies), 'abort.yaml': input('abort.yaml'), 'delay.yaml': input('delay.yaml'),
  }, { args: ['--concurrency', '2'] });
});
afterAll(async () => { await gatewright?.stop(); });

const get = (path: string, headers: Record<string, string> = {}) => ask(gatewright.address(), path, { headers });
const took = async <T>(work: () => Promise<T>): Promise<[T, number]> => { const start = performance.now(); return [await work(), performance.now() - start]; };

describe('Envoy Gateway\'s own YAML', () => {
  test('half of the requests are aborted with 501', async () => {
    const answers: { status: number; body: string }[] = [];
    for (let i = 0; i < 20; i++) answers.push(...await Promise.all(Array.from({ length: 20 }, () => get('/foo'))));
    const aborted = answers.filter(({ status }) => status === 501);
    // 400 fair coins: six standard deviations.
    expect(aborted.length).toBeGreaterThan(140);
    expect(aborted.length).toBeLessThan(260);
    expect(new Set(aborted.map(({ body }) => body))).toEqual(new Set(['fault filter abort']));
    expect(answers.filter(({ status }) => status === 200).length).toBe(400 - aborted.length);
  });
  test('every request waits for two seconds', async () => {
    const [{ status }, milliseconds] = await took(() => get('/bar'));
    expect(status).toBe(200);
    expect(milliseconds).toBeGreaterThan(1_990);
  });
  test('a gRPC status on a plain request is the HTTP status that maps to it', async () => {
    expect((await get('/grpc')).status).toBe(503);
    const { status, headers } = await get('/grpc', { 'content-type': 'application/grpc' });
    expect([status, headers['grpc-status'], headers['grpc-message']]).toEqual([200, '14', 'fault filter abort']);
  });
  test('delay, then abort', async () => {
    const [{ status }, milliseconds] = await took(() => get('/both'));
    expect(status).toBe(418);
    expect(milliseconds).toBeGreaterThan(90);
  });
  test('0 % is never', async () => {
    const statuses = await Promise.all(Array.from({ length: 50 }, async () => (await get('/never')).status));
    expect(new Set(statuses)).toEqual(new Set([200]));
  });
  test('headers of a client mean nothing', async () => {
    expect((await get('/never', { 'x-envoy-fault-abort-request': '418', 'x-envoy-fault-delay-request': '60000' })).status).toBe(200);
  });
});

describe('the request timeout covers the delay', () => {
  test('it ends a request that waits', async () => expect((await get('/timeout')).status).toBe(504));
  test('a delay within it passes', async () => expect((await get('/within')).status).toBe(200));
});

describe('beyond Envoy Gateway', () => {
  test('faults of both kinds add up', async () => {
    expect((await get('/sum')).status).toBe(200);
    expect((await get('/sum', { 'x-tester': '1' })).status).toBe(599);
  });
  test('the request says its fault, where the policy allows it', async () => {
    expect((await get('/header')).status).toBe(200);
    expect((await get('/header', { 'x-envoy-fault-abort-request': '418' })).status).toBe(418);
    const [{ status }, milliseconds] = await took(() => get('/header', { 'x-envoy-fault-delay-request': '150' }));
    expect(status).toBe(200);
    expect(milliseconds).toBeGreaterThan(140);
  });
  test('a reset is no answer', async () => {
    const [hostname, port] = gatewright.address().split(':');
    const failed = await new Promise((resolve) => request({ hostname, port, path: '/reset', headers: { host: 'www.example.com' }, agent: false }, () => resolve('an answer')).on('error', () => resolve('reset')).end());
    expect(failed).toBe('reset');
  });
  test('the answer is replaced', async () => {
    const { status, body, headers } = await get('/replaced');
    expect([status, body, headers['x-fault']]).toEqual([502, 'instead', 'yes']);
  });
  test('a dry run changes nothing and counts', async () => {
    const before = await metric('dry');
    expect((await get('/dry')).status).toBe(200);
    expect(await metric('dry')).toBe(before + 1);
  });
  test('the same user always meets the same fate', async () => {
    const fate = async (user: string): Promise<number> => (await get('/sticky', { 'x-user': user })).status;
    const users = Array.from({ length: 40 }, (_, i) => `user-${i}`);
    const first = await Promise.all(users.map(fate));
    for (let again = 0; again < 3; again++) expect(await Promise.all(users.map(fate))).toEqual(first);
    expect(new Set(first)).toEqual(new Set([200, 503]));
  });
  test('outside its schedule a fault is off', async () => expect((await get('/scheduled')).status).toBe(200));
});

describe('authorization', () => {
  const bearer = (role: string) => ({ authorization: `Bearer ${token({ ...goodClaims, role }, keys.RS256)}` });
  test('a fault without claims comes first', async () => expect((await get('/before')).status).toBe(501));
  test('one with claims comes after it', async () => {
    expect((await get('/claims')).status).toBe(401);
    expect((await get('/claims', bearer('guest'))).status).toBe(200);
    expect((await get('/claims', bearer('admin'))).status).toBe(501);
  });
});

/** Sum of the counters of a route in Envoy's Prometheus page. */
async function metric(route: string): Promise<number> {
  const text = await (await fetch(`${gatewright.ready.admin}/stats/prometheus`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('gatewright_fault_') && line.includes(`httproute/default/${route}/`));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

test('metrics name the route', async () => {
  await get('/both');
  expect(await metric('both')).toBeGreaterThanOrEqual(2);
});

test('a fault that changes touches no listener', async () => {
  const before = await gatewright.stat('listener_manager.listener_modified');
  await gatewright.replace('abort.yaml', input('abort.yaml').replace('percentage: 50', 'percentage: 100').replace('httpStatus: 501', 'httpStatus: 418'));
  expect((await get('/foo')).status).toBe(418);
  await gatewright.remove('abort.yaml');
  expect((await get('/foo')).status).toBe(200);
  expect(await gatewright.stat('listener_manager.listener_modified')).toBe(before);
  expect(await gatewright.stat('listener_manager.total_listeners_draining')).toBe(0);
});

test('a bad fault closes its route and no other, and says what is wrong', async () => {
  await gatewright.replace('delay.yaml', input('delay.yaml').replace('2s', '2 parsecs'));
  expect((await get('/bar')).status).toBe(500);
  expect((await get('/foo')).status).toBe(200);
  expect(await gatewright.page('problems')).toContain('must be a duration such as 500ms, 10s or 1h30m');
});
