// Statuses as Kubernetes would hold them, one per object of ours. lastTransitionTime is for whoever writes them: it needs a clock.
import type { Condition } from './condition.ts';

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
