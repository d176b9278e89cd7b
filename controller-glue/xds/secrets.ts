// Certificates over SDS: ours, and those that others are verified by. A key leaves its Secret here and nowhere else.
import type { CertificateValidationContextJson } from '../../proto/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { SecretJson } from '../../proto/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { IrAuthority, IrCertificate, IrGateway } from '../ir.ts';

/** All that a Gateway's listeners and clusters name, each once. A new one drains no listener. `printed`: without the keys. */
export function secretsJson({ certificates, clientAuthorities, clusters }: IrGateway, printed: boolean): SecretJson[] {
  const upstream = clusters.flatMap((cluster) => (cluster.kind === 'dynamic' && cluster.tls !== undefined ? [cluster.tls] : []));
  const all = [
    ...[...certificates, ...upstream.flatMap(({ certificate }) => certificate ?? [])].map((certificate) => certificateJson(certificate, printed)),
    ...clientAuthorities.map((authority) => authorityJson(authority, undefined)),
    ...upstream.flatMap(({ authority, sni }) => (authority === undefined ? [] : [authorityJson(authority, sni)])),
  ];
  return [...new Map(all.map((secret) => [secret.name, secret])).values()];
}

function certificateJson({ name, certificate, key }: IrCertificate, printed: boolean): SecretJson {
  return { name, tlsCertificate: { certificateChain: { inlineString: certificate }, privateKey: { inlineString: printed ? String(key) : key.reveal() } } };
}

function authorityJson({ name, certificates }: IrAuthority, server: string | undefined): SecretJson {
  return { name, validationContext: { trustedCa: { inlineString: certificates }, ...sanOf(server) } };
}

/** The name that a server's certificate must have. Without one here, the cluster says it by `autoSanValidation`. */
export function sanOf(server: string | undefined): Pick<CertificateValidationContextJson, 'matchTypedSubjectAltNames'> {
  return server === undefined ? {} : { matchTypedSubjectAltNames: [{ sanType: 'DNS', matcher: { exact: server } }] };
}
