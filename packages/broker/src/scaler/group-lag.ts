/**
 * group-lag.ts: how far a group is behind, in seconds, and how many consumers could help: two numbers from what waits in its partitions.
 *
 * Invariants:
 *   L1  a lag is the age of the oldest record that the group has not committed; 0 when there is none
 *   L2  a partition whose leader did not answer makes the whole lag unknown: a part of it could take consumers away that are needed
 *   L3  the metric never asks for more consumers than there are partitions to read, given the target of its settings
 */
import { VarveError } from "@varve/base";
import type { NamedPlace } from "../groups/reader-places.js";
import type { Backlog } from "../partition/backlog.js";
import type { ScalerSettings } from "./settings.js";

export interface GroupLag {
  /** The age of the oldest unread record, milliseconds (L1). */
  readonly lagMs: number;
  readonly partitions: number;
  /** Of these, how many have an unread record. */
  readonly partitionsWithLag: number;
}

/**
 * @param backlogs what lies before each of `places`; null: its leader did not answer.
 * @throws VarveError NOT_ENOUGH_REPLICAS (L2).
 */
export function groupLag(
  places: readonly NamedPlace[],
  backlogs: readonly (Pick<Backlog, "records" | "appendTimeMs"> | null)[],
  { startFrom }: Pick<ScalerSettings, "startFrom">,
  nowMs: number,
): GroupLag {
  let lagMs = 0;
  let partitionsWithLag = 0;
  places.forEach((place, at) => {
    if (place.from === null && startFrom === "latest") return;
    const backlog = backlogs[at] ?? null;
    if (backlog === null) throw leaderSilent(place);
    if (backlog.records === 0) return;
    partitionsWithLag += 1;
    if (backlog.appendTimeMs !== null) lagMs = Math.max(lagMs, nowMs - backlog.appendTimeMs);
  });
  return { lagMs, partitions: places.length, partitionsWithLag };
}

/** Whether a first consumer is needed: some record waits, and has for as long as the settings say. */
export function isActive(
  { lagMs, partitionsWithLag }: GroupLag,
  { activationLagSeconds }: Pick<ScalerSettings, "activationLagSeconds">,
): boolean {
  return partitionsWithLag > 0 && lagMs >= activationLagSeconds * 1_000;
}

/**
 * What the autoscaler is told, seconds. It divides by the target to get a number of consumers, so the bound of that number is one of
 * the value (L3).
 */
export function metricSeconds(
  { lagMs, partitions, partitionsWithLag }: GroupLag,
  { lagSeconds, limitToPartitionsWithLag }: Pick<ScalerSettings, "lagSeconds" | "limitToPartitionsWithLag">,
): number {
  const consumersMax = limitToPartitionsWithLag ? partitionsWithLag : partitions;
  return Math.min(lagMs / 1_000, consumersMax * lagSeconds);
}

function leaderSilent({ topic, partition }: NamedPlace): VarveError {
  return new VarveError("NOT_ENOUGH_REPLICAS", {
    message: `the leader of ${topic}/${partition} could not be asked how far the group is; the lag is unknown; ask again`,
    details: { topic, partition },
    effect: "NONE",
  });
}
