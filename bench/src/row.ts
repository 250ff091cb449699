/** row.ts: one figure with what it is held against. */
import { median } from "./statistics.js";

export interface Row {
  readonly name: string;
  /** Median of the runs. */
  readonly value: number;
  readonly unit: string;
  /** The machine's own figure for the same work, from this very run; null where there is none. */
  readonly ceiling: number | null;
  /** value / ceiling; null without a ceiling. */
  readonly ratio: number | null;
  /** Least ratio, or largest value, that is wanted. */
  readonly target: number | null;
  readonly holds: boolean | null;
  /** Smallest and largest run. */
  readonly spread: readonly [number, number];
  readonly note: string;
}

/** A rate, wanted to be at least `floor` times the ceiling. */
export function rateRow(
  name: string,
  runs: readonly number[],
  unit: string,
  ceiling: number,
  floor: number,
  note = "",
): Row {
  const value = median(runs);
  const ratio = value / ceiling;
  return { name, value, unit, ceiling, ratio, target: floor, holds: ratio >= floor, spread: spreadOf(runs), note };
}

/** A duration or size, wanted to be at most `limit`; null = nothing is asked of it yet. */
export function limitRow(
  name: string,
  value: number,
  runs: readonly number[],
  unit: string,
  limit: number | null,
  note = "",
): Row {
  return {
    name,
    value,
    unit,
    ceiling: null,
    ratio: null,
    target: limit,
    holds: limit === null ? null : value <= limit,
    spread: spreadOf(runs),
    note,
  };
}

function spreadOf(runs: readonly number[]): readonly [number, number] {
  return [Math.min(...runs), Math.max(...runs)];
}

/** The rows as a table for people. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    `${round(row.value)} ${row.unit}`,
    `${round(row.spread[0])} .. ${round(row.spread[1])}`,
    row.ceiling === null ? "" : round(row.ceiling),
    row.ratio === null ? "" : row.ratio.toFixed(2),
    row.target === null ? "" : `${row.ratio === null ? "<=" : ">="} ${row.target}`,
    row.holds === null ? "" : row.holds ? "holds" : "MISSED",
    row.note,
  ]);
  const all = [["name", "median", "runs", "ceiling", "ratio", "target", "", "note"], ...cells];
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((line) => (line[column] ?? "").length)));
  return all
    .map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
