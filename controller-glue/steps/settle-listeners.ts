// Writes draft.attached: closes the listeners where a policy on connections cannot hold, beside another or at all. Runs once policies are attached.
import { condition } from '../draft.ts';
import type { Draft, DraftGateway, DraftListener, DraftPolicy } from '../draft.ts';
import { GATEWAY_API } from '../kinds.ts';
import { problemAt } from '../problem-at.ts';
import type { Fault } from '../problem-at.ts';
import { objectName } from '../resources.ts';
import { addAncestor } from './ancestors.ts';
import { applied, deciding, listenerPlaces } from './deciding.ts';
import { tells } from './listener-traffic.ts';

type ListenerPolicyKind = 'ClientTrafficPolicy' | 'ConnectionLimitPolicy';

/** Which policy decides for a listener. */
interface Decider<Kind extends ListenerPolicyKind> { readonly listener: DraftListener; readonly policy: DraftPolicy<Kind> | undefined }
interface Refusal<Kind extends ListenerPolicyKind> extends Fault { readonly listener: DraftListener; readonly policy: DraftPolicy<Kind>; readonly reason: 'Conflicted' | 'Invalid' }

export function settleListeners(draft: Draft): void {
  for (const gateway of draft.gateways) {
    const ports = [...Map.groupBy(gateway.listeners.filter(({ usable }) => usable), ({ port }) => port).values()];
    close('ClientTrafficPolicy', ports.flatMap((onPort) => {
      const all = deciders('ClientTrafficPolicy', onPort, draft);
      return [...(shareConnections(onPort) ? onePolicy('ClientTrafficPolicy', all, draft) : oneSetting(all, draft)), ...unmet(all, (each) => noTls(each, gateway, draft))];
    }), draft);
    // After it: limits by certificate need its clientValidation.
    close('ConnectionLimitPolicy', ports.flatMap((onPort) => {
      const all = deciders('ConnectionLimitPolicy', onPort, draft);
      return [...(shareConnections(onPort) ? onePolicy('ConnectionLimitPolicy', all, draft) : []), ...unmet(all, (each) => neverCounts(each, gateway, draft))];
    }), draft);
  }
}

/** HTTP listeners of a port are one filter chain: which of them a connection is for shows only in its requests. HTTPS listeners have chains of their own. */
function shareConnections([first]: readonly DraftListener[]): boolean { return first?.spec.protocol === 'HTTP'; }

/** Listeners that are closed already are left out. */
function deciders<Kind extends ListenerPolicyKind>(kind: Kind, listeners: readonly DraftListener[], draft: Draft): Decider<Kind>[] {
  return listeners.map((listener) => ({ listener, policy: deciding(kind, listenerPlaces(listener), draft) })).filter(({ policy }) => policy?.effect.kind !== 'closed');
}

function onePolicy<Kind extends ListenerPolicyKind>(kind: Kind, all: readonly Decider<Kind>[], draft: Draft): Refusal<Kind>[] {
  const winner = first(kind, all, draft);
  if (winner === undefined) return [];
  return all.flatMap(({ listener, policy }): Refusal<Kind>[] => {
    if (policy === undefined) alsoHolds(winner, 'spec', listener, draft);
    if (policy === undefined || policy === winner) return [];
    return [{ listener, policy, reason: 'Conflicted', path: 'spec', message: `HTTP listeners of one port share their connections: ${decidesFor(winner, listener)}` }];
  });
}

/** HTTPS listeners of a port still have one buffer limit and one way of accepting. */
function oneSetting(all: readonly Decider<'ClientTrafficPolicy'>[], draft: Draft): Refusal<'ClientTrafficPolicy'>[] {
  return ([['bufferLimitBytes', 'spec.connection.bufferLimit'], ['acceptsPerEvent', 'spec.connection.maxAcceptPerSocketEvent']] as const).flatMap(([setting, path]) => {
    const value = (policy: DraftPolicy<'ClientTrafficPolicy'> | undefined) => applied(policy)?.port[setting];
    const winner = first('ClientTrafficPolicy', all.filter(({ policy }) => value(policy) !== undefined), draft);
    if (winner === undefined) return [];
    return all.flatMap(({ listener, policy }): Refusal<'ClientTrafficPolicy'>[] => {
      if (value(policy) === undefined) alsoHolds(winner, path, listener, draft);
      if (policy === undefined || value(policy) === undefined || value(policy) === value(winner)) return [];
      return [{ listener, policy, reason: 'Conflicted', path, message: `listeners of one port share this: ${decidesFor(winner, listener)}` }];
    });
  });
}

function decidesFor({ resource }: DraftPolicy<ListenerPolicyKind>, { spec: { name, port } }: DraftListener): string {
  return `${objectName(resource.ref)} decides for port ${port}, and so for listener ${name}`;
}

/** Whose will is done: the Gateway's own policy, since that is for all of them, else the oldest. */
function first<Kind extends ListenerPolicyKind>(kind: Kind, all: readonly Decider<Kind>[], draft: Draft): DraftPolicy<Kind> | undefined {
  const policies: readonly DraftPolicy<Kind>[] = draft.policies[kind];
  const attached: ReadonlyMap<string, DraftPolicy<Kind>> = draft.attached[kind];
  const wide = all.find(({ listener, policy }) => policy !== undefined && attached.get(listenerPlaces(listener)[1]) === policy);
  return wide?.policy ?? policies.find((policy) => all.some((each) => each.policy === policy));
}

