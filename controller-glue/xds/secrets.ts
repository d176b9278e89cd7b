// Certificates over SDS, ours and those that clients are verified by. The key leaves its Secret here and nowhere else.
import type { SecretJson } from '../../proto/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { IrCertificate, IrClientAuthority } from '../ir.ts';

export function secretJson({ name, certificate, key }: IrCertificate): SecretJson {
  return { name, tlsCertificate: { certificateChain: { inlineString: certificate }, privateKey: { inlineString: key.reveal() } } };
}

/** Whose signature clients' certificates must bear. Not part of the listener: a new one drains nothing. */
export function clientAuthorityJson({ name, certificates }: IrClientAuthority): SecretJson {
  return { name, validationContext: { trustedCa: { inlineString: certificates } } };
}

/** As it is printed. */
export function redactedSecretJson({ name, certificate, key }: IrCertificate): SecretJson {
  return { name, tlsCertificate: { certificateChain: { inlineString: certificate }, privateKey: { inlineString: String(key) } } };
}
