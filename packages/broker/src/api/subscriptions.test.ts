/** subscriptions.test.ts: what streams of one connection hold together while it takes nothing, and that nothing is lost by letting go. */
import { KIB, MIB } from "@varve/base";
import { SimClock } from "@varve/base/testing";
import { expect, test } from "vitest";
import type { ReadAnswer, ReadRequest } from "../partition/partition.js";
import type { PartitionRef } from "./log-api.js";
import { ReadShare } from "./read-share.js";
import { Subscriptions } from "./subscriptions.js";

const LIMITS = { fetchBytesMax: 8 * MIB, requestDeadlineMs: 30_000 };
const CONNECTION_BYTES_MAX = 16 * MIB;

/** Lets what follows from what was done happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Partitions that all have the same batches, of which the first `visible` can be read. */
class Log {
  visible = 0;
  reads = 0;
  private readonly batch: Uint8Array;
  private readonly waiting: (() => void)[] = [];

  constructor(batchBytes: number) {
    this.batch = new Uint8Array(batchBytes);
  }

  grow(visible: number): void {
    this.visible = visible;
    for (const wake of this.waiting.splice(0)) wake();
  }

  async read(_ref: PartitionRef, { offset, bytesMax, waitMs }: ReadRequest): Promise<ReadAnswer> {
    this.reads++;
    if (offset >= this.visible && waitMs > 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
    const fit = Math.max(1, Math.floor(bytesMax / this.batch.length));
    const batches = new Array<Uint8Array>(Math.max(0, Math.min(fit, this.visible - offset))).fill(this.batch);
    return { batches, nextOffset: offset + batches.length, highWatermark: this.visible, logStart: 0, epoch: 1 };
  }
}

/** A connection that takes messages only when it is told to. */
class Connection {
  readonly share = new ReadShare(8 * CONNECTION_BYTES_MAX, CONNECTION_BYTES_MAX);
  readonly taken: { stream: number; id: number; answer: ReadAnswer }[] = [];
  readonly streams: Subscriptions[] = [];
  private readonly offered: { stream: number; id: number; answer: ReadAnswer; done: () => void }[] = [];

  constructor(log: Log, streams: number, subscriptions: number, grantBytes: number) {
    for (let stream = 0; stream < streams; stream++) {
      const opened = new Subscriptions(
        log,
        new SimClock(),
        LIMITS,
        { peer: "a", share: this.share },
        {
          batches: (id, answer) => new Promise((done) => this.offered.push({ stream, id, answer, done })),
          progress: async () => {},
          error: async (_id, error) => {
            throw error;
          },
        },
      );
      this.streams.push(opened);
      for (let id = 1; id <= subscriptions; id++) {
        opened.add({ id, ref: { topic: "t", topicId: "", partition: id }, offset: 0, epoch: 0, lastFetchedEpoch: 0 });
      }
      opened.grant(grantBytes);
    }
  }

  get heldBytes(): number {
    return this.streams.reduce((sum, { heldBytes }) => sum + heldBytes, 0);
  }

  takeOne(): boolean {
    const next = this.offered.shift();
    if (next === undefined) return false;
    this.taken.push(next);
    next.done();
    return true;
  }

  close(): void {
    for (const stream of this.streams) stream.close();
    while (this.takeOne());
  }
}

test.each([
  { what: "large batches for small grants", batchBytes: 4 * MIB, grantBytes: 1 },
  { what: "large batches for large grants", batchBytes: 3 * MIB, grantBytes: 32 * MIB },
  { what: "small batches for large grants", batchBytes: 300 * KIB, grantBytes: 32 * MIB },
])("a connection with many streams that takes nothing holds its share: $what", async ({ batchBytes, grantBytes }) => {
  const log = new Log(batchBytes);
  log.grow(100);
  const connection = new Connection(log, 40, 5, grantBytes);
  await settle();
  expect(connection.heldBytes).toBeGreaterThan(CONNECTION_BYTES_MAX / 2);
  expect(connection.heldBytes).toBeLessThanOrEqual(CONNECTION_BYTES_MAX);
  expect(connection.share.largestBytes).toBeLessThanOrEqual(CONNECTION_BYTES_MAX);
  connection.close();
  await settle();
  expect(connection.share.usedBytes).toBe(0);
});

test("news for a thousand quiet subscriptions are held as far as the share goes, and reach each of them once", async () => {
  const log = new Log(MIB);
  const connection = new Connection(log, 100, 10, 32 * MIB);
  await settle();
  log.grow(1);
  await settle();
  expect(connection.heldBytes).toBe(CONNECTION_BYTES_MAX);
  for (let turn = 0; turn < 10_000 && connection.taken.length < 1_000; turn++) {
    if (!connection.takeOne()) await settle();
    expect(connection.share.usedBytes).toBeLessThanOrEqual(CONNECTION_BYTES_MAX);
  }
  const places = connection.taken.map(({ stream, id, answer }) => `${stream}/${id}@${answer.nextOffset}`);
  expect(new Set(places).size).toBe(1_000);
  expect(places).toHaveLength(1_000);
  connection.close();
});
