/**
 * plan.ts: what is drawn once per seed: how large the cluster is, how small its files are, and how hard the world is.
 *
 * Sizes are tiny, so that a minute crosses what takes a cluster days: full segments, new WAL files, evicted tails, checkpoints.
 * Each seed allows only some kinds of faults ("swarm testing": Groce et al., ISSTA 2012), since kinds that always come together hide each other.
 */
import type { Prng } from "@varve/base/testing";
import { APART_KINDS, type DecisionKind, NETWORK_KINDS, SHARED_KINDS } from "./decisions.js";

export interface Plan {
  readonly brokers: 1 | 3 | 5;
  readonly partitions: number;
  readonly replicas: number;
  readonly groupShards: number;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  readonly segmentBytes: number;
  readonly retentionBytes: number;
  /** Share of the operations on the topic that stays; the others go to those that come and go, which have retention. */
  readonly mainShare: number;
  readonly walFileBytes: number;
  readonly checkpointIntervalBytes: number;
  readonly tailCacheBytesMax: number;
  readonly undrainedBytesMax: number;
  readonly moveBytesPerSecond: number;
  readonly hungDiskMs: number;
  readonly appendBytesMax: number;
  readonly batchBytes: number;
  readonly valueBytesMax: number;
  readonly syncMs: { readonly least: number; readonly most: number };
  /** How much faster or slower than the world a machine's clock may run. */
  readonly driftMax: number;
  /** How far a machine's wall clock is off at the start, milliseconds. */
  readonly wallOffsetMsMax: number;
  /** Unary calls of clients that are refused or lost. */
  readonly rpcTrouble: number;
  /** Longest time between two faults. */
  readonly calmMsMax: number;
  /** Longest time between two operations of clients. */
  readonly thinkMsMax: number;
  /** Share of the faults that aim at a leader. */
  readonly leaderBias: number;
  readonly faults: readonly DecisionKind[];
  /** The run ends with damage on more replicas than a partition can lose. */
  readonly expectsRefusal: boolean;
}

const KIB = 1_024;
const MIB = 1_024 * KIB;
/** Share of the seeds that have each of the faults with times of their own. */
const APART_RATIO = 0.6;

export function drawPlan(prng: Prng): Plan {
  const brokers = prng.pick([1, 3, 3, 3, 3, 3, 5] as const);
  const electionTimeoutMs = prng.pick([1_000, 1_500]);
  const drawn = {
    brokers,
    partitions: prng.between(1, 3),
    replicas: brokers === 5 ? prng.pick([3, 5]) : brokers,
    groupShards: prng.between(1, 2),
    heartbeatMs: prng.pick([150, 200, 250]),
    electionTimeoutMs,
    segmentBytes: prng.pick([4, 8, 32]) * KIB,
    retentionBytes: prng.chance(0.7) ? prng.pick([2, 8, 64]) * KIB : -1,
    mainShare: prng.pick([0.5, 0.7, 0.85]),
    walFileBytes: prng.pick([64, 256, 1_024]) * KIB,
    checkpointIntervalBytes: prng.pick([4, 16, 64]) * KIB,
    tailCacheBytesMax: prng.pick([4 * KIB, 64 * KIB, MIB]),
    hungDiskMs: prng.pick([10_000, 20_000]),
    appendBytesMax: prng.pick([1, 4, 64]) * KIB,
    batchBytes: prng.pick([1, 4, 64]) * KIB,
    valueBytesMax: prng.pick([16, 256, 700]),
    syncMs: prng.pick([
      { least: 0.1, most: 3 },
      { least: 0.5, most: 8 },
      { least: 5, most: 40 },
    ]),
    driftMax: prng.pick([0, 0.001, 0.02]),
    wallOffsetMsMax: prng.pick([0, 500, 60_000]),
    rpcTrouble: prng.pick([0, 0.02, 0.05]),
    calmMsMax: prng.pick([1_500, 3_000, 5_000]),
    thinkMsMax: prng.pick([700, 1_200, 2_000]),
    leaderBias: prng.pick([0.2, 0.6, 0.9]),
    faults: drawFaults(prng, brokers),
    expectsRefusal: brokers > 1 && prng.chance(0.1),
  };
  const faults = [...drawn.faults, ...APART_KINDS.filter(() => prng.chance(APART_RATIO))];
  const undrainedBytesMax = prng.pick([16 * KIB, 64 * KIB, 64 * MIB]);
  return { ...drawn, faults, undrainedBytesMax, moveBytesPerSecond: prng.pick([8 * KIB, 64 * MIB]) };
}

/** A part of all kinds, and always one that takes a broker down. */
function drawFaults(prng: Prng, brokers: number): DecisionKind[] {
  const possible: DecisionKind[] = SHARED_KINDS.filter((kind) => brokers > 1 || !NETWORK_KINDS.has(kind));
  const share = prng.pick([0.3, 0.5, 0.8]);
  const drawn = possible.filter(() => prng.chance(share));
  return drawn.includes("crash") ? drawn : [...drawn, "crash"];
}
