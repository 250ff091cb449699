/**
 * regressions.ts: runs that once showed a bug, by name. The code must be clean on them.
 *
 * Such a run is kept as the shrinker prints it: its seed, what it drew (`plan`), and the short list of decisions that was left. So what later
 * versions of the simulator draw does not change what is done to the cluster, nor when; only how the code under test answers does. What still
 * comes from the seed are latencies and the chances of the brokers themselves. A regression that is a seed alone is one that was not shrunk:
 * its draws drift, and the broken variants of `controls.ts` guard what it was found for.
 */
import { type Decision, decisionOf } from "./decisions.js";
import { KEPT_PLAN } from "./kept-plan.js";
import type { Plan } from "./plan.js";

/** A run that somebody may repeat. */
export interface KeptRun {
  readonly seed: number;
  readonly plan?: Partial<Plan>;
  /** As `textOf` writes them: when, what, and the salt of what it draws. */
  readonly decisions?: readonly string[];
}

export interface Regression extends KeptRun {
  readonly name: string;
  /** Which invariant broke. */
  readonly found: string;
}

export const REGRESSIONS: readonly Regression[] = [
  {
    name: "a leader with a slow disk answers a linearizable read",
    found: "S2",
    seed: 2,
    plan: {
      ...KEPT_PLAN,
      partitions: 3,
      heartbeatMs: 250,
      electionTimeoutMs: 1000,
      segmentBytes: 32768,
      retentionBytes: -1,
      walFileBytes: 262144,
      checkpointIntervalBytes: 16384,
      tailCacheBytesMax: 65536,
      hungDiskMs: 20000,
      batchBytes: 65536,
      syncMs: { least: 5, most: 40 },
      driftMax: 0.001,
      wallOffsetMsMax: 0,
      calmMsMax: 3000,
      thinkMsMax: 1200,
      leaderBias: 0.9,
      faults: ["stallDisk", "slowDisk", "crash"],
    },
    decisions: [
      "6282 slowDisk 1143187965",
      "6332 leave 848638089",
      "8751 join 1732653310",
      "9130 produce 4235161688",
      "10150 offsets 849940211",
    ],
  },
  { name: "a kill while replicas are made, then a power cut", found: "S6", seed: 134 },
  {
    name: "a sync that failed, a restart, then a power cut",
    found: "no-failure",
    seed: 1,
    plan: { ...KEPT_PLAN, rpcTrouble: 0.05, faults: ["failSync", "crash"] },
    decisions: ["3243 crash 3080798069", "4561 failSync 1547920917"],
  },
  {
    name: "all brokers are drained at once, and hand leaderships to each other for ever",
    found: "A4",
    seed: 1,
    plan: KEPT_PLAN,
    decisions: ["55000 drain 17", "55300 drain 38", "55600 drain 119"],
  },
  {
    name: "a start that fails when its data is open already forgets what the cluster knows",
    found: "S12",
    seed: 1,
    plan: { ...KEPT_PLAN, checkpointIntervalBytes: 4096 },
    decisions: ["9000 takenPort 1", "20000 takenPort 2", "30000 takenPort 3"],
  },
  { name: "a topic is made anew with fewer partitions", found: "no-failure", seed: 104 },
  { name: "a lost controller's log is learned anew, old replicas with it", found: "S6", seed: 2 },
  {
    name: "an orderly stop while the disk hangs",
    found: "hung-disk",
    seed: 1795304887776135,
    plan: {
      ...KEPT_PLAN,
      partitions: 3,
      groupShards: 2,
      electionTimeoutMs: 1000,
      segmentBytes: 32768,
      retentionBytes: 65536,
      mainShare: 0.5,
      walFileBytes: 65536,
      tailCacheBytesMax: 65536,
      hungDiskMs: 20000,
      appendBytesMax: 1024,
      batchBytes: 1024,
      syncMs: { least: 0.1, most: 3 },
      driftMax: 0,
      rpcTrouble: 0.02,
      calmMsMax: 3000,
      thinkMsMax: 1200,
      leaderBias: 0.2,
      faults: ["hangDisk", "stop"],
    },
    decisions: ["29408 produce 1813231071", "29613 hangDisk 2885286378", "48741 stop 723803941"],
  },
];

/** What `runSeed` is given to repeat it. */
export function runOf({ seed, plan, decisions }: KeptRun): {
  readonly seed: number;
  readonly plan?: Partial<Plan>;
  readonly decisions?: readonly Decision[];
} {
  return {
    seed,
    ...(plan === undefined ? {} : { plan }),
    ...(decisions === undefined ? {} : { decisions: decisions.map(decisionOf) }),
  };
}

/** @throws RangeError. */
export function regressionOf(name: string): Regression {
  const regression = REGRESSIONS.find((each) => each.name === name);
  if (regression !== undefined) return regression;
  throw new RangeError(`${name} is none of:\n${REGRESSIONS.map((each) => each.name).join("\n")}`);
}
