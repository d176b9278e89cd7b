// What we tell the user about an object, in Kubernetes' words.

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
}

/** Later facts of one type replace earlier ones; a False is not overwritten by a True. */
export function withCondition(conditions: readonly Condition[], condition: Condition): Condition[] {
  const at = conditions.findIndex(({ type }) => type === condition.type);
  if (at === -1) return [...conditions, condition];
  if (conditions[at]?.status === 'False' && condition.status === 'True') return [...conditions];
  return conditions.with(at, condition);
}

export function isFalse(conditions: readonly Condition[], type: string): boolean {
  return conditions.some((condition) => condition.type === type && condition.status === 'False');
}
