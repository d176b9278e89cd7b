// The case table in a real Envoy with four workers, by connection-limit.wasm loaded as anyone would load it, and by Envoy's own connection_limit beside it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ConnectionCase, cases, limitsOf } from '../cases/connection-limit.ts';
import { deviations } from '../connection-deviations.ts';
import { echo, limitFilter, listener, nativeFilter } from './connection-limit-bootstrap.ts';
import { play, story } from './echo-client.ts';
import { EnvoyProcess } from './envoy-process.ts';

const numbered = cases.map((one, i) => ({ ...one, one, ours: `ours-${i}`, native: `native-${i}`, prefix: `case-${i}-` }));
/** Cases that native has a word for: one limit of a value, on all connections of the listener. */
const comparable = numbered.filter(({ limits: [limit, ...others] }) =>
  limit !== undefined && others.length === 0 && Object.keys(limit).every((field) => ['name', 'value', 'closeDelay'].includes(field)));

let envoy: EnvoyProcess;
beforeAll(async () => {
  const listeners = [
    ...numbered.map(({ one, ours, prefix }) => listener(ours, [limitFilter(ours, limitsOf(one, prefix)), echo], { tls: one.tls ?? false })),
    ...comparable.map(({ one, native, limits: [limit] }) => listener(native, [...(limit ? [nativeFilter(native, limit)] : []), echo], { tls: one.tls ?? false })),
  ];
  envoy = await EnvoyProcess.start({ static_resources: { listeners } }, { concurrency: 4 });
}, 60_000);
afterAll(async () => { await envoy?.stop(); });

const playOurs = (one: ConnectionCase, ours: string, prefix: string): Promise<string[]> => play(envoy, ours, one, `^wasmcustom.gatewright_connections_refused.limit.${prefix}`);

describe('connection-limit.wasm in Envoy', () => {
  test.concurrent.each(numbered)('$name', async ({ one, ours, prefix, refusals = {}, dry = {} }) => {
    expect(await playOurs(one, ours, prefix)).toEqual(story(one));
    for (const [what, wanted] of [['refused', refusals], ['refused_dry_run', dry]] as const) {
      const counted = one.limits.flatMap(({ name }) => ['value', 'rate'].map((reason) => `${name}.${reason}`));
      const found = await Promise.all(counted.map(async (key) => {
        const [limit = '', reason = ''] = key.split('.');
        return [key, await envoy.stat(`wasmcustom.gatewright_connections_${what}.limit.${prefix}${limit}.reason.${reason}`)] as const;
      }));
      expect(Object.fromEntries(found.filter(([, count]) => count > 0))).toEqual(wanted);
    }
    expect(await envoy.sum(`^wasmcustom.gatewright_connections_active.limit.${prefix}`)).toBe(0);
  });
});

describe('connection-limit.wasm beside connection_limit', () => {
  test('has something to be compared by', () => expect(comparable.length).toBeGreaterThan(4));

  test.concurrent.each(comparable)('$name', async ({ one, native }) => {
    const theirs = await play(envoy, native, one, `^connection_limit.${native}.limited_connections$`);
    const deviation = deviations.find(({ cases }) => cases.includes(one.name));
    if (deviation) expect(theirs, `no longer different: ${deviation.what}`).not.toEqual(story(one));
    else expect(theirs).toEqual(story(one));
  });

  test('every deviation is one of a case of the table', () => {
    const names = comparable.map(({ name }) => name);
    expect(deviations.flatMap(({ cases }) => cases).filter((name) => !names.includes(name))).toEqual([]);
  });
});

test('no case made a VM stumble', async () => {
  expect(await envoy.stat('wasm.gatewright.connection_limit.vm_reload_success')).toBe(0);
  expect(envoy.log).not.toMatch(/abort|trap|unreachable/i);
});
