// The routes that one HTTPRoute makes on one listener: its rules, under the policies that cover them there.
import type { Draft, DraftListener, DraftRoute, DraftRule, SecurityEffect } from '../draft.ts';
import type { IrAction, IrRoute, ObjectRef } from '../ir.ts';
import { policyKindNames } from '../policy-kinds.ts';
import type { Reason } from '../reason.ts';
import { classKey, serviceKey } from './close-unsupported.ts';
import { applied, deciding, rulePlaces } from './deciding.ts';

export interface TableRoute { readonly route: IrRoute; readonly keySets: readonly string[] }

export function irRoutes(route: DraftRoute, listener: DraftListener, draft: Draft): TableRoute[] {
  const { metadata, ref } = route.resource;
  return route.rules.flatMap((rule) => {
    const covered = cover(route, rule, listener, draft);
    const owners: ObjectRef[] = [ref, ...covered.owners];
    return rule.matches.map((match, i): TableRoute => ({
      keySets: covered.security?.keySets ?? [],
      route: {
        name: `httproute/${metadata.namespace}/${metadata.name}/rule/${rule.index}/match/${i}`,
        owners, match, action: covered.action, ...(covered.security?.jwt === undefined ? {} : { jwt: covered.security.jwt }),
      },
    }));
  });
}

interface Covered { readonly action: IrAction; readonly owners: readonly ObjectRef[]; readonly security?: SecurityEffect | undefined }

/** Closed by anything that closes; else under the most specific policy of each kind, whole: rule, route, listener, Gateway. */
function cover(route: DraftRoute, rule: DraftRule, listener: DraftListener, draft: Draft): Covered {
  const places = rulePlaces(route, rule, listener);
  const unsupported = [...places, ...others(rule.action, listener)].map((key) => draft.closed.get(key)).find((ref) => ref !== undefined);
  if (unsupported !== undefined) return closed('gatewright_policy_unsupported', [unsupported]);
  const policies = policyKindNames.map((kind) => deciding(kind, places, draft)).filter((policy) => policy !== undefined);
  const owners = policies.map(({ resource }) => resource.ref);
  for (const { effect } of policies) if (effect.kind === 'closed') return closed(effect.reason, owners);
  if (route.invalid.length > 0) return closed('gatewright_route_invalid', owners);
  return { action: rule.action, owners, security: applied(deciding('SecurityPolicy', places, draft)) };
}

/** What only kinds that we do not carry out can have as a target: the class, and the Services a rule sends to. */
function others(action: IrAction, { gateway }: DraftListener): string[] {
  const services = action.kind !== 'forward' ? [] : action.shares.flatMap((share) => {
    const [namespace = '', name = ''] = 'cluster' in share ? share.cluster.split('/') : [];
    return 'cluster' in share ? [serviceKey(namespace, name)] : [];
  });
  return [classKey(gateway.spec.gatewayClassName), ...services];
}

function closed(reason: Reason, owners: readonly ObjectRef[]): Covered { return { action: { kind: 'respond', status: 500, reason }, owners }; }
