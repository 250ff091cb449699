/** arguments.ts: the options that both processes of the quickstart understand. */
import { type Command, InvalidArgumentError } from "commander";
import { integerIn } from "../shell/parsers.js";
import type { InputChoice } from "./input.js";

export interface InputOptions {
  readonly input?: string;
  readonly keyField?: number;
}

export function addInputOptions(command: Command): Command {
  return command
    .option("--input <file>", "send the lines of this file instead of the repository's", nonEmpty)
    .option(
      "--key-field <n>",
      "with --input: the key is field N (from 1) between blanks; absent: no keys",
      integerIn(1, 1_000_000),
    );
}

export function inputChoice({ input, keyField }: InputOptions): InputChoice {
  return input === undefined ? { kind: "repository" } : { kind: "file", path: input, keyField: keyField ?? null };
}

/** The options that make another process choose the same input. */
export function inputArguments(choice: InputChoice): string[] {
  if (choice.kind === "repository") return [];
  const field = choice.keyField === null ? [] : ["--key-field", String(choice.keyField)];
  return ["--input", choice.path, ...field];
}

function nonEmpty(text: string): string {
  if (text === "") throw new InvalidArgumentError("It must be a path.");
  return text;
}
