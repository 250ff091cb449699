/** group-load.ts: a producer that never stops while a test breaks what consumes, and what it knows to be in the log. */
import type { Producer, Varve } from "@varve/client";
import { expect } from "vitest";
import { machineMs } from "./group-report.js";
import type { GroupWorkers } from "./group-workers.js";
import { waitUntil } from "./sdk-load.js";

/** Most values on their way at once; a cluster that stands still stops the producer, not the memory. */
const IN_FLIGHT_MAX = 400;
const BEAT_MS = 20;
const KEYS = 240;
/** Longest wait for every partition to get on: a lost leader costs about two seconds, a dead member its session, a busy machine the rest. */
const PROGRESS_MS = 45_000;

export class GroupLoad {
  readonly topic: string;
  readonly partitions: number;
  /** By partition: acknowledged offsets, as they came. */
  readonly acked: Set<number>[];
  private readonly producer: Producer;
  private readonly perBeat: number;
  private readonly failures: string[] = [];
  private readonly sending: Promise<void>;
  private sent = 0;
  private inFlight = 0;
  private isSending = true;

  /** Starts at once, with `perSecond` records. The topic must exist with that many partitions. */
  constructor(client: Varve, topic: string, partitions: number, perSecond: number) {
    this.topic = topic;
    this.partitions = partitions;
    this.perBeat = (perSecond * BEAT_MS) / 1_000;
    this.acked = Array.from({ length: partitions }, () => new Set());
    this.producer = client.producer();
    this.sending = this.send();
  }

  get ackedCount(): number {
    return this.acked.reduce((sum, { size }) => sum + size, 0);
  }

  /** Resolves when in every partition a record that was acknowledged after the call was finished. */
  async getsThrough(workers: GroupWorkers, what: string): Promise<void> {
    const ends = this.acked.map(({ size }) => size);
    const fromMs = machineMs();
    const through = new Set<number>();
    await waitUntil(`every partition gets through ${what}`, PROGRESS_MS, async () => {
      for (const { reports } of workers.all)
        for (let at = reports.length - 1; at >= 0; at--) {
          const report = reports[at];
          if (report === undefined || report.atMs < fromMs) break;
          if (report.type === "done" && report.offset >= (ends[report.partition] ?? 0)) through.add(report.partition);
        }
      return through.size === this.partitions;
    });
    expect(this.failures).toEqual([]);
  }

  /** Ends the load, and waits until all of it was worked on. */
  async finish(workers: GroupWorkers): Promise<void> {
    await this.close();
    expect(this.failures).toEqual([]);
    await waitUntil("everything was worked on", PROGRESS_MS, async () => {
      const done = new Set<string>();
      for (const worker of workers.all)
        for (const { partition, offset } of worker.of("done")) done.add(`${partition}@${offset}`);
      return done.size >= this.ackedCount;
    });
  }

  async close(): Promise<void> {
    this.isSending = false;
    await this.sending;
    await this.producer.close();
  }

  private async send(): Promise<void> {
    let due = 0;
    while (this.isSending) {
      for (due += this.perBeat; due >= 1; due--) if (this.inFlight < IN_FLIGHT_MAX) this.sendOne();
      await new Promise((resolve) => setTimeout(resolve, BEAT_MS)); // The load's pace.
    }
  }

  private sendOne(): void {
    const value = String(this.sent++);
    this.inFlight += 1;
    this.producer
      .send({ topic: this.topic, key: `key-${Number(value) % KEYS}`, value })
      .then(({ partition, offset }) => this.acked[partition]?.add(offset))
      .catch((error: unknown) => this.failures.push(String(error)))
      .finally(() => {
        this.inFlight -= 1;
      });
  }
}
