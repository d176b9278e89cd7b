// Makes what the examples need and no repository should hold: a key pair, its JWK Set, an authority and its certificate for localhost.
// `node examples/keys.ts [FOLDER]`, by default examples/keys; what is there already stays, as long as the certificate is good.
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose';
import { makeLocalhost } from './certificate.ts';

export const DEFAULT_FOLDER = join(import.meta.dirname, 'keys');

/** private.pem, jwks.json, and jwks.yaml: the same keys as the ConfigMap jwt-local-jwks. */
export async function makeKeys(folder: string): Promise<void> {
  if (existsSync(join(folder, 'jwks.yaml'))) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwks = JSON.stringify({ keys: [{ ...await exportJWK(publicKey), alg: 'RS256', use: 'sig', kid: 'example' }] });
  writeFileSync(join(folder, 'private.pem'), await exportPKCS8(privateKey), { mode: 0o600 });
  writeFileSync(join(folder, 'jwks.json'), jwks);
  writeFileSync(join(folder, 'jwks.yaml'), `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: jwt-local-jwks\ndata:\n  jwks: |\n    ${jwks}\n`);
}

/** ca.crt, and tls.crt with tls.key: a certificate of that authority for localhost and 127.0.0.1. The authority's own key is kept nowhere. */
export function makeCertificate(folder: string): void {
  if (existsSync(join(folder, 'ca.crt')) && !isOver(join(folder, 'tls.crt'))) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { authority, localhost } = makeLocalhost();
  writeFileSync(join(folder, 'ca.crt'), authority.certificate);
  writeFileSync(join(folder, 'tls.key'), localhost.key, { mode: 0o600 });
  writeFileSync(join(folder, 'tls.crt'), localhost.certificate);
}

function isOver(certificate: string): boolean { return new X509Certificate(readFileSync(certificate)).validToDate.getTime() < Date.now() + 3_600_000; }

if (import.meta.main) {
  const folder = process.argv[2] ?? DEFAULT_FOLDER;
  await makeKeys(folder);
  makeCertificate(folder);
  console.log(`${relative('', folder)}: ready`);
}
