// Backend, gateway.envoyproxy.io/v1alpha1: hosts that no Service names. Of its types DynamicResolver is carried out: the request says which host.
import { z } from 'zod';
import { group, hostname, kind, namespaceName, objectName, portNumber } from './names.ts';
import { ignored, notSupported } from './not-supported.ts';

const version = z.enum(['Auto', '1.0', '1.1', '1.2', '1.3']);
const names = z.array(z.string().min(1).max(64).regex(/^[A-Za-z0-9_+-]+$/, 'must be a name as OpenSSL has it')).max(64);

export const BackendTls = z.strictObject({
  // In the Backend's own namespace, all of them.
  caCertificateRefs: z.array(z.strictObject({ group, kind, name: objectName })).max(8).optional(),
  wellKnownCACertificates: z.enum(['System', '']).optional(),
  // Whoever answers at an address that a client chose would be taken for the host.
  insecureSkipVerify: z.boolean().refine((skip) => !skip, 'must be false: hosts that a client names are always verified').optional(),
  sni: hostname.refine((name) => !name.startsWith('*'), 'must not be a wildcard').optional(),
  clientCertificateRef: z.strictObject({ group: group.default(''), kind: kind.default('Secret'), name: objectName, namespace: namespaceName.optional() }).optional(),
  minVersion: version.optional(),
  maxVersion: version.optional(),
  ciphers: names.optional(),
  ecdhCurves: names.optional(),
  signatureAlgorithms: names.optional(),
  alpnProtocols: z.array(z.enum(['http/1.0', 'http/1.1', 'h2'])).max(3).optional(),
  autoSNIFromEndpointHostname: notSupported('the host of the request is the server name'),
}).superRefine(({ caCertificateRefs = [], wellKnownCACertificates = '', minVersion = 'Auto', maxVersion = 'Auto' }, context) => {
  const say = (message: string, ...path: string[]) => { context.addIssue({ code: 'custom', path, message }); };
  if (caCertificateRefs.length > 0 && wellKnownCACertificates !== '') say('must not contain both caCertificateRefs and wellKnownCACertificates');
  if (caCertificateRefs.length === 0 && wellKnownCACertificates === '') say('must have caCertificateRefs or wellKnownCACertificates');
  if (minVersion !== 'Auto' && maxVersion !== 'Auto' && minVersion > maxVersion) say('must not be above maxVersion', 'minVersion');
});
export type BackendTls = z.infer<typeof BackendTls>;

/** One host of a Backend of type Endpoints. */
export const BackendEndpoint = z.union([
  z.strictObject({ ip: z.strictObject({ address: z.union([z.ipv4(), z.ipv6()]), port: portNumber }), hostname: z.string().optional(), zone: ignored }),
  z.strictObject({ fqdn: z.strictObject({ hostname, port: portNumber }), hostname: z.string().optional(), zone: ignored }),
]);

export const BackendSpec = z.strictObject({
  type: z.enum(['Endpoints', 'DynamicResolver']).default('Endpoints'),
  endpoints: z.array(z.unknown()).max(64).optional(),
  appProtocols: z.array(z.enum(['gateway.envoyproxy.io/h2c', 'gateway.envoyproxy.io/ws', 'gateway.envoyproxy.io/wss'])).optional(),
  fallback: notSupported('a DynamicResolver is the only backend of its rule'),
  tls: BackendTls.optional(),
}).superRefine(({ type, endpoints, appProtocols = [], tls }, context) => {
  if (type === 'Endpoints') return;   // read-backends.ts: refused as a whole
  if (endpoints !== undefined && endpoints.length > 0) context.addIssue({ code: 'custom', path: ['endpoints'], message: 'DynamicResolver type cannot have endpoints specified' });
  if (tls !== undefined && appProtocols.includes('gateway.envoyproxy.io/h2c')) context.addIssue({ code: 'custom', path: ['appProtocols'], message: 'h2c is HTTP/2 without TLS: use tls.alpnProtocols' });
});
export type BackendSpec = z.infer<typeof BackendSpec>;
