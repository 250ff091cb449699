/** broker.ts: `varve broker start`: one broker in this process; and, in broker-admin.ts, what is done to brokers of a cluster. */
import { writeSync } from "node:fs";
import type { Readable } from "node:stream";
import type { Command } from "commander";
import { globalOptions } from "../shell/global-options.js";
import { note, type Shell, stopped } from "../shell/shell.js";
import { registerBrokerAdmin } from "./broker-admin.js";

/** Time for the last line of the log, before a process ends that cannot exit. */
const LOG_FLUSH_MS = 200;
/** With nobody left to serve, a broker whose supervisor died gets this long to flush; what it acknowledged is durable already. */
const ORPHAN_STOP_MS = 2_000;
/** Added to the configured grace before a stop that hangs is cut off. */
const STOP_SLACK_MS = 2_000;

interface StartOptions {
  readonly config?: string;
  readonly stopWithStdin: boolean;
}

const HELP = `
Every setting can stand in FILE (YAML) or in a variable: raft.heartbeatMs or VARVE_RAFT_HEARTBEAT_MS; the variable wins.
brokerId and cluster.seeds must be given. The log goes to stdout, a JSON object a line. SIGTERM and Ctrl-C stop the broker in
order: leaderships move away, work in flight finishes, data is flushed, exit code 0.
Under load set UV_THREADPOOL_SIZE=16 before the start, as varve dev does: reads of old segments share that pool.

Examples:
  varve broker start --config /etc/varve/broker.yaml
  VARVE_BROKER_ID=1 VARVE_DATA_DIR=/var/lib/varve VARVE_CLUSTER_SEEDS=10.0.0.1:7651 varve broker start
`;

export function registerBroker(parent: Command, shell: Shell): void {
  const broker = parent
    .command("broker")
    .summary("run, drain, replace and remove brokers")
    .description("Runs a broker, and changes which brokers hold what.");
  registerBrokerAdmin(broker, shell);
  broker
    .command("start")
    .description("Runs one broker in this process until SIGTERM or Ctrl-C.")
    .option("--config <file>", "settings as YAML")
    .option(
      "--stop-with-stdin",
      "also stop when standard input closes: a supervisor that dies takes its brokers along",
      false,
    )
    .addHelpText("after", HELP)
    .action((options: StartOptions, command: Command) => start(shell, options, globalOptions(command, shell.env).json));
}

async function start(shell: Shell, options: StartOptions, json: boolean): Promise<void> {
  const { createLogger, DiskHung, loadConfigFile, runBroker } = await import("@varve/broker/node");
  const config = loadConfigFile(options.config ?? null, shell.env);
  const broker = await runBroker(config, { logger: createLogger(config.logLevel, config.brokerId) });
  const orphaned = options.stopWithStdin ? closed(shell.stdin) : new Promise<never>(() => {});
  const died = broker.failed.then(async (error) => {
    if (error instanceof DiskHung) await endAtOnce(error.message);
    throw error;
  });
  const why = await Promise.race([stopped(shell).then(() => "asked"), orphaned.then(() => "orphaned"), died]);
  note(shell, json, `broker ${broker.id} stops`);
  const limitMs = why === "orphaned" ? ORPHAN_STOP_MS : config.shutdownGraceMs + STOP_SLACK_MS;
  await Promise.race([broker.stop(), cutOff(limitMs), died]);
}

/** An exit waits for threads, and one of them waits for the disk: only the system can end this process now. */
function endAtOnce(why: string): Promise<never> {
  writeSync(2, `error: ${why}\n`);
  // The log is written by other threads: its last line must be out.
  setTimeout(() => process.kill(process.pid, "SIGKILL"), LOG_FLUSH_MS);
  return new Promise(() => {});
}

function closed(stdin: Readable): Promise<void> {
  return new Promise((resolve) => {
    stdin.once("end", resolve);
    stdin.once("error", resolve);
    stdin.once("close", resolve);
    stdin.resume();
  });
}

/** What still runs then waits for the disk, most likely. */
function cutOff(limitMs: number): Promise<never> {
  return new Promise(() => {
    setTimeout(() => endAtOnce(`the broker did not stop within ${limitMs} ms`), limitMs).unref();
  });
}
