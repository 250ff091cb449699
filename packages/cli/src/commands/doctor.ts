/** doctor.ts: `varve doctor`: what each broker advertises, and whether it answers from here. */
import type { Command } from "commander";
import { type BrokerReport, examine, type ListenerName, problemsOf } from "../doctor/examine.js";
import { nodeProbe } from "../doctor/probe.js";
import { QuietFailure } from "../shell/failure.js";
import { globalOptions } from "../shell/global-options.js";
import { type GlobalOptions, printResult, type Shell, withCluster } from "../shell/shell.js";
import type { Style } from "../shell/style.js";
import { table } from "../shell/table.js";

/** Somebody who asks what is wrong is not made to wait as long as a program that rides out a failover. */
const ANSWER_MS = 5_000;
const HELP = `
Asks a bootstrap broker for the cluster, then looks at each address that a broker advertises: what its name stands for here, whether
somebody answers, and whether that is the cluster, or the broker, that it should be. Clients need the first of the three listeners; those for
other brokers and for operators are shown, too, and count for the exit code with --all: run that where a broker runs.

Examples:
  varve doctor --bootstrap node.example.com:31650
  kubectl exec varve-0 -- varve doctor --all
  varve doctor --json
`;

export function registerDoctor(parent: Command, shell: Shell): void {
  parent
    .command("doctor")
    .summary("show what brokers advertise, and whether it answers from here")
    .description(
      "Shows what each broker advertises and whether it answers from here. Exit code 1 when an address for clients does not.",
    )
    .option("--all", "the addresses for brokers and operators must answer, too", false)
    .addHelpText("after", HELP)
    .action((options: { all: boolean }, command: Command) =>
      doctor(shell, options.all, globalOptions(command, shell.env)),
    );
}

async function doctor(shell: Shell, all: boolean, global: GlobalOptions): Promise<void> {
  const cluster = await withCluster(shell, global, ({ admin }) => admin.describeCluster(), {
    requestDeadlineMs: ANSWER_MS,
  });
  const brokers = await examine(cluster, nodeProbe(shell, global));
  const wanted: ReadonlySet<ListenerName> = new Set(all ? ["clients", "peers", "ops"] : ["clients"]);
  const problems = problemsOf(brokers, wanted);
  const well = problems.length === 0;
  printResult(shell, global.json, { clusterId: cluster.clusterId, well, problems, brokers }, (style) =>
    [addresses(brokers), "\n", verdict(problems, style)].join(""),
  );
  if (!well) throw new QuietFailure();
}

function addresses(brokers: readonly BrokerReport[]): string {
  return table(
    ["broker", "rack", "for", "advertises", "is here", "answers"],
    brokers.flatMap(({ id, rack, listeners }) =>
      listeners.map(({ listener, address, addresses: found, problem }) => [
        id,
        rack,
        listener,
        address,
        found.join(" "),
        address === "" ? null : problem === null ? "yes" : "no",
      ]),
    ),
  );
}

function verdict(problems: readonly string[], style: Style): string {
  if (problems.length === 0) return `${style.green("all answer from here")}\n`;
  return `${style.red("not all answer from here")}\n${problems.map((problem) => `  - ${problem}\n`).join("")}`;
}
