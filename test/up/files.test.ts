// Hot reload fails closed. A client without a token asks the protected route all the time; not once may it get through.
import { closeSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { policies } from '../cases/jwt.ts';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { base, documents, httpRoute, securityPolicy } from './manifests.ts';

const routes = documents(httpRoute('foo'), httpRoute('bar'));
const policy = documents(securityPolicy('foo', policies.claims));

let gatewright: Gatewright, asking: boolean, answers: Map<number, number>, hammer: Promise<void>;
beforeEach(async () => {
  gatewright = await Gatewright.start({ 'base.yaml': base, 'routes.yaml': routes, 'policy.yaml': policy });
  asking = true;
  answers = new Map();
  hammer = (async () => {
    while (asking) {
      const { status } = await ask(gatewright.address(), '/foo');
      answers.set(status, (answers.get(status) ?? 0) + 1);
      await sleep(2);
    }
  })();
});
afterEach(async () => {
  asking = false;
  await hammer;
  await gatewright.stop();
  expect([...answers.keys()].filter((status) => status < 400), 'answers without a token').toEqual([]);
  expect(answers.size).toBeGreaterThan(0);
});

const path = (name: string): string => join(gatewright.folder, name);
const status = async (where: string): Promise<number> => (await ask(gatewright.address(), where)).status;
const becomes = (where: string, wanted: number): Promise<void> => gatewright.until(async () => (await status(where)) === wanted);

describe('the protected route stays closed while its policy file', () => {
  test('is truncated and slowly rewritten in place', async () => {
    const file = openSync(path('policy.yaml'), 'w');
    for (const line of policy.split(/(?<=\n)/)) {
      writeSync(file, line);
      await sleep(40);
    }
    closeSync(file);
    await sleep(1_300);
    expect(await status('/foo')).toBe(401);
  });

  test('is half written, and stays so', async () => {
    writeFileSync(path('policy.yaml'), policy.slice(0, policy.length / 2));
    await gatewright.until(async () => (await gatewright.page('problems')).includes('policy.yaml'));
    expect(await status('/foo')).toBe(401);
    expect(await status('/bar')).toBe(200);
  });

  test.each<[string, string]>([
    ['a syntax error', `${policy}\n  - [`],
    ['an unknown field', policy.replace('"authorization"', '"authorisation"')],
    ['a wrong type', policy.replace('"Deny"', '17')],
    ['a section that is not supported', policy.replace('"jwt": {', '"cors": {"allowOrigins": ["*"]}, "jwt": {')],
    ['a provider that is not there', policy.replace('"provider": "example"', '"provider": "nobody"')],
  ])('gets %s', async (_, text) => {
    await gatewright.replace('policy.yaml', text);
    expect([401, 500]).toContain(await status('/foo'));
    expect(await status('/bar')).toBe(200);
    expect(JSON.parse(await gatewright.page('problems'))).toContainEqual(expect.objectContaining({ severity: 'error', file: path('policy.yaml') }));
    await gatewright.replace('policy.yaml', policy);
    await becomes('/foo', 401);
    expect(JSON.parse(await gatewright.page('problems'))).toEqual([]);
  });

  test('is deleted and written again, as some editors do', async () => {
    for (let i = 0; i < 3; i++) {
      rmSync(path('policy.yaml'));
      await sleep(200);
      writeFileSync(path('policy.yaml'), policy);
      await sleep(100);
    }
    await sleep(1_300);
    expect(await status('/foo')).toBe(401);
  });

  test('moves to another name', async () => {
    renameSync(path('policy.yaml'), path('renamed.yaml'));
    await sleep(1_300);
    expect(await status('/foo')).toBe(401);
  });

  test('has a double in another file', async () => {
    await gatewright.replace('again.yaml', policy);
    expect(await status('/foo')).toBe(500);
    expect(await gatewright.page('problems')).toMatch(/policy\.yaml:\d+.*is given twice|is given twice.*policy\.yaml:\d+/);
    await gatewright.remove('again.yaml');
    await becomes('/foo', 401);
  });
});

describe('what is taken out is out of force', () => {
  test('authorization of a policy (it stays for good in Envoy Gateway\'s file mode)', async () => {
    await gatewright.replace('policy.yaml', documents(securityPolicy('foo', { jwt: policies.claims.jwt })));
    expect(await gatewright.page('problems')).toBe('[]\n');
    const { cases } = await import('../cases/jwt.ts');
    const good = cases.find(({ name }) => name === 'accepts a good token');
    expect((await ask(gatewright.address(), '/foo', good?.request)).status).toBe(200);
  });

  test('hostnames of a route', async () => {
    expect((await ask(gatewright.address(), '/bar', {}, 'other.example')).status).toBe(404);
    const { hostnames: _, ...spec } = (httpRoute('bar') as { spec: { hostnames: unknown } }).spec;
    await gatewright.replace('routes.yaml', documents(httpRoute('foo'), { ...httpRoute('bar'), spec }));
    expect((await ask(gatewright.address(), '/bar', {}, 'other.example')).status).toBe(200);
  });
});
