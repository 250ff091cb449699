/**
 * totals.ts: what a number of runs adds up to.
 */
import { SHARED_KINDS } from "./decisions.js";
import { HOOKS } from "./hooks.js";
import { type RunReport, SEED_MIN } from "./simulation.js";

/** The rarest kind strikes about once in ten seeds, as does damage beyond what a partition can lose. */
const SEEDS_FOR_EVERY_FAULT = 100;
/** What is promised of each hook: it acts in one of a hundred seeds. After so many, one that never did is broken, not unlucky. */
const HOOK_RATIO_MIN = 0.01;
const SEEDS_FOR_EVERY_HOOK = 600;

export class Totals {
  seeds = 0;
  counted = 0;
  simulatedMs = 0;
  /** Runs that ended with damage beyond what a partition can lose, and were refused. */
  refused = 0;
  readonly violations: RunReport[] = [];
  private readonly counts = new Map<string, number>();
  private readonly faults = new Map<string, number>();
  /** In how many seeds each hook acted. */
  private readonly hookSeeds = new Map<string, number>();

  add(report: RunReport): void {
    this.seeds++;
    this.simulatedMs += report.simulatedMs;
    if (report.violation !== null) this.violations.push(report);
    if (report.refusal === "refused") this.refused++;
    addAll(this.counts, report.counts);
    addAll(this.faults, report.faults);
    for (const hook of Object.keys(report.hooks)) addAll(this.hookSeeds, { [hook]: 1 });
    const faults = Object.values(report.faults).reduce((sum, count) => sum + count, 0);
    const { simulatedMs, acked } = SEED_MIN;
    if (report.simulatedMs >= simulatedMs && report.counts.acked >= acked && faults >= SEED_MIN.faults) this.counted++;
  }

  /** Kinds of faults that should have struck in so many seeds and did not: what claims to be tested by them is not. */
  idleFaults(): string[] {
    if (this.seeds < SEEDS_FOR_EVERY_FAULT) return [];
    return [
      ...SHARED_KINDS.filter((kind) => (this.faults.get(kind) ?? 0) === 0),
      ...(this.refused === 0 ? ["damage beyond what a partition can lose"] : []),
    ];
  }

  /** Hooks that should have acted in so many seeds and did not. */
  idleHooks(): string[] {
    if (this.seeds < SEEDS_FOR_EVERY_HOOK) return [];
    return HOOKS.filter((hook) => !this.hookSeeds.has(hook));
  }

  /** These runs as a row of the table of fresh seeds: only those that have seen enough to count. */
  record(version: string, date: string): string {
    const hours = (this.simulatedMs / 3_600_000).toFixed(2);
    return `| ${version} | ${date} | ${this.counted} | ${hours} | ${this.violations.length} |`;
  }

  /** The totals as lines for people. */
  lines(firstSeed: number): string[] {
    const ratio = (hook: string): number => (this.hookSeeds.get(hook) ?? 0) / this.seeds;
    const share = (hook: string): string => (100 * ratio(hook)).toFixed(1);
    const rare = HOOKS.filter((hook) => ratio(hook) < HOOK_RATIO_MIN);
    return [
      `seeds: ${this.seeds} from ${firstSeed}, ${this.counted} count`,
      `simulated hours: ${(this.simulatedMs / 3_600_000).toFixed(2)}`,
      `operations: ${listOf(this.counts)}`,
      `faults: ${listOf(new Map(SHARED_KINDS.map((kind) => [kind, this.faults.get(kind) ?? 0])))}`,
      `hooks, % of seeds: ${HOOKS.map((hook) => `${hook} ${share(hook)}`).join(", ")}`,
      ...(rare.length > 0 && this.seeds * HOOK_RATIO_MIN >= 1
        ? [`hooks in less than 1 % of seeds: ${rare.join(", ")}`]
        : []),
      `runs with damage beyond what a partition can lose, refused: ${this.refused}`,
      `violations: ${this.violations.length}`,
    ];
  }
}

function addAll(sums: Map<string, number>, counts: object): void {
  for (const [key, count] of Object.entries(counts)) sums.set(key, (sums.get(key) ?? 0) + Number(count));
}

function listOf(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([key, count]) => `${key} ${count}`).join(", ");
}
