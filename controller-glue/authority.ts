// caCertificateRefs → the authorities that the other side is verified by, checked before Envoy sees them.
import { X509Certificate } from 'node:crypto';
import type { IrAuthority } from './ir.ts';
import { ENVOY_GATEWAY } from './kinds.ts';
import type { Lookup } from './lookup.ts';
import type { Fault } from './problem-at.ts';

interface Ref { readonly group: string; readonly kind: string; readonly name: string; readonly namespace?: string | undefined }

/** Who refers to them, where, and what the authorities together are called. */
export interface Referrer { readonly name: string; readonly kind: 'ClientTrafficPolicy' | 'Backend' | 'OIDCPolicy'; readonly namespace: string; readonly at: string }

/** Null when any of them cannot be used: `say` has said why, and whoever refers to them must not be served without. */
export function authority(refs: readonly Ref[], referrer: Referrer, find: Lookup, say: (fault: Fault) => void): IrAuthority | null {
  const certificates = new Set<string>();
  let good = true;
  for (const [i, ref] of refs.entries()) {
    const read = authorities(ref, referrer, find);
    if (typeof read === 'string') {
      say({ path: `${referrer.at}[${i}]`, message: read });
      good = false;
    } else for (const pem of read) certificates.add(pem);
  }
  return good ? { name: referrer.name, certificates: [...certificates].map((pem) => `${pem}\n`).join('') } : null;
}

/** The certificates of one reference, or what is wrong with it. */
function authorities({ group, kind, name, namespace }: Ref, referrer: Referrer, find: Lookup): readonly string[] | string {
  if (group !== '' || (kind !== 'ConfigMap' && kind !== 'Secret')) return 'must refer to a ConfigMap or a Secret';
  const from = namespace ?? referrer.namespace;
  const object = `${kind} ${from}/${name}`;
  if (!find.granted({ group: ENVOY_GATEWAY, kind: referrer.kind, namespace: referrer.namespace }, { group: '', kind, namespace: from, name })) {
    return `${object} not permitted by any ReferenceGrant`;
  }
  const found = kind === 'ConfigMap' ? find.configMap(from, name) : find.secret(from, name);
  if (found === undefined) return `${object} not found`;
  if (found.problems.length > 0) return `${object} is not valid`;
  const value = found.spec.data['ca.crt'];
  if (value === undefined) return `${object} must hold ca.crt`;
  const blocks = (typeof value === 'string' ? value : value.reveal()).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) return `${object}: ca.crt holds no PEM certificate`;
  for (const [i, block] of blocks.entries()) {
    const fault = certificateFault(block);
    if (fault !== null) return `${object}: certificate ${i + 1} of ca.crt ${fault}`;
  }
  return blocks;
}

function certificateFault(pem: string): string | null {
  try {
    return new X509Certificate(pem).ca ? null : 'is not that of an authority (basicConstraints CA)';
  } catch {
    return 'cannot be read';
  }
}
