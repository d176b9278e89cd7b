// Which key sets are taken, and what is said of the others.
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { keySet } from '../../controller-glue/key-set.ts';
import { remoteKeysAddress } from '../../controller-glue/remote-keys.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey.export({ format: 'jwk' });
const good = rsa.publicKey.export({ format: 'jwk' });
const set = (...keys: unknown[]) => JSON.stringify({ keys });

const refused: readonly { readonly name: string; readonly text: string; readonly message: RegExp }[] = [
  { name: 'text that is no JSON', text: 'n: 1', message: /^is not JSON$/ },
  { name: 'a key and no set', text: JSON.stringify(good), message: /list "keys"/ },
  { name: 'an empty set', text: set(), message: /^holds no usable key$/ },
  { name: 'a private RSA key', text: set(rsa.privateKey.export({ format: 'jwk' })), message: /keys\[0\] holds "d", "p", "q", "dp", "dq", "qi": a key set must hold public keys only/ },
  { name: 'a private key beside a good one', text: set(good, { ...ec, d: 'AA' }), message: /keys\[1\] holds "d"/ },
  { name: 'a symmetric key', text: set({ kty: 'oct', k: 'c2VjcmV0' }), message: /keys\[0\] holds "k"/ },
  { name: 'a modulus cut short with dots', text: set({ ...good, n: 'xOHb-i1WDfeAv...Cgqw-P' }), message: /has no modulus "n" in base64url/ },
  { name: 'a modulus cut short', text: set({ ...good, n: good.n?.slice(0, 40) }), message: /has \d+ bits: from 2048 to 8192 are wanted/ },
  { name: '1024 bits', text: set(weak), message: /has 1024 bits/ },
  { name: 'an even modulus', text: set({ ...good, n: `${good.n?.slice(0, -2)}AA` }), message: /even modulus/ },
  { name: 'an exponent of 1', text: set({ ...good, e: 'AQ' }), message: /exponent/ },
  { name: 'a key for encryption', text: set({ ...good, use: 'enc' }), message: /is for "enc"/ },
  { name: 'key_ops without verify', text: set({ ...good, key_ops: ['encrypt'] }), message: /is not for "verify"/ },
  { name: 'PS256', text: set({ ...good, alg: 'PS256' }), message: /is for PS256: only RS256, RS384, RS512/ },
  { name: 'an algorithm of another curve', text: set({ ...ec, alg: 'ES384' }), message: /on P-256 only ES256/ },
  { name: 'a point that is not on the curve', text: set({ ...ec, y: ec.x }), message: /is not a valid key/ },
  { name: 'coordinates of the wrong size', text: set({ ...ec, crv: 'P-384' }), message: /of 48 bytes/ },
  { name: 'Ed25519', text: set({ kty: 'OKP', crv: 'Ed25519', x: 'AA' }), message: /only RSA and EC/ },
  { name: 'a kid that is no string', text: set({ ...good, kid: 7 }), message: /kid must be a string/ },
  { name: '101 keys', text: set(...Array(101).fill(good)), message: /more than 100/ },
  { name: 'a megabyte', text: ' '.repeat(1_100_000), message: /larger than 1 MiB/ },
];

describe('key sets', () => {
  test.each(refused)('refuses $name', ({ text, message }) => {
    const read = keySet(text);
    expect(read.ok ? 'taken' : read.message).toMatch(message);
  });

  test('takes the usable keys and warns of the others', () => {
    const read = keySet(set(good, weak, ec, p521, null));
    expect(read).toMatchObject({ ok: true, warnings: ['keys[1] has 1024 bits: from 2048 to 8192 are wanted: skipped', 'keys[4] is not an object: skipped'] });
    expect(read.ok && JSON.parse(read.json).keys.length).toBe(3);
  });

  test('one id for one set, however it is written, and only public members in it', () => {
    const plain = keySet(JSON.stringify({ keys: [{ ...good, kid: 'a' }] }));
    const other = keySet(JSON.stringify({ extra: 1, keys: [{ kid: 'a', x5c: ['...'], ...Object.fromEntries(Object.entries(good).reverse()), key_ops: ['verify'] }] }, null, 2));
    expect(plain.ok && other.ok && plain.id === other.id).toBe(true);
    expect(plain.ok && plain.id).toMatch(/^[0-9a-f]{32}$/);
    expect(other.ok && Object.keys(JSON.parse(other.json).keys[0])).toEqual(['e', 'kid', 'kty', 'n']);
  });
});

const addresses: readonly { readonly uri: string; readonly is: string }[] = [
  { uri: 'https://a.test/keys.json', is: 'a.test:443 tls a.test /keys.json' },
  { uri: 'https://A.test:8443/k?x=%20y', is: 'a.test:8443 tls a.test:8443 /k?x=%20y' },
  { uri: 'https://[2001:db8::1]/k', is: '[2001:db8::1]:443 tls [2001:db8::1] /k' },
  { uri: 'http://127.0.0.1:80/k', is: 'http://127.0.0.1:80 plain 127.0.0.1 /k' },
  { uri: 'http://localhost:9/k', is: 'http://localhost:9 plain localhost:9 /k' },
  { uri: 'http://[::1]:9/k', is: 'http://[::1]:9 plain [::1]:9 /k' },
  { uri: 'http://a.test/k', is: 'must be an https URI (plain http is for loopback addresses only)' },
  { uri: 'http://127.0.0.1.a.test/k', is: 'must be an https URI (plain http is for loopback addresses only)' },
  { uri: 'https://u:p@a.test/k', is: 'must not hold a user name or a password' },
  { uri: 'https://a.test/k#f', is: 'must not hold a fragment' },
  { uri: 'file:///etc/passwd', is: 'must be an https URI' },
  { uri: 'a.test/k', is: 'must be a URI such as https://issuer.example/keys.json' },
];

test.each(addresses)('remote keys at $uri', ({ uri, is }) => {
  const address = remoteKeysAddress(uri);
  expect(typeof address === 'string' ? address : `${address.cluster.name} ${address.cluster.tls ? 'tls' : 'plain'} ${address.authority} ${address.path}`).toBe(is);
});
