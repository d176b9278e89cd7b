// Certificates for examples and tests: an authority of one's own, and what it signs. ECDSA, PEM.
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier, AttributeTypeAndValue, AttributeValue, AuthorityKeyIdentifier, BasicConstraints, Certificate, Extension, Extensions, GeneralName, KeyUsage, KeyUsageFlags,
  Name, RelativeDistinguishedName, SubjectAlternativeName, SubjectKeyIdentifier, SubjectPublicKeyInfo, TBSCertificate, Validity, Version,
  id_ce_authorityKeyIdentifier, id_ce_basicConstraints, id_ce_keyUsage, id_ce_subjectAltName, id_ce_subjectKeyIdentifier,
} from '@peculiar/asn1-x509';
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface Pair {
  /** PEM. */
  readonly certificate: string;
  /** PKCS#8, PEM. */
  readonly key: string;
}
export interface CertificateOptions {
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
  /** Who signs; absent: it signs itself. */
  readonly issuer?: Pair;
  /** May sign others. */
  readonly authority?: boolean;
  /** An elliptic curve by OpenSSL's name; P-256 when absent. */
  readonly curve?: string;
  /** Good from now (less an hour) for so many days; negative: over since so many days. */
  readonly days?: number;
}

const COMMON_NAME = '2.5.4.3';
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const HOUR = 3_600_000;

/** A key pair and a certificate for it; `subject` is its common name. */
export function issueCertificate(subject: string, { names = [], addresses = [], issuer, authority = false, curve = 'P-256', days = 30 }: CertificateOptions = {}): Pair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: curve });
  const name = new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: COMMON_NAME, value: new AttributeValue({ utf8String: subject }) })])]);
  const subjectPublicKeyInfo = AsnConvert.parse(publicKey.export({ type: 'spki', format: 'der' }), SubjectPublicKeyInfo);
  const signer = issuer === undefined ? { subject: name, subjectPublicKeyInfo } : parsed(issuer).tbsCertificate;
  const end = Date.now() + days * 24 * HOUR;
  const alternatives = [...names.map((dNSName) => new GeneralName({ dNSName })), ...addresses.map((iPAddress) => new GeneralName({ iPAddress }))];
  const extension = (extnID: string, critical: boolean, value: object): Extension => new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
  const algorithm = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: positive(randomBytes(16)),
    signature: algorithm,
    issuer: signer.subject,
    validity: new Validity({ notBefore: new Date(Math.min(Date.now(), end) - HOUR), notAfter: new Date(end) }),
    subject: name,
    subjectPublicKeyInfo,
    extensions: new Extensions([
      extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: authority })),
      extension(id_ce_keyUsage, true, new KeyUsage(authority ? KeyUsageFlags.keyCertSign : KeyUsageFlags.digitalSignature)),
      extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyIdentifier(subjectPublicKeyInfo))),
      extension(id_ce_authorityKeyIdentifier, false, new AuthorityKeyIdentifier({ keyIdentifier: new SubjectKeyIdentifier(keyIdentifier(signer.subjectPublicKeyInfo)) })),
      ...(alternatives.length === 0 ? [] : [extension(id_ce_subjectAltName, false, new SubjectAlternativeName(alternatives))]),
    ]),
  });
  const signature = sign('sha256', Buffer.from(AsnConvert.serialize(tbsCertificate)), issuer?.key ?? privateKey);
  const certificate = new Certificate({ tbsCertificate, signatureAlgorithm: algorithm, signatureValue: Uint8Array.from(signature).buffer });
  return { certificate: pem(AsnConvert.serialize(certificate)), key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** An authority, and a certificate of it for localhost and 127.0.0.1. */
export function makeLocalhost(days = 30): { readonly authority: Pair; readonly localhost: Pair } {
  const authority = issueCertificate('Gatewright examples', { authority: true, days });
  return { authority, localhost: issueCertificate('localhost', { names: ['localhost'], addresses: ['127.0.0.1'], issuer: authority, days }) };
}

function parsed({ certificate }: Pair): Certificate {
  return AsnConvert.parse(Buffer.from(certificate.replace(/-----[^-]+-----/g, ''), 'base64'), Certificate);
}

/** RFC 5280 section 4.2.1.2, method 1. */
function keyIdentifier({ subjectPublicKey }: SubjectPublicKeyInfo): ArrayBuffer {
  return Uint8Array.from(createHash('sha1').update(Buffer.from(subjectPublicKey)).digest()).buffer;
}

/** DER integers are signed: a first bit of 1 would make it negative, a leading 0 would not be minimal. */
function positive(bytes: Buffer): ArrayBuffer {
  bytes[0] = (bytes[0] ?? 0) & 0x7f | 0x40;
  return Uint8Array.from(bytes).buffer;
}

function pem(der: ArrayBuffer): string {
  return `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64').replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`;
}
