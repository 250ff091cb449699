/**
 * group-offsets.test.ts: what was acknowledged as committed is what is fetched, also while the group's coordinator is dead, and right after
 * (reliability C3): asked of every broker that lives, all the time, while a member commits all the time.
 */
import { isVarveError } from "@varve/base";
import type { Varve } from "@varve/client";
import { GROUP_METHODS, type RpcChannel } from "@varve/rpc";
import { afterEach, expect, test } from "vitest";
import { connect } from "./raw.js";
import { PARTITIONS, SdkCluster, TOPIC } from "./sdk-cluster.js";
import { waitUntil } from "./sdk-load.js";

const GROUP = "commits";
const DEATHS = 2;
const RECORDS = 20_000;
const COMMITS_MS = 30_000;
const TEST_MS = 120_000;

let running: SdkCluster | null = null;
const channels: RpcChannel[] = [];

afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close();
  await running?.stop();
  running = null;
});

/** A member that commits after each record, and what of it was acknowledged. */
class Committing {
  /** By partition. */
  readonly acked = new Map<number, number>();
  count = 0;
  private readonly client: Varve;
  private readonly over = new AbortController();
  private readonly ended: Promise<unknown>;

  constructor(client: Varve) {
    this.client = client;
    this.ended = this.run().catch((error: unknown) => error);
  }

  /** Waits for so many more acknowledged commits. */
  async goesOn(what: string, more = 50): Promise<void> {
    const wanted = this.count + more;
    await waitUntil(`${more} commits ${what}`, COMMITS_MS, async () => this.count >= wanted);
  }

  async stop(): Promise<void> {
    this.over.abort();
    expect(await this.ended).toMatchObject({ code: "ABORTED" });
  }

  private async run(): Promise<void> {
    const consumer = this.client.consumer({ group: GROUP, topics: [TOPIC], autoCommit: false });
    const handler = async ({ partition, offset }: { partition: number; offset: number }): Promise<void> => {
      await consumer.commit([{ topic: TOPIC, partition, offset: offset + 1 }]);
      this.acked.set(partition, offset + 1);
      this.count++;
    };
    await consumer.run({ handler, signal: this.over.signal });
  }
}

/** Asks one broker again and again; what it answers is never below what was acknowledged before it was asked. */
async function watchOffsets(bootstrap: string, committing: Committing, isOver: () => boolean): Promise<number> {
  const channel = connect(bootstrap);
  channels.push(channel);
  let answers = 0;
  while (!isOver()) {
    const before = new Map(committing.acked);
    const answer = await channel
      .unary(GROUP_METHODS.fetchOffsets, { group: GROUP }, { deadlineMs: 5_000 })
      .catch((error: unknown) => {
        if (isVarveError(error)) return null; // The broker is dead, or nobody coordinates.
        throw error;
      });
    if (answer === null) {
      await new Promise((resolve) => setTimeout(resolve, 20)); // The watcher's pace; the test's own limit bounds it.
      continue;
    }
    const offsets = new Map(answer.offsets.map(({ partition, offset }) => [partition, offset]));
    for (const [partition, acked] of before) expect(offsets.get(partition) ?? 0).toBeGreaterThanOrEqual(acked);
    answers++;
  }
  return answers;
}

async function fill(client: Varve): Promise<void> {
  const producer = client.producer();
  const records = Array.from({ length: RECORDS }, (_, at) => ({ key: String(at), value: "" }));
  await producer.sendBatch({ topic: TOPIC, records });
  await producer.close();
}

test("fetched offsets are never below what was acknowledged while coordinators are killed with -9", {
  timeout: TEST_MS,
}, async () => {
  const cluster = await SdkCluster.start();
  running = cluster;
  const client = cluster.client();
  await fill(client);
  const committing = new Committing(cluster.client());
  await committing.goesOn("before any death");
  let isOver = false;
  const watches = cluster.brokers.bootstrap
    .split(",")
    .map((address) => watchOffsets(address, committing, () => isOver));
  const gapsMs: number[] = [];
  for (let death = 0; death < DEATHS; death++) {
    const { coordinator } = await client.admin.describeGroup(GROUP);
    const fromMs = performance.now();
    cluster.signal(coordinator, "SIGKILL");
    await committing.goesOn("after a death", 2); // One may have been answered already.
    gapsMs.push(Math.round(performance.now() - fromMs));
    await committing.goesOn("with a new coordinator");
    await cluster.brokers.restart(coordinator);
    await cluster.isHealthy(client);
    await committing.goesOn("after the restart");
  }
  isOver = true;
  const answers = await Promise.all(watches);
  await committing.stop();
  const { offsets } = await client.admin.describeGroup(GROUP);
  for (const { partition, committed } of offsets)
    expect(committed).toBeGreaterThanOrEqual(committing.acked.get(partition) ?? 0);
  expect(offsets).toHaveLength(PARTITIONS);
  process.stdout.write(`coordinators killed: ${JSON.stringify({ commits: committing.count, answers, gapsMs })}\n`);
});
