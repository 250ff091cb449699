/**
 * worker-main.ts: a member of the quickstart's group, in a process of its own. Its work on a record is to say so on standard output.
 * The end of its standard input, and so the end of the process that started it, closes it in order. Exit code 0: closed in order.
 */
import { writeSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Varve } from "@varve/client";
import { Command } from "commander";
import { bootstrapList, integerIn } from "../shell/parsers.js";
import { GROUP, TOPIC } from "./topic.js";
import { machineMs, type WorkerReport } from "./worker-report.js";

interface WorkerOptions {
  readonly bootstrap: readonly string[];
  readonly name: string;
  readonly sessionTimeoutMs: number;
}

const STDOUT = 1;
const CONCURRENCY = 16;
/** Records take 0, 1 or 2 turns of the event loop: later ones overtake earlier ones wherever that is allowed. */
const TURNS = 3;

/** Returns when the pipe has taken the line. */
function say(report: WorkerReport): void {
  writeSync(STDOUT, `${JSON.stringify(report)}\n`);
}

const numbersOf = (partitions: readonly { readonly partition: number }[]): number[] =>
  partitions.map(({ partition }) => partition);

async function work({ bootstrap, name, sessionTimeoutMs }: WorkerOptions): Promise<void> {
  const varve = new Varve({ bootstrap });
  const consumer = varve.consumer({ group: GROUP, topics: [TOPIC], clientId: name, sessionTimeoutMs });
  consumer.on("assigned", ({ partitions }) =>
    say({
      type: "assigned",
      partitions: partitions.map(({ partition, epoch, startOffset }) => ({ partition, epoch, startOffset })),
    }),
  );
  consumer.on("revoked", ({ partitions }) => say({ type: "revoked", partitions: numbersOf(partitions) }));
  consumer.on("lost", ({ partitions }) => say({ type: "lost", partitions: numbersOf(partitions) }));
  process.stdin.once("close", () => void consumer.close());
  process.stdin.resume();
  let handings = 0;
  try {
    await consumer.run({
      concurrency: CONCURRENCY,
      handler: async ({ partition, offset, key }) => {
        handings += 1;
        const handing = handings;
        const keyText = key === null ? null : key.toString("base64");
        say({ type: "handed", handing, atMs: machineMs(), partition, offset, key: keyText });
        for (let turn = 0; turn < offset % TURNS; turn++) await nextTurn();
        say({ type: "finished", handing });
      },
      onError: () => "stop",
    });
  } finally {
    await varve.close();
  }
}

const command = new Command("quickstart-worker")
  .requiredOption("--bootstrap <addresses>", "", bootstrapList)
  .requiredOption("--name <name>", "")
  .requiredOption("--session-timeout-ms <ms>", "", integerIn(1_000, 60_000));
try {
  await work(command.parse().opts<WorkerOptions>());
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`, () => process.exit(2));
}
