/**
 * compare.ts: counts the fields in which two outputs differ.
 *
 * Lines are compared in order; a line that only one side has differs in its kind and in all its fields.
 */
import { type ParsedLine, parseOutput } from "./grammar.js";

/** The outcome for one output. */
export interface Comparison {
  readonly fields: number;
  readonly differing: number;
  /** What differs, for a reader. */
  readonly notes: readonly string[];
}

const NO_LINE: ParsedLine = { kind: "(no line)", fields: [] };

/** Compares an expected output with the actual one. Lines that have no meaning count as a difference each. */
export function compareOutputs(expectedText: string, actualText: string): Comparison {
  const expected = parseOutput(expectedText);
  const actual = parseOutput(actualText);
  const notes = [
    ...expected.unparsed.map((line) => `cannot read the expected line: ${line}`),
    ...actual.unparsed.map((line) => `cannot read the actual line: ${line}`),
  ];
  let fields = 0;
  let differing = notes.length;
  const count = Math.max(expected.lines.length, actual.lines.length);
  for (let at = 0; at < count; at++) {
    const line = compareLines(expected.lines[at] ?? NO_LINE, actual.lines[at] ?? NO_LINE);
    fields += line.fields;
    differing += line.differing;
    notes.push(...line.notes);
  }
  return { fields, differing, notes };
}

function compareLines(expected: ParsedLine, actual: ParsedLine): Comparison {
  if (expected.kind !== actual.kind) {
    const fields = 1 + Math.max(expected.fields.length, actual.fields.length);
    return { fields, differing: fields, notes: [`expected ${show(expected)}, got ${show(actual)}`] };
  }
  let fields = 1;
  let differing = 0;
  const notes: string[] = [];
  for (const [at, [name, value]] of expected.fields.entries()) {
    const other = actual.fields[at]?.[1] ?? "";
    if (value !== "" || other !== "") fields++; // A part that neither side has is nothing to compare.
    if (value === other) continue;
    differing++;
    notes.push(`${expected.kind}.${name}: expected "${value}", got "${other}" in ${show(expected)}`);
  }
  return { fields, differing, notes };
}

function show(line: ParsedLine): string {
  const fields = line.fields.filter(([, value]) => value !== "").map(([name, value]) => `${name}=${value.trim()}`);
  return [line.kind, ...fields].join(" ");
}
