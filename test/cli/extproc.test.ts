// The ext_proc service of `up` when it does not start, or does not take a policy: nobody waits for it, and it mends by itself.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Extproc } from '../../cli/extproc.ts';
import { policies, policyKey } from '../../controller-glue/extproc-policies.ts';
import type { Ir } from '../../controller-glue/ir.ts';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { base, documents, httpRoute } from '../up/manifests.ts';
import { backend, dynamicRoute, enabled } from '../up/resolver.ts';

const stateOf = (...objects: readonly object[]): Ir => translate(load([{ path: 'a.yaml', text: `${base}\n---\n${documents(enabled, backend('any', {}), ...objects)}` }]).resources).ir;
const needy = stateOf(dynamicRoute('any'));
const plain = stateOf(httpRoute('plain'));
const [id = ''] = policies(needy).map(policyKey);

let folder: string, exits: string, refuses: string, extproc: Extproc, mended: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gw-extproc-'));
  process.env['MOODY_EXITS'] = exits = join(folder, 'exits');
  process.env['MOODY_REFUSES'] = refuses = join(folder, 'refuses');
  mended = 0;
  extproc = new Extproc({ folder: join(folder, 'own'), script: new URL('moody-worker.ts', import.meta.url), workers: 1, log: pino({ level: 'silent' }), mended: () => { mended++; } });
});
afterEach(async () => {
  await extproc.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('what a route may ask is there before the route', async () => {
  expect(await extproc.prepare(needy)).toEqual(new Map());
});

describe.each([
  ['does not start', (): string => exits, 'an ext_proc worker is gone'],
  ['cannot have its socket', (): string => join(folder, 'own'), expect.stringContaining('EEXIST')],
  ['refuses a policy', (): string => refuses, 'add failed: Error'],
])('a service that %s', (_, obstacle, why) => {
  beforeEach(() => { writeFileSync(obstacle(), ''); });

  test('is said to, and whatever does not need it is not held up', async () => {
    expect(await extproc.prepare(needy)).toEqual(new Map([[id, why]]));
    expect(await extproc.prepare(plain)).toEqual(new Map());
    await extproc.inform({ ownPorts: [1] });
    expect(await extproc.metrics()).not.toContain('gatewright_extproc_messages_total{');
  });

  test('is tried again until it does, with nobody asking', async () => {
    expect((await extproc.prepare(needy)).size).toBe(1);
    extproc.settle(plain);
    expect((await extproc.prepare(needy)).size).toBe(1);
    expect(mended).toBe(0);
    rmSync(obstacle());
    await expect.poll(() => mended, { timeout: 20_000 }).toBe(1);
    expect(await extproc.prepare(needy)).toEqual(new Map());
  });

  test('is not tried any more once nothing needs it, and at once when something does again', async () => {
    await extproc.prepare(needy);
    await extproc.prepare(plain);
    extproc.settle(plain);
    rmSync(obstacle());
    expect(await extproc.prepare(needy)).toEqual(new Map());
    expect(mended).toBe(0);
  });
});
