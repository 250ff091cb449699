/**
 * key-rule.ts: which bytes of a line are the record's key and which its value.
 */

/** How `varve produce` finds keys. */
export type KeyRule =
  | { readonly kind: "none" }
  /** Field `field` (1-based) between runs of spaces and tabs; the value is the whole line. */
  | { readonly kind: "blank-field"; readonly field: number }
  /** Field `field` (1-based) between single occurrences of `separator`; the value is the whole line. */
  | { readonly kind: "separated-field"; readonly field: number; readonly separator: Uint8Array }
  /** The key is what stands before the first `separator`, the value what stands after it. */
  | { readonly kind: "prefix"; readonly separator: Uint8Array };

export interface KeyedLine {
  /** null: the line has no such field. */
  readonly key: Uint8Array | null;
  readonly value: Uint8Array;
}

const SPACE = 0x20;
const TAB = 0x09;

/** The rule that the options of the command line ask for. */
export function keyRule(field: number | undefined, separator: string | undefined): KeyRule {
  if (separator === undefined) return field === undefined ? { kind: "none" } : { kind: "blank-field", field };
  const bytes = Buffer.from(separator.replaceAll("\\t", "\t"));
  return field === undefined
    ? { kind: "prefix", separator: bytes }
    : { kind: "separated-field", field, separator: bytes };
}

/** Key and value of one line, as views into it. */
export function splitLine(line: Uint8Array, rule: KeyRule): KeyedLine {
  switch (rule.kind) {
    case "none":
      return { key: null, value: line };
    case "blank-field":
      return { key: blankField(line, rule.field), value: line };
    case "separated-field":
      return { key: separatedField(asBuffer(line), rule.field, rule.separator), value: line };
    case "prefix":
      return prefix(asBuffer(line), rule.separator);
  }
}

function blankField(line: Uint8Array, field: number): Uint8Array | null {
  let at = 0;
  for (let seen = 1; ; seen++) {
    while (at < line.length && isBlank(line[at])) at += 1;
    if (at === line.length) return null;
    const start = at;
    while (at < line.length && !isBlank(line[at])) at += 1;
    if (seen === field) return line.subarray(start, at);
  }
}

function separatedField(line: Buffer, field: number, separator: Uint8Array): Uint8Array | null {
  let start = 0;
  for (let seen = 1; ; seen++) {
    const end = line.indexOf(separator, start);
    if (seen === field) return line.subarray(start, end === -1 ? line.length : end);
    if (end === -1) return null;
    start = end + separator.length;
  }
}

function prefix(line: Buffer, separator: Uint8Array): KeyedLine {
  const end = line.indexOf(separator);
  if (end === -1) return { key: null, value: line };
  return { key: line.subarray(0, end), value: line.subarray(end + separator.length) };
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
