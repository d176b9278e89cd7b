// What a FaultPolicy makes of the routes it decides for.
import type { FaultEffect } from '../draft.ts';
import type { FaultPolicySpec } from '../kinds/fault-policy.ts';
import type { Resource } from '../resources.ts';
import { countName } from './count-name.ts';

export function faultEffect({ spec: { faults, maxActiveFaults }, metadata }: Resource<FaultPolicySpec>): FaultEffect {
  return { name: countName(metadata), faults, ...(maxActiveFaults === undefined ? {} : { maxActiveFaults }) };
}