function alsoHolds({ resource }: DraftPolicy<ListenerPolicyKind>, path: string, { spec: { name, port } }: DraftListener, draft: Draft): void {
  draft.problems.push(problemAt(resource, { path, severity: 'warning', message: `also holds for listener ${name}, which shares port ${port}` }));
}

type Covered<Kind extends ListenerPolicyKind> = Decider<Kind> & { readonly policy: DraftPolicy<Kind> };

function unmet<Kind extends ListenerPolicyKind>(all: readonly Decider<Kind>[], faults: (covered: Covered<Kind>) => Fault[]): Refusal<Kind>[] {
  return all.flatMap(({ listener, policy }) => (policy === undefined ? [] : faults({ listener, policy }).map((fault): Refusal<Kind> => ({ ...fault, listener, policy, reason: 'Invalid' }))));
}

/** A client shows its certificate in a TLS handshake. */
function noTls(covered: Covered<'ClientTrafficPolicy'>, gateway: DraftGateway, draft: Draft): Fault[] {
  const { listener: { spec }, policy } = covered;
  if (spec.protocol === 'HTTPS' || applied(policy)?.clientValidation === undefined) return [];
  const fault = { path: 'spec.tls.clientValidation', message: `listener ${spec.name} has no TLS: nobody shows a certificate there` };
  return unlessElsewhere('ClientTrafficPolicy', fault, covered, gateway, draft, (other) => other.spec.protocol === 'HTTPS');
}

/** Limits that no connection to this listener can fall under: they would be there for nothing, and nobody would see it. */
function neverCounts(covered: Covered<'ConnectionLimitPolicy'>, gateway: DraftGateway, draft: Draft): Fault[] {
  const { name } = covered.listener.spec;
  return (applied(covered.policy)?.limits ?? []).flatMap(({ per }, i): Fault[] => {
    // What a listener would ask for whose own policy closes it, nobody knows.
    const counts = (listener: DraftListener): boolean =>
      tells(per, listener, draft) || (per === 'ClientCertificate' && deciding('ClientTrafficPolicy', listenerPlaces(listener), draft)?.effect.kind === 'closed');
    if (counts(covered.listener)) return [];
    const fault = per === 'ServerName'
      ? { message: `listener ${name} has no TLS: its connections have no server name, and this would never count any` }
      : { message: `listener ${name} asks for no client certificate, and this would never count any connection`, hint: 'tls.clientValidation of a ClientTrafficPolicy asks for them' };
    return unlessElsewhere('ConnectionLimitPolicy', { path: `spec.limits[${i}].per`, ...fault }, covered, gateway, draft, counts);
  });
}

/**
 * What a policy asks of this listener in vain. A policy for a whole Gateway leaves such listeners as they are, as EG's do, where another of its listeners `does`
 * it; one for nothing else is a mistake.
 */
function unlessElsewhere<Kind extends ListenerPolicyKind>(kind: Kind, fault: Fault, { listener, policy }: Covered<Kind>, { listeners }: DraftGateway, draft: Draft, does: (other: DraftListener) => boolean): Fault[] {
  const attached: ReadonlyMap<string, DraftPolicy<Kind>> = draft.attached[kind];
  const named = attached.get(listenerPlaces(listener)[0]) === policy;
  const elsewhere = listeners.some((other) => does(other) && deciding(kind, listenerPlaces(other), draft) === policy);
  if (named || !elsewhere) return [fault];
  draft.problems.push(problemAt(policy.resource, { ...fault, severity: 'warning' }));
  return [];
}

/** What a policy cannot do for a listener it must not seem to do: the listener answers 500, and the policy's status says why. */
function close<Kind extends ListenerPolicyKind>(kind: Kind, refusals: readonly Refusal<Kind>[], draft: Draft): void {
  const attached: Map<string, DraftPolicy<Kind>> = draft.attached[kind];
  const named = (refusal: Refusal<Kind>) => draft.attached[kind].get(listenerPlaces(refusal.listener)[0])?.resource === refusal.policy.resource;
  const places = Map.groupBy(refusals, (refusal) => `${objectName(refusal.policy.resource.ref)} ${listenerPlaces(refusal.listener)[named(refusal) ? 0 : 1]}`);
  for (const [refusal, ...others] of places.values()) {
    if (refusal === undefined) continue;
    const { policy, listener: { gateway: { metadata: { namespace, name } }, spec }, reason } = refusal;
    const messages = [...new Set([refusal, ...others].map(({ message }) => message))];
    const ancestor = { group: GATEWAY_API, kind: 'Gateway', namespace, name, ...(named(refusal) ? { sectionName: spec.name } : {}) };
    addAncestor(draft, policy)(ancestor, condition(policy.resource, 'Accepted', false, reason, messages.join('; ')));
  }
  for (const { policy, listener, path, message, hint } of refusals) {
    draft.problems.push(problemAt(policy.resource, { path, message, ...(hint === undefined ? {} : { hint }) }));
    attached.set(listenerPlaces(listener)[0], { ...policy, effect: { kind: 'closed', reason: 'gatewright_policy_invalid', message } });
  }
}
