// Route tables: matches, where requests go, and the policy that each route carries.
import type { RouteConfigurationJson } from '../../proto/envoy/config/route/v3/route_pb.js';
import type { HeaderMatcherJson, RouteActionJson, RouteJson, RouteMatchJson, VirtualHostJson } from '../../proto/envoy/config/route/v3/route_components_pb.js';
import type { HeaderValueOptionJson } from '../../proto/envoy/config/core/v3/base_pb.js';
import type { CorsPolicyJson } from '../../proto/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import type { ExtProcPerRouteJson } from '../../proto/envoy/extensions/filters/http/ext_proc/v3/ext_proc_pb.js';
import type { PrincipalJson } from '../../proto/envoy/config/rbac/v3/rbac_pb.js';
import type { RBACPerRouteJson } from '../../proto/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import type { StringMatcherJson } from '../../proto/envoy/type/matcher/v3/string_pb.js';
import { canonicalJson } from '../../policy/canonical-json.ts';
import type { IrAction, IrCors, IrMatch, IrRoute, IrRouteTable, IrShare, IrValueMatch, IrVirtualHost } from '../ir.ts';
import { any } from './any.ts';
import { CONCURRENCY, CORS, FAULT, FAULT_AFTER, GUARD, JWT, RESOLVED, SESSION } from './extensions.ts';
import { OIDC, RESOLVER } from './processors.ts';

/** The namespace of our metadata, whose string leaves the filters read (proxy-wasm-as/assembly/route-policies.ts). */
export const METADATA = 'gatewright';

/** Turns on a filter that is disabled in the chain. */
const switchedOn = any('envoy.config.route.v3.FilterConfig', { config: {} });

/** Everything but the virtual hosts, which encode-routes.ts puts together from parts that it keeps. */
export function routeTableHead({ name }: IrRouteTable): RouteConfigurationJson {
  // `Host: www.example.com:8080` is www.example.com, as with EG; the backend still gets what the client sent.
  // The clusters of broken shares do not exist (see destination).
  return { name, ignorePortInHostMatching: true, validateClusters: false };
}

/** Without its leaves and its routes. */
export function virtualHostHead({ name, domains }: IrVirtualHost): VirtualHostJson { return { name, domains: [...domains] }; }

/**
 * What the routes of a virtual host refer to by id, once each however many refer to it: `<kind>_policy.<id>` and `keyset.<id>`. The same name always means the
 * same text, which is made only where it is not known.
 */
export function virtualHostLeaves({ keySets, routes }: IrVirtualHost): Map<string, () => string> {
  const leaves = new Map(Object.entries(keySets).map(([id, json]) => [`keyset.${id}`, () => json]));
  for (const route of routes) for (const { name, text } of policyLeaves(route, keySets)) leaves.set(name, text);
  return leaves;
}

/** What one route refers to; `kinds`: of the policies that it may be from. */
export function policyLeaves({ jwt, fault, faultAfter, concurrency, oidc }: IrRoute, keySets: IrVirtualHost['keySets']): { name: string; text: () => string; kinds: readonly string[] }[] {
  const leaf = (kind: string, carried: { readonly id: string; readonly policy: object } | undefined, kinds: readonly string[]) =>
    (carried === undefined ? [] : [{ name: `${kind}_policy.${carried.id}`, text: () => canonicalJson(carried.policy), kinds }]);
  const sets = jwt?.policy.providers.flatMap(({ keys }) => ('keySet' in keys ? [keys.keySet] : [])) ?? [];
  return [
    ...sets.map((id) => ({ name: `keyset.${id}`, text: () => keySets[id] ?? '{"keys":[]}', kinds: ['SecurityPolicy'] })),
    ...leaf('jwt', jwt, ['SecurityPolicy']),
    ...leaf('fault', fault, FAULTS), ...leaf('fault_after', faultAfter, FAULTS),
    ...leaf('concurrency', concurrency, ['ConcurrencyPolicy']),
    ...leaf('session', oidc === undefined ? undefined : { id: oidc.id, policy: oidc.session }, ['SecurityPolicy', 'OIDCPolicy']),
  ];
}
const FAULTS = ['FaultPolicy', 'BackendTrafficPolicy'];

