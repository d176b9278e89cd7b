// Writes draft.backends: what each Backend can be used for, or why it cannot.
import { authority } from '../authority.ts';
import { certificate } from '../certificate.ts';
import type { Draft, DraftBackend, ProviderAddress } from '../draft.ts';
import type { IrAuthority, IrCluster, IrUpstreamTls } from '../ir.ts';
import { BackendEndpoint } from '../kinds/backend.ts';
import type { BackendSpec, BackendTls } from '../kinds/backend.ts';
import { problemAt } from '../problem-at.ts';
import type { Fault } from '../problem-at.ts';
import type { Resource } from '../resources.ts';

/** EG's words. */
const DISABLED = 'Backend is not enabled in Envoy Gateway Config';

export function readBackends(draft: Draft): void {
  const enabled = backendsEnabled(draft);
  for (const resource of draft.resources.backends) {
    const { namespace, name } = resource.metadata;
    const backend = enabled ? readBackend(resource, draft) : refused(resource, 'disabled', `The Backend was not accepted since ${DISABLED}`);
    if (!enabled) draft.problems.push(problemAt(resource, { path: '', severity: 'warning', message: `${DISABLED}: extensionApis.enableBackend` }));
    draft.backends.set(`${namespace}/${name}`, backend);
  }
}

/** Said by every configuration that is whole and speaks of it. */
function backendsEnabled({ resources: { envoyGateways } }: Draft): boolean {
  const said = envoyGateways.map(({ spec, problems }) => (problems.length > 0 ? false : spec.extensionApis?.enableBackend)).filter((each) => each !== undefined);
  return said.length > 0 && said.every((each) => each);
}

function readBackend(resource: Resource<BackendSpec>, draft: Draft): DraftBackend {
  const faults: Fault[] = [];
  const say = (fault: Fault): void => { faults.push(fault); };
  const backend: DraftBackend = resource.spec.type === 'DynamicResolver' ? { kind: 'accepted', resource, cluster: dynamicCluster(resource, draft, say) } : ofProviders(resource, draft, say);
  draft.problems.push(...faults.map((fault) => problemAt(resource, fault)));
  const all = [...resource.problems, ...faults].map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  return all.length > 0 ? refused(resource, 'invalid', `The Backend was not accepted: ${all.join('; ')}`) : backend;
}

/** Where the provider of a login is: the one use that there is for endpoints yet. */
function ofProviders(resource: Resource<BackendSpec>, draft: Draft, say: (fault: Fault) => void): DraftBackend {
  const { spec: { endpoints = [], tls }, metadata } = resource;
  const used = draft.resources.securityPolicies.some(({ spec, metadata: policy }) => (spec.oidc?.provider.backendRefs ?? []).some((ref) => ref.kind === 'Backend' && ref.name === metadata.name && (ref.namespace ?? policy.namespace) === metadata.namespace));
  if (!used) {
    say({ path: 'spec.type', message: 'Backend of type Endpoints is not supported yet; what a route sends to it answers 500' });
    return { kind: 'endpoints', resource, endpoints: [] };
  }
  const addresses = endpoints.flatMap((each, i): ProviderAddress[] => {
    const read = BackendEndpoint.safeParse(each);
    if (!read.success) say({ path: `spec.endpoints[${i}]`, message: 'must be an ip or a fqdn, with a port' });
    return !read.success ? [] : 'ip' in read.data ? [{ host: read.data.ip.address, port: read.data.ip.port }] : [{ host: read.data.fqdn.hostname, port: read.data.fqdn.port }];
  });
  if (endpoints.length === 0) say({ path: 'spec.endpoints', message: 'must have at least 1 entries' });
  const { caCertificateRefs = [], wellKnownCACertificates: _, insecureSkipVerify: _verified, sni: _name, ...others } = tls ?? {};
  for (const field of Object.keys(others)) say({ path: `spec.tls.${field}`, message: 'not supported for the provider of a login' });
  const trusted = caCertificateRefs.length === 0 ? null : backendAuthority(caCertificateRefs, metadata, draft, say);
  return { kind: 'endpoints', resource, endpoints: addresses, ...(trusted === null ? {} : { authority: trusted }) };
}

function backendAuthority(refs: NonNullable<BackendTls['caCertificateRefs']>, { namespace, name }: Resource<unknown>['metadata'], { find }: Draft, say: (fault: Fault) => void): IrAuthority | null {
  return authority(refs, { name: `backend-ca/${namespace}/${name}`, kind: 'Backend', namespace, at: 'spec.tls.caCertificateRefs' }, find, say);
}

function refused(resource: Resource<BackendSpec>, why: 'disabled' | 'invalid', message: string): DraftBackend { return { kind: 'refused', resource, why, message }; }

function dynamicCluster({ spec, metadata }: Resource<BackendSpec>, draft: Draft, say: (fault: Fault) => void): IrCluster & { readonly kind: 'dynamic' } {
  // No Service's cluster has a name that begins so.
  const name = `dynamic:${metadata.namespace}/${metadata.name}`;
  if (spec.tls === undefined) return { kind: 'dynamic', name, protocol: spec.appProtocols?.includes('gateway.envoyproxy.io/h2c') === true ? 'http2' : 'http1' };
  return { kind: 'dynamic', name, protocol: negotiated(spec), tls: upstreamTls(spec.tls, metadata, draft, say) };
}

/** A WebSocket is asked for over HTTP/1.1. */
function negotiated({ tls, appProtocols = [] }: BackendSpec): 'http1' | 'http2' | 'alpn' {
  if (appProtocols.includes('gateway.envoyproxy.io/wss') || appProtocols.includes('gateway.envoyproxy.io/ws')) return 'http1';
  const offered = tls?.alpnProtocols ?? [];
  return offered.length === 0 || (offered.includes('h2') && offered.length > 1) ? 'alpn' : offered.includes('h2') ? 'http2' : 'http1';
}

function upstreamTls(tls: BackendTls, metadata: Resource<unknown>['metadata'], draft: Draft, say: (fault: Fault) => void): IrUpstreamTls {
  const { caCertificateRefs = [], clientCertificateRef: own, sni, minVersion = 'Auto', maxVersion = 'Auto', ciphers, ecdhCurves, signatureAlgorithms } = tls;
  const trusted = caCertificateRefs.length === 0 ? null : backendAuthority(caCertificateRefs, metadata, draft, say);
  const shown = own === undefined ? null : clientCertificate(own, metadata.namespace, draft.find);
  if (typeof shown === 'string') say({ path: 'spec.tls.clientCertificateRef', message: shown });
  return {
    ...(trusted === null ? {} : { authority: trusted }),
    ...(shown === null || typeof shown === 'string' ? {} : { certificate: shown }),
    ...(sni === undefined ? {} : { sni }),
    ...(minVersion === 'Auto' ? {} : { minVersion }),
    ...(maxVersion === 'Auto' ? {} : { maxVersion }),
    ...(ciphers === undefined ? {} : { ciphers }), ...(ecdhCurves === undefined ? {} : { ecdhCurves }), ...(signatureAlgorithms === undefined ? {} : { signatureAlgorithms }),
  };
}

function clientCertificate({ group, kind, name, namespace }: NonNullable<BackendTls['clientCertificateRef']>, own: string, find: Draft['find']): ReturnType<typeof certificate> {
  if (group !== '' || kind !== 'Secret') return 'must refer to a Secret';
  if (namespace !== undefined && namespace !== own) return 'must be in the namespace of the Backend';
  const secret = find.secret(own, name);
  return secret === undefined ? `Secret ${own}/${name} not found` : certificate(secret);
}
