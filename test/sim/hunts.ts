/**
 * hunts.ts: how many fresh seeds it takes to catch a broken variant: the median of several hunts, each from seeds of its own.
 *
 * Bound: a hunt ends after as many seeds as `hunt` allows, and then counts as that many.
 */
import type { Variant } from "./breakage.js";
import { hunt, SEEDS_MAX } from "./controls.js";

/** What the median of each variant may be, seeds. */
export const MEDIAN_MAX = 200;
/** Seeds of one hunt are not those of another. */
const APART = 100_000;

export interface Hunted {
  readonly variant: Variant;
  /** Seeds until it was caught, one number for each hunt, the least first. */
  readonly seeds: readonly number[];
  readonly median: number;
  readonly foundBy: readonly string[];
}

export async function huntOften(
  variant: Variant,
  hunts: number,
  firstSeed: number,
  processes: number,
): Promise<Hunted> {
  const seeds: number[] = [];
  const foundBy = new Set<string>();
  for (let at = 0; at < hunts; at++) {
    const found = await hunt(variant, firstSeed + at * APART, processes);
    seeds.push(found?.seeds ?? SEEDS_MAX);
    foundBy.add(found?.report.violation?.invariant ?? "nothing");
  }
  seeds.sort((left, right) => left - right);
  return { variant, seeds, median: median(seeds), foundBy: [...foundBy].sort() };
}

/** @param sorted at least one number, the least first. */
export function median(sorted: readonly number[]): number {
  const at = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(at)] ?? 0) + (sorted[Math.ceil(at)] ?? 0)) / 2;
}

/** As a row of the table in README.md. */
export function huntedRow({ variant, seeds, median: middle, foundBy }: Hunted): string {
  return `| ${variant} | ${seeds.join(", ")} | ${middle} | ${foundBy.join(", ")} |`;
}
