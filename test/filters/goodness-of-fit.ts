// How well samples fit what they are said to be drawn from.

/** Pearson's statistic of counts in classes of these shares. */
export function chiSquare(counts: readonly number[], shares: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce((sum, count, i) => sum + (count - total * (shares[i] ?? 0)) ** 2 / (total * (shares[i] ?? 0)), 0);
}

/** The largest distance between the samples' distribution function and the one given. Samples may repeat. */
export function kolmogorovSmirnov(samples: readonly number[], distribution: (x: number) => number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  let largest = 0;
  sorted.forEach((sample, i) => {
    if (sorted[i + 1] !== sample) largest = Math.max(largest, Math.abs((i + 1) / sorted.length - distribution(sample)));
  });
  return largest;
}

/** Of the standard normal distribution: Abramowitz and Stegun 7.1.26, to 1.5e-7. */
export function normalDistribution(z: number): number {
  const x = Math.abs(z) / Math.SQRT2, t = 1 / (1 + 0.3275911 * x);
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-x * x);
  return z < 0 ? tail / 2 : 1 - tail / 2;
}
