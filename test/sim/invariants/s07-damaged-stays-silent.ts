/**
 * s07-damaged-stays-silent.ts: a replica with a known hole in its log neither votes nor leads nor acknowledges, and damage is only found where
 * damage was done.
 *
 * Source: Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018, section 2.
 */
import type { MessageHead } from "@varve/broker/testing";
import type { GroupLog } from "@varve/storage";
import { hold } from "../violation.js";

export class DamagedStaysSilent {
  /** The log of each replica in the process that runs it now. */
  private readonly logs = new Map<string, GroupLog>();

  /** A log was opened or made. `mayBeDamaged`: its machine's disk was damaged on purpose. */
  onSeen(log: GroupLog, mayBeDamaged: boolean): void {
    const { replicaId, groupId } = log.spec;
    this.logs.set(`${groupId}/${replicaId}`, log);
    hold(
      "S7",
      log.quarantine === null || mayBeDamaged,
      () => `replica ${replicaId} of group ${groupId} calls itself damaged: ${log.quarantine}`,
    );
  }

  onSent({ type, groupId, from }: MessageHead): void {
    const damage = this.logs.get(`${groupId}/${from}`)?.quarantine ?? null;
    hold("S7", damage === null, () => `replica ${from} of group ${groupId} is damaged (${damage}) and sends ${type}`);
  }
}
