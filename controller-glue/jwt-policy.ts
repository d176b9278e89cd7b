// jwt and authorization of a SecurityPolicy → the policy of filters/jwt, or every reason why not.
import { canonicalJson } from '../policy/canonical-json.ts';
import { parseDuration } from '../policy/duration.ts';
import type { JwtPolicy, Provider, Rule } from '../policy/jwt.ts';
import { contentId } from './content-id.ts';
import { handedOver, sessionProvider } from './handed-tokens.ts';
import { headerProblem } from './header-problem.ts';
import type { IrCluster, IrJwt } from './ir.ts';
import { keySet } from './key-set.ts';
import type { JwtProvider, SecurityPolicySpec } from './kinds/security-policy.ts';
import type { Lookup } from './lookup.ts';
import type { Fault } from './problem-at.ts';
import { remoteKeysAddress } from './remote-keys.ts';
import { tokenSources } from './token-sources.ts';

export interface ReadPolicy {
  readonly jwt: IrJwt;
  /** Key sets in place, by id, as JSON. */
  readonly keySets: ReadonlyMap<string, string>;
  /** The hosts that remote keys come from. */
  readonly clusters: readonly IrCluster[];
}

type Say = (fault: Fault) => void;
const MAX_PROVIDERS = 16;   // policy/jwt.ts
type Found = { readonly keySets: Map<string, string>; readonly clusters: IrCluster[] };

/** Null: the policy says nothing about tokens. Faults of severity error mean that it must not be used. */
export function jwtPolicy({ jwt, authorization, oidc }: SecurityPolicySpec, namespace: string, find: Lookup, say: Say): ReadPolicy | null {
  if (jwt === undefined && authorization === undefined) return null;
  const found: Found = { keySets: new Map(), clusters: [] };
  const session = oidc === undefined ? undefined : sessionProvider({ jwt });
  // What the login lets pass without a session must have a token. EG leaves that to `optional` and to the login seeing a token where jwt sees one, too.
  const either = jwt?.optional === true && oidc?.passThroughAuthHeader === true;
  const asked = (authorization?.rules ?? []).some(({ principal }) => principal?.jwt !== undefined && principal.jwt.provider === session?.name);
  const providers = [
    ...(jwt?.providers ?? []).map((each, i) => provider(each, `spec.jwt.providers[${i}]`, namespace, find, found, oidc, say)),
    ...(session !== undefined && (either || asked) ? [session] : []),
  ];
  if (providers.length > MAX_PROVIDERS) say({ path: 'spec.jwt.providers', message: `must have at most ${MAX_PROVIDERS - 1} entries where sessions are judged, too` });
  const policy: JwtPolicy = {
    providers,
    // Without jwt there is no token to miss: authorization alone decides.
    missing: jwt === undefined || (jwt.optional === true && !either) ? 'Allow' : 'Deny',
    claimHeaders: (jwt?.providers ?? []).some((each) => each.recomputeRoute === true && each.claimToHeaders.length > 0) ? 'Request' : 'FilterState',
    ...(authorization === undefined ? {} : {
      authorization: { defaultAction: authorization.defaultAction, rules: authorization.rules.map((each, i) => rule(each, i, providers, say)) },
    }),
  };
  return { jwt: { id: contentId(canonicalJson(policy)), policy }, ...found };
}

function provider(from: JwtProvider, at: string, namespace: string, find: Lookup, found: Found, oidc: SecurityPolicySpec['oidc'], say: Say): Provider {
  return {
    name: from.name,
    ...(from.issuer === undefined ? {} : { issuer: from.issuer }),
    audiences: from.audiences,
    keys: keys(from, at, namespace, find, found, say),
    from: handedOver(tokenSources(from.extractFrom), oidc),
    claimToHeaders: from.claimToHeaders.map(({ header, claim }, i) => {
      const problem = headerProblem(header.toLowerCase());
      if (problem !== null) say({ path: `${at}.claimToHeaders[${i}].header`, message: problem });
      return { header: header.toLowerCase(), claim: claim.split('.') };
    }),
  };
}

