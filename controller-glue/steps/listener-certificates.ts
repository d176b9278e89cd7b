// The certificates of one HTTPS listener: found, permitted, readable.
import { certificate } from '../certificate.ts';
import type { DraftListener } from '../draft.ts';
import type { IrCertificate } from '../ir.ts';
import { GATEWAY_API } from '../kinds.ts';
import type { Lookup } from '../lookup.ts';

type Say = (type: string, status: boolean, reason: string, message: string) => void;

/** Writes listener.certificates, and ResolvedRefs=False for what cannot be used. One good certificate is enough to serve. */
export function resolveCertificates(listener: DraftListener, find: Lookup, say: Say): void {
  const { gateway, spec } = listener;
  const refs = spec.tls?.certificateRefs ?? [];
  if (refs.length === 0) { say('ResolvedRefs', false, 'InvalidCertificateRef', 'Listener must have at least 1 TLS certificate ref'); return; }
  const good: IrCertificate[] = [];
  const bad: { reason: string; message: string }[] = [];
  for (const ref of refs) {
    const namespace = ref.namespace ?? gateway.metadata.namespace;
    const from = { group: GATEWAY_API, kind: 'Gateway', namespace: gateway.metadata.namespace };
    if (ref.group !== '' || ref.kind !== 'Secret') {
      bad.push({ reason: 'InvalidCertificateRef', message: `Certificate ref to ${ref.kind} ${namespace}/${ref.name}: kind must be Secret` });
    } else if (!find.granted(from, { group: '', kind: 'Secret', namespace, name: ref.name })) {
      bad.push({ reason: 'RefNotPermitted', message: `Certificate ref to Secret ${namespace}/${ref.name} not permitted by any ReferenceGrant.` });
    } else {
      const secret = find.secret(namespace, ref.name);
      const read = secret === undefined ? `Secret ${namespace}/${ref.name} not found` : certificate(secret);
      if (typeof read === 'string') bad.push({ reason: 'InvalidCertificateRef', message: read });
      else good.push(read);
    }
  }
  listener.certificates = good;
  const [first] = bad;
  if (first === undefined) return;
  const text = bad.map(({ message }) => message).join('; ');
  if (good.length > 0) say('ResolvedRefs', false, 'PartiallyInvalidCertificateRef', `Some secrets are invalid: ${text}`);
  else say('ResolvedRefs', false, first.reason, `No valid secrets exist: ${text}`);
}
