// The kinds of policies that are attached to Gateways, listeners, routes and rules: one row each. All else is the same for all of them (steps/attach-policies.ts).
import type { Draft, PolicyKind, PolicyKinds, Place } from './draft.ts';
import { backendTrafficEffect } from './effects/backend-traffic-policy.ts';
import { clientTrafficEffect } from './effects/client-traffic-policy.ts';
import { concurrencyEffect } from './effects/concurrency-policy.ts';
import { connectionLimitEffect } from './effects/connection-limit-policy.ts';
import { faultEffect } from './effects/fault-policy.ts';
import { oidcEffect } from './effects/oidc-policy.ts';
import { resolverEffect } from './effects/resolver-policy.ts';
import { securityEffect } from './effects/security-policy.ts';
import type { Fault } from './problem-at.ts';
import type { Resource, Resources } from './resources.ts';

interface Row<Kind extends PolicyKind> {
  readonly resources: (all: Resources) => readonly Resource<PolicyKinds[Kind]['spec']>[];
  /** What the policy makes of what it decides for. A fault of severity error closes all of that. */
  readonly effect: (resource: Resource<PolicyKinds[Kind]['spec']>, draft: Draft, say: (fault: Fault) => void) => PolicyKinds[Kind]['effect'];
  readonly words: Words;
  /** All that cover a rule have a say there, the broken ones too; of the other kinds the most specific alone. */
  readonly addsUp?: true;
}

/** EG's words of two conditions. */
interface Words {
  readonly conflict: (place: Place) => string;
  readonly overridden: (by: Overrides) => string;
}

/** The places within a place that have a policy of the same kind of their own, by name, sorted. */
export interface Overrides { readonly listeners: readonly string[]; readonly routes: readonly string[]; readonly rules: readonly string[] }

/** A new kind is one new row here, and its types in draft.ts. */
export const policyKinds: { readonly [Kind in PolicyKind]: Row<Kind> } = {
  SecurityPolicy: { resources: ({ securityPolicies }) => securityPolicies, effect: securityEffect, words: wordsFor('SecurityPolicy', 'securityPolicies') },
  BackendTrafficPolicy: { resources: ({ backendTrafficPolicies }) => backendTrafficPolicies, effect: backendTrafficEffect, words: wordsFor('BackendTrafficPolicy', 'backendTrafficPolicies') },
  FaultPolicy: { resources: ({ faultPolicies }) => faultPolicies, effect: faultEffect, words: wordsFor('FaultPolicy', 'faultPolicies') },
  ConcurrencyPolicy: { resources: ({ concurrencyPolicies }) => concurrencyPolicies, effect: concurrencyEffect, words: wordsFor('ConcurrencyPolicy', 'concurrencyPolicies') },
  ResolverPolicy: { resources: ({ resolverPolicies }) => resolverPolicies, effect: resolverEffect, words: wordsForResolvers(), addsUp: true },
  OIDCPolicy: { resources: ({ oidcPolicies }) => oidcPolicies, effect: oidcEffect, words: wordsFor('OIDCPolicy', 'oidcPolicies') },
  ClientTrafficPolicy: { resources: ({ clientTrafficPolicies }) => clientTrafficPolicies, effect: clientTrafficEffect, words: wordsForListeners('ClientTrafficPolicy', 'ClientTrafficPolicies') },
  ConnectionLimitPolicy: { resources: ({ connectionLimitPolicies }) => connectionLimitPolicies, effect: connectionLimitEffect, words: wordsForListeners('ConnectionLimitPolicy', 'ConnectionLimitPolicies') },
};

export const policyKindNames = Object.keys(policyKinds) as readonly PolicyKind[];

/** An empty collection for each kind. */
export function byKind<Value>(empty: () => unknown): Value {
  return Object.fromEntries(policyKindNames.map((kind) => [kind, empty()])) as Value;
}

function wordsFor(policyKind: PolicyKind, plural: string): Words {
  return {
    conflict: ({ kind, name, section }) => {
      const what = section === undefined ? `${kind} ${name}` : `${kind === 'Gateway' ? 'Listener' : 'RouteRule'} ${name}/${section}`;
      return `Unable to target ${what}, another ${policyKind} has already attached to it`;
    },
    overridden: ({ listeners, routes, rules }) => {
      const lists = [list('these gateway listeners', listeners), list('these routes', routes), list('these route rules', rules)].filter((text) => text !== '');
      return `This policy is being overridden by other ${plural} for ${lists.join(' and ')}`;
    },
  };
}

/** What EG has no policy like. */
function wordsForResolvers(): Words {
  const { conflict, overridden } = wordsFor('ResolverPolicy', 'resolverPolicies');
  return { conflict, overridden: (by) => `${overridden(by)}. What this policy denies, and its dns, hold there all the same` };
}

/** Of policies that have no routes as targets. */
function wordsForListeners(policyKind: string, plural: string): Words {
  return {
    conflict: ({ name, section }) => `Unable to target ${section === undefined ? 'Gateway' : `section ${section} of`} ${name}, another ${policyKind} has already attached to it`,
    overridden: ({ listeners }) => `There are existing ${plural} that are overriding these sections [${listeners.map((listener) => listener.split('/').at(-1)).join(' ')}]`,
  };
}

function list(label: string, names: readonly string[]): string { return names.length === 0 ? '' : `${label}: [${names.join(' ')}]`; }