function keys({ localJWKS, remoteJWKS }: JwtProvider, at: string, namespace: string, find: Lookup, found: Found, say: Say): Provider['keys'] {
  if (remoteJWKS !== undefined) {
    const address = remoteKeysAddress(remoteJWKS.uri);
    const path = `${at}.remoteJWKS.uri`;
    if (typeof address === 'string') { say({ path, message: address }); return { keySet: 'none' }; }
    if (address.warning !== undefined) say({ path, message: address.warning, severity: 'warning' });
    found.clusters.push(address.cluster);
    return { remote: {
      cluster: address.cluster.name, authority: address.authority, path: address.path, timeoutMs: 5_000,
      cacheMs: within(remoteJWKS.cacheDuration, 1_000, 86_400_000, 300_000, `${at}.remoteJWKS.cacheDuration`, say),
      retryMs: within(remoteJWKS.failedRefetchDuration, 100, 600_000, 1_000, `${at}.remoteJWKS.failedRefetchDuration`, say),
    } };
  }
  const local = localKeys(localJWKS, `${at}.localJWKS`, namespace, find);
  if ('message' in local) { say(local); return { keySet: 'none' }; }
  const read = keySet(local.text);
  if (!read.ok) { say({ path: local.path, message: `${local.name} ${read.message}` }); return { keySet: 'none' }; }
  for (const warning of read.warnings) say({ path: local.path, message: `${local.name}: ${warning}`, severity: 'warning' });
  found.keySets.set(read.id, read.json);
  return { keySet: read.id };
}

function within(text: string | undefined, min: number, max: number, otherwise: number, path: string, say: Say): number {
  const value = text === undefined ? otherwise : parseDuration(text) ?? otherwise;
  if (value < min || value > max) say({ path, message: `must be from ${min} ms to ${max} ms` });
  return value;
}

type LocalText = { readonly text: string; readonly name: string; readonly path: string };

/** EG: a ConfigMap's key `jwks`, else its first value. */
function localKeys(local: JwtProvider['localJWKS'], at: string, namespace: string, find: Lookup): LocalText | Fault {
  if (local?.type !== 'ValueRef') return { text: local?.inline ?? '', name: 'the key set', path: `${at}.inline` };
  const ref = local.valueRef;
  const path = `${at}.valueRef`;
  if (ref === undefined || ref.group !== '' || ref.kind !== 'ConfigMap') return { path, message: 'must refer to a ConfigMap' };
  const configMap = find.configMap(namespace, ref.name);
  if (configMap === undefined) return { path, message: `ConfigMap ${namespace}/${ref.name} not found` };
  if (configMap.problems.length > 0) return { path, message: `ConfigMap ${namespace}/${ref.name} is not valid` };
  const { data } = configMap.spec;
  const text = data['jwks'] ?? Object.entries(data)[0]?.[1];
  return text === undefined ? { path, message: `ConfigMap ${namespace}/${ref.name} holds no key set` } : { text, name: `the key set in ConfigMap ${namespace}/${ref.name}`, path };
}

function rule({ name, action, principal }: NonNullable<SecurityPolicySpec['authorization']>['rules'][number], index: number, providers: readonly Provider[], say: Say): Rule {
  const jwt = principal?.jwt;
  if (jwt !== undefined && !providers.some((each) => each.name === jwt.provider)) {
    say({ path: `spec.authorization.rules[${index}].principal.jwt.provider`, message: `there is no provider ${jwt.provider} in this policy` });
  }
  return {
    name: name ?? `rule-${index}`, action,
    ...(jwt === undefined ? {} : { jwt: { provider: jwt.provider, scopes: jwt.scopes, claims: jwt.claims.map((claim) => ({ claim: claim.name.split('.'), type: claim.valueType, values: claim.values })) } }),
  };
}
