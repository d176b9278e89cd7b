// What a policy of EG's is for: targetRef, targetRefs, targetSelectors, in every policy kind alike.
import { z } from 'zod';
import { LabelSelector, objectName, sectionName } from './names.ts';
import { notSupported } from './not-supported.ts';

// A closed list: a policy whose target kind is misspelt would otherwise protect nothing and say so nowhere.
const targetKinds = ['Gateway', 'HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute', 'ListenerSet', 'XListenerSet', 'GatewayClass', 'Service'] as const;
type TargetKind = (typeof targetKinds)[number];

/** A kind under another group's name is another kind: EG's CRD refuses it, and so do we. */
function groupOf(kind: TargetKind): 'gateway.networking.k8s.io' | 'gateway.networking.x-k8s.io' | '' {
  return kind === 'Service' ? '' : kind === 'XListenerSet' ? 'gateway.networking.x-k8s.io' : 'gateway.networking.k8s.io';
}
function rightGroup({ group, kind }: { readonly group: string; readonly kind: TargetKind }, context: z.RefinementCtx): void {
  if (group !== groupOf(kind)) context.addIssue({ code: 'custom', path: ['group'], message: `must be ${groupOf(kind) === '' ? 'empty' : groupOf(kind)} for kind ${kind}` });
}

/** The three fields, for these kinds of targets; spread them into a policy's schema. */
export function targetFieldsFor<Kinds extends TargetKind>(kinds: readonly [Kinds, ...Kinds[]]) {
  const targetGroup = z.enum(kinds.map(groupOf));
  const ref = z.strictObject({ group: targetGroup, kind: z.enum(kinds), name: objectName, sectionName: sectionName.optional() }).superRefine(rightGroup);
  const selector = z.strictObject({
    group: targetGroup.default('gateway.networking.k8s.io'),
    kind: z.enum(kinds),
    matchLabels: LabelSelector.shape.matchLabels,
    matchExpressions: LabelSelector.shape.matchExpressions,
    namespaces: notSupported('only objects of the policy\'s own namespace are selected'),
  }).superRefine(rightGroup);
  return { targetRef: ref.optional(), targetRefs: z.array(ref).max(16).optional(), targetSelectors: z.array(selector).optional() };
}

/** For policies of EG's and Gateway API's, whatever they may be for. */
export const targetFields = targetFieldsFor(targetKinds);
export type TargetRef = NonNullable<z.infer<typeof targetFields.targetRef>>;
export type TargetSelector = NonNullable<z.infer<typeof targetFields.targetSelectors>>[number];

export interface Targets {
  readonly targetRef?: TargetRef | undefined;
  readonly targetRefs?: readonly TargetRef[] | undefined;
  readonly targetSelectors?: readonly TargetSelector[] | undefined;
}

/** A policy without a target covers nothing: refused, because nobody means that. Targets are said in one way. */
export function requireTarget(spec: Targets, context: z.RefinementCtx): void {
  if (spec.targetRef === undefined && !spec.targetRefs?.length && !spec.targetSelectors?.length) {
    context.addIssue({ code: 'custom', message: 'must have one of targetRef, targetRefs, targetSelectors' });
  }
  // EG's CRD says so too; beside targetSelectors it takes both.
  if (spec.targetRef !== undefined && spec.targetRefs !== undefined && !spec.targetSelectors?.length) {
    context.addIssue({ code: 'custom', path: ['targetRef'], message: 'must not be given beside targetRefs' });
  }
}

/** What a connection is made to: policies on connections are for Gateways and their listeners. A ListenerSet is said to be missing where targets are looked up. */
export function onlyGateways(spec: Targets, context: z.RefinementCtx): void {
  const kinds = [
    ...(spec.targetRef === undefined ? [] : [{ path: ['targetRef'], kind: spec.targetRef.kind }]),
    ...(spec.targetRefs ?? []).map(({ kind }, i) => ({ path: ['targetRefs', i], kind })),
    ...(spec.targetSelectors ?? []).map(({ kind }, i) => ({ path: ['targetSelectors', i], kind })),
  ];
  for (const { path, kind } of kinds) {
    if (kind !== 'Gateway' && kind !== 'ListenerSet') context.addIssue({ code: 'custom', path: [...path, 'kind'], message: 'must be Gateway' });
  }
}
