/**
 * identities.ts: the producer's id, asked for once, and its epochs, raised per partition.
 *
 * A broker checks id, epoch and sequence within one partition, so partitions may be in different epochs of the same id.
 */
import { METHODS } from "@varve/rpc";
import type { Cluster } from "../cluster/cluster.js";
import type { Identity } from "./batch.js";

/** A broker that is paused or cut off must not hold up a producer's first record; an id that nobody hears of is lost, no more. */
const ATTEMPT_MS = 2_000;

export class Identities {
  private readonly cluster: Cluster;
  private first: Promise<Identity> | null = null;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** The identity to begin with. A failure is not kept: the next caller tries again. */
  initial(deadlineMs: number): Promise<Identity> {
    this.first ??= this.ask(null, deadlineMs).catch((error: unknown) => {
      this.first = null;
      throw error;
    });
    return this.first;
  }

  /** A later epoch of the same id, or another id when its epochs are used up; fences what is still on its way under `old`. */
  raised(old: Identity, deadlineMs: number): Promise<Identity> {
    return this.ask(old, deadlineMs);
  }

  private async ask(old: Identity | null, deadlineMs: number): Promise<Identity> {
    const { producerId, producerEpoch } = await this.cluster.caller.call(METHODS.initProducer, old ?? {}, {
      what: old === null ? "initProducer" : `raising the epoch of producer ${old.producerId}`,
      kind: "write",
      deadlineMs,
      attemptMs: ATTEMPT_MS,
    });
    return { producerId, producerEpoch };
  }
}
