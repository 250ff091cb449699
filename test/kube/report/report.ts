/** report.ts: what came of a run, as JSON for programs and as the table of deploy/README.md. */
import type { LoadVerdict } from "../cluster/load-handle.js";
import type { StepRow } from "../scenarios/scenario.js";

export type Outcome =
  | { readonly kind: "passed"; readonly seconds: number }
  | { readonly kind: "failed"; readonly seconds: number; readonly why: string }
  | { readonly kind: "skipped"; readonly reason: string };

export interface ScenarioReport {
  readonly id: string;
  readonly name: string;
  readonly title: string;
  readonly outcome: Outcome;
  readonly rows: readonly StepRow[];
  readonly notes: readonly string[];
  readonly verdicts: readonly LoadVerdict[];
}

export interface RunReport {
  /** ISO 8601. */
  readonly date: string;
  /** Kubernetes, nodes, machine. */
  readonly machine: string;
  readonly image: string;
  readonly scenarios: readonly ScenarioReport[];
}

/** Whether everything that ran did pass. */
export function isClean({ scenarios }: RunReport): boolean {
  return scenarios.every(({ outcome }) => outcome.kind !== "failed");
}

/** In Markdown, to be put into deploy/README.md as it is. */
export function markdownOf({ date, machine, image, scenarios }: RunReport): string {
  const rows = scenarios.flatMap(rowsOf);
  return [
    `\`npm run test:kube\` on ${date}, ${machine}, image ${image}; 5 MB/s of records of 20 kB, two groups, histories checked.`,
    "",
    "| | scenario | step | longest gap of each partition, s | took, s | result |",
    "|---|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function rowsOf(report: ScenarioReport): string[] {
  const { id, name, rows, notes } = report;
  const result = [resultOf(report), ...notes].join("; ");
  if (rows.length === 0) return [rowOf([id, name, "", "", "", result])];
  return rows.map(({ step, load, gaps, seconds }, at) =>
    rowOf([
      at === 0 ? id : "",
      at === 0 ? name : "",
      load === "outside" ? `${step} (client outside)` : step,
      gaps.map(({ ms }) => (ms / 1_000).toFixed(2)).join(" "),
      seconds.toFixed(0),
      at === 0 ? result : "",
    ]),
  );
}

function resultOf({ outcome, verdicts }: ScenarioReport): string {
  if (outcome.kind === "skipped") return `not run: ${outcome.reason}`;
  if (outcome.kind === "failed") return `**failed**: ${outcome.why}`;
  const records = verdicts.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  return verdicts.length === 0 ? "passed" : `passed: ${records} records acknowledged, nothing lost`;
}

function rowOf(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ").slice(0, CELL_CHARS_MAX)).join(" | ")} |`;
}

const CELL_CHARS_MAX = 600;
