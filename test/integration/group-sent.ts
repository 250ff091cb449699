/** group-sent.ts: records that a test sends one by one, each with the work that it means, and where they are in the log. */
import type { Producer } from "@varve/client";
import type { GroupWorkers } from "./group-workers.js";
import { waitUntil } from "./sdk-load.js";

const DONE_MS = 40_000;

export class GroupSent {
  /** By partition: acknowledged offsets. */
  readonly acked: Set<number>[];
  private readonly producer: Producer;
  private readonly topic: string;
  private keys = 0;

  constructor(producer: Producer, topic: string, partitions: number) {
    this.producer = producer;
    this.topic = topic;
    this.acked = Array.from({ length: partitions }, () => new Set());
  }

  get count(): number {
    return this.acked.reduce((sum, { size }) => sum + size, 0);
  }

  /** At least one record in each partition. */
  async toAll(work = ""): Promise<void> {
    const ends = this.acked.map(({ size }) => size);
    while (this.acked.some(({ size }, partition) => size === ends[partition]))
      await this.send(`key-${this.keys++}`, work);
  }

  /** One record of a key that lies in this partition; answers its offset. */
  async to(partition: number, work: string): Promise<number> {
    for (;;) {
      const key = `key-${this.keys++}`;
      if ((await this.send(key, "")).partition === partition) return (await this.send(key, work)).offset;
    }
  }

  /** Waits until all of it was finished by somebody. */
  async done(workers: GroupWorkers): Promise<void> {
    await waitUntil(`the ${this.count} records of ${this.topic} are finished`, DONE_MS, async () => {
      const said = workers.all.flatMap((worker) => worker.of("done"));
      return new Set(said.map(({ partition, offset }) => `${partition}@${offset}`)).size >= this.count;
    });
  }

  private async send(key: string, value: string): Promise<{ readonly partition: number; readonly offset: number }> {
    const place = await this.producer.send({ topic: this.topic, key, value });
    this.acked[place.partition]?.add(place.offset);
    return place;
  }
}
