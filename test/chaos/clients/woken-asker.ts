/**
 * woken-asker.ts: asks a broker that has just been thawed, and no other, for the ends of partitions: it may still believe that it leads them, and
 * its answer must not be older than the question (K4).
 *
 * Below the SDK, which would ask the leader that it knows. Questions leave before the broker wakes and for a moment after. What others have sent it
 * meanwhile it finds first, since it came first: only links that are held let it wake without a word of a new leader.
 */
import { METHODS, OffsetPosition, type RpcChannel } from "@varve/rpc";
import { createClient } from "@varve/rpc/node";
import { pause } from "../clock.js";
import { Proc, type Recorder } from "../recorder.js";

const DEADLINE_MS = 3_000;
const ROUNDS = 12;
/** The one before which it hears from others, if it did not yet. */
const HEARS_AT = 8;
const EVERY_MS = 60;

export class WokenAsker {
  private readonly channel: RpcChannel;
  private readonly recorder: Recorder;
  private readonly topic: string;
  private readonly partitions: number;

  /** @param address where the broker listens itself. */
  constructor(address: string, recorder: Recorder, topic: string, partitions: number) {
    this.channel = createClient(address);
    this.recorder = recorder;
    this.topic = topic;
    this.partitions = partitions;
  }

  /** Connects; call it while the broker still answers. */
  async connect(): Promise<void> {
    await this.list(0).catch(() => {}); // It may have no answer; the connection is there.
  }

  /**
   * Asks for all partitions, calls `wake`, and goes on asking for a moment, in the middle of which it calls `connect`.
   * @returns how many questions were answered.
   */
  async askAround(wake: () => void, connect: () => Promise<void>): Promise<number> {
    const name = `woken-${this.recorder.count}`;
    const asked = [this.askAll(`${name}.0`)];
    await pause(EVERY_MS);
    wake();
    for (let round = 1; round < ROUNDS; round++) {
      if (round === HEARS_AT) await connect();
      asked.push(this.askAll(`${name}.${round}`));
      await pause(EVERY_MS);
    }
    const answered = (await Promise.all(asked)).reduce((sum, count) => sum + count, 0);
    this.channel.close();
    return answered;
  }

  private async askAll(name: string): Promise<number> {
    const asked = Array.from({ length: this.partitions }, (_, partition) =>
      new Proc(this.recorder, `${name}.${partition}`).operate(
        "listOffsets",
        { topic: this.topic, at: "latest" },
        () => this.list(partition),
        ({ offsets }) => ({ offsets: offsets.map((one) => ({ partition: one.partition, offset: one.offset })) }),
      ),
    );
    return (await Promise.all(asked)).filter((answer) => answer !== null).length;
  }

  private list(partition: number) {
    const request = { topic: this.topic, topicId: "", partitions: [partition], at: OffsetPosition.LATEST, timeMs: 0 };
    return this.channel.unary(METHODS.listOffsets, request, { deadlineMs: DEADLINE_MS });
  }
}
