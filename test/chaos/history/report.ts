/** report.ts: a judgement as text for people and as JSON for programs. */
import type { Judgement } from "./check-history.js";

type Judged = Extract<Judgement, { kind: "judged" }>;

/** One line of JSON, with its end. */
export function jsonOf({ valid, verdicts }: Judged): string {
  const checks = verdicts.map(({ check, valid, count, offending }) => ({ check, valid, count, offending }));
  return `${JSON.stringify({ valid, checks })}\n`;
}

/** One line a check, and what it found. */
export function textOf({ valid, events, verdicts }: Judged): string {
  const lines = verdicts.flatMap(({ check, valid: isValid, count, findings, notes }) => [
    `${check.padEnd(4)} ${isValid ? "valid" : `VIOLATED ${count}`}`,
    ...findings.map(({ at, what }) => `       ${what} (events ${at.slice(0, 8).join(", ")})`),
    ...(findings.length < count ? [`       and ${count - findings.length} more`] : []),
    ...notes.map((note) => `       note: ${note}`),
  ]);
  return `${lines.join("\n")}\n${events} events: ${valid ? "valid" : "VIOLATED"}\n`;
}