export function virtualHostJson(host: IrVirtualHost): VirtualHostJson {
  const leaves = Object.fromEntries([...virtualHostLeaves(host)].map(([name, text]) => [name, text()]));
  return { ...virtualHostHead(host), ...(Object.keys(leaves).length === 0 ? {} : { metadata: { filterMetadata: { [METADATA]: leaves } } }), routes: host.routes.map(routeJson) };
}

/** A whole table, for printing. */
export function routeTableJson(table: IrRouteTable): RouteConfigurationJson {
  return { ...routeTableHead(table), virtualHosts: table.virtualHosts.map(virtualHostJson) };
}

export function routeJson(route: IrRoute): RouteJson {
  const { name, match, action } = route;
  const filters = perFilter(route);
  return {
    name,
    match: matchJson(match),
    ...actionJson(action),
    ...metadata(route),
    ...(Object.keys(filters).length === 0 ? {} : { typedPerFilterConfig: filters }),
    ...signed(claimHeaders(route), route),
    ...(route.cors === undefined ? {} : { responseHeadersToAdd: [byOrigin] }),
  };
}

function perFilter({ action, jwt, fault, faultAfter, concurrency, resolver, oidc, besideLogin, cors }: IrRoute): NonNullable<RouteJson['typedPerFilterConfig']> {
  // Envoy gives a direct_response the details `direct_response` and no other: on a closed route the jwt filter answers before it, with the reason of the metadata.
  const closed = action.kind === 'respond' && action.status === 500;
  const verdicts = verdictsOf(oidc, jwt, concurrency, resolver);
  return {
    ...(fault === undefined ? {} : { [FAULT]: switchedOn }),
    ...(cors === undefined ? {} : { [CORS]: any<CorsPolicyJson>('envoy.extensions.filters.http.cors.v3.CorsPolicy', corsJson(cors)) }),
    ...(jwt === undefined && !closed ? {} : { [JWT]: switchedOn }),
    ...(faultAfter === undefined ? {} : { [FAULT_AFTER]: switchedOn }),
    ...(concurrency === undefined ? {} : { [CONCURRENCY]: switchedOn }),
    ...(oidc === undefined ? {} : { [SESSION]: switchedOn, [OIDC]: asked('oidc', oidc.id) }),
    ...(besideLogin === true ? { [SESSION]: switchedOn } : {}),
    ...(resolver === undefined ? {} : { [RESOLVED]: switchedOn, [RESOLVER]: asked('resolver', resolver.id) }),
    ...(verdicts.length === 0 ? {} : { [GUARD]: any<RBACPerRouteJson>('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', guard(verdicts)) }),
  };
}

/** Preflights of other origins are answered too, without the header that browsers look for: as in EG none reaches a backend, which could answer otherwise. */
function corsJson({ origins, methods, headers, exposed, maxAgeSeconds, credentials }: IrCors): CorsPolicyJson {
  return {
    allowOriginStringMatch: origins.map(stringMatch),
    ...(methods.length === 0 ? {} : { allowMethods: methods.join(', ') }),
    ...(headers.length === 0 ? {} : { allowHeaders: headers.join(', ') }),
    ...(exposed.length === 0 ? {} : { exposeHeaders: exposed.join(', ') }),
    ...(maxAgeSeconds === undefined ? {} : { maxAge: String(maxAgeSeconds) }),
    allowCredentials: credentials,
    forwardNotMatchingPreflights: false,
  };
}

