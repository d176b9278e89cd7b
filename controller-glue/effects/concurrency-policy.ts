// What a ConcurrencyPolicy makes of the routes it decides for: they share its counts.
import type { ConcurrencyPolicy } from '../../policy/connection-limit.ts';
import type { ConcurrencyPolicySpec } from '../kinds/concurrency-policy.ts';
import type { Resource } from '../resources.ts';
import { countName } from './count-name.ts';

export function concurrencyEffect({ spec: { limits }, metadata }: Resource<ConcurrencyPolicySpec>): ConcurrencyPolicy {
  return { name: countName(metadata), limits };
}
