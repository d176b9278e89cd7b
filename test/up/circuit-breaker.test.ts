// Circuit breakers of a BackendTrafficPolicy in the real Envoy: how many requests are at work, what becomes of one too many, and that a changed limit is in
// force at once and costs nobody an answer.
import { afterEach, describe, expect, test } from 'vitest';
import { type Answer, ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { HoldingBackend } from './holding-backend.ts';
import { documents, endpoint, gateway, gatewayClass, httpRoute } from './manifests.ts';

/** The reference document. */
const NOTHING_WAITS = `apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata:
  name: circuitbreaker-for-route
spec:
  targetRefs:
    - group: gateway.networking.k8s.io
      kind: HTTPRoute
      name: backend
  circuitBreaker:
    maxPendingRequests: 0
    maxParallelRequests: 10
`;
const traffic = (spec: object): string => documents({
  apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'BackendTrafficPolicy', metadata: { name: 'traffic' },
  spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'backend' }], ...spec },
});
const CLUSTER = 'cluster.default/backend/3000@default/backend/rule/0';
const breaker = (circuitBreaker: object): string => traffic({ circuitBreaker });

let gatewright: Gatewright;
let backend: HoldingBackend;
afterEach(async () => {
  backend.release('answer');
  await gatewright.stop();
  await backend.stop();
});

async function start(policy: string, { workers = 1, protocol = 'http1', rules }: { workers?: number; protocol?: 'http1' | 'h2c'; rules?: object[] } = {}): Promise<void> {
  backend = await HoldingBackend.start(protocol);
  const [service, slice] = endpoint(backend.port) as [{ spec: { ports: object[] } }, object];
  if (protocol === 'h2c') service.spec.ports = [{ name: 'http', port: 3000, appProtocol: 'kubernetes.io/h2c' }];
  const route = httpRoute('backend', [{ path: { type: 'PathPrefix', value: '/' } }], rules === undefined ? {} : { rules });
  const files = { 'base.yaml': documents(gatewayClass, gateway(), service, route, httpRoute('shared')), 'slice.yaml': documents(slice), 'policy.yaml': policy };
  gatewright = await Gatewright.start(files, { echo: false, args: ['--concurrency', String(workers)] });
}

/** So many requests at one time, each on a connection of its own. Answers come in as they come. */
function send(count: number, path = '/'): { answers: Answer[]; all: Promise<Answer[]> } {
  const answers: Answer[] = [];
  const all = Promise.all(Array.from({ length: count }, async () => {
    const answer = await ask(gatewright.address(), path);
    answers.push(answer);
    return answer;
  }));
  return { answers, all };
}
const statuses = (answers: readonly Answer[]): number[] => answers.map(({ status }) => status).sort();
const times = (status: number, count: number): number[] => Array.from({ length: count }, () => status);

/** Sends so many at once, and waits until each is either at work or answered; then all are let go. */
async function atOnce(count: number): Promise<{ atWork: number; refused: Answer[]; served: number[] }> {
  backend.hold();
  const { answers, all } = send(count);
  await gatewright.until(() => backend.held + answers.length === count);
  const atWork = backend.held;
  const refused = [...answers];
  backend.release('answer');
  return { atWork, refused, served: statuses((await all).filter((answer) => !refused.includes(answer))) };
}

describe.each([1, 2])('maxPendingRequests 0 and maxParallelRequests 10, with %i workers', (workers) => {
  test.each(['http1', 'h2c'] as const)('serves ten at once and turns the eleventh away, %s, cold and warm', async (protocol) => {
    await start(NOTHING_WAITS, { workers, protocol });
    for (const state of ['cold', 'warm', 'still warm']) {
      const { atWork, refused, served } = await atOnce(11);
      expect([atWork, statuses(refused), served], state).toEqual([10, [503], times(200, 10)]);
      expect(refused[0]?.body).toBe('upstream connect error or disconnect/reset before headers. reset reason: overflow');
    }
    // Two counters, by when it showed.
    expect(await gatewright.stat(`${CLUSTER}.upstream_rq_pending_overflow`) + await gatewright.stat(`${CLUSTER}.upstream_rq_active_overflow`)).toBe(3);
  });

  test('serves one alone that comes to a cold backend, and again and again', async () => {
    await start(NOTHING_WAITS, { workers });
    backend.release('answer');
    for (let i = 0; i < 20; i++) expect((await ask(gatewright.address(), '/')).status).toBe(200);
  });
});

describe('fewer connections than requests', () => {
  const few = breaker({ maxConnections: 3, maxPendingRequests: 0, maxParallelRequests: 10 });

  test('let as many wait as there are connections, as the warning says', async () => {
    await start(few);
    expect(JSON.parse(await gatewright.page('problems'))).toEqual([expect.objectContaining({ severity: 'warning', path: 'spec.circuitBreaker.maxPendingRequests', message: expect.stringContaining('up to 3 requests may still wait') })]);
    const first = send(3);
    await gatewright.until(() => backend.held === 3);
    const { answers, all } = send(7);
    await gatewright.until(() => answers.length === 4);
    expect(statuses(answers)).toEqual(times(503, 4));
    backend.release('answer');
    expect(statuses([...await first.all, ...await all])).toEqual([...times(200, 6), ...times(503, 4)]);
  });

  test('let nothing wait that HTTP/2 can carry on one of them', async () => {
    await start(few, { protocol: 'h2c' });
    const { atWork, refused } = await atOnce(11);
    expect([atWork, statuses(refused)]).toEqual([10, [503]]);
  });
});

