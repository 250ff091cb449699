/**
 * s12-group-state.ts: the state of groups, and of the controller, is a function of its log: replicas that have applied the same entries have the
 * same state, whether they applied them one by one, recovered, or took a snapshot. What groups promise their members stands in group-truth.ts.
 *
 * Source: state machine replication (Schneider 1990); the design's rule that LMDB holds only what checkpoint and frames can rebuild.
 */
import { createHash } from "node:crypto";
import type { CheckpointSection, GroupLog } from "@varve/storage";
import { hold } from "../violation.js";

const APPLIED = /"appliedIndex":(\d+)/;

/**
 * How far a shard's own state is, as it says in its encoding. A replica that was made anew on the same disk finds the state of the one before in the
 * store, which is ahead of its log, and passes over what it knows.
 */
function appliedOf(bytes: Uint8Array): number {
  return Number(APPLIED.exec(Buffer.from(bytes).toString("latin1"))?.[1] ?? 0);
}

export class GroupState {
  private readonly digests = new Map<string, string>();
  private readonly sources = new WeakMap<GroupLog, () => readonly CheckpointSection[]>();

  /** From now on this gives the state of what runs on the log. */
  onSource(log: GroupLog, source: () => readonly CheckpointSection[]): void {
    this.sources.set(log, source);
  }

  /** A replica has applied everything up to `index`, or was recovered up to there. */
  compare(log: GroupLog, index: number): void {
    const sections = this.sources.get(log)?.();
    if (sections === undefined || index === 0 || sections.some(({ bytes }) => appliedOf(bytes) > index)) return;
    const hash = createHash("sha256");
    for (const { tag, bytes } of sections) hash.update(`${tag} ${bytes.length} `).update(bytes);
    const digest = hash.digest("base64");
    const key = `${log.spec.groupId}/${index}`;
    const first = this.digests.get(key) ?? digest;
    this.digests.set(key, first);
    hold(
      "S12",
      first === digest,
      () => `replica ${log.spec.replicaId} of group ${log.spec.groupId} has another state at index ${index}`,
    );
  }
}
