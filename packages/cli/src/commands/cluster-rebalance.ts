/**
 * cluster-rebalance.ts: `varve cluster rebalance`: asks the cluster for a plan and carries it out, a few partitions at a time.
 *
 * Nothing of it is kept here. Each move is the cluster's own from the moment that it is asked for, and a plan begins where the replicas are wanted
 * to be: so the same command goes on after it was interrupted, or after any broker crashed.
 */
import { INT31_MAX, isVarveError } from "@varve/base";
import type { PlannedMove, RebalancePlan } from "@varve/client";
import type { Command } from "commander";
import { byteText } from "../shell/byte-text.js";
import { QuietFailure } from "../shell/failure.js";
import { globalOptions } from "../shell/global-options.js";
import { integerIn } from "../shell/parsers.js";
import {
  type ClusterClient,
  type GlobalOptions,
  printResult,
  type Shell,
  stopReason,
  withCluster,
} from "../shell/shell.js";
import { table } from "../shell/table.js";
import { describeMoves, waitForMoves } from "./moves.js";

interface RebalanceOptions {
  readonly dryRun: boolean;
  readonly atOnce: number;
}

const AT_ONCE = 4;
/** Plans that are carried out after one that was complete: records that came meanwhile may ask for a little more, but not for ever. */
const AFTERTHOUGHTS_MAX = 2;
/** A topic or broker that has gone since the plan was made: the next plan knows. */
const OUTDATED = ["UNKNOWN_TOPIC", "UNKNOWN_TOPIC_ID", "UNKNOWN_PARTITION", "INVALID_REPLICATION"];

export function registerRebalance(cluster: Command, shell: Shell): void {
  cluster
    .command("rebalance")
    .description(
      "Spreads replicas, leaderships and bytes evenly over brokers and racks, moving as few bytes as it can; fills brokers that are new. A new replica copies the log before an old one goes; reads and writes go on. Interrupted, the same command goes on where it was. A balanced cluster is left alone.",
    )
    .option("--dry-run", "only show what would move", false)
    .option("--at-once <partitions>", "how many partitions may be moving", integerIn(1, INT31_MAX), AT_ONCE)
    .addHelpText(
      "after",
      "\nHow fast replicas are copied: the brokers' setting limits.moveBytesPerSecond.\n\nExamples:\n  varve cluster rebalance --dry-run\n  varve cluster rebalance --at-once 2\n",
    )
    .action((options: RebalanceOptions, command: Command) =>
      rebalance(shell, globalOptions(command, shell.env), options),
    );
}

async function rebalance(shell: Shell, global: GlobalOptions, { dryRun, atOnce }: RebalanceOptions): Promise<void> {
  await withCluster(shell, global, async (client) => {
    let plan = await client.admin.planRebalance();
    if (dryRun) {
      printResult(shell, global.json, { ...plan, bytes: bytesOf(plan.moves) }, () => planText(plan));
      return;
    }
    const done = { partitions: 0, bytes: 0 };
    for (let left = AFTERTHOUGHTS_MAX; plan.moves.length > 0 && left >= 0; left -= plan.complete ? 1 : 0) {
      await new Carrier(shell, global, client, atOnce).carryOut(plan, done);
      if (stopReason(shell) !== null) break;
      plan = await client.admin.planRebalance();
    }
    const balanced = plan.moves.length === 0;
    printResult(shell, global.json, { balanced, movedPartitions: done.partitions, movedBytes: done.bytes }, () =>
      balanced
        ? `balanced: ${done.partitions} partitions changed, ${byteText(done.bytes)} moved\n`
        : `not balanced yet: ${done.partitions} partitions changed, ${byteText(done.bytes)} moved; the same command goes on\n`,
    );
    if (!balanced) throw new QuietFailure();
  });
}

class Carrier {
  private readonly shell: Shell;
  private readonly global: GlobalOptions;
  private readonly client: ClusterClient;
  private readonly atOnce: number;
  /** Asked for, and not known to be done. */
  private begun = 0;

  constructor(shell: Shell, global: GlobalOptions, client: ClusterClient, atOnce: number) {
    this.shell = shell;
    this.global = global;
    this.client = client;
    this.atOnce = atOnce;
  }

  /** Resolves when all of it is done, or when the command is asked to end; counts in `done` what was asked for. */
  async carryOut({ moves }: RebalancePlan, done: { partitions: number; bytes: number }): Promise<void> {
    const bytes = byteText(bytesOf(moves));
    for (const move of moves) {
      if (copies(move)) await this.wait(this.atOnce - 1, `of ${moves.length} partitions and ${bytes}`);
      if (stopReason(this.shell) !== null) return;
      const { topic, topicId, partition, to } = move;
      try {
        await this.client.admin.movePartition({ topic, topicId, partition, brokers: to });
      } catch (error) {
        if (isVarveError(error) && OUTDATED.includes(error.code)) continue;
        throw error;
      }
      this.begun++;
      done.partitions++;
      done.bytes += move.bytes;
    }
    await this.wait(0, `of ${moves.length} partitions and ${bytes}`);
  }

  /** Until so many partitions of the cluster are moving at most, whoever moves them. */
  private wait(most: number, total: string): Promise<void> {
    return waitForMoves(this.shell, this.global.json, this.client, async ({ admin }) => {
      const moving = await admin.listMoves();
      return moving.length <= most ? null : `${this.begun} ${total} begun; ${describeMoves(moving)}`;
    });
  }
}

function copies({ from, to }: PlannedMove): boolean {
  return to.some((broker) => !from.includes(broker));
}

function bytesOf(moves: readonly PlannedMove[]): number {
  return moves.reduce((sum, { bytes }) => sum + bytes, 0);
}

function planText({ moves, complete, brokers }: RebalancePlan): string {
  if (moves.length === 0) return "balanced: nothing to move\n";
  const rows = moves.map(({ topic, partition, from, to, bytes }) => [
    topic,
    partition,
    from.join(", "),
    to.join(", "),
    { right: byteText(bytes) },
  ]);
  const change = (now: number, after: number): { right: string } => ({ right: `${now} -> ${after}` });
  const after = brokers.map((broker) => [
    broker.id,
    change(broker.replicas, broker.replicasAfter),
    change(broker.leaders, broker.leadersAfter),
    { right: `${byteText(broker.bytes)} -> ${byteText(broker.bytesAfter)}` },
  ]);
  const more = complete ? "" : "; there is more to move after that";
  return [
    table(["topic", "partition", "from", "to", "bytes"], rows),
    "\n",
    table(["broker", "replicas", "leaders", "bytes"], after),
    `\n${moves.length} partitions change, ${byteText(bytesOf(moves))} move${more}\n`,
  ].join("");
}
