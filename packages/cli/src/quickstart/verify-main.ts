/**
 * verify-main.ts: the second process of the quickstart. It knows the input and the address of the cluster, replays the topic from offset 0
 * and prints a Verdict as JSON. Exit code 0: the verdict is a proof.
 */
import { Varve } from "@varve/client";
import { Command } from "commander";
import { bootstrapList } from "../shell/parsers.js";
import { addInputOptions, type InputOptions, inputChoice } from "./arguments.js";
import { readInput } from "./input.js";
import { isProof, ReplayCheck, type Verdict } from "./replay-check.js";
import { TOPIC } from "./topic.js";

interface VerifyOptions extends InputOptions {
  readonly bootstrap: readonly string[];
}

async function verify(options: VerifyOptions): Promise<Verdict> {
  const choice = inputChoice(options);
  const check = new ReplayCheck(readInput(choice), choice.kind === "repository");
  const varve = new Varve({ bootstrap: [...options.bootstrap] });
  try {
    for await (const record of varve.reader({ topic: TOPIC, from: "earliest", to: "end" })) check.add(record);
    return check.finish();
  } finally {
    await varve.close();
  }
}

const command = addInputOptions(new Command("quickstart-verify")).requiredOption(
  "--bootstrap <addresses>",
  "",
  bootstrapList,
);
try {
  const verdict = await verify(command.parse().opts<VerifyOptions>());
  process.stdout.write(`${JSON.stringify(verdict)}\n`);
  process.exitCode = isProof(verdict) ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
