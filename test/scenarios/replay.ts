/**
 * replay.ts: replays one scenario file, and compares what it did with what it should have done.
 */
import { type Comparison, compareOutputs } from "./compare.js";
import { ConfChangeScenario } from "./confchange-cases.js";
import { type Block, parseScenario } from "./datadriven.js";
import { Environment } from "./environment.js";
import { runCommand } from "./interaction.js";
import { runQuorumCommand } from "./quorum-cases.js";

/** The three kinds of scenario files, named as their folders. */
export const FOLDERS = ["quorum", "confchange", "interaction"] as const;
/** One of {@link FOLDERS}. */
export type Folder = (typeof FOLDERS)[number];

/** One command, what it should have shown and what it showed. */
export interface Step {
  readonly line: number;
  readonly command: string;
  readonly expected: string;
  readonly actual: string;
}

/** Carries out all commands of a file. What throws ends the file: the rest would compare nothing. */
export function replay(folder: Folder, text: string): readonly Step[] {
  const run = runner(folder);
  const steps: Step[] = [];
  for (const block of parseScenario(text)) {
    const { line, command, expected } = block;
    try {
      steps.push({ line, command, expected, actual: run(block) });
    } catch (error) {
      throw new Error(`line ${line}, ${command}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
  return steps;
}

function runner(folder: Folder): (block: Block) => string {
  if (folder === "quorum") return runQuorumCommand;
  if (folder === "confchange") {
    const scenario = new ConfChangeScenario();
    return (block) => scenario.run(block);
  }
  const env = new Environment();
  return (block) => runCommand(env, block);
}

/** Compares one step: field by field for interactions, line by line for the pure functions. */
export function compareStep(folder: Folder, expected: string, actual: string): Comparison {
  return folder === "interaction" ? compareOutputs(expected, actual) : compareLines(expected, actual);
}

function compareLines(expectedText: string, actualText: string): Comparison {
  const expected = expectedText.trimEnd().split("\n");
  const actual = actualText.trimEnd().split("\n");
  const count = Math.max(expected.length, actual.length);
  const notes: string[] = [];
  for (let at = 0; at < count; at++) {
    if (expected[at]?.trimEnd() === actual[at]?.trimEnd()) continue;
    notes.push(`expected "${expected[at] ?? ""}", got "${actual[at] ?? ""}"`);
  }
  return { fields: count, differing: notes.length, notes };
}
