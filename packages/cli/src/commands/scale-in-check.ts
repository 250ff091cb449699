/**
 * scale-in-check.ts: `varve cluster scale-in-check`: may the brokers above a number be taken away? Only when they are members no more: a broker
 * that goes without being decommissioned takes its replicas along, and its vote for the controller. Reads only.
 */
import { INT31_MAX, isVarveError } from "@varve/base";
import type { BrokerDetails } from "@varve/client";
import type { Command } from "commander";
import { QuietFailure } from "../shell/failure.js";
import { globalOptions } from "../shell/global-options.js";
import { integerIn } from "../shell/parsers.js";
import { type GlobalOptions, printResult, type Shell, withCluster } from "../shell/shell.js";
import { inOptions } from "../shell/tls-options.js";

interface CheckOptions {
  readonly replicas: number;
  readonly name?: string;
}

/** For the whole answer: a hook waits for it. */
const ANSWER_MS = 5_000;

export function registerScaleInCheck(cluster: Command, shell: Shell): void {
  cluster
    .command("scale-in-check")
    .description(
      "Exit code 0 only when every broker above a wanted number has left the cluster, so that its process may be taken away; else 1, with the commands to run first. Changes nothing and answers within 5 s; what cannot be known counts as no.",
    )
    .requiredOption("--replicas <n>", "brokers that shall stay", integerIn(0, INT31_MAX))
    .option("--name <name>", "their StatefulSet: broker NAME-0 is the first; default: broker id 1 is the first")
    .addHelpText(
      "after",
      "\nExamples:\n  varve cluster scale-in-check --replicas 3\n  varve cluster scale-in-check --replicas 3 --name varve\n",
    )
    .action((options: CheckOptions, command: Command) => check(shell, globalOptions(command, shell.env), options));
}

/** A broker that would be taken away, and what to do first. */
interface Holder {
  readonly id: number;
  readonly address: string;
  readonly replicas: number;
  readonly leaving: boolean;
  readonly command: string;
}

async function check(shell: Shell, global: GlobalOptions, options: CheckOptions): Promise<void> {
  const found = await holders(shell, global, options);
  const isSafe = typeof found !== "string" && found.length === 0;
  const result =
    typeof found === "string" ? { safe: false, problem: found, brokers: [] } : { safe: isSafe, brokers: found };
  printResult(shell, global.json, result, (style) => {
    if (isSafe) return `${style.green("safe")}: no broker above ${options.replicas} is a member of the cluster\n`;
    const why =
      typeof found === "string"
        ? [`  - ${found}`]
        : found.map(({ id, address, replicas, leaving, command }) => {
            const state = leaving ? "is still being decommissioned" : "is still a member";
            return `  - broker ${id} (${address}) ${state} and holds ${replicas} replicas; first: ${command}`;
          });
    return `${style.red("not safe")}\n${why.map((line) => `${line}\n`).join("")}`;
  });
  if (!isSafe) throw new QuietFailure();
}

/** Text: it could not be found out, and why. */
async function holders(shell: Shell, global: GlobalOptions, options: CheckOptions): Promise<Holder[] | string> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  try {
    const { brokers } = await withCluster(shell, global, ({ admin }) => admin.describeCluster({ signal }));
    return brokers
      .filter((broker) => ordinalOf(broker, options.name) >= options.replicas)
      .map(({ id, address, replicas, leaving }) => {
        const command = `varve broker decommission ${id} --progress`;
        return { id, address, replicas, leaving, command };
      });
  } catch (error) {
    if (!isVarveError(error)) throw error;
    const late = signal.aborted
      ? `no answer from ${global.bootstrap.join(", ")} within ${ANSWER_MS / 1_000} s`
      : inOptions(error.message);
    return `what the brokers hold cannot be known: ${late}`;
  }
}

/** By the name of its pod, where one is asked for and it has one of that form; else ids count from 1. */
function ordinalOf({ id, address }: BrokerDetails, name: string | undefined): number {
  const [host = ""] = address.split(/[.:]/);
  if (name === undefined || !host.startsWith(`${name}-`)) return id - 1;
  const ordinal = host.slice(name.length + 1);
  return /^\d{1,9}$/.test(ordinal) ? Number(ordinal) : id - 1;
}
