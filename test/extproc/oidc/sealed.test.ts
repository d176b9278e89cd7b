// What is sealed is opened by the one it is for, and by nobody and as nothing else.
import { CompactEncrypt } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { KeyRing, type KeyRingData, newKeyRing } from '../../../extproc/oidc/keyring.ts';
import { open, seal, type Use } from '../../../extproc/oidc/sealed.ts';
import { HandWorld } from './hand-world.ts';

const NOW = 1_000_000;
const payload = { id: 'x', list: [1, null, 'ü€😀'], nested: { deep: true } };
let data: KeyRingData;
let ring: KeyRing;
let other: KeyRing;
let sealed: string;
beforeAll(async () => {
  data = await newKeyRing(new HandWorld());
  ring = await KeyRing.of(data);
  other = await KeyRing.of(await newKeyRing(new HandWorld()));
  sealed = await seal(ring, 'session', 'scope-a', payload, NOW + 1);
});

test('what is sealed is opened', async () => { expect(await open(ring, 'session', 'scope-a', sealed, NOW)).toEqual(payload); });

test('the same twice is not the same text', async () => { expect(await seal(ring, 'session', 'scope-a', payload, NOW + 1)).not.toBe(sealed); });

test('nothing of it can be read', () => {
  const [header = ''] = sealed.split('.');
  expect(Object.keys(JSON.parse(Buffer.from(header, 'base64url').toString()) as object)).toEqual(['alg', 'enc', 'kid', 'use', 'scope', 'expires']);
  expect(Buffer.from(sealed.split('.')[3] ?? '', 'base64url').toString('latin1')).not.toContain('deep');
});

test.each<[string, Use, string, number]>([
  ['for another use', 'state', 'scope-a', NOW], ['for a third use', 'refresh', 'scope-a', NOW], ['in another scope', 'session', 'scope-b', NOW], ['in no scope', 'session', '', NOW],
  ['at its end', 'session', 'scope-a', NOW + 1], ['long after', 'session', 'scope-a', Number.MAX_SAFE_INTEGER],
])('it is not opened %s', async (_, use, scope, now) => { expect(await open(ring, use, scope, sealed, now)).toBeUndefined(); });

test('it is not opened by another ring, nor by one whose keys have the same names', async () => {
  const { keys: [a, b] } = await newKeyRing(new HandWorld());
  if (a === undefined || b === undefined) throw new Error('no keys');
  const namesake = await KeyRing.of({ keys: [{ ...a, kid: data.keys[0]?.kid ?? '' }, { ...b, kid: data.keys[1]?.kid ?? '' }] });
  expect(await open(other, 'session', 'scope-a', sealed, NOW)).toBeUndefined();
  expect(await open(namesake, 'session', 'scope-a', sealed, NOW)).toBeUndefined();
});

describe('it is not opened', () => {
  test('with a bit flipped, wherever', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const parts = sealed.split('.');
    const opened: number[] = [];
    for (let i = 0; i < sealed.length; i++) {
      const character = sealed[i] ?? '';
      // Of the last character of a part some bits may stand for nothing.
      const last = sealed[i + 1] === '.' || i === sealed.length - 1;
      const flipped = character === '.' ? 'A' : alphabet[alphabet.indexOf(character) ^ (last ? 32 : 1)] ?? '';
      if (await open(ring, 'session', 'scope-a', sealed.slice(0, i) + flipped + sealed.slice(i + 1), NOW) !== undefined) opened.push(i);
    }
    expect(parts).toHaveLength(5);
    expect(opened).toEqual([]);
  });

  test('cut off, wherever', async () => {
    const opened: number[] = [];
    for (let i = 0; i < sealed.length; i++) if (await open(ring, 'session', 'scope-a', sealed.slice(0, i), NOW) !== undefined) opened.push(i);
    expect(opened).toEqual([]);
  });

  const header = (more: object) => async (): Promise<string> => new CompactEncrypt(Buffer.from('{}'))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: ring.encryption.kid, use: 'session', scope: 'scope-a', expires: NOW + 1, ...more } as { alg: string; enc: string }).encrypt(ring.encryption.key);
  const plain = (text: string) => async (): Promise<string> => new CompactEncrypt(Buffer.from(text))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: ring.encryption.kid, use: 'session', scope: 'scope-a', expires: NOW + 1 }).encrypt(ring.encryption.key);
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  test.each<[string, () => Promise<string>]>([
    ['without an end', header({ expires: undefined })],
    ['with an end that is text', header({ expires: '9999999999999' })],
    ['with an end that is no number', header({ expires: null })],
    ['without a name of a key', header({ kid: undefined })],
    ['with a key that is no text', header({ kid: ['a'] })],
    ['compressed: little may become much', header({ zip: 'DEF' })],
    ['with other text than JSON', plain('not JSON')],
    ['with a list', plain('[1]')],
    ['with null', plain('null')],
    ['when it is empty', async () => ''],
    ['when it is dots', async () => '....'],
    ['when it is a JWS without a signature', async () => `${encoded({ alg: 'none' })}.${encoded(payload)}.`],
    ['when its key is wrapped by a password', async () => `${encoded({ alg: 'PBES2-HS256+A128KW', enc: 'A256GCM', kid: ring.encryption.kid, use: 'session', scope: 'scope-a', p2c: 2_000_000_000, p2s: 'AAAAAAAAAAA' })}.AAAA.AAAA.AAAA.AAAA`],
    ['with an extension that must be understood', async () => `${encoded({ alg: 'dir', enc: 'A256GCM', crit: ['b64'], kid: ring.encryption.kid, use: 'session', scope: 'scope-a', expires: NOW + 1 })}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA`],
    ['when it is megabytes', async () => 'A'.repeat(10_000_000)],
    ['when it is not of this world', async () => '\u0000\ud800😀'.repeat(100)],
  ])('%s', async (_, make) => {
    // Some of these cannot even be made with jose.
    const text = await make().catch(() => '');
    expect(await open(ring, 'session', 'scope-a', text, NOW)).toBeUndefined();
  });
});
