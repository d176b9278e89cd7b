// Statuses as Kubernetes would hold them, one per object of ours. lastTransitionTime is for whoever writes them: it needs a clock.
import type { Condition } from './condition.ts';
import { withCondition } from './condition.ts';
import type { ObjectRef } from './ir.ts';

export interface ParentReference {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly sectionName?: string;
  readonly port?: number;
}

export interface ListenerStatus {
  readonly name: string;
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[];
  readonly attachedRoutes: number;
  readonly conditions: readonly Condition[];
}

/** One per parent (routes) or ancestor (policies): other controllers' entries are not ours to touch. */
export interface ParentStatus { readonly parentRef: ParentReference; readonly controllerName: string; readonly conditions: readonly Condition[] }
export interface AncestorStatus { readonly ancestorRef: ParentReference; readonly controllerName: string; readonly conditions: readonly Condition[] }

export interface Status {
  readonly conditions?: readonly Condition[];
  readonly supportedFeatures?: readonly { readonly name: string }[];
  readonly addresses?: readonly { readonly type: 'IPAddress'; readonly value: string }[];
  readonly listeners?: readonly ListenerStatus[];
  readonly parents?: readonly ParentStatus[];
  readonly ancestors?: readonly AncestorStatus[];
}

export interface ObjectStatus {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly namespace?: string; readonly name: string };
  readonly status: Status;
}

/** A fact that is learnt after translation: Envoy refused what an object made. */
export interface Rejection { readonly object: ObjectRef; readonly message: string }

/** Lays rejections over the statuses: the Gateway is not Programmed, a route or policy is not Accepted. */
export function withRejections(statuses: readonly ObjectStatus[], rejections: readonly Rejection[]): ObjectStatus[] {
  return statuses.map((status) => rejections.filter(({ object }) => isOf(status, object)).reduce(rejected, status));
}

function isOf({ apiVersion, kind, metadata }: ObjectStatus, object: ObjectRef): boolean {
  const slash = apiVersion.indexOf('/');
  return (slash === -1 ? '' : apiVersion.slice(0, slash)) === object.group && kind === object.kind
    && (metadata.namespace ?? '') === object.namespace && metadata.name === object.name;
}

function rejected(object: ObjectStatus, { message }: Rejection): ObjectStatus {
  const { status } = object;
  const text = `Envoy refused it: ${message}`;
  const refuse = (type: string, conditions: readonly Condition[]): Condition[] => {
    const generation = conditions[0]?.observedGeneration;
    return withCondition(conditions, { type, status: 'False', reason: 'Invalid', message: text, ...(generation === undefined ? {} : { observedGeneration: generation }) });
  };
  return {
    ...object,
    status: {
      ...status,
      ...(status.conditions === undefined ? {} : { conditions: refuse(status.listeners === undefined ? 'Accepted' : 'Programmed', status.conditions) }),
      ...(status.parents === undefined ? {} : { parents: status.parents.map((parent) => ({ ...parent, conditions: refuse('Accepted', parent.conditions) })) }),
      ...(status.ancestors === undefined ? {} : { ancestors: status.ancestors.map((ancestor) => ({ ...ancestor, conditions: refuse('Accepted', ancestor.conditions) })) }),
    },
  };
}
