// ClientTrafficPolicy, gateway.envoyproxy.io/v1alpha1: how clients may use a listener. What we have of it, and every field that we do not have, by name.
import { z } from 'zod';
import { Duration, PositiveDuration } from '../../policy/duration.ts';
import { group, kind, namespaceName, objectName } from './names.ts';
import { notSupported } from './not-supported.ts';
import { onlyGateways, requireTarget, targetFields } from './policy-target.ts';
import { ByteQuantity } from './quantity.ts';

const uint32 = z.int().max(2 ** 32 - 1);

const ConnectionLimit = z.strictObject({
  value: z.int().min(1).optional(),
  closeDelay: Duration.optional(),
  maxConnectionDuration: PositiveDuration.optional(),
  maxRequestsPerConnection: uint32.min(1).optional(),
  maxStreamDuration: PositiveDuration.optional(),
}).superRefine(({ value, closeDelay }, context) => {
  if (value === undefined && closeDelay !== undefined) context.addIssue({ code: 'custom', message: 'closeDelay can only be set together with value' });
});

const ClientValidation = z.strictObject({
  optional: z.boolean().default(false),
  caCertificateRefs: z.array(z.strictObject({ group: group.default(''), kind: kind.default('Secret'), name: objectName, namespace: namespaceName.optional() })).min(1).max(8),
  mode: notSupported('use optional'),
  allowExpiredCertificate: notSupported(),
  certificateHashes: notSupported(),
  crl: notSupported(),
  spkiHashes: notSupported(),
  subjectAltNames: notSupported(),
});
export type ClientValidation = z.infer<typeof ClientValidation>;

export const ClientTrafficPolicySpec = z.strictObject({
  ...targetFields,
  connection: z.strictObject({
    connectionLimit: ConnectionLimit.optional(),
    bufferLimit: ByteQuantity.optional(),
    maxAcceptPerSocketEvent: uint32.min(0).optional(),
    socketBufferLimit: notSupported(),
  }).optional(),
  tls: z.strictObject({
    clientValidation: ClientValidation.optional(),
    alpnProtocols: notSupported(),
    ciphers: notSupported(),
    ecdhCurves: notSupported(),
    fingerprints: notSupported(),
    maxVersion: notSupported(),
    minVersion: notSupported('TLS 1.2 and 1.3 are taken'),
    session: notSupported(),
    signatureAlgorithms: notSupported(),
  }).optional(),
  clientIPDetection: notSupported(),
  enableProxyProtocol: notSupported(),
  grpc: notSupported(),
  headers: notSupported(),
  healthCheck: notSupported(),
  http1: notSupported(),
  http2: notSupported(),
  http3: notSupported(),
  path: notSupported(),
  proxyProtocol: notSupported(),
  scheme: notSupported(),
  tcpKeepalive: notSupported(),
  timeout: notSupported(),
}).superRefine(requireTarget).superRefine(onlyGateways);
export type ClientTrafficPolicySpec = z.infer<typeof ClientTrafficPolicySpec>;
