// The routes that one HTTPRoute makes on one listener: its rules, under the policies that cover them there.
import { placeKey } from '../draft.ts';
import type { Draft, DraftListener, DraftPolicy, DraftRoute, DraftRule, Place } from '../draft.ts';
import type { IrAction, IrRoute, ObjectRef } from '../ir.ts';
import type { Reason } from '../reason.ts';
import { classKey, serviceKey } from './close-unsupported.ts';

export interface TableRoute { readonly route: IrRoute; readonly keySets: readonly string[] }

export function irRoutes(route: DraftRoute, listener: DraftListener, draft: Draft): TableRoute[] {
  const { metadata, ref } = route.resource;
  return route.rules.flatMap((rule) => {
    const covered = cover(route, rule, listener, draft);
    const owners: ObjectRef[] = [ref, ...covered.owners];
    return rule.matches.map((match, i): TableRoute => ({
      keySets: covered.policy?.keySets ?? [],
      route: {
        name: `httproute/${metadata.namespace}/${metadata.name}/rule/${rule.index}/match/${i}`,
        owners, match, action: covered.action, ...(covered.policy === undefined ? {} : { jwt: covered.policy.jwt }),
      },
    }));
  });
}

interface Covered { readonly action: IrAction; readonly owners: readonly ObjectRef[]; readonly policy?: DraftPolicy['effect'] & { readonly kind: 'jwt' } }

/** Closed by anything that closes; else under the most specific policy, whole: rule, route, listener, Gateway. */
function cover(route: DraftRoute, rule: DraftRule, listener: DraftListener, draft: Draft): Covered {
  const places = placesOf(route, rule, listener);
  const unsupported = [...places, ...others(rule.action, listener)].map((key) => draft.closed.get(key)).find((ref) => ref !== undefined);
  if (unsupported !== undefined) return closed('gatewright_policy_unsupported', [unsupported]);
  const policy = places.map((key) => draft.attached.get(key)).find((each) => each !== undefined);
  const owners = policy === undefined ? [] : [policy.resource.ref];
  if (policy?.effect.kind === 'closed') return closed(policy.effect.reason, owners);
  if (route.invalid.length > 0) return closed('gatewright_route_invalid', owners);
  return { action: rule.action, owners, ...(policy?.effect.kind === 'jwt' ? { policy: policy.effect } : {}) };
}

function placesOf({ resource: { metadata } }: DraftRoute, rule: DraftRule, { gateway, spec }: DraftListener): string[] {
  const route: Place = { kind: 'HTTPRoute', namespace: metadata.namespace, name: metadata.name };
  const parent: Place = { kind: 'Gateway', namespace: gateway.metadata.namespace, name: gateway.metadata.name };
  return [
    ...(rule.name === undefined ? [] : [placeKey({ ...route, section: rule.name })]), placeKey(route),
    placeKey({ ...parent, section: spec.name }), placeKey(parent),
  ];
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
