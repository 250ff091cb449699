/** report.ts: a judgement as text for people and as JSON for programs. */
import type { Finding, Verdict } from "./check.js";
import type { Judged } from "./check-history.js";

/** Breaches of one check that the text describes, events that it shows of each, and characters of a field. */
const FINDINGS_MAX = 8;
const EVENTS_MAX = 6;
const FIELD_CHARS_MAX = 120;

const COMMON: ReadonlySet<string> = new Set(["i", "t", "proc", "type", "f"]);

/** One line of JSON, with its end. */
export function jsonOf({ valid, verdicts }: Judged): string {
  const checks = verdicts.map(({ check, valid, count, offending }) => ({ check, valid, count, offending }));
  return `${JSON.stringify({ valid, checks })}\n`;
}

/**
 * One line a check; below it what it found, with the events that show it.
 *
 * @param lines the history again, to take those events from; read once, and only when there are any.
 */
export function textOf({ valid, events, verdicts }: Judged, lines: Iterable<string>): string {
  const shown = shownEvents(verdicts, lines);
  const said = verdicts.flatMap((verdict) => [
    headOf(verdict),
    ...verdict.findings.slice(0, FINDINGS_MAX).flatMap((finding) => describe(finding, shown)),
    ...restOf(verdict),
    ...verdict.notes.map((note) => `     ${note}`),
  ]);
  const broken = verdicts.filter((verdict) => !verdict.valid).map(({ check }) => check);
  const end = valid ? "valid" : `VIOLATED: ${broken.join(", ")}`;
  return `${said.join("\n")}\n\n${events} events: ${end}\n`;
}

function headOf({ check, valid, count, offending, promise, meaning }: Verdict): string {
  const name = check.padEnd(4);
  return valid
    ? `${name} valid     ${promise}`
    : `${name} VIOLATED  ${counted(count, "breach", "breaches")}, by ${counted(offending.length, "event", "events")}: ${meaning}`;
}

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

function describe({ at, what }: Finding, shown: ReadonlyMap<number, string>): string[] {
  const events = at.slice(0, EVENTS_MAX).map((i) => `         ${shown.get(i) ?? `#${i}`}`);
  const more = at.length - events.length;
  return [`     ${what}`, ...events, ...(more > 0 ? [`         and ${more} more events`] : [])];
}

function restOf({ count, findings }: Verdict): string[] {
  const more = count - Math.min(findings.length, FINDINGS_MAX);
  return more > 0 ? [`     and ${more} more`] : [];
}

function shownEvents(verdicts: readonly Verdict[], lines: Iterable<string>): Map<number, string> {
  const findings = verdicts.flatMap((verdict) => verdict.findings.slice(0, FINDINGS_MAX));
  const wanted = new Set(findings.flatMap(({ at }) => at.slice(0, EVENTS_MAX)));
  const shown = new Map<number, string>();
  if (wanted.size === 0) return shown;
  let i = 0;
  for (const line of lines) {
    if (wanted.has(i)) shown.set(i, eventText(line));
    if (shown.size === wanted.size) break;
    i++;
  }
  return shown;
}

/** One event in one short line. */
export function eventText(line: string): string {
  const event = JSON.parse(line) as Readonly<Record<string, unknown>>;
  const rest = Object.entries(event)
    .filter(([name]) => !COMMON.has(name))
    .map(([name, value]) => `${name} ${fieldText(value)}`);
  const time = `${(Number(event["t"]) / 1_000).toFixed(3)} s`;
  return [`#${event["i"]}`, time, event["proc"], event["f"], event["type"], ...rest].join("  ");
}

function fieldText(value: unknown): string {
  if (Array.isArray(value) && value.length > 3) return `[${value.length} of them: ${fieldText(value.slice(0, 3))} ...]`;
  const text = JSON.stringify(value);
  return text.length > FIELD_CHARS_MAX ? `${text.slice(0, FIELD_CHARS_MAX)}...` : text;
}
