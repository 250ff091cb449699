/**
 * expect-args.ts: reads arguments of commands, and refuses those that the runner does not know.
 */
import type { Argument, Block } from "./datadriven.js";

/** A command or argument that the runner cannot carry out: the scenario fails, it is never skipped. */
export class UnsupportedScenario extends Error {
  override readonly name = "UnsupportedScenario";
}

/** @throws UnsupportedScenario unless `text` is a number without sign. */
export function parseNumber(text: string | undefined): number {
  if (text === undefined || !/^\d+$/.test(text)) throw new UnsupportedScenario(`"${text ?? ""}" is no number`);
  return Number(text);
}

/** @throws UnsupportedScenario unless `text` is a boolean. */
export function parseBoolean(text: string | undefined): boolean {
  if (text === "true" || text === "t" || text === "1") return true;
  if (text === "false" || text === "f" || text === "0") return false;
  throw new UnsupportedScenario(`"${text ?? ""}" is no boolean`);
}

/** The plain words of a command, and its arguments with values by key. */
export interface Arguments {
  readonly words: readonly string[];
  readonly named: ReadonlyMap<string, readonly string[]>;
}

/** @throws UnsupportedScenario if a key is not in `keys`. */
export function readArguments(block: Block, keys: readonly string[]): Arguments {
  const words: string[] = [];
  const named = new Map<string, readonly string[]>();
  for (const arg of block.args) {
    if (keys.includes(arg.key)) named.set(arg.key, [...(named.get(arg.key) ?? []), ...arg.values]);
    else if (isWord(arg)) words.push(arg.key);
    else throw new UnsupportedScenario(`${block.command}: unknown argument "${arg.key}"`);
  }
  return { words, named };
}

function isWord(arg: Argument): boolean {
  return arg.values.length === 0;
}

/** The one value of a key. @throws UnsupportedScenario if there is not exactly one. */
export function only(values: readonly string[]): string {
  const [value] = values;
  if (value === undefined || values.length !== 1) throw new UnsupportedScenario(`one value expected: ${values.join()}`);
  return value;
}