/** Envoy's filter names the origin that asked and does not say that the answer is for no other (Fetch, CORS protocol and HTTP caches): a cache would give it to the next. */
const byOrigin: HeaderValueOptionJson = { header: { key: 'vary', value: 'Origin' }, appendAction: 'APPEND_IF_EXISTS_OR_ADD' };

/** The reason is also where access logs find it: %METADATA(ROUTE:gatewright:reason)%. */
function metadata({ action, jwt, fault, faultAfter, concurrency, resolver, oidc }: IrRoute): Pick<RouteJson, 'metadata'> {
  const failing = action.kind === 'respond' ? undefined : action.shares.find((share) => 'reason' in share);
  const leaves = {
    ...(action.kind === 'respond' ? { reason: action.reason } : {}),
    // Of some of its requests only: details `cluster_not_found` says which.
    ...(failing === undefined ? {} : { broken_share: failing.reason }),
    // What the policies say the virtual host carries; the resolver's and the login's the service knows.
    ...Object.fromEntries(Object.entries({ jwt, fault, fault_after: faultAfter, concurrency, resolver, oidc }).flatMap(([kind, policy]) => (policy === undefined ? [] : [[kind, policy.id]]))),
  };
  return Object.keys(leaves).length === 0 ? {} : { metadata: { filterMetadata: { [METADATA]: leaves } } };
}

function matchJson({ path, method, headers, query }: IrMatch): RouteMatchJson {
  const all: HeaderMatcherJson[] = [...(method === undefined ? [] : [{ name: ':method', stringMatch: { exact: method } }]), ...headers.map((header) => ({ name: header.name, stringMatch: stringMatch(header) }))];
  return {
    ...pathJson(path),
    ...(all.length === 0 ? {} : { headers: all }),
    ...(query.length === 0 ? {} : { queryParameters: query.map((parameter) => ({ name: parameter.name, stringMatch: stringMatch(parameter) })) }),
  };
}

/** Gateway API: a prefix is of whole path elements, /foo matches /foo/bar and not /foobar. */
function pathJson({ kind, value }: IrMatch['path']): RouteMatchJson {
  switch (kind) {
    case 'exact': return { path: value };
    case 'prefix': return value === '/' ? { prefix: '/' } : { pathSeparatedPrefix: value };
    case 'regex': return { safeRegex: { regex: value } };
  }
}

function stringMatch({ kind, value }: Pick<IrValueMatch, 'kind' | 'value'>): StringMatcherJson { return kind === 'exact' ? { exact: value } : { safeRegex: { regex: value } }; }

function actionJson(action: IrAction): Pick<RouteJson, 'route' | 'directResponse'> {
  if (action.kind === 'respond') return { directResponse: { status: action.status } };
  return { route: { ...destination(action.shares), ...(action.timeoutMs === undefined ? {} : { timeout: seconds(action.timeoutMs) }) } };
}

/** What cannot be used goes to a cluster that does not exist, named after the reason: Envoy answers 500 for exactly its share. */
function destination(shares: readonly IrShare[]): RouteActionJson {
  const [only] = shares;
  if (shares.length === 1 && only !== undefined && 'cluster' in only) return { cluster: only.cluster };
  const broken = shares.some((share) => 'reason' in share);
  return {
    weightedClusters: { clusters: shares.map((share) => ({ name: 'cluster' in share ? share.cluster : share.reason, weight: share.weight })) },
    ...(broken ? { clusterNotFoundResponseCode: 'INTERNAL_SERVER_ERROR' as const } : {}),
  };
}

