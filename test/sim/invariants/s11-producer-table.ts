/**
 * s11-producer-table.ts: what a replica knows of idempotent producers is a function of its committed log: also after a recovery, a
 * snapshot or retention.
 *
 * Source: KIP-98 (sequences), KIP-360 (state outlives the records).
 */
import { batchProducerId } from "@varve/records";
import { type Frame, FrameKind, type GroupLog } from "@varve/storage";
import type { GroupTruth, ProducerPoint } from "../truth.js";
import { hold } from "../violation.js";

/** A replica has applied these frames. */
export function checkProducersOf(truth: GroupTruth, log: GroupLog, frames: readonly Frame[]): void {
  for (const { kind, data } of frames) {
    if (kind !== FrameKind.batch) continue;
    const producerId = batchProducerId(data);
    if (producerId >= 0) checkProducer(truth, log, producerId, log.pointers().appliedIndex);
  }
}

/** A replica stands at its applied index in a way that must not have changed what it knows. */
export function checkAllProducers(truth: GroupTruth, log: GroupLog): void {
  const { appliedIndex } = log.pointers();
  for (const producerId of truth.producers.keys()) checkProducer(truth, log, producerId, appliedIndex);
}

function checkProducer(truth: GroupTruth, log: GroupLog, producerId: number, appliedIndex: number): void {
  const expected = truth.producers.get(producerId)?.findLast(({ index }) => index <= appliedIndex) ?? null;
  const known = log.producerState(producerId);
  hold(
    "S11",
    known?.epoch === expected?.epoch && known?.lastSequence === expected?.lastSequence,
    () =>
      `replica ${log.spec.replicaId} of group ${truth.spec.groupId} knows producer ${producerId} at ${textOf(known)}, ` +
      `its log up to ${appliedIndex} says ${textOf(expected)}`,
  );
}

function textOf(point: Pick<ProducerPoint, "epoch" | "lastSequence"> | null): string {
  return point === null ? "nothing" : `sequence ${point.lastSequence} of epoch ${point.epoch}`;
}
