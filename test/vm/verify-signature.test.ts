// The foreign function verify_signature, case by case as Envoy 1.40.0 (BoringSSL) answered.
import { constants, generateKeyPairSync, type KeyPairKeyObjectResult, sign, type SignKeyObjectInput } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { Vm } from 'proxy-wasm-as/vm';
import { fixture } from './fixture.ts';
import { escape, told } from './told.ts';

let vm: Vm;
beforeAll(async () => { vm = Vm.load(await fixture('script')) });

const text = Buffer.from('signed text');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsa4096 = generateKeyPairSync('rsa', { modulusLength: 4096 });
const p224 = generateKeyPairSync('ec', { namedCurve: 'secp224r1' });
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' });
const k256 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
const ed25519 = generateKeyPairSync('ed25519');

const der = ({ publicKey }: KeyPairKeyObjectResult): Buffer => publicKey.export({ type: 'spki', format: 'der' });
const pem = ({ publicKey }: KeyPairKeyObjectResult, type: 'spki' | 'pkcs1' = 'spki'): string => publicKey.export({ type, format: 'pem' }).toString();
const by = (pair: KeyPairKeyObjectResult, hash: string | null = 'sha256', more: Partial<SignKeyObjectInput> = {}): Buffer => sign(hash, text, { key: pair.privateKey, ...more });

const yes = "0 '%08%01'";
const no = (error: string): string => `0 '%12${escape(Uint8Array.of(error.length))}${escape(error)}'`;
const unverified = no('Failed to verify digest. Error code: 0');
const uninitialized = no('Failed to initialize digest verify.');

interface Row {
  readonly name: string;
  readonly hash?: string;
  readonly key?: Uint8Array;
  readonly pem?: string;
  readonly signature: Uint8Array;
  readonly answer: string;
}

const rows: readonly Row[] = [
  ...['sha1', 'sha224', 'sha256', 'sha384', 'sha512'].map((hash) => ({ name: `RSA with ${hash}`, hash, key: der(rsa), signature: by(rsa, hash), answer: yes })),
  { name: 'RSA 4096', key: der(rsa4096), signature: by(rsa4096), answer: yes },
  { name: 'RSA as PEM', pem: pem(rsa), signature: by(rsa), answer: yes },
  { name: 'a hash in capitals', hash: 'SHA256', key: der(rsa), signature: by(rsa), answer: yes },
  { name: 'P-224', key: der(p224), signature: by(p224), answer: yes },
  { name: 'P-256, DER', key: der(p256), signature: by(p256), answer: yes },
  { name: 'P-256 with sha512', hash: 'sha512', key: der(p256), signature: by(p256, 'sha512'), answer: yes },
  { name: 'P-384, DER', hash: 'sha384', key: der(p384), signature: by(p384, 'sha384'), answer: yes },
  { name: 'P-521, DER', hash: 'sha512', key: der(p521), signature: by(p521, 'sha512'), answer: yes },
  { name: 'a key with something after it', key: Buffer.concat([der(rsa), text]), signature: by(rsa), answer: yes },
  { name: 'a signature of another text', key: der(rsa), signature: sign('sha256', Buffer.from('other'), rsa.privateKey), answer: unverified },
  { name: 'a signature by another hash', key: der(rsa), signature: by(rsa, 'sha512'), answer: unverified },
  { name: 'an empty signature', key: der(rsa), signature: Buffer.alloc(0), answer: unverified },
  { name: 'a signature too short', key: der(rsa), signature: Buffer.from('bad'), answer: unverified },
  { name: 'no ECDSA signature', key: der(p256), signature: Buffer.from('junk'), answer: unverified },
  { name: 'P-256 raw r‖s', key: der(p256), signature: by(p256, 'sha256', { dsaEncoding: 'ieee-p1363' }), answer: unverified },
  { name: 'RSA-PSS', key: der(rsa), signature: by(rsa, 'sha256', { padding: constants.RSA_PKCS1_PSS_PADDING }), answer: unverified },
  { name: 'Ed25519', key: der(ed25519), signature: by(ed25519, null), answer: uninitialized },
  { name: 'secp256k1', key: der(k256), signature: by(k256), answer: uninitialized },
  { name: 'a PKCS#1 key', key: rsa.publicKey.export({ type: 'pkcs1', format: 'der' }), signature: by(rsa), answer: uninitialized },
  { name: 'a PKCS#1 key as PEM', pem: pem(rsa, 'pkcs1'), signature: by(rsa), answer: uninitialized },
  { name: 'no key at all in the bytes', key: Buffer.from('abc'), signature: by(rsa), answer: uninitialized },
  { name: 'no key at all in the PEM', pem: 'abc', signature: by(rsa), answer: uninitialized },
  { name: 'an algorithm for a hash', hash: 'RS256', key: der(rsa), signature: by(rsa), answer: no('RS256 is not supported.') },
  { name: 'md5', hash: 'md5', key: der(rsa), signature: by(rsa), answer: no('md5 is not supported.') },
  { name: 'no hash', hash: '', key: der(rsa), signature: by(rsa), answer: no(' is not supported.') },
  { name: 'neither key', signature: by(rsa), answer: '2' },
  { name: 'both keys', key: der(rsa), pem: pem(rsa), signature: by(rsa), answer: '2' },
];

test.each(rows)('$name', ({ hash = 'sha256', key, pem: armoured, signature, answer }) => {
  const argument = Buffer.concat([
    field(1, Buffer.from(hash)), key === undefined ? Buffer.alloc(0) : field(2, key), field(3, signature), field(4, text),
    armoured === undefined ? Buffer.alloc(0) : field(5, Buffer.from(armoured)),
  ]);
  const { lines } = told(vm, `headers foreign verify_signature ${escape(argument)}`);
  expect(decode(lines[0])).toBe(decode(`headers foreign: ${answer}`));
});

test.each(['', 'zz', '%0a%ff', '%0a'])('%j is no argument', (argument) => {
  expect(told(vm, `headers foreign verify_signature ${argument}`).lines).toEqual(['headers foreign: 2']);
});

function field(number: number, bytes: Uint8Array): Buffer {
  const head = [number * 8 + 2];
  let size = bytes.length;
  for (; size >= 128; size = Math.floor(size / 128)) head.push(size % 128 + 128);
  return Buffer.concat([Buffer.from([...head, size]), bytes]);
}

/** The script filter and `escape` leave different bytes readable. */
function decode(line: string | undefined): string {
  return (line ?? '').replace(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