/** The headers that jwt makes of claims; and those by which the login hands it a token, which are no business of the upstream. */
function claimHeaders({ jwt, oidc }: IrRoute): Pick<RouteJson, 'requestHeadersToAdd' | 'requestHeadersToRemove'> {
  const ofClaims = jwt?.policy.claimHeaders !== 'FilterState' ? [] : [...new Set(jwt.policy.providers.flatMap(({ claimToHeaders }) => claimToHeaders.map(({ header }) => header)))];
  const handed = Object.values(oidc?.policy.tokenHeaders ?? {}).filter((header) => header !== undefined);
  return {
    // What the client sent under these names goes first, whether or not the token has the claim (DESIGN 5).
    ...(ofClaims.length + handed.length === 0 ? {} : { requestHeadersToRemove: [...ofClaims, ...handed] }),
    ...(ofClaims.length === 0 ? {} : { requestHeadersToAdd: ofClaims.map((header) => ({
      header: { key: header, value: `%FILTER_STATE(wasm.gatewright.header.${header}:PLAIN)%` }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' as const, keepEmptyValue: false,
    })) }),
  };
}

/**
 * One more line of CDN-Loop, by which this gateway knows the request should it come back. The filter says what stands there, and looks for it; added by the filter it
 * would have Envoy choose the route anew. Behind the headers of claims, which take the place of what is there.
 */
function signed(headers: Pick<RouteJson, 'requestHeadersToAdd' | 'requestHeadersToRemove'>, { resolver }: IrRoute): typeof headers {
  if (resolver === undefined) return headers;
  const line = { header: { key: 'cdn-loop', value: `%FILTER_STATE(wasm.${RESOLVER}.loop:PLAIN)%` }, appendAction: 'APPEND_IF_EXISTS_OR_ADD' as const, keepEmptyValue: false };
  return { ...headers, requestHeadersToAdd: [...headers.requestHeadersToAdd ?? [], line] };
}

/** Turns on a processor, and says by which policy it is to judge. Metadata of the gRPC call: no client can write it. */
function asked(processor: string, policy: string) {
  return any<ExtProcPerRouteJson>('envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute',
    { overrides: { grpcInitialMetadata: [{ key: 'gatewright-policy', value: policy }, { key: 'gatewright-processor', value: processor }] } });
}

/** A step that lets a request pass leaves the id of the policy that it judged by. */
interface Verdict { readonly step: string; readonly principal: PrincipalJson }

function verdictsOf(oidc: IrRoute['oidc'], jwt: IrRoute['jwt'], concurrency: IrRoute['concurrency'], resolver: IrRoute['resolver']): Verdict[] {
  return [
    ...(oidc === undefined ? [] : [{ step: 'oidc', principal: skippedOrAsked(OIDC, oidc.id) }]),
    ...(jwt === undefined ? [] : [{ step: 'jwt', principal: said(JWT, jwt.id) }]),
    ...(concurrency === undefined ? [] : [{ step: 'concurrency', principal: said(CONCURRENCY, concurrency.id) }]),
    ...(resolver === undefined ? [] : [{ step: 'resolver', principal: skippedOrAsked(RESOLVER, resolver.id) }]),
  ];
}

/** What a filter of ours said. */
function said(filter: string, id: string): PrincipalJson { return { filterState: { key: `wasm.${filter}`, stringMatch: { exact: id } } }; }

/** The filter before it knew, and it was skipped; or it was asked. The usual case comes first. */
function skippedOrAsked(processor: string, id: string): PrincipalJson {
  return { orIds: { ids: [
    said(processor, id),
    { sourcedMetadata: { metadataMatcher: { filter: processor, path: [{ key: 'verdict' }], value: { stringMatch: { exact: id } } }, metadataSource: 'DYNAMIC' as const } },
  ] } };
}

/** DESIGN 4: every step of this route must have given its verdict, for this route's policy and no other, however the request came to be on this route. */
function guard(verdicts: readonly Verdict[]): RBACPerRouteJson {
  const principals = verdicts.map(({ principal }) => principal);
  return { rbac: { rules: { action: 'ALLOW', policies: { [verdicts.map(({ step }) => step).join('_and_')]: {
    permissions: [{ any: true }],
    principals: principals.length === 1 ? principals : [{ andIds: { ids: principals } }],
  } } } } };
}

function seconds(milliseconds: number): string { return `${milliseconds / 1000}s`; }
