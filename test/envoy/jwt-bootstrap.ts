// One Envoy with the same policies twice: listener `ours` with jwt.wasm configured in place (no controller), listener
// `native` with Envoy's jwt_authn and rbac, configured as Envoy Gateway does it. Every policy sits under /<name>.
import { policies } from '../cases/jwt.ts';
import { type Json, httpListener, httpWasm, type, upstreamCluster } from './http-listener.ts';

interface SpecProvider {
  readonly name: string; readonly issuer?: string; readonly audiences?: readonly string[];
  readonly localJWKS: { readonly inline: string };
  readonly extractFrom?: { readonly headers?: readonly { name: string; valuePrefix?: string }[]; readonly params?: readonly string[]; readonly cookies?: readonly string[] };
  readonly claimToHeaders?: readonly { header: string; claim: string }[];
}
interface SpecPolicy {
  readonly jwt: { readonly optional?: boolean; readonly providers: readonly SpecProvider[] };
  readonly authorization?: { readonly defaultAction: string; readonly rules: readonly SpecRule[] };
}
interface SpecRule {
  readonly name: string; readonly action: string;
  readonly principal: { readonly jwt: { readonly provider: string; readonly scopes?: readonly string[]; readonly claims?: readonly { name: string; valueType?: string; values: readonly string[] }[] } };
}
const specs = Object.entries(policies) as unknown as [string, SpecPolicy][];

/** A provider of the filter's own configuration (policy/jwt.ts). */
function provider(spec: SpecProvider): Json {
  const from = spec.extractFrom ?? { headers: [{ name: 'Authorization', valuePrefix: 'Bearer ' }], params: ['access_token'] };
  return {
    name: spec.name, ...(spec.issuer && { issuer: spec.issuer }), audiences: spec.audiences ?? [], keys: { jwks: JSON.parse(spec.localJWKS.inline) },
    from: { headers: (from.headers ?? []).map(({ name, valuePrefix }) => ({ name: name.toLowerCase(), prefix: valuePrefix ?? '' })), params: from.params ?? [], cookies: from.cookies ?? [] },
    claimToHeaders: (spec.claimToHeaders ?? []).map(({ header, claim }) => ({ header, claim: claim.split('.') })),
  };
}
function ourPolicy(spec: SpecPolicy): Json {
  return {
    providers: spec.jwt.providers.map(provider), missing: spec.jwt.optional ? 'Allow' : 'Deny',
    ...(spec.authorization && {
      authorization: {
        defaultAction: spec.authorization.defaultAction,
        rules: spec.authorization.rules.map(({ name, action, principal: { jwt } }) => ({
          name, action, jwt: { provider: jwt.provider, scopes: jwt.scopes ?? [], claims: (jwt.claims ?? []).map(({ name, valueType, values }) => ({ claim: name.split('.'), type: valueType ?? 'String', values })) },
        })),
      },
    }),
  };
}
/** The policies of the table as the filter reads them. */
export const ourPolicies: Readonly<Record<string, Json>> = Object.fromEntries(specs.map(([name, spec]) => [name, ourPolicy(spec)]));
/** The plugin configuration that holds every policy of the table, by path. */
export const pluginConfiguration = { rules: specs.map(([name]) => ({ match: { prefix: `/${name}` }, policy: ourPolicies[name] })) };

function nativeProvider(spec: SpecProvider): Json {
  return {
    ...(spec.issuer && { issuer: spec.issuer }), audiences: spec.audiences ?? [], local_jwks: { inline_string: spec.localJWKS.inline }, forward: true,
    payload_in_metadata: spec.name, normalize_payload_in_metadata: { space_delimited_claims: ['scope', 'scp'] },
    ...(spec.extractFrom && {
      from_headers: (spec.extractFrom.headers ?? []).map(({ name, valuePrefix }) => ({ name, ...(valuePrefix && { value_prefix: valuePrefix }) })),
      from_params: spec.extractFrom.params ?? [], from_cookies: spec.extractFrom.cookies ?? [],
    }),
    claim_to_headers: (spec.claimToHeaders ?? []).map(({ header, claim }) => ({ header_name: header, claim_name: claim })),
  };
}
const named = (policy: string, name: string): string => `${policy}-${name}`;
function requirement(policy: string, spec: SpecPolicy): Json {
  const requirements: Json[] = spec.jwt.providers.map(({ name }) => ({ provider_name: named(policy, name) }));
  if (spec.jwt.optional) requirements.push({ allow_missing: {} });
  return requirements.length === 1 ? requirements[0] as Json : { requires_any: { requirements } };
}
const claim = (path: readonly string[], value: Json): Json => ({ metadata: { filter: 'envoy.filters.http.jwt_authn', path: path.map((key) => ({ key })), value } });
const exact = (value: string): Json => ({ string_match: { exact: value } });
function principal({ principal: { jwt } }: SpecRule): Json {
  const ids: Json[] = [];
  for (const scope of jwt.scopes ?? []) ids.push({ or_ids: { ids: ['scope', 'scp'].map((name) => claim([jwt.provider, name], { list_match: { one_of: exact(scope) } })) } });
  for (const { name, valueType, values } of jwt.claims ?? []) {
    ids.push({ or_ids: { ids: values.map((value) => claim([jwt.provider, ...name.split('.')], valueType === 'StringArray' ? { list_match: { one_of: exact(value) } } : exact(value))) } });
  }
  return { and_ids: { ids } };
}
/** First match decides: every rule of the other action that stands behind one of the default's action must not match it. */
function rbac(spec: SpecPolicy): Json {
  const { defaultAction, rules } = spec.authorization ?? { defaultAction: 'Allow', rules: [] };
  const other = defaultAction === 'Allow' ? 'Deny' : 'Allow';
  const policies = Object.fromEntries(rules.flatMap((rule, index) => rule.action !== other ? [] : [[rule.name, {
    permissions: [{ any: true }],
    principals: [{ and_ids: { ids: [principal(rule), ...rules.slice(0, index).filter(({ action }) => action !== other).map((earlier) => ({ not_id: principal(earlier) }))] } }],
  }]]));
  return { rbac: { rules: { action: other.toUpperCase(), policies } } };
}

/** The bootstrap; both listeners send what they let through to `upstreamPort`. */
export function jwtBootstrap(wasmPath: string, upstreamPort: number): Json {
  const routes = (extra: (spec: SpecPolicy) => Json): Json[] =>
    specs.map(([name, spec]) => ({ name, match: { path_separated_prefix: `/${name}` }, route: { cluster: 'upstream' }, ...extra(spec) }));
  return {
    static_resources: {
      listeners: [
        httpListener('ours', [httpWasm('gatewright.jwt', wasmPath, pluginConfiguration)], routes(() => ({}))),
        httpListener('native', [
          {
            name: 'jwt',
            typed_config: {
              ...type('envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication'),
              providers: Object.fromEntries(specs.flatMap(([policy, spec]) => spec.jwt.providers.map((one) => [named(policy, one.name), nativeProvider(one)]))),
              rules: specs.map(([policy, spec]) => ({ match: { path_separated_prefix: `/${policy}` }, requires: requirement(policy, spec) })),
            },
          },
          { name: 'rbac', typed_config: type('envoy.extensions.filters.http.rbac.v3.RBAC') },
        ], routes((spec) => spec.authorization ? { typed_per_filter_config: { rbac: { ...type('envoy.extensions.filters.http.rbac.v3.RBACPerRoute'), ...rbac(spec) } } } : {})),
      ],
      clusters: [upstreamCluster(upstreamPort)],
    },
  };
}
