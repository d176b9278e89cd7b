// Middle and spread of a few samples.

export function median(values: readonly number[]): number { return quantile(values, 0.5); }

/** Half the distance between the quartiles. */
export function spread(values: readonly number[]): number { return (quantile(values, 0.75) - quantile(values, 0.25)) / 2; }

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? 0, high = sorted[Math.ceil(at)] ?? 0;
  return low + (high - low) * (at - Math.floor(at));
}
