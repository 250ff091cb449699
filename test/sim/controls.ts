/**
 * controls.ts: for every broken variant a seed on which it was found, and by which invariant. The same seed without it must be clean.
 *
 * A seed means something only as long as the code draws as it did then. So the search begins there, and may take a few seeds more;
 * `npm run sim -- --control NAME` finds a new place to begin. What whole seeds come to seldom has a narrower plan here: that the variant is
 * caught in whole seeds, too, and how soon, stands in README.md.
 */
import { VARIANTS, type Variant } from "./breakage.js";
import { KEPT_PLAN } from "./kept-plan.js";
import type { Plan } from "./plan.js";
import { runJobs } from "./pool.js";
import { runOf } from "./regressions.js";
import { type RunReport, runSeed } from "./simulation.js";

export interface Control {
  readonly variant: Variant;
  readonly seed: number;
  /** Changes to what the seed draws. */
  readonly plan?: Partial<Plan>;
  /** What is done to the cluster, as in `regressions.ts`, instead of what the seed draws. */
  readonly decisions?: readonly string[];
  /** Which invariants may find it. */
  readonly invariants: readonly string[];
}

const THREE = { brokers: 3, replicas: 3 } as const;
/** So that rot meets the WAL. */
const FEW_FILES = {
  segmentBytes: 32_768,
  retentionBytes: -1,
  valueBytesMax: 16,
  walFileBytes: 1_048_576,
  expectsRefusal: false,
} as const;

export const CONTROLS: readonly Control[] = [
  { variant: "ack-before-fsync", seed: 6, invariants: ["S6"] },
  { variant: "vote-not-persisted", seed: 1, invariants: ["S6"] },
  { variant: "commit-old-term", seed: 1, invariants: ["S5"] },
  { variant: "read-without-noop", seed: 1, invariants: ["S2"] },
  {
    variant: "truncate-on-crc-error",
    seed: 3,
    plan: { ...THREE, partitions: 1, groupShards: 1, faults: ["rot"], calmMsMax: 1_500, ...FEW_FILES },
    invariants: ["S6"],
  },
  { variant: "config-change-without-overlap", seed: 2, invariants: ["S9"] },
  { variant: "dedup-in-memory", seed: 1, invariants: ["S11"] },
  { variant: "high-watermark-from-follower", seed: 1, invariants: ["S5", "S10"] },
  {
    variant: "commit-without-fence",
    seed: 1,
    plan: { ...KEPT_PLAN, partitions: 3, mainShare: 0.85, rpcTrouble: 0.05 },
    decisions: ["3950 produce 1007", "4000 pauseMember 139", "4900 join 5"],
    invariants: ["C2", "C3"],
  },
  {
    variant: "checkpoint-without-joint",
    seed: 2,
    plan: {
      brokers: 5,
      replicas: 3,
      faults: ["hook", "crash", "slowDisk"],
      calmMsMax: 1_000,
      checkpointIntervalBytes: 4_096,
    },
    invariants: ["S9"],
  },
  {
    variant: "read-before-applied",
    seed: 1,
    plan: { ...THREE, faults: ["stallDisk", "slowDisk", "crash"] },
    invariants: ["S2"],
  },
  {
    variant: "wiped-disk-keeps-identity",
    seed: 1,
    plan: { ...THREE, faults: ["wipe", "crash"] },
    invariants: ["S6"],
  },
  {
    variant: "stale-flush-ack",
    seed: 1,
    plan: { ...THREE, faults: ["lateFlush"], calmMsMax: 5_000 },
    invariants: ["S5", "S10"],
  },
  {
    variant: "wal-freed-early",
    seed: 70,
    plan: {
      ...THREE,
      faults: ["crash", "slowDisk"],
      calmMsMax: 1_000,
      syncMs: { least: 5, most: 40 },
      walFileBytes: 65_536,
    },
    invariants: ["no-failure", "S6", "S7"],
  },
  { variant: "directory-not-synced", seed: 1, invariants: ["no-failure", "S6", "S7"] },
];

/** Seeds that a control may take from its recorded one on. */
const WINDOW = 40;

/** Runs a control from its seed on until it is caught; null: it is not. */
export async function findAgain(control: Control): Promise<RunReport | null> {
  const { variant, seed, invariants } = control;
  for (let at = seed; at < seed + WINDOW; at++) {
    const report = await runSeed({ ...runOf({ ...control, seed: at }), variant });
    if (report.violation !== null && invariants.includes(report.violation.invariant)) return report;
  }
  return null;
}

/** A hunt that has not found anything by then has failed; SIM_SEEDS_MAX sets another end. */
export const SEEDS_MAX = Number(process.env["SIM_SEEDS_MAX"] ?? 2_000);

export interface Catch {
  readonly report: RunReport;
  /** Seeds that were run until then, this one among them. */
  readonly seeds: number;
}

/** Runs a broken variant on fresh seeds until it is caught; null: it is not. */
export async function hunt(variant: Variant, firstSeed: number, processes: number): Promise<Catch | null> {
  let given = 0;
  let caught: RunReport | null = null;
  await runJobs(
    processes,
    () => (caught === null && given < SEEDS_MAX ? { seed: firstSeed + given++, variant } : null),
    (report) => {
      if (report.violation !== null && (caught === null || report.seed < caught.seed)) caught = report;
    },
  );
  const report = caught as RunReport | null;
  return report === null ? null : { report, seeds: report.seed - firstSeed + 1 };
}

/** The variant of this name. @throws RangeError. */
export function variantOf(name: string): Variant {
  const variant = VARIANTS.find((each) => each === name);
  if (variant === undefined) throw new RangeError(`${name} is none of: ${VARIANTS.join(", ")}`);
  return variant;
}
