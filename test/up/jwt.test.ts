// The case table through the whole product: YAML of Envoy Gateway's shape, `gatewright up`, a real Envoy, a real client.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cases } from '../cases/jwt.ts';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { base, documents, httpRoute, table } from './manifests.ts';

let gatewright: Gatewright;
beforeAll(async () => { gatewright = await Gatewright.start({ 'base.yaml': base, 'table.yaml': table, 'open.yaml': documents(httpRoute('open')) }); });
afterAll(async () => { await gatewright?.stop(); });

describe('jwt through gatewright up', () => {
  test.each(cases)('$policy: $name', async (one) => {
    const { status, body, headers } = await ask(gatewright.address(), `/${one.policy}/x`, one.request);
    expect(status).toBe(one.status);
    expect(headers['www-authenticate']).toBe(one.challenge === undefined ? undefined : `Bearer realm="http://www.example.com/${one.policy}/x"${one.challenge}`);
    if (one.status !== 200) expect(body).toBe(one.body);
    else {
      const seen = JSON.parse(body) as { path: string; headers: Record<string, string[]> };
      expect(seen.path.split('?')[0]).toBe(`/${one.policy}/x`);
      for (const [name, value] of Object.entries(one.upstream ?? {})) {
        const sent = Object.entries(seen.headers).find(([key]) => key.toLowerCase() === name)?.[1];
        expect(sent ?? null).toEqual(value === null ? null : [value]);
      }
    }
  });

  test('a route without a policy is open', async () => {
    expect((await ask(gatewright.address(), '/open')).status).toBe(200);
  });

  test('a gRPC request gets a gRPC answer', async () => {
    const { status, headers } = await ask(gatewright.address(), '/plain/x', { headers: { 'content-type': 'application/grpc' } });
    expect([status, headers['grpc-status'], headers['grpc-message']]).toEqual([200, '16', 'Jwt is missing']);
  });

  test('every policy is Accepted', async () => {
    const statuses = JSON.parse(await gatewright.page('status')) as { kind: string; status: { ancestors?: { conditions: { type: string; status: string }[] }[] } }[];
    const accepted = statuses.filter(({ kind }) => kind === 'SecurityPolicy').map(({ status }) => status.ancestors?.[0]?.conditions.find(({ type }) => type === 'Accepted')?.status);
    expect(accepted.length).toBeGreaterThan(5);
    expect(new Set(accepted)).toEqual(new Set(['True']));
  });

  test('no request made a VM stumble', async () => {
    expect(await gatewright.stat('wasm.gatewright.jwt.vm_reload_success')).toBe(0);
    expect(gatewright.output).not.toMatch(/unreachable|abort/);
  });
});
