// A kubernetes.io/tls Secret → certificate chain and key, checked before Envoy sees them.
import { X509Certificate, createPrivateKey } from 'node:crypto';
import type { IrCertificate } from './ir.ts';
import type { SecretBody } from './kinds/core.ts';
import type { Resource } from './resources.ts';

/** The certificate, or what is wrong with it. The message never holds any of the key. */
export function certificate({ metadata, spec, problems }: Resource<SecretBody>): IrCertificate | string {
  const name = `${metadata.namespace}/${metadata.name}`;
  if (problems.length > 0) return `Secret ${name} is not valid: ${problems.map(({ path, message }) => `${path} ${message}`.trim()).join('; ')}`;
  if (spec.type !== 'kubernetes.io/tls') return `Secret ${name} must be of type kubernetes.io/tls, not ${spec.type}`;
  const [chain, key] = [spec.data['tls.crt'], spec.data['tls.key']];
  if (chain === undefined || key === undefined) return `Secret ${name} must hold tls.crt and tls.key`;
  const pem = chain.reveal();
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) return `Secret ${name}: tls.crt holds no PEM certificate`;
  const certificates: X509Certificate[] = [];
  for (const [i, block] of blocks.entries()) {
    try { certificates.push(new X509Certificate(block)); } catch { return `Secret ${name}: certificate ${i + 1} of tls.crt cannot be read`; }
  }
  try {
    const privateKey = createPrivateKey(key.reveal());
    if (certificates[0]?.checkPrivateKey(privateKey) !== true) return `Secret ${name}: tls.key is not the key of the first certificate of tls.crt`;
  } catch {
    return `Secret ${name}: tls.key cannot be read`;
  }
  return { name, certificate: `${blocks.join('\n')}\n`, key };
}
