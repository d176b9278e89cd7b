// A writer at the worst moments: between the reading of a file and the look for its writers, and just before a reading whose event has not arrived.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FileSource, type Sourced } from '../../controller-glue/sources/files.ts';

const lookForWriters = vi.hoisted(() => ({ answer: (): boolean => false }));
vi.mock('../../controller-glue/sources/writers.ts', () => ({ hasWriter: () => lookForWriters.answer() }));

const half = 'apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata:\n  name: p\nspec:\n  targetRefs:\n    - group: gateway.networking.k8s.io\n      kind: HTTPRoute\n      name: foo\n';
const whole = `${half}  authorization:\n    defaultAction: Deny\n`;
const better = `${half}  authorization:\n    defaultAction: Allow\n`;
const otherHalf = `${half}\n`;

let folder: string, path: string, source: FileSource, seen: Sourced[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gw-writers-'));
  path = join(folder, 'p.yaml');
  seen = [];
  writeFileSync(path, whole);
  source = new FileSource([folder], (sourced) => seen.push(sourced));
  await source.watch();
});
afterEach(async () => {
  await source.close();
  rmSync(folder, { recursive: true });
});
const defaultActions = (): unknown[] => seen.map(({ resources }) => (resources.securityPolicies[0]?.spec as { authorization?: { defaultAction: string } }).authorization?.defaultAction);

test('who ends between the reading and the look for writers has not taken away what the reading lacks', async () => {
  lookForWriters.answer = () => {
    lookForWriters.answer = () => false;
    writeFileSync(path, better);
    return false;
  };
  writeFileSync(path, half);
  await vi.waitFor(() => expect(seen.length).toBeGreaterThan(0), { timeout: 10_000 });
  expect(defaultActions()).toEqual(['Allow']);
});

test('quiet is the file, not the events of it that have arrived', async () => {
  let written = 0;
  lookForWriters.answer = () => {                            // a second has passed since the first half
    lookForWriters.answer = () => false;
    written = performance.now();
    writeFileSync(path, otherHalf);
    // The next reading comes before the event: everything waits that long.
    process.nextTick(() => { while (performance.now() - written < 80); });
    return true;
  };
  writeFileSync(path, half);
  await vi.waitFor(() => expect(seen.length).toBeGreaterThan(0), { timeout: 10_000, interval: 1 });
  expect(defaultActions()).toEqual([undefined]);
  expect(performance.now() - written).toBeGreaterThan(990);
});
