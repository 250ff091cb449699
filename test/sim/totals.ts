/**
 * totals.ts: what a number of runs adds up to.
 */
import type { FaultKind } from "./faults.js";
import { type RunReport, SEED_MIN } from "./simulation.js";

export class Totals {
  seeds = 0;
  counted = 0;
  violations = 0;
  simulatedMs = 0;
  attempts = 0;
  acked = 0;
  notApplied = 0;
  unknown = 0;
  readonly faults = new Map<FaultKind, number>();

  add(report: RunReport): void {
    this.seeds++;
    if (report.violation !== null) this.violations++;
    this.simulatedMs += report.simulatedMs;
    this.attempts += report.counts.attempts;
    this.acked += report.counts.acked;
    this.notApplied += report.counts.notApplied;
    this.unknown += report.counts.unknown;
    let faults = 0;
    for (const [kind, count] of report.faults) {
      faults += count;
      this.faults.set(kind, (this.faults.get(kind) ?? 0) + count);
    }
    const { simulatedMs, acked } = SEED_MIN;
    if (report.simulatedMs >= simulatedMs && report.counts.acked >= acked && faults >= SEED_MIN.faults) this.counted++;
  }
}

/** The totals as lines for people. */
export function summaryLines(totals: Totals, firstSeed: number): string[] {
  const faults = [...totals.faults].sort(([one], [other]) => one.localeCompare(other));
  const hours = (totals.simulatedMs / 3_600_000).toFixed(2);
  return [
    `seeds: ${totals.seeds} from ${firstSeed}, ${totals.counted} count`,
    `simulated hours: ${hours}`,
    `operations: ${totals.attempts}, acknowledged: ${totals.acked}, NOT_APPLIED: ${totals.notApplied}, UNKNOWN: ${totals.unknown}`,
    `faults: ${faults.map(([kind, count]) => `${kind} ${count}`).join(", ")}`,
    `violations: ${totals.violations}`,
  ];
}
