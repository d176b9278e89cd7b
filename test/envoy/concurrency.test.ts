// Limits on requests in flight in a real Envoy with four workers: the table, by the plugin configuration; a policy from a route's metadata; a storm.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { carried } from '../cases/carried.ts';
import { type ConcurrencyCase, type Limits, cases } from '../cases/concurrency.ts';
import { type Json, http, listener, pluginConfig, type } from './connection-limit-bootstrap.ts';
import { EnvoyProcess } from './envoy-process.ts';
import { HeldRequest, HoldingUpstream } from './held-requests.ts';

const policyOf = (name: string, limits: Limits): Json => ({ name, limits });
const numbered = cases.map((one, i) => ({ ...one, one, path: `/case-${i}`, policy: `default/case-${i}` }));
const STORM = policyOf('default/storm', [{ name: 'storm', value: 10 }]);

const concurrency = (requests: Json): Json =>
  ({ name: 'gatewright.concurrency', typed_config: { ...type('envoy.extensions.filters.http.wasm.v3.Wasm'), config: pluginConfig({ requests }, { name: 'gatewright.concurrency' }) } });
/** Stands in for filters/jwt: publishes the claims that a header names. */
const claims: Json = {
  name: 'claims',
  typed_config: {
    ...type('envoy.extensions.filters.http.set_filter_state.v3.Config'),
    on_request_headers: ['sub', 'plan'].map((claim) => ({
      object_key: `wasm.gatewright.claim.${claim}`, factory_key: 'envoy.string', format_string: { text_format_source: { inline_string: `%REQ(x-claim-${claim})%` }, omit_empty_values: true }, skip_if_empty: true,
    })),
  },
};
const toUpstream = (match: Json, more: Json = {}): Json => ({ match, route: { cluster: 'upstream', timeout: '0s' }, ...more });
const ofRoute = (concurrency: string): Json => ({ metadata: carried({ concurrency }).route_metadata });
const ofHost = carried({ 'concurrency_policy.a': JSON.stringify(STORM), 'concurrency_policy.b': '{"name":"x"}' }).route_metadata;

let envoy: EnvoyProcess, upstream: HoldingUpstream, rules: string, routes: string;
beforeAll(async () => {
  upstream = await HoldingUpstream.start();
  envoy = await EnvoyProcess.start({
    static_resources: {
      listeners: [
        listener('rules', [http([claims, concurrency({ rules: numbered.map(({ path, policy, limits }) => ({ match: { prefix: path }, policy: policyOf(policy, limits) })) })], [toUpstream({ prefix: '/' })])]),
        listener('routes', [http([concurrency({ source: 'route' })], [
          toUpstream({ path_separated_prefix: '/storm' }, ofRoute('a')), toUpstream({ path_separated_prefix: '/broken' }, ofRoute('b')), toUpstream({ prefix: '/' }),
        ], ofHost)]),
      ],
      clusters: [{
        name: 'upstream', type: 'STATIC', connect_timeout: '5s',
        load_assignment: { cluster_name: 'upstream', endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: upstream.port } } } }] }] },
      }],
    },
  }, { concurrency: 4 });
  rules = await envoy.address('rules');
  routes = await envoy.address('routes');
}, 60_000);
afterAll(async () => {
  await envoy?.stop();
  await upstream?.stop();
});

const active = (policy: string): Promise<number> => envoy.sum(`^wasmcustom.gatewright_concurrency_active.limit.${policy}/`);

async function play({ one: { steps, limits }, path, policy }: { one: ConcurrencyCase; path: string; policy: string }): Promise<unknown[]> {
  const inside = new Map<string, HeldRequest>();
  const told: unknown[] = [];
  for (const step of steps) {
    if ('ask' in step) {
      const { headers = {}, claims = {}, from } = step.as;
      const all = { ...headers, ...Object.fromEntries(Object.entries(claims).map(([name, value]) => [`x-claim-${name}`, value])) };
      const { request, refusal } = await HeldRequest.send(rules, path, `${policy} ${step.ask}`, upstream, all, from);
      if (refusal === undefined) inside.set(step.ask, request);
      const grpcStatus = refusal?.headers['grpc-status'];
      told.push({ ask: step.ask, status: refusal?.status ?? 0, ...(grpcStatus === undefined ? { body: refusal?.body ?? '' } : { grpcStatus: Number(grpcStatus), body: refusal?.headers['grpc-message'] }) });
      continue;
    }
    const before = await active(policy);
    if ('answer' in step) upstream.answer(`${policy} ${step.answer}`);
    else inside.get(step.leave)?.leave();
    inside.delete('answer' in step ? step.answer : step.leave);
    // Over when Envoy knows: it counts less, under every limit it was under.
    while (await active(policy) > before - limits.length) await sleep(10);
  }
  for (const request of inside.values()) request.leave();
  while (await active(policy) !== 0) await sleep(10);
  return told;
}

describe('connection-limit.wasm as an HTTP filter in Envoy', () => {
  test.concurrent.each(numbered)('$name', async (one) => {
    const wanted = one.steps.flatMap((step) => ('ask' in step ? [{ ask: step.ask, status: step.status, ...(step.grpcStatus !== undefined && { grpcStatus: step.grpcStatus }), body: step.status === 0 ? '' : 'concurrency limit exceeded' }] : []));
    expect(await play(one)).toEqual(wanted);
    for (const { name } of one.limits) {
      expect(await envoy.stat(`wasmcustom.gatewright_concurrency_refused.limit.${one.policy}/${name}.reason.value`)).toBe(one.refusals?.[name] ?? 0);
      expect(await envoy.stat(`wasmcustom.gatewright_concurrency_refused_dry_run.limit.${one.policy}/${name}.reason.value`)).toBe(one.dry?.[name] ?? 0);
    }
  });

  test('never lets more in than the limit of a route when sixty-four clients storm it', { timeout: 120_000 }, async () => {
    let inside = 0, most = 0, refused = 0;
    const { promise: wereFull, resolve: full } = Promise.withResolvers<void>();
    await Promise.all(Array.from({ length: 64 }, async (_, i) => {
      for (let round = 0; round < 20; round++) {
        const id = `storm ${i} ${round}`;
        const { request, refusal } = await HeldRequest.send(routes, '/storm', id, upstream, {});
        if (refusal !== undefined) {
          expect(refusal.status).toBe(429);
          refused++;
          continue;
        }
        most = Math.max(most, ++inside);
        if (inside === 10) full();
        await wereFull;                                // nobody leaves before every place was taken once
        await sleep((i * 7 + round * 3) % 11);
        inside--;
        upstream.answer(id);
        expect((await request.answered).status).toBe(200);
      }
    }));
    expect(most).toBe(10);
    expect(refused).toBeGreaterThan(0);
    while (await active('default/storm') !== 0) await sleep(10);
    expect(await envoy.stat('wasmcustom.gatewright_concurrency_refused.limit.default/storm/storm.reason.value')).toBe(refused);
  });

  test.each(['/broken', '/without'])('answers 500 where the policy cannot be read (%s)', async (path) => {
    const { refusal } = await HeldRequest.send(routes, path, path, upstream, {});
    expect(refusal?.status).toBe(500);
  });

  test('no request made a VM stumble', async () => {
    expect(await envoy.stat('wasm.gatewright.concurrency.vm_reload_success')).toBe(0);
    expect(envoy.log).not.toMatch(/abort|trap|unreachable/i);
  });
});
