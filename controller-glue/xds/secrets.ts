// Certificates over SDS. The key leaves its Secret here and nowhere else.
import type { SecretJson } from '../../proto/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { IrCertificate } from '../ir.ts';

export function secretJson({ name, certificate, key }: IrCertificate): SecretJson {
  return { name, tlsCertificate: { certificateChain: { inlineString: certificate }, privateKey: { inlineString: key.reveal() } } };
}

/** As it is printed. */
export function redactedSecretJson({ name, certificate, key }: IrCertificate): SecretJson {
  return { name, tlsCertificate: { certificateChain: { inlineString: certificate }, privateKey: { inlineString: String(key) } } };
}
