/**
 * plan.ts: what is drawn once per seed: how many nodes and groups, their sizes, and how hard the world is.
 *
 * Sizes are small, so that a minute crosses what takes a cluster days: full segments, new WAL files, evicted tails, checkpoints.
 */
import type { Prng } from "@varve/base/testing";

/** A broken variant of the code under test, or none. */
export type Variant = "none" | "ackBeforeFsync" | "voteNotPersisted" | "commitOldTerm";

export interface Plan {
  readonly nodeCount: number;
  readonly groupCount: number;
  readonly producersPerGroup: number;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  readonly segmentBytes: number;
  readonly walFileBytes: number;
  readonly tailCacheBytesMax: number;
  readonly checkpointIntervalBytes: number;
  readonly appendBytesMax: number;
  readonly retentionBytes: number;
  readonly valueBytesMax: number;
  /** Longest pause of a producer between two batches. */
  readonly thinkMsMax: number;
  /** Longest time between two faults. */
  readonly calmMsMax: number;
  /** Share of the faults that aim at a leader. */
  readonly leaderBias: number;
  readonly syncMs: { readonly least: number; readonly most: number };
}

const KIB = 1024;

export function drawPlan(prng: Prng): Plan {
  return {
    nodeCount: prng.chance(0.7) ? 3 : 5,
    groupCount: prng.between(1, 3),
    producersPerGroup: prng.between(1, 2),
    heartbeatMs: prng.pick([40, 60, 100]),
    electionTimeoutMs: prng.pick([400, 600, 1_000]),
    segmentBytes: prng.pick([8, 16, 64]) * KIB,
    walFileBytes: prng.pick([64, 256, 1_024]) * KIB,
    tailCacheBytesMax: prng.pick([4, 32, 256]) * KIB,
    checkpointIntervalBytes: prng.pick([8, 64]) * KIB,
    appendBytesMax: prng.pick([1, 4, 64]) * KIB,
    retentionBytes: prng.chance(0.4) ? prng.pick([32, 128]) * KIB : -1,
    valueBytesMax: prng.pick([64, 512, 2_048]),
    thinkMsMax: prng.pick([80, 160, 320]),
    calmMsMax: prng.pick([800, 2_000, 4_000]),
    leaderBias: prng.pick([0.2, 0.6, 0.9]),
    syncMs: prng.pick([
      { least: 0.1, most: 1 },
      { least: 0.5, most: 8 },
      { least: 5, most: 40 },
    ]),
  };
}
