// What a ConcurrencyPolicy makes of the routes it decides for: they share its counts.
import type { ConcurrencyPolicy } from '../../policy/connection-limit.ts';
import type { Draft } from '../draft.ts';
import type { ConcurrencyPolicySpec } from '../kinds/concurrency-policy.ts';
import type { Fault } from '../problem-at.ts';
import type { Resource } from '../resources.ts';
import { countName } from './count-name.ts';
import { limitSize } from './policy-size.ts';

export function concurrencyEffect({ spec: { limits }, metadata }: Resource<ConcurrencyPolicySpec>, _: Draft, say: (fault: Fault) => void): ConcurrencyPolicy {
  limitSize(limits, 'spec.limits', say);
  return { name: countName(metadata), limits };
}
