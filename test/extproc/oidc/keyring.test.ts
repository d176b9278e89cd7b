// The key ring over a year: what seals, what opens, what is published when.
import { expect, test } from 'vitest';
import { KeyRing, type KeyRingData, newKeyRing, readKeyRing, rotated } from '../../../extproc/oidc/keyring.ts';
import { open, seal } from '../../../extproc/oidc/sealed.ts';
import { DAY, HandWorld } from './hand-world.ts';

const kids = ({ keys }: KeyRingData): string[] => keys.map(({ kid }) => kid);

test('a new ring has a key in use and one in reserve', async () => {
  const data = await newKeyRing(new HandWorld());
  const ring = await KeyRing.of(data);
  expect(data.keys).toHaveLength(2);
  expect(ring.encryption.kid).toBe(kids(data)[1]);
  expect(ring.signing.kid).toBe(kids(data)[1]);
});

test.each([
  ['nothing to do', 0, false], ['nothing to do', 30 * DAY - 1, false], ['a new key', 30 * DAY, true], ['a new key, one, however long nobody looked', 400 * DAY, true],
])('there is %s after %d ms', async (_, ms, isNew) => {
  const world = new HandWorld();
  const data = await newKeyRing(world);
  await world.pass(ms);
  const next = await rotated(data, world);
  expect(next === undefined ? undefined : kids(next).slice(1)).toEqual(isNew ? kids(data) : undefined);
  if (next !== undefined) expect(await rotated(next, world)).toBeUndefined();
});

test('whoever has learnt of no change for a month opens and checks all that is made with the newer ring', async () => {
  const world = new HandWorld();
  const before = await newKeyRing(world);
  await world.pass(30 * DAY);
  const after = await rotated(before, world) ?? before;
  const [stale, fresh] = [await KeyRing.of(before), await KeyRing.of(after)];
  expect(fresh.encryption.kid).not.toBe(stale.encryption.kid);
  expect(await open(stale, 'session', 'a', await seal(fresh, 'session', 'a', { it: 1 }, world.now() + 1), world.now())).toEqual({ it: 1 });
  expect(stale.publicKeys.keys.map(({ kid }) => kid)).toContain(fresh.signing.kid);
});

test('what a key sealed last is opened for 100 days, and the ring does not grow over the years', async () => {
  const world = new HandWorld();
  let data = await newKeyRing(world);
  for (let month = 0; month < 30; month++) {
    const sealed = await seal(await KeyRing.of(data), 'session', 'a', { month }, world.now() + 1000 * DAY);
    let later = data;
    const start = world.now();
    const elsewhere = new HandWorld();
    await elsewhere.pass(start - elsewhere.now());
    for (let day = 0; day < 100; day++) {
      await elsewhere.pass(DAY);
      later = await rotated(later, elsewhere) ?? later;
    }
    if (month % 10 === 0) expect(await open(await KeyRing.of(later), 'session', 'a', sealed, elsewhere.now())).toEqual({ month });
    await world.pass(30 * DAY);
    data = await rotated(data, world) ?? data;
    expect(data.keys.length).toBeLessThanOrEqual(6);
  }
  expect(data.keys).toHaveLength(6);
});

test('what is published says nothing of private keys, and which key is which', async () => {
  const { publicKeys } = await KeyRing.of(await newKeyRing(new HandWorld()));
  for (const key of publicKeys.keys) expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  expect(publicKeys.keys[0]).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' });
});

test('keys in the hands of the process cannot be taken out of it', async () => {
  const ring = await KeyRing.of(await newKeyRing(new HandWorld()));
  expect([ring.encryption.key.extractable, ring.signing.key.extractable]).toEqual([false, false]);
});

test('no two rings have a key in common', async () => {
  const world = new HandWorld();
  const all = await Promise.all(Array.from({ length: 8 }, () => newKeyRing(world)));
  expect(new Set(all.flatMap(({ keys }) => keys.flatMap(({ kid, encryption, signing }) => [kid, encryption, signing.d]))).size).toBe(8 * 2 * 3);
});

test.each([
  ['nothing', ''], ['half of one', '{"keys":[{"kid":"a"'], ['no keys', '{"keys":[]}'], ['another thing', '[]'], ['keys that are none', '{"keys":[{"kid":"a","created":1,"encryption":"short","signing":{}}]}'],
])('a file with %s is no key ring', (_, text) => { expect(readKeyRing(text)).toBeUndefined(); });

test('a ring is the same after its JSON', async () => {
  const data = await newKeyRing(new HandWorld());
  expect(readKeyRing(JSON.stringify(data))).toEqual(data);
});
