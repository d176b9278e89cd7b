// Clusters whose hosts the resolver names, request by request: DESIGN 12.
import type { ClusterJson } from '../../proto/envoy/config/cluster/v3/cluster_pb.js';
import type { CommonTlsContextJson, UpstreamTlsContextJson } from '../../proto/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { TlsParametersJson } from '../../proto/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { HttpProtocolOptionsJson } from '../../proto/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { IrCluster, IrUpstreamTls } from '../ir.ts';
import { any } from './any.ts';
import { ads } from './config-source.ts';
import { RESOLVER } from './processors.ts';
import { sanOf } from './secrets.ts';

export type DynamicCluster = IrCluster & { readonly kind: 'dynamic' };

/**
 * ORIGINAL_DST dials what it finds in the metadata that the resolver writes, and answers 503 where there is none. Never what a header says: a client
 * could write that.
 */
export function dynamicCluster({ tls }: DynamicCluster, caFile: string): ClusterJson {
  return {
    type: 'ORIGINAL_DST',
    lbPolicy: 'CLUSTER_PROVIDED',
    originalDstLbConfig: { metadataKey: { key: RESOLVER, path: [{ key: 'address' }] } },
    // A host that nobody asks for goes, and its idle connections with it. Envoy's 5 s would make nearly every request shake hands anew.
    cleanupInterval: '60s',
    ...(tls === undefined ? {} : { transportSocket: { name: 'envoy.transport_sockets.tls', typedConfig: any<UpstreamTlsContextJson>('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', tlsContext(tls, caFile)) } }),
  };
}

/** Which protocol is spoken, and that the server is who the request's host says. */
export function dynamicHttp({ protocol, tls }: DynamicCluster): HttpProtocolOptionsJson {
  return {
    ...(tls === undefined || tls.sni !== undefined ? {} : { upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation: true } }),
    ...(protocol === 'alpn' ? { autoConfig: { httpProtocolOptions: {}, http2ProtocolOptions: {} } }
      : { explicitHttpConfig: protocol === 'http2' ? { http2ProtocolOptions: {} } : { httpProtocolOptions: {} } }),
  };
}

const VERSIONS = { '1.0': 'TLSv1_0', '1.1': 'TLSv1_1', '1.2': 'TLSv1_2', '1.3': 'TLSv1_3' } as const;

function tlsContext({ authority, certificate, sni, minVersion = '1.2', maxVersion, ciphers, ecdhCurves, signatureAlgorithms }: IrUpstreamTls, caFile: string): UpstreamTlsContextJson {
  const tlsParams: TlsParametersJson = {
    tlsMinimumProtocolVersion: VERSIONS[maxVersion !== undefined && maxVersion < minVersion ? maxVersion : minVersion],
    // Envoy's own maximum for clients is 1.2.
    tlsMaximumProtocolVersion: VERSIONS[maxVersion ?? '1.3'],
    ...(ciphers === undefined ? {} : { cipherSuites: [...ciphers] }),
    ...(ecdhCurves === undefined ? {} : { ecdhCurves: [...ecdhCurves] }),
    ...(signatureAlgorithms === undefined ? {} : { signatureAlgorithms: [...signatureAlgorithms] }),
  };
  const common: CommonTlsContextJson = {
    tlsParams,
    ...(certificate === undefined ? {} : { tlsCertificateSdsSecretConfigs: [{ name: certificate.name, sdsConfig: ads }] }),
    ...(authority === undefined ? { validationContext: { trustedCa: { filename: caFile }, ...sanOf(sni) } } : { validationContextSdsSecretConfig: { name: authority.name, sdsConfig: ads } }),
  };
  return { ...(sni === undefined ? {} : { sni }), commonTlsContext: common };
}
