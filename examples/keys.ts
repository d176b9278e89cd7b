// Makes what the examples need and no repository should hold: a key pair, its JWK Set, and a certificate for localhost.
// `node examples/keys.ts [FOLDER]`, by default examples/keys; what is there already stays.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose';

export const DEFAULT_FOLDER = join(import.meta.dirname, 'keys');

/** private.pem, jwks.json, jwks.yaml (the ConfigMap jwt-local-jwks) and, by openssl, tls.crt and tls.key. */
export async function makeKeys(folder: string): Promise<void> {
  if (existsSync(join(folder, 'jwks.yaml'))) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwks = JSON.stringify({ keys: [{ ...await exportJWK(publicKey), alg: 'RS256', use: 'sig', kid: 'example' }] });
  writeFileSync(join(folder, 'private.pem'), await exportPKCS8(privateKey), { mode: 0o600 });
  writeFileSync(join(folder, 'jwks.json'), jwks);
  writeFileSync(join(folder, 'jwks.yaml'), `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: jwt-local-jwks\ndata:\n  jwks: |\n    ${jwks}\n`);
}

/** tls.crt and tls.key: a certificate for localhost that signs itself. Needs openssl. */
export function makeCertificate(folder: string): void {
  if (existsSync(join(folder, 'tls.crt'))) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.crt'),
  ], { stdio: 'ignore' });
}

if (import.meta.main) {
  const folder = process.argv[2] ?? DEFAULT_FOLDER;
  await makeKeys(folder);
  makeCertificate(folder);
  console.log(`${folder}: ready`);
}
