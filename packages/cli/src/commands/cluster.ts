/** cluster.ts: `varve cluster describe | health`, and the others of `varve cluster`, which have files of their own. */
import { isVarveError } from "@varve/base";
import type { Command } from "commander";
import { QuietFailure } from "../shell/failure.js";
import { globalOptions } from "../shell/global-options.js";
import { type GlobalOptions, printResult, type Shell, withCluster } from "../shell/shell.js";
import { facts, table } from "../shell/table.js";
import { inOptions } from "../shell/tls-options.js";
import { registerFeatures } from "./cluster-features.js";
import { registerRebalance } from "./cluster-rebalance.js";
import { registerScaleInCheck } from "./scale-in-check.js";

/** All of `health`, connecting included; the contract allows 5 s for the whole process. */
const HEALTH_MS = 3_500;

export function registerCluster(parent: Command, shell: Shell): void {
  const cluster = parent
    .command("cluster")
    .summary("show brokers and health, balance them, upgrade")
    .description("The cluster as a whole.");
  cluster
    .command("describe")
    .description("Shows the cluster's id, its controller and its brokers.")
    .addHelpText(
      "after",
      "\nExamples:\n  varve cluster describe\n  varve cluster describe --json --bootstrap 10.0.0.1:7650\n",
    )
    .action((_: object, command: Command) => describe(shell, globalOptions(command, shell.env)));
  cluster
    .command("health")
    .description(
      "Exit code 0 only when all seed and registered brokers are ready and every partition is led and fully replicated; else 1, with the reasons. Answers within 5 s.",
    )
    .addHelpText("after", "\nExamples:\n  varve cluster health\n  until varve cluster health; do sleep 1; done\n")
    .action((_: object, command: Command) => health(shell, globalOptions(command, shell.env)));
  registerRebalance(cluster, shell);
  registerScaleInCheck(cluster, shell);
  registerFeatures(cluster, shell);
}

async function describe(shell: Shell, global: GlobalOptions): Promise<void> {
  const cluster = await withCluster(shell, global, ({ admin }) => admin.describeCluster());
  const { clusterId, controller, brokers } = cluster;
  printResult(shell, global.json, cluster, () =>
    [
      facts([
        ["cluster", clusterId],
        ["controller", controller],
      ]),
      table(
        ["broker", "address", "rack", "ready", "replicas", "leads", "version"],
        brokers.map(({ id, address, rack, ready, replicas, leads, version, ...duty }) => [
          duty.leaving ? `${id} (leaving)` : duty.drained ? `${id} (drained)` : id,
          address,
          rack,
          ready ? "yes" : "no",
          replicas,
          leads,
          version,
        ]),
      ),
    ].join(""),
  );
}

async function health(shell: Shell, global: GlobalOptions): Promise<void> {
  const found = await judge(shell, global);
  printResult(shell, global.json, found, (style) =>
    found.healthy
      ? `${style.green("healthy")}\n`
      : `${style.red("not healthy")}\n${found.problems.map((problem) => `  - ${problem}\n`).join("")}`,
  );
  if (!found.healthy) throw new QuietFailure();
}

/** The cluster's own judgement; a cluster that cannot give one within the time is not healthy. */
async function judge(shell: Shell, global: GlobalOptions): Promise<{ healthy: boolean; problems: readonly string[] }> {
  const client = await shell.connect(global.bootstrap, global.tls);
  const limit = AbortSignal.timeout(HEALTH_MS);
  const silent = new Promise<never>((_, reject) => {
    limit.addEventListener("abort", () => reject(limit.reason), { once: true });
  });
  try {
    const { healthy, problems, ...counts } = await Promise.race([
      client.admin.clusterHealth({ signal: limit }),
      silent,
    ]);
    return { healthy, problems: problems.map(({ message }) => message), ...counts };
  } catch (error) {
    const tried = `no answer from ${global.bootstrap.join(", ")} within ${HEALTH_MS / 1_000} s`;
    const late = limit.aborted || !isVarveError(error);
    return { healthy: false, problems: [late ? tried : inOptions(error.message)] };
  } finally {
    // Closing may wait for the same silent broker; the process ends anyway.
    void client.close().catch(() => {});
  }
}
