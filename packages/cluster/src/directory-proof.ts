/**
 * directory-proof.ts: is the disk behind a broker the one that the controller knows, and as new as when it last saw it?
 *
 * node.json lists the random ids of the last 64 starts, the newest last. A disk that went back in time (a restored backup, a
 * cloned volume) lacks the newest start that the controller accepted: it has forgotten votes and acknowledged frames.
 * Invariants:
 *   B1  a wiped disk never takes over its broker id: another directory id under a known broker id is refused
 *   B2  a start whose list lacks the newest accepted start is refused, and so is every later start that lists it
 *   B3  a late command of an older start changes nothing and condemns nobody
 *   B4  a directory that was replaced or decommissioned is refused for ever
 * Limit: 64 starts in a row that never reached the controller fill the list; such a disk cannot be told from one that was
 * rolled back and then started 64 times unseen. It is accepted, since otherwise a crash loop would end a cluster for ever.
 */
import { assert, type BootId } from "@varve/base";
import type { DirectoryProof } from "./commands.js";
import { CLUSTER_LIMITS, type DirectoryRecord } from "./model.js";
import { type Refusal, refuse } from "./result.js";

export type ProofVerdict =
  /** `record` is the same object when nothing new was said. */
  | { readonly kind: "accepted"; readonly record: DirectoryRecord }
  /** `record` is what must be remembered about the refusal, null = nothing. */
  | { readonly kind: "refused"; readonly refusal: Refusal; readonly record: DirectoryRecord | null };

/** Judges a directory by what the controller last accepted of it; `known` null = it was never seen. */
export function judgeDirectory(known: DirectoryRecord | null, proof: DirectoryProof): ProofVerdict {
  const bootIds = [...proof.priorBootIds, proof.bootId];
  if (known === null) {
    const { directoryId, brokerId } = proof;
    return {
      kind: "accepted",
      record: {
        directoryId,
        brokerId,
        bootIds: newest(bootIds),
        refusedBootIds: [],
        retired: false,
        decommissionedFrom: null,
      },
    };
  }
  assert(known.directoryId === proof.directoryId, "the record is of this directory");
  if (known.brokerId !== proof.brokerId) return { kind: "refused", refusal: otherBroker(known, proof), record: null };
  if (known.retired) return { kind: "refused", refusal: retired(proof), record: null };
  const last = known.bootIds.at(-1);
  if (proof.bootId === last) return { kind: "accepted", record: known };
  if (known.bootIds.includes(proof.bootId)) return { kind: "refused", refusal: staleStart(proof), record: null };
  if (bootIds.some((bootId) => known.refusedBootIds.includes(bootId)) || isRolledBack(known, bootIds)) {
    const refusedBootIds = newest([...known.refusedBootIds.filter((bootId) => bootId !== proof.bootId), proof.bootId]);
    return { kind: "refused", refusal: rolledBack(proof), record: { ...known, refusedBootIds } };
  }
  return { kind: "accepted", record: { ...known, bootIds: newest(bootIds) } };
}

function newest(bootIds: readonly BootId[]): readonly BootId[] {
  return bootIds.slice(-CLUSTER_LIMITS.bootIdsMax);
}

function isRolledBack(known: DirectoryRecord, bootIds: readonly BootId[]): boolean {
  const last = known.bootIds.at(-1);
  assert(last !== undefined, "an accepted directory has a start");
  if (bootIds.includes(last)) return false;
  const full = bootIds.length >= CLUSTER_LIMITS.bootIdsMax;
  return !full || known.bootIds.some((bootId) => bootIds.includes(bootId));
}

function otherBroker(known: DirectoryRecord, proof: DirectoryProof): Refusal {
  return refuse(
    "DATA_DIR_UNUSABLE",
    `data directory ${proof.directoryId} belongs to broker ${known.brokerId}, and broker ${proof.brokerId} was started on it; start it as broker ${known.brokerId}, or give broker ${proof.brokerId} an empty directory`,
    { directoryId: proof.directoryId, brokerId: proof.brokerId, ownerBrokerId: known.brokerId },
  );
}

function retired(proof: DirectoryProof): Refusal {
  return refuse(
    "DATA_DIR_UNUSABLE",
    `data directory ${proof.directoryId} of broker ${proof.brokerId} was replaced or decommissioned: the cluster holds its replicas elsewhere and does not take it back; start the broker on an empty directory`,
    { directoryId: proof.directoryId, brokerId: proof.brokerId },
  );
}

function staleStart(proof: DirectoryProof): Refusal {
  return refuse(
    "INVALID_ARGUMENT",
    `broker ${proof.brokerId} has been started again since boot ${proof.bootId}; this command of the earlier start was ignored`,
    { brokerId: proof.brokerId, bootId: proof.bootId },
  );
}

function rolledBack(proof: DirectoryProof): Refusal {
  return refuse(
    "DATA_DIR_UNUSABLE",
    `data directory ${proof.directoryId} of broker ${proof.brokerId} has gone back in time: it lacks a start that the cluster has seen, so it has forgotten votes and acknowledged records; it is refused for ever; bring back the current disk, or start on an empty one after: varve broker replace ${proof.brokerId}`,
    { directoryId: proof.directoryId, brokerId: proof.brokerId, bootId: proof.bootId },
  );
}

/** Refuses a new directory under a broker id that another directory owns (B1). */
export function wipedDirectory(owner: { brokerId: number; directoryId: string }, proof: DirectoryProof): Refusal {
  return refuse(
    "DATA_DIR_UNUSABLE",
    `broker id ${proof.brokerId} belongs to data directory ${owner.directoryId}, but this one is ${proof.directoryId}; a wiped or exchanged disk may not vote as the old one; bring the old disk back, or tell the cluster that it is gone for ever, with: varve broker replace ${proof.brokerId}`,
    { brokerId: proof.brokerId, directoryId: proof.directoryId, ownerDirectoryId: owner.directoryId },
  );
}
