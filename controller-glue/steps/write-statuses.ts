// Writes draft.statuses: what every object of ours is told, in the order the user would look: class, Gateway, route, policy.
import { isFalse, withCondition } from '../condition.ts';
import type { Condition } from '../condition.ts';
import { condition } from '../draft.ts';
import type { Draft, DraftGateway, DraftListener, DraftRoute } from '../draft.ts';
import { objectKey } from '../resources.ts';
import type { Resource } from '../resources.ts';
import type { ListenerStatus, ObjectStatus, ParentStatus, Status } from '../status.ts';

/** Gateway API's names, sorted, for what the tests show. */
const FEATURES = ['Gateway', 'GatewayHTTPListenerIsolation', 'GatewayPort8080', 'HTTPRoute', 'HTTPRouteBackendProtocolH2C', 'HTTPRouteMethodMatching',
  'HTTPRouteNamedRouteRule', 'HTTPRouteParentRefPort', 'HTTPRouteQueryParamMatching', 'HTTPRouteRequestTimeout', 'ReferenceGrant'];

export function writeStatuses(draft: Draft): void {
  const seen = new Set<string>();
  const add = (resource: Resource<unknown>, status: Status) => {
    // An object that is given twice is told once.
    if (seen.has(objectKey(resource.ref))) return;
    seen.add(objectKey(resource.ref));
    draft.statuses.push(objectStatus(resource, status));
  };
  for (const { resource, conditions } of draft.classes) add(resource, { conditions, supportedFeatures: FEATURES.map((name) => ({ name })) });
  for (const gateway of draft.gateways) add(gateway.resource, gatewayStatus(gateway, draft.settings.address));
  for (const route of draft.routes) add(route.resource, routeStatus(route, draft.settings.controllerName));
  // A policy for nothing of ours is another controller's to speak about.
  for (const { resource, ancestors } of [...Object.values(draft.policies).flat(), ...draft.unsupported]) if (ancestors.length > 0) add(resource, { ancestors });
  for (const backend of draft.backends.values()) {
    const accepted = backend.kind !== 'refused';
    add(backend.resource, { conditions: [condition(backend.resource, 'Accepted', accepted, accepted ? 'Accepted' : 'Invalid', accepted ? 'The Backend was accepted' : backend.message)] });
  }
}

function objectStatus({ apiVersion, ref, metadata }: Resource<unknown>, status: Status): ObjectStatus {
  return { apiVersion, kind: ref.kind, metadata: { ...(metadata.namespace === '' ? {} : { namespace: metadata.namespace }), name: metadata.name }, status };
}

/** EG's rules and words: accepted with any listener, programmed with an address. */
function gatewayStatus({ resource, listeners, refused }: DraftGateway, address: string): Status {
  const bad = listeners.filter(({ conditions }) => isFalse(conditions, 'Accepted')).map(({ spec }) => spec.name).sort();
  const accepted = refused !== undefined ? condition(resource, 'Accepted', false, refused.reason, refused.message)
    : listeners.length > 0 && bad.length === listeners.length ? condition(resource, 'Accepted', false, 'ListenersNotValid', `No listeners are valid: ${bad.join(', ')}`)
      : bad.length > 0 ? condition(resource, 'Accepted', true, 'ListenersNotValid', `Listeners not valid: ${bad.join(', ')}`)
        : condition(resource, 'Accepted', true, 'Accepted', 'The Gateway has been scheduled by Gatewright');
  const serves = listeners.some(({ usable }) => usable);
  const programmed = serves ? condition(resource, 'Programmed', true, 'Programmed', 'Address assigned to the Gateway')
    : condition(resource, 'Programmed', false, 'Invalid', 'None of its listeners can serve, see other Conditions for details.');
  return {
    conditions: [accepted, programmed],
    ...(serves ? { addresses: [{ type: 'IPAddress' as const, value: address }] } : {}),
    listeners: listeners.map((listener) => listenerStatus(listener, refused !== undefined)),
  };
}

function listenerStatus(listener: DraftListener, refused: boolean): ListenerStatus {
  const { gateway, spec, supportedKinds, attachedRoutes, usable } = listener;
  let conditions: readonly Condition[] = listener.conditions;
  const say = (type: string, status: boolean, reason: string, message: string) => {
    if (!conditions.some((each) => each.type === type)) conditions = withCondition(conditions, condition(gateway, type, status, reason, message));
  };
  say('Accepted', true, 'Accepted', 'Listener has been successfully translated');
  if (usable) say('Programmed', true, 'Programmed', 'Sending translated listener configuration to the data plane');
  else say('Programmed', false, 'Invalid', refused ? 'The Gateway is not accepted' : 'Listener is invalid, see other Conditions for details.');
  say('ResolvedRefs', true, 'ResolvedRefs', 'Listener references have been resolved');
  say('Conflicted', false, 'NoConflicts', 'No conflicts detected');
  const order = ['Accepted', 'Programmed', 'ResolvedRefs', 'Conflicted'];
  return { name: spec.name, supportedKinds, attachedRoutes, conditions: conditions.toSorted((a, b) => order.indexOf(a.type) - order.indexOf(b.type)) };
}

function routeStatus({ parents }: DraftRoute, controllerName: string): Status {
  return {
    parents: parents.map(({ ref, gateway, conditions }): ParentStatus => ({
      parentRef: {
        group: ref.group, kind: ref.kind, namespace: gateway.resource.metadata.namespace, name: ref.name,
        ...(ref.sectionName === undefined ? {} : { sectionName: ref.sectionName }), ...(ref.port === undefined ? {} : { port: ref.port }),
      },
      controllerName, conditions,
    })),
  };
}
