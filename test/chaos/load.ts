/** load.ts: the clients of a run: what sends, reads and asks while the nemesis works, and what still reads when it has stopped. */
import { Prng } from "@varve/base/testing";
import { Varve } from "@varve/client";
import { askUntil } from "./clients/asker.js";
import { askGroupsUntil } from "./clients/group-asker.js";
import { FollowingReader } from "./clients/reader.js";
import { sendUntil } from "./clients/sender.js";
import { waitUntil } from "./clock.js";
import type { GroupLoad } from "./groups/group-load.js";
import type { Recorder } from "./recorder.js";
import type { Measures } from "./report/measures.js";

/** Of each producer: one rides out most faults, one gives up in the middle of an election, so that fates are unknown. */
const DELIVERY_TIMEOUTS_MS = [8_000, 1_200];
const READERS = 2;
/** Of a question: short enough that many meet each fault. */
const ASK_DEADLINE_MS = 5_000;

export interface LoadOptions {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  readonly sendsPerSecond: number;
  readonly seed: number;
  readonly recorder: Recorder;
  readonly measures: Measures;
  readonly groups: GroupLoad | null;
}

export class Load {
  private readonly clients: Varve[] = [];
  private readonly readers: readonly FollowingReader[];
  private readonly working: Promise<unknown>;

  /** Begins at once; sends and asks until `signal` is aborted. */
  constructor(signal: AbortSignal, options: LoadOptions) {
    const { topic, partitions, recorder, measures, sendsPerSecond, bootstrap } = options;
    const prng = new Prng(options.seed);
    const client = (requestDeadlineMs?: number): Varve => {
      const made = new Varve({ bootstrap, requestDeadlineMs });
      this.clients.push(made);
      return made;
    };
    const senders = DELIVERY_TIMEOUTS_MS.map((deliveryTimeoutMs, at) =>
      sendUntil(signal, {
        varve: client(),
        recorder,
        name: `p${at}`,
        topic,
        acks: "quorum",
        sendsPerSecond: sendsPerSecond / DELIVERY_TIMEOUTS_MS.length,
        deliveryTimeoutMs,
        seed: prng.uint32(),
        onAck: ({ partition, epoch }, atMs) => measures.ack(partition, atMs, epoch),
      }),
    );
    const asking = askUntil(signal, { varve: client(ASK_DEADLINE_MS), recorder, name: "asker", topic });
    const groups = options.groups?.groups ?? [];
    const askingGroups = askGroupsUntil(signal, { varve: client(ASK_DEADLINE_MS), recorder, groups });
    this.readers = Array.from(
      { length: READERS },
      (_, at) => new FollowingReader({ varve: client(), recorder, name: `r${at}`, topic, partitions }),
    );
    this.working = Promise.all([...senders, asking, askingGroups]);
  }

  /** Resolves when every send and question has its end; the signal must have been aborted. */
  async ended(): Promise<void> {
    await this.working;
  }

  /** Waits until every reader has seen everything below `ends`. */
  async caughtUp(ends: readonly number[], deadlineMs: number): Promise<void> {
    await waitUntil("every reader is at the end", deadlineMs, async () => {
      const late = this.readers.find(({ reached }) => ends.some((end, partition) => (reached[partition] ?? 0) < end));
      return late === undefined || `${late.name} is at ${late.reached.join(" ")}, the end at ${ends.join(" ")}`;
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.readers.map((reader) => reader.stop()));
    await Promise.all(this.clients.map((client) => client.close()));
  }
}
