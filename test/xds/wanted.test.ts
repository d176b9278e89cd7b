// What one Envoy is to hold: clusters stay for a while after no route leads to them, since requests that a filter holds up are on their way to them.
import { expect, test } from 'vitest';
import { typeUrls } from '../../controller-glue/xds/snapshot.ts';
import type { Snapshot } from '../../controller-glue/xds/snapshot.ts';
import { LINGER_MS, Wanted } from '../../controller-glue/xds/wanted.ts';

const { cluster, endpoint, listener, route } = typeUrls;
const one = (version: string) => ({ version, body: new Uint8Array() });
/** "c1:a" is cluster c1 in version a; l a listener, r a route table, e endpoints. */
function snapshot(...names: readonly string[]): Snapshot {
  const types = { c: cluster, e: endpoint, l: listener, r: route };
  const found = new Map<string, Map<string, { version: string; body: Uint8Array }>>();
  for (const text of names) {
    const [name = '', version = 'a'] = text.split(':');
    const type = types[name.charAt(0) as keyof typeof types];
    found.set(type, (found.get(type) ?? new Map()).set(name, one(version)));
  }
  return found;
}
const held = (wanted: Wanted): string[] => [...wanted.snapshot.values()].flatMap((resources) => [...resources].map(([name, { version }]) => `${name}:${version}`)).sort();
/** Envoy has taken all of it. */
function take(wanted: Wanted): void { for (const [typeUrl, resources] of wanted.snapshot) wanted.accepted(typeUrl, resources, []); }
function start(...names: readonly string[]): Wanted {
  const wanted = new Wanted(snapshot(...names));
  take(wanted);
  return wanted;
}

test('what leads traffic stays for a minute, what leads to it does not', () => {
  const wanted = start('c1', 'e1', 'l1', 'r1');
  wanted.publish(snapshot('c2', 'e2', 'l2', 'r2'), 1_000);
  expect(held(wanted)).toEqual(['c1:a', 'c2:a', 'e1:a', 'e2:a', 'l2:a', 'r2:a']);
  expect(wanted.lingersUntil).toBe(1_000 + LINGER_MS);
  wanted.leave(1_000 + LINGER_MS - 1);
  expect(held(wanted)).toContain('c1:a');
  wanted.leave(1_000 + LINGER_MS);
  expect(held(wanted)).toEqual(['c2:a', 'e2:a', 'l2:a', 'r2:a']);
  expect(wanted.lingersUntil).toBe(Infinity);
});

test('each has a minute of its own, counted from when it was published last', () => {
  const wanted = start('c1', 'c2');
  wanted.publish(snapshot('c2'), 1_000);
  wanted.publish(snapshot(), 5_000);
  wanted.leave(1_000 + LINGER_MS);
  expect(held(wanted)).toEqual(['c2:a']);
  wanted.publish(snapshot('c2:b'), 30_000);
  take(wanted);
  expect([held(wanted), wanted.lingersUntil]).toEqual([['c2:b'], Infinity]);
  wanted.publish(snapshot(), 50_000);
  wanted.leave(5_000 + LINGER_MS);
  expect(held(wanted)).toEqual(['c2:b']);
});

test('what Envoy never took, or refused, does not linger', () => {
  const wanted = start('c1');
  wanted.publish(snapshot('c1', 'c2:bad'), 0);
  wanted.refused(cluster, 'c2', 'bad', 'no');
  wanted.publish(snapshot('c1'), 0);
  expect(held(wanted)).toEqual(['c1:a']);
});

test('with something refused the others linger all the same', () => {
  const wanted = start('c1', 'r1');
  wanted.publish(snapshot('c2', 'r1:bad'), 0);
  wanted.refused(route, 'r1', 'bad', 'no');
  expect(held(wanted)).toEqual(['c1:a', 'c2:a', 'r1:a']);
});
