// caCertificateRefs of a ClientTrafficPolicy → the authorities that clients are verified by, checked before Envoy sees them.
import { X509Certificate } from 'node:crypto';
import type { IrClientAuthority } from './ir.ts';
import { ENVOY_GATEWAY } from './kinds.ts';
import type { ClientValidation } from './kinds/client-traffic-policy.ts';
import type { Lookup } from './lookup.ts';
import type { Fault } from './problem-at.ts';
import type { Metadata } from './resources.ts';

type Ref = ClientValidation['caCertificateRefs'][number];

/** Null when any of them cannot be used: `say` has said why, and the policy closes what it covers. */
export function clientAuthority(refs: readonly Ref[], policy: Metadata, find: Lookup, say: (fault: Fault) => void): IrClientAuthority | null {
  const certificates = new Set<string>();
  let good = true;
  for (const [i, ref] of refs.entries()) {
    const read = authorities(ref, policy, find);
    if (typeof read === 'string') {
      say({ path: `spec.tls.clientValidation.caCertificateRefs[${i}]`, message: read });
      good = false;
    } else for (const pem of read) certificates.add(pem);
  }
  return good ? { name: `client-ca/${policy.namespace}/${policy.name}`, certificates: [...certificates].map((pem) => `${pem}\n`).join('') } : null;
}

/** The certificates of one reference, or what is wrong with it. */
function authorities({ group, kind, name, namespace }: Ref, policy: Metadata, find: Lookup): readonly string[] | string {
  if (group !== '' || (kind !== 'ConfigMap' && kind !== 'Secret')) return 'must refer to a ConfigMap or a Secret';
  const from = namespace ?? policy.namespace;
  const object = `${kind} ${from}/${name}`;
  if (!find.granted({ group: ENVOY_GATEWAY, kind: 'ClientTrafficPolicy', namespace: policy.namespace }, { group: '', kind, namespace: from, name })) {
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
