// A state that no stream carries, from one tenant of a Gateway: only that tenant's objects are closed, it is said, and everybody else's change is in force.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { base, documents, httpRoute } from './manifests.ts';

/** 128 matches of 64 KiB each: 8 MiB for every host. In the document the headers stand once. */
const headers = Array.from({ length: 16 }, (_, i) => ({ name: `x-${i}`, value: 'v'.repeat(4_000) }));
const large = (hosts: number): string => documents(httpRoute('large', [], {
  hostnames: Array.from({ length: hosts }, (_, i) => `${i}.example.com`),
  rules: [0, 1].map((rule) => ({ backendRefs: [{ name: 'backend', port: 3000 }], matches: Array.from({ length: 64 }, (_, i) => ({ path: { value: `/large/${rule}/${i}` }, headers: '*h' })) })),
})).replace('"*h"', `&h ${JSON.stringify(headers)}`).replaceAll('"*h"', '*h ');

let gatewright: Gatewright;
beforeAll(async () => { gatewright = await Gatewright.start({ 'base.yaml': base, 'good.yaml': documents(httpRoute('good')) }); }, 60_000);
afterAll(() => gatewright?.stop());

const status = async (path: string, host = 'www.example.com'): Promise<number> => (await ask(gatewright.address(), path, { headers: { host } })).status;
const problems = async (): Promise<string[]> => (JSON.parse(await gatewright.page('problems')) as { message: string; object?: { name: string } }[]).map(({ message, object }) => `${object?.name}: ${message}`);

test('24 MiB are in force', async () => {
  await gatewright.replace('large.yaml', large(3));
  expect(await problems()).toEqual([]);
  const all = Object.fromEntries(headers.map(({ name, value }) => [name, value]));
  expect((await ask(gatewright.address(), '/large/1/63', { headers: { host: '2.example.com', ...all } })).status).not.toBe(404);
  expect(await status('/large/1/63', '2.example.com')).toBe(404);
}, 60_000);

test('of 128 MiB the paths are closed and the rest of what changes is served', async () => {
  await gatewright.replace('large.yaml', `${large(16)}\n---\n${documents(httpRoute('more'))}`);
  expect(await problems()).toEqual([expect.stringMatching(/^large: makes the configuration of Gateway default\/eg too large: 9\d\.\d MiB more than an Envoy takes, and 12\d\.\d MiB are of this object$/)]);
  expect(gatewright.output).toContain('makes the configuration of Gateway default/eg too large');
  expect(await gatewright.status('HTTPRoute', 'large')).toMatchObject({ parents: [{ conditions: expect.arrayContaining([expect.objectContaining({ type: 'Accepted', status: 'False', message: expect.stringContaining('too large') })]) }] });
  expect([await status('/good'), await status('/more'), await status('/large/1/63', '15.example.com')]).toEqual([200, 200, 500]);
}, 120_000);

test('made smaller, it is served and nothing is said of it any more', async () => {
  await gatewright.replace('large.yaml', `${large(1)}\n---\n${documents(httpRoute('more'))}`);
  expect(await problems()).toEqual([]);
  expect(await status('/large/1/63', '0.example.com')).toBe(404);
}, 60_000);
