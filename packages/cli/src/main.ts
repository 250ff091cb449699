/**
 * main.ts: the process behind the `varve` command: streams, signals, exit code.
 *
 * Ctrl-C or SIGTERM asks the command to end in order; a second one ends the process at once. A reader of stdout that has gone (EPIPE)
 * asks the same and makes the exit code 0: `varve consume logs | head` is no failure. A full disk behind stdout asks the same and is one.
 */
import { readFileSync } from "node:fs";
import { run } from "./run.js";
import { outputFailure } from "./shell/failure.js";
import { StreamOutput } from "./shell/output.js";
import { sayWhatIsTriedAgain } from "./shell/patience.js";
import type { Shell, StopReason } from "./shell/shell.js";

/** How a write says that nobody reads: a pipe's reader, a socket's. */
const READER_GONE: readonly (string | undefined)[] = ["EPIPE", "ECONNRESET"];
/** By convention 128 + SIGINT. */
const EXIT_AT_ONCE = 130;

/** Runs one command line in this process and resolves with its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const stop = new AbortController();
  const ask = (reason: StopReason): void => stop.abort(reason);
  const onSignal = (): void => {
    if (stop.signal.aborted) process.exit(EXIT_AT_ONCE);
    ask("interrupted");
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const shell: Shell = {
    stdin: process.stdin,
    stdout: new StreamOutput(process.stdout, (error: NodeJS.ErrnoException) =>
      ask(READER_GONE.includes(error.code) ? "pipe-closed" : outputFailure(error)),
    ),
    // Nobody reads the messages any more: that is no reason to stop the work.
    stderr: new StreamOutput(process.stderr, () => {}),
    env: process.env,
    stop: stop.signal,
    connect: async (bootstrap, tls, options = {}) => {
      const { Varve } = await import("@varve/client");
      return new Varve({ bootstrap: [...bootstrap], ...(tls === null ? {} : { tls }), ...options });
    },
  };
  sayWhatIsTriedAgain(shell.stderr);
  return run(args, shell, packageVersion());
}

function packageVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
