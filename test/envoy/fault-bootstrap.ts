// One Envoy with the same fault policies thrice: listener `ours` with fault.wasm configured in place, `routes` with the policies in route
// metadata, as the controller writes them, and `native` with Envoy's own fault filter. Every policy sits under /<name>.
import { canonicalJson } from '../../policy/canonical-json.ts';
import { parseDuration } from '../../policy/duration.ts';
import { carried } from '../cases/carried.ts';
import { type FaultPolicyInput, type HeaderMatch, policies } from '../cases/fault.ts';
import { type Json, httpListener, httpWasm, type, upstreamCluster } from './http-listener.ts';

const specs = Object.entries(policies) as [string, FaultPolicyInput][];

/** The plugin configuration that holds every policy of the table, by path. */
export const pluginConfiguration = { rules: specs.map(([name, policy]) => ({ match: { prefix: `/${name}` }, policy })) };

/** Metadata of a route and its virtual host. */
export const metadata = (name: string, policy: FaultPolicyInput): ReturnType<typeof carried> => carried({ fault: `id-${name}`, fault_policy: canonicalJson(policy) });
const ofHost: Json = { filter_metadata: { gatewright: Object.fromEntries(specs.flatMap(([name, policy]) => Object.entries(metadata(name, policy).virtual_host_metadata.filter_metadata.gatewright))) } };

const percent = (percentage = 100): Json => ({ numerator: Math.floor(percentage * 10_000 + 1e-6), denominator: 'MILLION' });
/** What requests decide is a share of HUNDRED there: the header's number is a numerator. */
const ceiling = (percentage = 100): Json => ({ numerator: percentage, denominator: 'HUNDRED' });
const duration = (text: string): string => `${(parseDuration(text) ?? 0) / 1_000}s`;

function nativeHeader({ name, type: kind = 'Exact', value, start, end, invert = false }: HeaderMatch): Json {
  const matchers: Json = {
    Exact: { string_match: { exact: value } }, Prefix: { string_match: { prefix: value } }, Suffix: { string_match: { suffix: value } }, Contains: { string_match: { contains: value } },
    Present: { present_match: true }, Range: { range_match: { start, end } },
  };
  return { name, ...matchers[kind] as Json, invert_match: invert };
}

/** The same in Envoy's fault filter; null where it has no such thing. */
function native(policy: FaultPolicyInput): Json | null {
  const { faults, maxActiveFaults } = policy;
  const [fault, more] = faults;
  if (fault === undefined || more !== undefined) return null;
  const { delay, abort, responseRateLimit: limit, match, ...beyond } = fault;
  if (Object.keys(beyond).length > 0 || abort?.body !== undefined || abort?.headers !== undefined || abort?.reset || match?.claims) return null;
  if (delay !== undefined && delay.fixedDelay === undefined && delay.headerDelay === undefined) return null;
  if (delay?.max !== undefined || delay?.jitter !== undefined) return null;
  return {
    ...type('envoy.extensions.filters.http.fault.v3.HTTPFault'),
    ...(delay && { delay: delay.fixedDelay ? { fixed_delay: duration(delay.fixedDelay), percentage: percent(delay.percentage) } : { header_delay: {}, percentage: ceiling(delay.percentage) } }),
    ...(abort && {
      abort: abort.headerAbort ? { header_abort: {}, percentage: ceiling(abort.percentage) }
        : { ...(abort.httpStatus === undefined ? { grpc_status: abort.grpcStatus } : { http_status: abort.httpStatus }), percentage: percent(abort.percentage) },
    }),
    ...(limit && { response_rate_limit: limit.headerLimit ? { header_limit: {}, percentage: ceiling(limit.percentage) } : { fixed_limit: { limit_kbps: limit.limitKbps }, percentage: percent(limit.percentage) } }),
    ...(match?.headers && { headers: match.headers.map((each) => nativeHeader(each)) }),
    ...(match?.clusters && { upstream_cluster: match.clusters[0] }),
    ...(match?.downstreamNodes && { downstream_nodes: match.downstreamNodes }),
    ...(maxActiveFaults && { max_active_faults: maxActiveFaults }),
  };
}
/** Names of policies that Envoy's own filter has too. */
export const nativeToo: ReadonlySet<string> = new Set(specs.flatMap(([name, policy]) => native(policy) === null ? [] : [name]));

export const wasmFilter = (wasmPath: string, configuration: Json, name = 'gatewright.fault'): Json => httpWasm(name, wasmPath, configuration);

/** How route names become a label of the filter's metrics. */
export const routeTag = { tag_name: 'route', regex: '^wasmcustom\\.gatewright_fault_[a-z_]+?(\\.route\\.(.+))$' };

/** The bootstrap; all three listeners send what they let through to `upstreamPort`. */
export function faultBootstrap(wasmPath: string, upstreamPort: number): Json {
  const routes = (extra: (name: string, policy: FaultPolicyInput) => Json): Json[] =>
    specs.map(([name, policy]) => ({ name: `rule/${name}.x`, match: { path_separated_prefix: `/${name}` }, route: { cluster: 'upstream' }, ...extra(name, policy) }));
  return {
    stats_config: { stats_tags: [routeTag] },
    static_resources: {
      listeners: [
        httpListener('ours', [wasmFilter(wasmPath, pluginConfiguration)], routes(() => ({}))),
        httpListener('routes', [{ ...wasmFilter(wasmPath, { source: 'route' }), disabled: true }], routes((name, policy) => ({
          metadata: metadata(name, policy).route_metadata, typed_per_filter_config: { 'gatewright.fault': { ...type('envoy.config.route.v3.FilterConfig'), config: {} } },
        })), ofHost),
        httpListener('native', [{ name: 'fault', typed_config: type('envoy.extensions.filters.http.fault.v3.HTTPFault') }], routes((_, policy) => {
          const own = native(policy);
          return own === null ? {} : { typed_per_filter_config: { fault: own } };
        })),
      ],
      clusters: [upstreamCluster(upstreamPort)],
    },
  };
}
