// What a FaultPolicy makes of the routes it decides for.
import type { Draft, FaultEffect } from '../draft.ts';
import type { FaultPolicySpec } from '../kinds/fault-policy.ts';
import type { Fault } from '../problem-at.ts';
import type { Resource } from '../resources.ts';
import { countName } from './count-name.ts';
import { limitSize } from './policy-size.ts';

export function faultEffect({ spec: { faults, maxActiveFaults }, metadata }: Resource<FaultPolicySpec>, _: Draft, say: (fault: Fault) => void): FaultEffect {
  limitSize(faults, 'spec.faults', say);
  return { name: countName(metadata), faults, ...(maxActiveFaults === undefined ? {} : { maxActiveFaults }) };
}
