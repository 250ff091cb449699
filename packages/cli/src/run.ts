/**
 * run.ts: one command line from its arguments to its exit code, through a given shell; tests run commands with it.
 */
import { VarveError } from "@varve/base";
import { createProgram } from "./program.js";
import { EXIT, type ExitCode, reportFailure } from "./shell/failure.js";
import { type Shell, stopReason } from "./shell/shell.js";

/** Runs the command that `args` (without program name) ask for; everything written has left when it resolves. */
export async function run(args: readonly string[], shell: Shell, version: string): Promise<ExitCode> {
  const code = await outcome(args, shell, version);
  await shell.stdout.flush();
  const stopped = stopReason(shell);
  const final =
    stopped === "pipe-closed" ? EXIT.done : stopped instanceof VarveError ? report(stopped, args, shell) : code;
  await shell.stderr.flush();
  return final;
}

async function outcome(args: readonly string[], shell: Shell, version: string): Promise<ExitCode> {
  try {
    await createProgram(shell, version).parseAsync([...args], { from: "user" });
    return EXIT.done;
  } catch (error) {
    // A command that was asked to end and threw the reason has nothing more to say.
    if (shell.stop.aborted && error === shell.stop.reason) return EXIT.failed;
    return report(error, args, shell);
  }
}

function report(error: unknown, args: readonly string[], shell: Shell): ExitCode {
  return reportFailure(error, shell.stderr, shell.env, args.includes("--json"));
}
