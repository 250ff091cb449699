/** global-options.ts: the options of every command: --json and --bootstrap, before or after the command's name. */
import { type Command, InvalidArgumentError } from "commander";
import type { Environment } from "./environment.js";
import { UsageError } from "./failure.js";
import { bootstrapList } from "./parsers.js";
import type { GlobalOptions } from "./shell.js";

/** Where the first broker of `varve dev` listens. */
const BOOTSTRAP_DEFAULT = "127.0.0.1:7650";

export function addGlobalOptions(program: Command): void {
  program
    .option("--json", "output for programs: an object a line, lists as one array; errors as an object on stderr", false)
    .option(
      "--bootstrap <host:port,...>",
      `addresses of brokers, one that answers is enough (default: VARVE_BOOTSTRAP, or ${BOOTSTRAP_DEFAULT})`,
      bootstrapList,
    );
}

/** The values that hold for `command`. */
export function globalOptions(command: Command, env: Environment): GlobalOptions {
  const { json, bootstrap } = command.optsWithGlobals<{ json: boolean; bootstrap?: readonly string[] }>();
  return { json, bootstrap: bootstrap ?? bootstrapFrom(env) };
}

/** An empty variable counts as not set, as it does for a broker's settings. */
function bootstrapFrom(env: Environment): readonly string[] {
  try {
    return bootstrapList(env["VARVE_BOOTSTRAP"] || BOOTSTRAP_DEFAULT);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw new UsageError(`VARVE_BOOTSTRAP is not valid. ${error.message}`);
    throw error;
  }
}
