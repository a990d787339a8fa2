/**
 * How benchmarks sum up: medians and what lies around them. Times are the
 * machine's; ratios within one run are what to trust.
 */

/** @param share 0.5 is the median, 1 the greatest */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? NaN;
}

/** `median (10th to 90th percentile)`. */
export function spread(values: readonly number[], digits = 2): string {
  const at = (share: number) => quantile(values, share).toFixed(digits);
  return `${at(0.5)} (${at(0.1)} to ${at(0.9)})`;
}

/** Pairs of one run, divided. */
export const ratios = (ours: readonly number[], theirs: readonly number[]) =>
  ours.map((value, i) => value / theirs[i]!);
