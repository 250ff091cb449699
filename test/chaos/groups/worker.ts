/**
 * worker.ts: one or more members of a group as a process of its own, for a nemesis that kills and freezes it. The end of its standard input
 * closes it in order.
 */
import { Prng } from "@varve/base/testing";
import { type AssignedTopicPartition, type Consumer, Varve, VarveError, type VarveRecord } from "@varve/client";
import { polled } from "../clients/reader.js";
import { pause } from "../clock.js";
import type { WorkerPlan } from "./plan.js";
import { Voice } from "./voice.js";

const WORK_MS_MAX = 6;
const CONCURRENCY = 4;
/** Time between two commits of a manual member. */
const COMMIT_MS = 250;

const plan = JSON.parse(process.argv[2] ?? "{}") as WorkerPlan;

class Member {
  readonly consumer: Consumer;
  private readonly voice: Voice;
  private readonly prng: Prng;
  private epoch = 0;
  /** By partition: the epoch of its assignment; none: it belongs to others. */
  private readonly held = new Map<number, number>();
  /** By partition: one past the last record that is finished and not committed. */
  private readonly finished = new Map<number, number>();
  private committing: Promise<void> = Promise.resolve();

  constructor(varve: Varve, at: number) {
    const { name, group, topic, staticId, sessionTimeoutMs, mode } = plan;
    this.voice = new Voice(plan.members === 1 ? name : `${name}.${at}`);
    this.prng = new Prng(plan.seed + at);
    this.consumer = varve.consumer({
      group,
      topics: [topic],
      sessionTimeoutMs,
      autoCommit: mode === "auto",
      ...(staticId === null ? {} : { staticId }),
    });
    this.consumer.on("assigned", ({ partitions, epoch }) => this.assigned(partitions, epoch));
    this.consumer.on("lost", ({ partitions }) => this.letGo(partitions));
    this.consumer.on("revoked", ({ partitions }) => this.letGo(partitions));
  }

  /** Works until the consumer is closed or fails, and says how it ended. */
  async work(): Promise<void> {
    try {
      if (plan.mode === "auto") {
        await this.consumer.run({ concurrency: CONCURRENCY, handler: (record) => this.handle(record) });
      } else await this.workThrough();
      this.voice.ended(null, "closed");
    } catch (error) {
      this.voice.ended(error instanceof VarveError ? error.code : "INTERNAL", String(error));
    }
  }

  /** Commits what is finished, and leaves. */
  async close(): Promise<void> {
    await this.commitFinished();
    await this.consumer.close();
  }

  private assigned(partitions: readonly AssignedTopicPartition[], memberEpoch: number): void {
    // Partitions are told of when their first offset is known: those of an older epoch may come later.
    this.epoch = Math.max(this.epoch, memberEpoch);
    this.letGo(partitions);
    const given = partitions.map(({ topic, partition, epoch, startOffset }) => ({
      topic,
      partition,
      epoch,
      startOffset,
    }));
    for (const { partition, epoch } of given) this.held.set(partition, epoch);
    this.voice.instant("assign", { group: plan.group }, { partitions: given });
  }

  private letGo(partitions: readonly { readonly partition: number }[]): void {
    for (const { partition } of partitions) {
      this.held.delete(partition);
      this.finished.delete(partition);
    }
  }

  private async workThrough(): Promise<void> {
    const timer = setInterval(() => void this.commitFinished(), COMMIT_MS);
    try {
      for await (const record of this.consumer) {
        const { partition, offset } = record;
        const heldAt = this.held.get(partition);
        this.voice.instant("poll", { topics: [plan.topic], group: plan.group }, { records: [polled(record)] });
        await this.handle(record);
        // Given anew meanwhile, the partition may stand elsewhere: what was done under the old assignment no longer counts.
        if (heldAt !== undefined && this.held.get(partition) === heldAt) this.finished.set(partition, offset + 1);
      }
    } finally {
      clearInterval(timer);
      await this.committing;
    }
  }

  private commitFinished(): Promise<void> {
    this.committing = this.committing.then(() => this.commitAll());
    return this.committing;
  }

  private async commitAll(): Promise<void> {
    const { group, topic } = plan;
    for (const [partition, offset] of [...this.finished]) {
      // Given anew while others were committed, or further by now.
      if (this.finished.get(partition) !== offset) continue;
      this.finished.delete(partition);
      const asked = { group, topic, partition, offset, memberEpoch: this.epoch };
      await this.voice.operate("commit", asked, {}, () => this.consumer.commit([{ topic, partition, offset }]));
    }
  }

  private async handle(record: VarveRecord): Promise<void> {
    await pause(this.prng.between(0, WORK_MS_MAX));
    const { topic, partition, offset, value } = polled(record);
    this.voice.announce("process", { group: plan.group, topic, partition, offset, value });
  }
}

const varve = new Varve({ bootstrap: plan.bootstrap, ...(plan.tls === null ? {} : { tls: plan.tls }) });
const members = Array.from({ length: plan.members }, (_, at) => new Member(varve, at));
process.stdin.resume();
process.stdin.once("close", () => {
  for (const member of members) member.close().catch(() => {}); // Its end says why.
});
await Promise.all(members.map((member) => member.work()));
await varve.close();
process.stdin.destroy();
