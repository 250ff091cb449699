/** program.ts: the tree of commands. */
import { Command } from "commander";
import { registerBroker } from "./commands/broker.js";
import { registerCluster } from "./commands/cluster.js";
import { registerConfig } from "./commands/config.js";
import { registerConsume } from "./commands/consume.js";
import { registerDev } from "./commands/dev.js";
import { registerDoctor } from "./commands/doctor.js";
import { registerGroup } from "./commands/group.js";
import { registerLog } from "./commands/log.js";
import { registerPartition } from "./commands/partition.js";
import { registerProduce } from "./commands/produce.js";
import { registerTopic } from "./commands/topic.js";
import { addGlobalOptions } from "./shell/global-options.js";
import type { Shell } from "./shell/shell.js";

const HELP = `
Exit codes: 0 done, 1 failed, 2 wrong usage. Data goes to stdout, progress and messages to stderr.
Times are ISO 8601 with Z or an offset. NO_COLOR=1 turns colours off.

Examples:
  varve dev                                            a local cluster of three brokers
  varve topic create logs --partitions 6
  varve produce logs --key-field 1 access.log
  varve consume logs --from earliest --to end
  varve group describe billing                         members, partitions, lag
`;

/** All commands, acting through `shell`. Wrong usage throws a CommanderError instead of ending the process. */
export function createProgram(shell: Shell, version: string): Command {
  const program = new Command("varve")
    .description("Varve: a partitioned, replicated, append-only log cluster.")
    .version(version, "--version", "print the version")
    .helpOption("-h, --help", "show help")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void shell.stdout.write(text),
      writeErr: (text) => void shell.stderr.write(text),
      // main.ts reports errors, once and in the form that --json asks for.
      outputError: () => {},
    })
    .exitOverride()
    .addHelpText("after", HELP);
  addGlobalOptions(program);
  for (const register of COMMANDS) register(program, shell);
  return program;
}

const COMMANDS = [
  registerDev,
  registerTopic,
  registerProduce,
  registerConsume,
  registerGroup,
  registerCluster,
  registerDoctor,
  registerPartition,
  registerLog,
  registerBroker,
  registerConfig,
];
