// The CA certificates that upstream TLS is verified with: $SSL_CERT_FILE, else the distribution's.
import { existsSync } from 'node:fs';

const PLACES = [
  '/etc/ssl/certs/ca-certificates.crt',                     // Debian, Ubuntu, Arch, Alpine
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',      // Fedora, RHEL
  '/etc/ssl/ca-bundle.pem',                                 // openSUSE
  '/etc/ssl/cert.pem',                                      // macOS, BSD
];

/** Path of a PEM bundle. Where there is none, the first place: TLS to upstreams then fails, it is never unverified. */
export function systemCaFile(env: Readonly<Record<string, string | undefined>>): string {
  return env['SSL_CERT_FILE'] ?? PLACES.find((place) => existsSync(place)) ?? '/etc/ssl/certs/ca-certificates.crt';
}
