/** load.ts: the clients of a run: what sends, reads and asks while the nemesis works, and what still reads when it has stopped. */
import { Prng } from "@varve/base/testing";
import { type AcksName, type TlsOptions, Varve } from "@varve/client";
import { askUntil } from "./clients/asker.js";
import { churnUntil } from "./clients/churner.js";
import { askGroupsUntil } from "./clients/group-asker.js";
import { FollowingReader } from "./clients/reader.js";
import { sendUntil } from "./clients/sender.js";
import { waitUntilNone } from "./clock.js";
import type { GroupLoad } from "./groups/group-load.js";
import type { Recorder } from "./recorder.js";

interface SenderPlan {
  readonly acks: AcksName;
  readonly deliveryTimeoutMs: number;
  /** Of all sends. */
  readonly ratio: number;
}

/** One producer rides out most faults, one gives up in the middle of an election, so that fates are unknown; of others less is promised. */
const SENDERS: readonly SenderPlan[] = [
  { acks: "quorum", deliveryTimeoutMs: 8_000, ratio: 0.4 },
  { acks: "quorum", deliveryTimeoutMs: 1_200, ratio: 0.4 },
  { acks: "leader", deliveryTimeoutMs: 3_000, ratio: 0.1 },
  { acks: "none", deliveryTimeoutMs: 3_000, ratio: 0.1 },
];
const READERS = 2;
/** Of a question: short enough that many meet each fault. */
const ASK_DEADLINE_MS = 5_000;

export interface LoadOptions {
  readonly bootstrap: string;
  /** Default: plain text. */
  readonly tls?: TlsOptions | null;
  readonly topic: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly sendsPerSecond: number;
  readonly seed: number;
  readonly recorder: Recorder;
  /** Hears of each record that a quorum acknowledged. */
  readonly measures: { ack(partition: number, atMs: number, epoch: number): void };
  readonly groups: GroupLoad | null;
}

export class Load {
  private readonly clients: Varve[] = [];
  private readonly readers: readonly FollowingReader[];
  private readonly working: Promise<unknown>;

  /** Begins at once; sends and asks until `signal` is aborted. */
  constructor(signal: AbortSignal, options: LoadOptions) {
    const { topic, partitions, recorder, measures, sendsPerSecond, bootstrap, tls } = options;
    const prng = new Prng(options.seed);
    const client = (requestDeadlineMs?: number): Varve => {
      const made = new Varve({ bootstrap, requestDeadlineMs, tls: tls ?? undefined });
      this.clients.push(made);
      return made;
    };
    const senders = SENDERS.map(({ acks, deliveryTimeoutMs, ratio }, at) =>
      sendUntil(signal, {
        varve: client(),
        recorder,
        name: `p${at}`,
        topic,
        partitions,
        acks,
        sendsPerSecond: sendsPerSecond * ratio,
        deliveryTimeoutMs,
        seed: prng.uint32(),
        onAck: ({ partition, epoch }, atMs) => {
          if (acks === "quorum") measures.ack(partition, atMs, epoch);
        },
      }),
    );
    const asking = askUntil(signal, { varve: client(ASK_DEADLINE_MS), recorder, name: "asker", topic });
    const churning = churnUntil(signal, { varve: client(ASK_DEADLINE_MS), recorder, replicas: options.replicas });
    const groups = options.groups?.groups ?? [];
    const askingGroups = askGroupsUntil(signal, { varve: client(ASK_DEADLINE_MS), recorder, groups });
    this.readers = Array.from(
      { length: READERS },
      (_, at) => new FollowingReader({ varve: client(), recorder, name: `r${at}`, topic, partitions }),
    );
    this.working = Promise.all([...senders, asking, askingGroups, churning]);
  }

  /** Resolves when every send and question has its end; the signal must have been aborted. */
  async ended(): Promise<void> {
    await this.working;
  }

  /** Waits until every reader has seen everything below `ends`. @throws Error when one does not get on. */
  async caughtUp(
    ends: readonly number[],
    limits: { readonly stillMs: number; readonly deadlineMs: number },
  ): Promise<void> {
    for (const { name, reached } of this.readers) {
      await waitUntilNone(`records that ${name} has not seen`, limits, () =>
        ends.reduce((sum, end, partition) => sum + Math.max(0, end - (reached[partition] ?? 0)), 0),
      );
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.readers.map((reader) => reader.stop()));
    await Promise.all(this.clients.map((client) => client.close()));
  }
}
