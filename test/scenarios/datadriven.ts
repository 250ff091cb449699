/**
 * datadriven.ts: reads scenario files: commands, their input, and the output they must have.
 *
 * Format: a block is a command line, input lines, a line "----", and output lines up to the first empty line; with
 * "----" twice, output lines up to "----" twice, empty lines among them. Lines that start with "#" before a command are
 * comments. A command line goes on after a backslash at its end. Arguments: `key`, `key=value`, `key=(value, value)`.
 */

/** One argument of a command. `values` is empty for a plain word. */
export interface Argument {
  readonly key: string;
  readonly values: readonly string[];
}

/** One command and what is expected of it. */
export interface Block {
  /** Line of the command in its file, from 1. */
  readonly line: number;
  readonly command: string;
  readonly args: readonly Argument[];
  readonly input: string;
  readonly expected: string;
}

/** The file does not have the format. */
export class ScenarioFormatError extends Error {
  override readonly name = "ScenarioFormatError";
}

const SEPARATOR = "----";

/** All blocks of a file. @throws ScenarioFormatError. */
export function parseScenario(text: string): readonly Block[] {
  const lines = text.split(/\r?\n/);
  const blocks: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = (lines[at] ?? "").trim();
    if (line === "" || line.startsWith("#")) {
      at++;
      continue;
    }
    const start = at;
    let commandLine = line;
    for (at++; commandLine.endsWith("\\"); at++)
      commandLine = `${commandLine.slice(0, -1)} ${(lines[at] ?? "").trim()}`;
    const separator = lines.indexOf(SEPARATOR, at);
    if (separator < 0) throw new ScenarioFormatError(`line ${start + 1}: a command without "${SEPARATOR}"`);
    const input = lines.slice(at, separator).join("\n").trim();
    const output = readOutput(lines, separator + 1);
    at = output.next;
    blocks.push({ line: start + 1, ...parseCommand(commandLine, start + 1), input, expected: output.text });
  }
  return blocks;
}

function readOutput(lines: readonly string[], start: number): { readonly text: string; readonly next: number } {
  if (lines[start] === SEPARATOR) {
    for (let at = start + 1; at + 1 < lines.length; at++) {
      if (lines[at] === SEPARATOR && lines[at + 1] === SEPARATOR) {
        return { text: lines.slice(start + 1, at).join("\n"), next: at + 2 };
      }
    }
    throw new ScenarioFormatError(`line ${start + 1}: output without an end`);
  }
  let end = start;
  while (end < lines.length && (lines[end] ?? "").trim() !== "") end++;
  return { text: lines.slice(start, end).join("\n"), next: end };
}

const ARGUMENT = /\s*([^\s=()]+)(?:=(?:\(([^()]*)\)|([^\s()]+)|(?=\s|$)))?(?=\s|$)/y;

function parseCommand(text: string, line: number): { readonly command: string; readonly args: readonly Argument[] } {
  const command = /^\S+/.exec(text)?.[0] ?? "";
  const args: Argument[] = [];
  ARGUMENT.lastIndex = command.length;
  while (ARGUMENT.lastIndex < text.trimEnd().length) {
    const at = ARGUMENT.lastIndex;
    const match = ARGUMENT.exec(text);
    if (match === null) throw new ScenarioFormatError(`line ${line}: cannot read "${text.slice(at)}"`);
    const [whole, key = "", list, single] = match;
    const hasValue = whole.includes("=");
    const values = list === undefined ? (hasValue ? [single ?? ""] : []) : list.split(",").map((value) => value.trim());
    args.push({ key, values: values.length === 1 && values[0] === "" ? [] : values });
  }
  return { command, args };
}
