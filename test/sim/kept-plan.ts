/**
 * kept-plan.ts: what runs that are kept (regressions.ts, controls.ts) have in common; each names only how it differs. Complete, so that nothing
 * of such a run is drawn from its seed but chances and latencies.
 */
import type { Plan } from "./plan.js";

const KIB = 1_024;

/** Three brokers on quick disks, tiny files, and clients that are seldom idle. Never changed: runs that are kept depend on it. */
export const KEPT_PLAN: Plan = {
  brokers: 3,
  partitions: 2,
  replicas: 3,
  groupShards: 1,
  heartbeatMs: 150,
  electionTimeoutMs: 1_500,
  segmentBytes: 4 * KIB,
  retentionBytes: 8 * KIB,
  mainShare: 0.7,
  walFileBytes: 1_024 * KIB,
  checkpointIntervalBytes: 64 * KIB,
  tailCacheBytesMax: 1_024 * KIB,
  undrainedBytesMax: 64 * 1_024 * KIB,
  moveBytesPerSecond: 64 * 1_024 * KIB,
  hungDiskMs: 10_000,
  appendBytesMax: 4 * KIB,
  batchBytes: 4 * KIB,
  valueBytesMax: 700,
  syncMs: { least: 0.5, most: 8 },
  driftMax: 0.02,
  wallOffsetMsMax: 500,
  rpcTrouble: 0,
  calmMsMax: 1_500,
  thinkMsMax: 2_000,
  leaderBias: 0.6,
  faults: ["crash"],
  expectsRefusal: false,
};
