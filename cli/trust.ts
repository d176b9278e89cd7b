// Whom processes of ours believe: the authorities that Envoy verifies by, and no list of Node's own.
import { readFileSync } from 'node:fs';
import { setDefaultCACertificates } from 'node:tls';
import type { Logger } from 'pino';
import { systemCaFile } from './system-ca.ts';

/** Where there are none to be read nobody is believed, as in Envoy; what follows fails and says so. */
export function trustSystemCa(env: Readonly<Record<string, string | undefined>>, log: Pick<Logger, 'warn'>): void {
  const file = systemCaFile(env);
  try {
    const certificates = readFileSync(file, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    setDefaultCACertificates(certificates);
  } catch (error) {
    setDefaultCACertificates([]);
    log.warn({ file, problem: (error as Error).message }, 'no certificate authorities: providers and stores cannot be reached over TLS');
  }
}
