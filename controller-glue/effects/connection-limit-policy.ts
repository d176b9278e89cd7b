// What a ConnectionLimitPolicy makes of the listeners it decides for.
import type { ConnectionLimitEffect } from '../draft.ts';
import type { ConnectionLimitPolicySpec } from '../kinds/connection-limit-policy.ts';
import type { Resource } from '../resources.ts';

/** Limits of one name count together over listeners: the object's name makes them its own. */
export function connectionLimitEffect({ spec, metadata }: Resource<ConnectionLimitPolicySpec>): ConnectionLimitEffect {
  return { limits: spec.limits.map((limit) => ({ ...limit, name: `${metadata.namespace}/${metadata.name}/${limit.name}` })) };
}
