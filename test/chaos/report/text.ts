/** text.ts: a report for a terminal: tables of plain text. */
import { brokenLines, isClean, leaderLines, type Report } from "./report.js";

export function textOf(report: Report): string {
  const { verdicts, problems, skipped } = report;
  return [
    `seed ${report.seed}, ${report.brokers} brokers, ${seconds(report.loadMs)} s of load, ${report.events} events`,
    ...brokenLines(report),
    "",
    table(
      ["operation", "ok", "fail", "info"],
      report.operations.map(({ f, ok, fail, info }) => [f, ok, fail, info]),
    ),
    table(
      ["fault", "fired", "lasted s"],
      report.faults.map(({ name, fired, lastedMs }) => [name, fired, seconds(lastedMs)]),
    ),
    ...skipped.map(({ name, why }) => `no ${name}: ${why}`),
    table(
      ["partition", "acknowledged", "longest gap s", "at s", "leader changes"],
      report.partitions.map(({ partition, acknowledged, longestGap: { fromMs, toMs }, leaderChanges }) => [
        partition,
        acknowledged,
        seconds(toMs - fromMs),
        seconds(fromMs),
        leaderChanges,
      ]),
    ),
    table(
      ["broker", "RSS MiB first", "max", "last", "descriptors first", "max", "last"],
      report.brokerMeasures.map((one) => [
        one.broker,
        one.rssMibFirst,
        one.rssMibMax,
        one.rssMibLast,
        one.descriptorsFirst,
        one.descriptorsMax,
        one.descriptorsLast,
      ]),
    ),
    ...leaderLines(report),
    "",
    ...verdicts.flatMap(({ check, valid, count, findings, notes }) => [
      `${check.padEnd(4)} ${valid ? "valid" : `VIOLATED ${count}`}`,
      ...findings.map(({ what, at }) => `     ${what} (events ${at.slice(0, 8).join(", ")})`),
      ...notes.map((note) => `     note: ${note}`),
    ]),
    ...problems.map((problem) => `PROBLEM ${problem}`),
    isClean(report) ? "all checks hold" : "NOT CLEAN",
    "",
  ].join("\n");
}

export function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}

type Cell = string | number;

/** Texts to the left, numbers to the right. */
function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  if (rows.length === 0) return "";
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => String(row[at]).length)));
  const isText = head.map((_, at) => rows.every((row) => typeof row[at] === "string" && Number.isNaN(Number(row[at]))));
  const line = (cells: readonly Cell[]): string =>
    cells
      .map((cell, at) =>
        isText[at] === true ? String(cell).padEnd(widths[at] ?? 0) : String(cell).padStart(widths[at] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [line(head), ...rows.map(line), ""].join("\n");
}
