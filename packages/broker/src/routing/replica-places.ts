/**
 * replica-places.ts: which broker holds a replica. The controller's state says it; for replicas of the controller itself, of which a broker must
 * know before it has that state, so do the founding, and whoever has written from one.
 */
import { type BrokerId, CONTROLLER_GROUP, type GroupId, type ReplicaId } from "@varve/base";
import type { ControllerState } from "@varve/cluster";
import type { FoundingVoter } from "../membership/founding-note.js";

/** Senders remembered: more than a controller's group has members. */
const SENDERS_MAX = 64;

export class ReplicaPlaces {
  private readonly state: () => ControllerState | null;
  private readonly foundingVoters: () => readonly FoundingVoter[];
  private readonly senders = new Map<ReplicaId, BrokerId>();

  constructor(state: () => ControllerState | null, foundingVoters: () => readonly FoundingVoter[]) {
    this.state = state;
    this.foundingVoters = foundingVoters;
  }

  brokerOf(groupId: GroupId, replicaId: ReplicaId): BrokerId | null {
    const known = this.state()?.brokerOf(groupId, replicaId) ?? null;
    if (known !== null || groupId !== CONTROLLER_GROUP) return known;
    const heard = this.senders.get(replicaId);
    if (heard !== undefined) return heard;
    return this.foundingVoters().find((voter) => voter.replicaId === replicaId)?.brokerId ?? null;
  }

  /**
   * A replica has written. One of the controller that is new, or made anew, has no state to look others up in, and the founding ones may all have
   * been replaced since: whoever writes to it can be answered.
   */
  noteSender(groupId: GroupId, replicaId: ReplicaId, from: BrokerId): void {
    if (groupId !== CONTROLLER_GROUP || this.senders.get(replicaId) === from) return;
    if (this.senders.size >= SENDERS_MAX) this.senders.clear();
    this.senders.set(replicaId, from);
  }
}
