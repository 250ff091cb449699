/**
 * parsers.ts: texts of the command line as values; what is none is a usage error that names the option.
 */
import { InvalidArgumentError } from "commander";
import { type EndPosition, parseEnd, parseStart, type StartPosition } from "../input/position.js";

const EXAMPLES = "an offset such as 100 or a time such as 2026-05-17T10:05:03Z or 2026-05-17T12:05:03+02:00";

/** A parser of integers in `min .. max` for one option. */
export function integerIn(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be an integer in ${min} .. ${max}.`);
  };
}

export function startPosition(text: string): StartPosition {
  const position = parseStart(text);
  if (position === null) throw new InvalidArgumentError(`It must be earliest, latest, ${EXAMPLES}.`);
  return position;
}

export function endPosition(text: string): EndPosition {
  const position = parseEnd(text);
  if (position === null) throw new InvalidArgumentError(`It must be end, ${EXAMPLES}.`);
  return position;
}

/** Collects `key=value` with a numeric value over repeats of an option. */
export function numericSetting(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const match = /^([A-Za-z][A-Za-z0-9]*)=(-?\d+)$/.exec(text);
  const [, key, value] = match ?? [];
  if (key === undefined || value === undefined || !Number.isSafeInteger(Number(value))) {
    throw new InvalidArgumentError(
      "It must be a setting and an integer, such as retentionMs=86400000 (-1 = unlimited).",
    );
  }
  return { ...before, [key]: Number(value) };
}

/** Collects a name over repeats of an option. */
export function settingName(text: string, before: readonly string[] = []): string[] {
  if (!/^[A-Za-z][A-Za-z0-9]*$/.test(text)) throw new InvalidArgumentError("It must be the name of a setting.");
  return [...before, text];
}

/** `host:port[,host:port...]`. */
export function bootstrapList(text: string): string[] {
  const addresses = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const wrong = addresses.find((address) => !isHostPort(address));
  if (addresses.length === 0 || wrong !== undefined) {
    throw new InvalidArgumentError(`It must be host:port[,host:port...], as in 127.0.0.1:7650.`);
  }
  return addresses;
}

/** A separator of at least one byte; `\t` stands for a tab. */
export function separator(text: string): string {
  if (text === "") throw new InvalidArgumentError("It must have at least one character.");
  return text;
}

function isHostPort(text: string): boolean {
  const match = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[1]);
  return port >= 1 && port <= 65_535;
}
