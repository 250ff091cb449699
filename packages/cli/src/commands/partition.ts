/** partition.ts: `varve partition transfer | move`. */
import { INT31_MAX, LIMITS } from "@varve/base";
import type { Command } from "commander";
import { globalOptions } from "../shell/global-options.js";
import { integerIn } from "../shell/parsers.js";
import { type GlobalOptions, printResult, type Shell, withCluster } from "../shell/shell.js";
import { describeMoves, waitForMoves } from "./moves.js";

interface TransferOptions {
  readonly to: number;
}

interface MoveOptions {
  readonly to: readonly number[];
  readonly progress: boolean;
}

export function registerPartition(parent: Command, shell: Shell): void {
  const partition = parent
    .command("partition")
    .summary("move leaderships and replicas")
    .description("Single partitions.");
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
        () => `broker ${to} leads ${topic}/${number}\n`,
      );
    });
  partition
    .command("move")
    .description(
      "Moves the replicas of a partition to other brokers: new ones copy the log first, then they vote and the old ones go. Reads and writes go on. The cluster finishes it whoever crashes; a later move replaces an earlier one.",
    )
    .argument("<topic>")
    .argument("<partition>", "0, 1, ...", integerIn(0, LIMITS.partitionsPerTopicMax - 1))
    .requiredOption("--to <brokers>", "ids of the brokers that shall hold it, the preferred leader first", brokerList)
    .option("--progress", "wait until it is done and show how far it is", false)
    .addHelpText("after", "\nExample:\n  varve partition move orders 0 --to 2,3,4 --progress\n")
    .action((topic: string, number: number, options: MoveOptions, command: Command) =>
      move(shell, globalOptions(command, shell.env), { topic, partition: number }, options),
    );
}

async function move(
  shell: Shell,
  global: GlobalOptions,
  place: { readonly topic: string; readonly partition: number },
  { to, progress }: MoveOptions,
): Promise<void> {
  await withCluster(shell, global, async (client) => {
    await client.admin.movePartition({ ...place, brokers: to });
    if (!progress) return;
    await waitForMoves(shell, global.json, client, async ({ admin }) => {
      const moves = (await admin.listMoves()).filter(
        ({ topic, partition }) => topic === place.topic && partition === place.partition,
      );
      return moves.length === 0 ? null : describeMoves(moves);
    });
  });
  const { topic, partition } = place;
  const done = progress ? "is" : "will be";
  printResult(
    shell,
    global.json,
    { ...place, brokers: to },
    () => `${topic}/${partition} ${done} on ${to.join(", ")}\n`,
  );
}

function brokerList(text: string): number[] {
  return text.split(",").map((id) => integerIn(1, INT31_MAX)(id));
}
