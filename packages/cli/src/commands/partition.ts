/** partition.ts: `varve partition transfer`. */
import { INT31_MAX, LIMITS } from "@varve/base";
import type { Command } from "commander";
import { globalOptions } from "../shell/global-options.js";
import { integerIn } from "../shell/parsers.js";
import { printResult, type Shell, withCluster } from "../shell/shell.js";

interface TransferOptions {
  readonly to: number;
}

export function registerPartition(parent: Command, shell: Shell): void {
  const partition = parent.command("partition").summary("move leaderships").description("Single partitions.");
  partition
    .command("transfer")
    .description("Moves the leadership of a partition to another of its replicas; reads and writes go on.")
    .argument("<topic>")
    .argument("<partition>", "0, 1, ...", integerIn(0, LIMITS.partitionsPerTopicMax - 1))
    .requiredOption("--to <broker>", "id of the broker that shall lead", integerIn(1, INT31_MAX))
    .addHelpText("after", "\nExample:\n  varve partition transfer orders 0 --to 2\n")
    .action(async (topic: string, number: number, { to }: TransferOptions, command: Command) => {
      const global = globalOptions(command, shell.env);
      await withCluster(shell, global, ({ admin }) => admin.transferLeadership({ topic, partition: number, to }));
      printResult(
        shell,
        global.json,
        { topic, partition: number, leader: to },
        () => `broker ${to} leads ${topic}-${number}\n`,
      );
    });
}
