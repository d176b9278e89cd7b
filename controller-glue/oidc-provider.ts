// `provider` of a SecurityPolicy's oidc → where the login service finds it.
import { parseDuration } from '../policy/duration.ts';
import type { OidcProvider } from '../policy/oidc.ts';
import type { Draft, ProviderAddress } from './draft.ts';
import type { Oidc } from './kinds/oidc.ts';
import { ENVOY_GATEWAY } from './kinds.ts';
import type { Fault } from './problem-at.ts';
import { serviceEndpoints } from './service-endpoints.ts';

type Say = (fault: Fault) => void;
const MAX_TIMEOUT_MS = 20_000;
type BackendRef = Oidc['provider']['backendRefs'][number];

export function oidcProvider({ issuer, authorizationEndpoint, tokenEndpoint, endSessionEndpoint, backendRefs, backendSettings }: Oidc['provider'], namespace: string, draft: Draft, say: Say): OidcProvider {
  for (const [field, text] of Object.entries({ issuer, authorizationEndpoint, tokenEndpoint, endSessionEndpoint })) {
    const problem = text === undefined ? null : urlProblem(text, field === 'issuer');
    if (problem !== null) say({ path: `spec.oidc.provider.${field}`, message: problem });
    else if (text?.startsWith('http:') === true) say({ path: `spec.oidc.provider.${field}`, message: 'is reached without TLS', severity: 'warning' });
  }
  const connect = addressesOf(backendRefs, namespace, draft, say);
  const requestTimeout = backendSettings?.timeout?.http?.requestTimeout;
  const timeoutMs = requestTimeout === undefined ? 5_000 : parseDuration(requestTimeout) ?? 5_000;
  if (timeoutMs > MAX_TIMEOUT_MS) say({ path: 'spec.oidc.provider.backendSettings.timeout.http.requestTimeout', severity: 'warning', message: `is cut to ${MAX_TIMEOUT_MS / 1000}s: whoever logs in is answered within 24s` });
  return {
    issuer,
    ...(authorizationEndpoint === undefined ? {} : { authorizationEndpoint }),
    ...(tokenEndpoint === undefined ? {} : { tokenEndpoint }),
    ...(endSessionEndpoint === undefined ? {} : { endSessionEndpoint }),
    ...(connect === undefined ? {} : { connect }),
    timeoutMs: Math.min(timeoutMs, MAX_TIMEOUT_MS),
    retries: backendSettings?.retry?.numRetries ?? 1,
  };
}

/** Who is let in hangs on what is said there, so it is said over verified TLS; without it on loopback alone (development, tests). */
function urlProblem(text: string, issuer: boolean): string | null {
  const url = URL.parse(text);
  if (url === null || url.hostname === '' || (url.protocol !== 'https:' && url.protocol !== 'http:')) return 'must be an https URL';
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or a password';
  if (url.hash !== '' || text.includes('#')) return 'must not hold a fragment';
  if (issuer && text.includes('?')) return 'must not hold a query';
  if (url.protocol === 'http:' && !/^(localhost|\[::1\]|127(\.\d{1,3}){3})$/.test(url.hostname)) return 'must be an https URL (plain http is for loopback addresses only)';
  return null;
}

function addressesOf(refs: readonly BackendRef[], namespace: string, draft: Draft, say: Say): OidcProvider['connect'] {
  if (refs.length === 0) return undefined;
  const found = refs.map((ref, i) => backendOf(ref, `spec.oidc.provider.backendRefs[${i}]`, namespace, draft, say)).filter((each) => each !== undefined);
  const authorities = [...new Set(found.flatMap(({ ca }) => (ca === undefined ? [] : [ca])))];
  const names = [...new Set(found.flatMap(({ serverName }) => (serverName === undefined ? [] : [serverName])))];
  if (names.length > 1) say({ path: 'spec.oidc.provider.backendRefs', message: 'must agree on the server name: tls.sni of each Backend' });
  if (authorities.length > 0 && found.some(({ ca }) => ca === undefined)) say({ path: 'spec.oidc.provider.backendRefs', message: 'must all have tls.caCertificateRefs, or none of them' });
  return {
    addresses: found.flatMap(({ addresses }) => addresses),
    ...(authorities.length === 0 ? {} : { ca: authorities.join('') }), ...(names[0] === undefined ? {} : { serverName: names[0] }),
  };
}

interface Found { readonly addresses: ProviderAddress[]; readonly ca?: string; readonly serverName?: string }

function backendOf({ group, kind, name, namespace: elsewhere, port }: BackendRef, path: string, own: string, draft: Draft, say: Say): Found | undefined {
  const namespace = elsewhere ?? own;
  const object = `${kind} ${namespace}/${name}`;
  const refuse = (message: string): undefined => { say({ path, message }); };
  const isBackend = group === ENVOY_GATEWAY && kind === 'Backend';
  if (!isBackend && (group !== '' || kind !== 'Service')) return refuse(`Backend ref to ${object}: only Service and Backend are supported`);
  if (!draft.find.granted({ group: ENVOY_GATEWAY, kind: 'SecurityPolicy', namespace: own }, { group, kind, namespace, name })) return refuse(`Backend ref to ${object} not permitted by any ReferenceGrant.`);
  if (isBackend) {
    const backend = draft.backends.get(`${namespace}/${name}`);
    if (backend === undefined) return refuse(`${object} not found`);
    if (backend.kind === 'accepted') return refuse(`${object} is of type DynamicResolver: a provider needs endpoints`);
    if (backend.kind === 'refused') return refuse(backend.why === 'disabled' ? 'Backend is disabled in Envoy Gateway configuration' : `${object} is not valid`);
    const sni = backend.resource.spec.tls?.sni;
    return { addresses: [...backend.endpoints], ...(backend.authority === undefined ? {} : { ca: backend.authority.certificates }), ...(sni === undefined ? {} : { serverName: sni }) };
  }
  if (port === undefined) return refuse('A valid port number corresponding to a port on the Service must be specified');
  const service = draft.find.service(namespace, name);
  if (service === undefined) return refuse(`${object} not found`);
  if (service.problems.length > 0) return refuse(`${object} is not valid`);
  if (service.spec.type === 'ExternalName') return refuse(`${object} is of type ExternalName, which is not supported as a backend`);
  const servicePort = service.spec.ports.find((each) => each.port === port && each.protocol === 'TCP');
  if (servicePort === undefined) return refuse(`TCP Port ${port} not found on ${object}`);
  const endpoints = serviceEndpoints(servicePort, draft.find.endpointSlices(namespace, name)).map(({ address, port: at }) => ({ host: address, port: at }));
  // With none that is ready nobody logs in until one is; who is logged in goes on. By its name a Service may be reached all the same.
  return { addresses: endpoints.length > 0 ? endpoints : [{ host: `${name}.${namespace}.svc`, port }] };
}
