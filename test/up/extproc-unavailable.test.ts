// The ext_proc service that does not start, through the whole product: its routes are closed and say so, all else is served and changes, and it mends by itself.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Gatewright } from './gatewright.ts';
import { documents, httpRoute, service } from './manifests.ts';
import { Hosts, backend, dynamicRoute, edge, get } from './resolver.ts';

let hosts: Hosts, gatewright: Gatewright, port: number;
const temporary = mkdtempSync(join(tmpdir(), 'gw-tmp-'));
/** Where the service would have its folder. */
let obstacle = '';

const status = async (path: string): Promise<number> => (await get(gatewright.address(), path, path === '/plain' ? 'www.example.com' : `canary.test:${port}`)).status;

beforeAll(async () => {
  hosts = await Hosts.start();
  port = await hosts.plain('canary.test');
  gatewright = await Gatewright.start({ 'edge.yaml': `${edge}\n---\n${documents(service(), httpRoute('plain'))}`, 'policy.yaml': documents(hosts.policy()) }, { env: { TMPDIR: temporary } });
  obstacle = join(temporary, readdirSync(temporary).find((name) => name.startsWith('gatewright-')) ?? '', 'extproc');
  writeFileSync(obstacle, '');
}, 60_000);
afterAll(async () => {
  await gatewright?.stop();
  await hosts?.stop();
  rmSync(temporary, { recursive: true, force: true });
});

test('a route that needs it is closed and says so, and the change it came with is in force', async () => {
  await gatewright.replace('routes.yaml', documents(backend('any', {}), dynamicRoute('any'), httpRoute('also')));
  expect(await status('/any')).toBe(500);
  expect(await gatewright.page('problems')).toContain('answers 500 where it needs the ext_proc service, which is not available: EEXIST');
  expect(JSON.stringify(await gatewright.status('HTTPRoute', 'any'))).toContain('ExtprocUnavailable');
  expect(JSON.stringify(await gatewright.status('ResolverPolicy', 'test'))).toContain('ExtprocUnavailable');
  expect((await get(gatewright.address(), '/also', 'www.example.com')).status).toBe(200);
  expect(hosts.reached).toEqual([]);
});

test('all else is served, and changes', async () => {
  expect(await status('/plain')).toBe(200);
  await gatewright.replace('more.yaml', documents(httpRoute('more')));
  expect((await get(gatewright.address(), '/more', 'www.example.com')).status).toBe(200);
  expect(await status('/any')).toBe(500);
});

test('it is tried again, and the route is open when it is there', async () => {
  rmSync(obstacle);
  await gatewright.until(async () => (await status('/any')) === 200, 60_000);
  await expect.poll(() => gatewright.page('problems'), { timeout: 20_000 }).not.toContain('ext_proc');
  expect(JSON.stringify(await gatewright.status('HTTPRoute', 'any'))).not.toContain('ExtprocUnavailable');
});
