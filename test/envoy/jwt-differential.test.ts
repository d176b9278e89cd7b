// The case table in a real Envoy, by jwt.wasm loaded as anyone would load it, and by Envoy's own jwt_authn + rbac beside it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type JwtCase, cases } from '../cases/jwt.ts';
import { deviations } from '../deviations.ts';
import { type Answer, ask } from './answer.ts';
import { EnvoyProcess } from './envoy-process.ts';
import { jwtBootstrap } from './jwt-bootstrap.ts';
import { Upstream } from './upstream.ts';

let envoy: EnvoyProcess, upstream: Upstream, ours: string, native: string;
beforeAll(async () => {
  upstream = await Upstream.start();
  envoy = await EnvoyProcess.start(jwtBootstrap(new URL('../../build/jwt.wasm', import.meta.url).pathname, upstream.port));
  ours = await envoy.address('ours');
  native = await envoy.address('native');
}, 60_000);
afterAll(async () => {
  await envoy?.stop();
  await upstream?.stop();
});

/** What a user relies on; the upstream's view only where a case speaks of it. */
function seen({ status, body, headers }: Answer, { upstream: wanted }: JwtCase): unknown {
  const upstreamHeaders = status === 200 && wanted ? JSON.parse(body).headers : {};
  return {
    status, challenge: headers['www-authenticate'], details: headers['x-details'], body: status === 200 ? '' : body, type: status === 200 ? '' : headers['content-type'],
    upstream: Object.fromEntries(Object.keys(wanted ?? {}).map((name) => [name, upstreamHeaders[name] ?? null])),
  };
}

describe('jwt.wasm in Envoy', () => {
  test.each(cases)('$policy: $name', async (one) => {
    const before = upstream.count;
    const answer = await ask(ours, `/${one.policy}/x`, one.request);
    const challenge = one.challenge === undefined ? undefined : `Bearer realm="http://www.example.com/${one.policy}/x"${one.challenge}`;
    expect(seen(answer, one)).toEqual({
      status: one.status, challenge, details: one.details, body: one.body ?? '', type: one.status === 200 ? '' : 'text/plain', upstream: one.upstream ?? {},
    });
    expect(upstream.count - before).toBe(one.status === 200 ? 1 : 0);
  });

  test('no request made the VM stumble', async () => {
    expect(await envoy.stat('wasm.gatewright.jwt.vm_reload_success')).toBe(0);
    expect(await envoy.stat('wasm.envoy.wasm.runtime.v8.active')).toBeGreaterThan(0);
    expect(envoy.log).not.toMatch(/abort|trap|unreachable/i);
  });
});

describe('jwt.wasm beside jwt_authn + rbac', () => {
  test.each(cases)('$policy: $name', async (one) => {
    const [mine, theirs] = await Promise.all([ask(ours, `/${one.policy}/x`, one.request), ask(native, `/${one.policy}/x`, one.request)]);
    const deviation = deviations.find(({ cases }) => cases.includes(one.name));
    if (deviation) expect(seen(mine, one), `no longer different: ${deviation.what}`).not.toEqual(seen(theirs, one));
    else expect(seen(mine, one)).toEqual(seen(theirs, one));
  });

  test.each(['plain: refuses a request without a token', 'plain: refuses another audience with 403', 'claims: denies a token with no claims at all', 'plain: accepts a good token'])('as a gRPC request, %s', async (name) => {
    const one = cases.find((each) => `${each.policy}: ${each.name}` === name);
    const grpc = { ...one?.request, headers: { ...one?.request.headers, 'content-type': 'application/grpc' } };
    const [mine, theirs] = await Promise.all([ours, native].map(async (address) => {
      const { status, body, headers } = await ask(address, `/${one?.policy}/x`, grpc);
      const { date: _, 'x-envoy-upstream-service-time': __, ...rest } = headers;
      return one?.status === 200 ? { status } : { status, body, headers: rest };
    }));
    expect(mine).toEqual(theirs);
    expect(mine?.status).toBe(200);
  });

  test('every deviation is one of a case of the table', () => {
    const names = cases.map(({ name }) => name);
    expect(deviations.flatMap(({ cases }) => cases).filter((name) => !names.includes(name))).toEqual([]);
  });
});