describe('a change', () => {
  /** Two requests at a time, for as long as policies are put in force one after the other. */
  async function underLoad(policies: readonly string[]): Promise<number[]> {
    let stopped = false;
    const got: number[] = [];
    const load = async (): Promise<void> => { while (!stopped) got.push(...statuses(await send(1).all)); };
    backend.release('answer');
    const running = [load(), load()];
    try {
      for (const policy of policies) {
        const before = got.length;
        await gatewright.replace('policy.yaml', policy);
        await gatewright.until(() => got.length > before + 20);
      }
    } finally {
      stopped = true;
      await Promise.all(running);
    }
    return [...new Set(got)];
  }

  test('of a limit is in force at once, under load, and costs nobody an answer', async () => {
    await start(breaker({ maxPendingRequests: 0, maxParallelRequests: 10 }));
    expect(await underLoad([4, 6, 3, 5].map((maxParallelRequests) => breaker({ maxPendingRequests: 0, maxParallelRequests })))).toEqual([200]);
    const { atWork, refused, served } = await atOnce(8);
    expect([atWork, statuses(refused), served]).toEqual([5, times(503, 3), times(200, 5)]);
  });

  test('from no policy to one and back loses nothing either', async () => {
    await start('');
    expect(await underLoad([NOTHING_WAITS, '', breaker({}), ''])).toEqual([200]);
  });

  test('leaves what is at work alone, and touches neither routes nor listeners', async () => {
    await start(breaker({ maxParallelRequests: 10 }));
    const { all } = send(7);
    await gatewright.until(() => backend.held === 7);
    const updates = async (): Promise<number[]> => [await gatewright.stat('listener_manager.listener_modified'), await gatewright.stat('http.http-.*.rds.*.config_reload')];
    const before = await updates();
    await gatewright.replace('policy.yaml', breaker({ maxPendingRequests: 0, maxParallelRequests: 2 }));
    expect(backend.held).toBe(7);
    expect(await updates()).toEqual(before);
    backend.release('answer');
    expect(statuses(await all)).toEqual(times(200, 7));
    expect((await atOnce(3)).atWork).toBe(2);
  });
});

test('endpoints that change are those of the rule\'s own cluster too, and a limit that changes then keeps them', async () => {
  await start(NOTHING_WAITS);
  backend.release('answer');
  const second = await HoldingBackend.start();
  second.release('answer');
  const answers = (): Promise<number[]> => Promise.all(['/', '/shared'].map(async (path) => (await ask(gatewright.address(), path)).status));
  try {
    expect(await answers()).toEqual([200, 200]);
    const [, slice] = endpoint(second.port);
    await gatewright.replace('slice.yaml', documents(slice));
    const before = backend.requests;
    expect(await answers()).toEqual([200, 200]);
    expect([backend.requests - before, second.requests]).toEqual([0, 2]);
    await gatewright.replace('policy.yaml', breaker({ maxParallelRequests: 3 }));
    expect(await answers()).toEqual([200, 200]);
    expect([backend.requests - before, second.requests]).toEqual([0, 4]);
  } finally {
    await second.stop();
  }
});

describe('other settings', () => {
  test.each(['http1', 'h2c'] as const)('maxRequestsPerConnection: a connection carries so many, %s', async (protocol) => {
    await start(breaker({ maxRequestsPerConnection: 2 }), { protocol });
    backend.release('answer');
    for (let i = 0; i < 6; i++) expect((await ask(gatewright.address(), '/')).status).toBe(200);
    expect(backend.connections).toBe(3);
  });

  test('perEndpoint.maxConnections: the endpoint has no more connections, the rest waits', async () => {
    await start(breaker({ perEndpoint: { maxConnections: 2 } }));
    const { all } = send(5);
    await gatewright.until(() => backend.held === 2);
    await gatewright.until(async () => await gatewright.stat(`${CLUSTER}.upstream_rq_pending_active`) === 3);
    expect(backend.connections).toBe(2);
    backend.release('answer');
    expect(statuses(await all)).toEqual(times(200, 5));
  });

  test('requestTimeout: 504 where the route says nothing, and its own time where it does', async () => {
    await start(traffic({ timeout: { http: { requestTimeout: '100ms' } } }), { rules: [
      { matches: [{ path: { value: '/own' } }], backendRefs: [{ name: 'backend', port: 3000 }], timeouts: { request: '0s' } },
      { backendRefs: [{ name: 'backend', port: 3000 }] },
    ] });
    const own = send(1, '/own');
    const [late] = await send(1).all;
    expect([late?.status, late?.body]).toEqual([504, 'upstream request timeout']);
    expect(own.answers).toEqual([]);
    backend.release('answer');
    expect(statuses(await own.all)).toEqual([200]);
  });
});
