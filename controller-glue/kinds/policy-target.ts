// What a policy of EG's is for: targetRef, targetRefs, targetSelectors, in every policy kind alike.
import { z } from 'zod';
import { LabelSelector, objectName, sectionName } from './names.ts';
import { notSupported } from './not-supported.ts';

// A closed list: a policy whose target kind is misspelt would otherwise protect nothing and say so nowhere.
const targetKind = z.enum(['Gateway', 'HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute', 'ListenerSet', 'XListenerSet', 'GatewayClass', 'Service']);
const targetGroup = z.enum(['gateway.networking.k8s.io', 'gateway.networking.x-k8s.io', '']);

/** A kind under another group's name is another kind: EG's CRD refuses it, and so do we. */
function groupOf(kind: z.infer<typeof targetKind>): z.infer<typeof targetGroup> {
  return kind === 'Service' ? '' : kind === 'XListenerSet' ? 'gateway.networking.x-k8s.io' : 'gateway.networking.k8s.io';
}
function rightGroup({ group, kind }: { readonly group: string; readonly kind: z.infer<typeof targetKind> }, context: z.RefinementCtx): void {
  if (group !== groupOf(kind)) context.addIssue({ code: 'custom', path: ['group'], message: `must be ${groupOf(kind) === '' ? 'empty' : groupOf(kind)} for kind ${kind}` });
}

export const TargetRef = z.strictObject({ group: targetGroup, kind: targetKind, name: objectName, sectionName: sectionName.optional() }).superRefine(rightGroup);
export type TargetRef = z.infer<typeof TargetRef>;

export const TargetSelector = z.strictObject({
  group: targetGroup.default('gateway.networking.k8s.io'),
  kind: targetKind,
  matchLabels: LabelSelector.shape.matchLabels,
  matchExpressions: LabelSelector.shape.matchExpressions,
  namespaces: notSupported('only objects of the policy\'s own namespace are selected'),
}).superRefine(rightGroup);
export type TargetSelector = z.infer<typeof TargetSelector>;

/** The three fields; spread them into a policy's schema. */
export const targetFields = {
  targetRef: TargetRef.optional(),
  targetRefs: z.array(TargetRef).max(16).optional(),
  targetSelectors: z.array(TargetSelector).optional(),
};

export interface Targets {
  readonly targetRef?: TargetRef | undefined;
  readonly targetRefs?: readonly TargetRef[] | undefined;
  readonly targetSelectors?: readonly TargetSelector[] | undefined;
}

/** A policy without a target covers nothing: refused, because nobody means that. */
export function requireTarget(spec: Targets, context: z.RefinementCtx): void {
  if (spec.targetRef === undefined && !spec.targetRefs?.length && !spec.targetSelectors?.length) {
    context.addIssue({ code: 'custom', message: 'must have one of targetRef, targetRefs, targetSelectors' });
  }
}
