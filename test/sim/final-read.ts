/**
 * final-read.ts: the last look: every replica's records, read from its memory and disk, are the committed ones; and its state is that of the
 * others.
 */
import { isVarveError } from "@varve/base";
import { batchBaseOffset, batchLeaderEpoch, verifyBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import type { GroupLog } from "@varve/storage";
import type { Checks } from "./checks.js";
import { checkAllProducers } from "./invariants/s11-producer-table.js";
import type { Machine } from "./machine.js";
import type { Time } from "./time.js";
import { type GroupTruth, valuesOf } from "./truth.js";
import { hold } from "./violation.js";

const READ_BYTES = 256 * 1024;
const READ_MS = 5_000;
const CATCH_UP_MS = 60_000;

/** @throws Violation when a replica lacks a committed record, or has one that is not. */
export async function checkReplicas(machines: readonly Machine[], checks: Checks, time: Time): Promise<void> {
  for (const truth of checks.truth.groups.values()) {
    for (const machine of machines) {
      // What a broker still holds that was decommissioned is nobody's any more.
      const log = machine.isRetired ? undefined : machine.replica(truth.spec.groupId)?.log;
      if (log === undefined || log.quarantine !== null) continue;
      checks.groupState.compare(log, log.pointers().appliedIndex);
      if (log.spec.kind !== "data") continue;
      checkAllProducers(truth, log);
      try {
        await checkLog(truth, log, time);
      } catch (error) {
        // Damage that was done may be met only now; and a replica may leave while it is read.
        const code = isVarveError(error) ? error.code : null;
        const isMet = (machine.isDamaged && code === "REPLICA_QUARANTINED") || code === "NOT_LEADER";
        if (!isMet) throw error;
      }
    }
  }
}

async function checkLog(truth: GroupTruth, log: GroupLog, time: Time): Promise<void> {
  const where = `replica ${log.spec.replicaId}`;
  // One that took a lost one's place after all agreed has only begun.
  await time.until(
    `${where} holds all ${truth.endOffset} records of group ${truth.spec.groupId}`,
    CATCH_UP_MS,
    () => log.pointers().highWatermark >= truth.endOffset,
  );
  const { logStartOffset, highWatermark } = log.pointers();
  hold("S10", highWatermark === truth.endOffset, () => `${where} ends at ${highWatermark}, not at ${truth.endOffset}`);
  for (let offset = logStartOffset; offset < highWatermark; ) {
    const reading = Promise.resolve(log.read(offset, READ_BYTES));
    const { batches, nextOffset } = await time.finish("a read of a healthy replica", READ_MS, reading);
    for (const batch of batches) checkBatch(truth, batch, where);
    hold("S10", nextOffset > offset, () => `${where}: a read at ${offset} finds nothing before ${highWatermark}`);
    offset = nextOffset;
  }
}

function checkBatch(truth: GroupTruth, batch: Uint8Array, where: string): void {
  verifyBatch(batch, nodeCodec);
  const base = batchBaseOffset(batch);
  for (const [at, value] of valuesOf(batch).entries()) {
    const committed = truth.valueAt(base + at);
    hold(
      "S10",
      value === committed,
      () => `${where} has ${value} at ${base + at} of epoch ${batchLeaderEpoch(batch)}, committed is ${committed}`,
    );
  }
}
