/** report.ts: what a run has to tell: as text for a terminal, and as a table for deploy/README.md. Pure. */
import type { Verdict } from "../../chaos/history/index.js";
import type { DemoReport } from "../demo.js";

export interface ScenarioReport {
  readonly name: string;
  readonly does: string;
  readonly lastedMs: number;
  /** By partition. */
  readonly gapsMs: readonly number[];
}

/** One cluster, from its first broker to the verdict. */
export interface LifeReport {
  readonly life: string;
  /** From nothing to three brokers that are ready and a topic that is replicated. */
  readonly wholeAfterMs: number;
  readonly scenarios: readonly ScenarioReport[];
  /** Records that a quorum acknowledged. */
  readonly acknowledged: number;
  readonly events: number;
  /** For how long the machine left some process without a processor. */
  readonly starvedMs: number;
  readonly verdicts: readonly Verdict[];
  /** What went wrong beside the history. */
  readonly problems: readonly string[];
}

export interface Report {
  readonly date: string;
  /** Processors and engine. */
  readonly machine: string;
  readonly seed: number;
  /** null: it was not asked for. */
  readonly demo: DemoReport | null;
  readonly lives: readonly LifeReport[];
}

/** Whether every check holds, and nothing else went wrong. */
export function isClean({ lives, demo }: Report): boolean {
  const areProven = lives.every(
    ({ verdicts, problems }) => problems.length === 0 && verdicts.length > 0 && verdicts.every(({ valid }) => valid),
  );
  return areProven && (demo === null || demo.problems.length === 0);
}

/** Acknowledged records that are not there any more; null: not known. */
export function lostOf({ verdicts }: LifeReport): number | null {
  return verdicts.find(({ check }) => check === "K1")?.count ?? null;
}

export function textOf(report: Report): string {
  const { facts = [], problems = [] } = report.demo ?? {};
  const demo = [...facts, ...problems.map((problem) => `PROBLEM ${problem}`)];
  return [...demo, ...report.lives.flatMap(lifeLines), isClean(report) ? "all checks hold" : "NOT CLEAN", ""].join(
    "\n",
  );
}

function lifeLines(life: LifeReport): string[] {
  const width = Math.max(...life.scenarios.map(({ name }) => name.length), "scenario".length);
  const cell = (text: string): string => text.padStart(7);
  const partitions = life.scenarios[0]?.gapsMs.map((_, at) => cell(`p${at}`)) ?? [];
  return [
    "",
    `cluster "${life.life}": whole after ${seconds(life.wholeAfterMs)} s, ${life.events} events, starved for ${seconds(life.starvedMs)} s`,
    "longest gap without an acknowledgement, s, by partition:",
    ["scenario".padEnd(width), cell("lasted"), ...partitions, cell("longest")].join(" "),
    ...life.scenarios.map(({ name, lastedMs, gapsMs }) =>
      [name.padEnd(width), seconds(lastedMs), ...gapsMs.map(seconds), seconds(Math.max(...gapsMs))]
        .map((text, at) => (at === 0 ? text : cell(text)))
        .join(" "),
    ),
    "",
    ...life.verdicts.flatMap(({ check, valid, count, findings, notes }) => [
      `${check.padEnd(4)} ${valid ? "valid" : `VIOLATED ${count}`}`,
      ...findings.map(({ what, at }) => `     ${what} (events ${at.slice(0, 8).join(", ")})`),
      ...notes.map((note) => `     note: ${note}`),
    ]),
    ...life.problems.map((problem) => `PROBLEM ${problem}`),
    `${life.acknowledged} acknowledged, lost ${lostOf(life) ?? "unknown"}`,
  ];
}

/** Rows for people who deploy: what was done, and how long it kept clients waiting. */
export function markdownOf({ date, machine, lives }: Report): string {
  const acknowledged = lives.reduce((sum, life) => sum + life.acknowledged, 0);
  const lost = lives.reduce((sum, life) => sum + (lostOf(life) ?? 0), 0);
  const starved = lives.reduce((sum, life) => sum + life.starvedMs, 0);
  const lasted = lives.flatMap(({ scenarios }) => scenarios).reduce((sum, { lastedMs }) => sum + lastedMs, 0);
  return [
    `Measured in containers on ${date}: ${machine}; ${acknowledged} acknowledged records, ${lost} lost. For ${seconds(starved)} s of`,
    `${seconds(lasted)} s the machine left some process without a processor, which lengthens gaps: "at rest" shows by how much.`,
    "",
    "| in containers | lasted s | longest gap of each partition, s | longest, s |",
    "|---|---|---|---|",
    ...lives.flatMap(({ scenarios }) =>
      scenarios.map(
        ({ name, does, lastedMs, gapsMs }) =>
          `| ${name}: ${does} | ${seconds(lastedMs)} | ${gapsMs.map(seconds).join(", ")} | ${seconds(Math.max(...gapsMs))} |`,
      ),
    ),
    "",
  ].join("\n");
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(2);
}
