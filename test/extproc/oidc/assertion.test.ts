// The assertion, as whoever has the published keys sees it.
import { compactVerify, createLocalJWKSet, decodeProtectedHeader } from 'jose';
import { expect, test } from 'vitest';
import { assertion } from '../../../extproc/oidc/assertion.ts';
import { KeyRing, newKeyRing } from '../../../extproc/oidc/keyring.ts';
import type { AssertionClaims } from '../../../policy/session.ts';
import { HandWorld } from './hand-world.ts';

const claims: AssertionClaims = { aud: 'abcdefghij', pid: 'policy', iat: 1, exp: 61, set: [['x-user', 'ü'], ['x-user', 'twice']], claims: { sub: 'u', groups: ['a', 'b'] } };

test('is signed by a published key, and holds what it was given in the order given', async () => {
  const ring = await KeyRing.of(await newKeyRing(new HandWorld()));
  const { payload, protectedHeader } = await compactVerify(await assertion(ring, claims), createLocalJWKSet(ring.publicKeys), { algorithms: ['ES256'] });
  expect(JSON.parse(Buffer.from(payload).toString())).toEqual(claims);
  expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'session+jwt', kid: ring.signing.kid });
});

test('is not that of another ring', async () => {
  const [ring, other] = [await KeyRing.of(await newKeyRing(new HandWorld())), await KeyRing.of(await newKeyRing(new HandWorld()))];
  const made = await assertion(other, claims);
  expect(decodeProtectedHeader(made).kid).not.toBe(ring.signing.kid);
  await expect(compactVerify(made, createLocalJWKSet(ring.publicKeys))).rejects.toThrow();
});
