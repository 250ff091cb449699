/**
 * controller-duties.ts: what the controller's leader does beside answering: the founding command, and who votes in its own group.
 *
 * Called every second and when leadership changes; each step is one command, and nothing is remembered between steps but since when members
 * are silent: whoever leads next starts from the log.
 */
import {
  type BrokerId,
  type Clock,
  type ClusterId,
  CONTROLLER_GROUP,
  isVarveError,
  type Logger,
  type ReplicaId,
} from "@varve/base";
import type { ControllerReplica } from "@varve/cluster";
import { ProposalDropped } from "raft-ts";
import type { Controller } from "../controller/controller.js";
import type { FoundingVoter } from "../membership/founding-note.js";
import type { Replica } from "../replica/replica.js";
import { wantedVoters } from "./controller-voters.js";
import type { Leadership } from "./leadership.js";
import { type GroupView, type NextStep, nextChange } from "./next-change.js";
import { isCaughtUp } from "./replica-changes.js";

export interface ControllerDutiesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly controller: () => Controller | null;
  readonly foundingVoters: () => readonly FoundingVoter[];
  readonly clusterId: () => ClusterId | null;
  readonly leadership: Leadership;
  /** A voter that is silent for so long gives its vote to another broker, milliseconds. */
  readonly voterDeadMs: number;
}

export class ControllerDuties {
  private readonly options: ControllerDutiesOptions;
  /** When members were last seen to answer, on this broker's clock, since it leads. */
  private readonly heardAtMs = new Map<ReplicaId, number>();

  constructor(options: ControllerDutiesOptions) {
    this.options = options;
  }

  step(): void {
    const controller = this.options.controller();
    const replica = controller?.raft ?? null;
    if (controller === null || replica === null || !replica.isReadyLeader()) {
      this.heardAtMs.clear();
      return;
    }
    if (controller.state.clusterId === null) this.found(controller);
    else this.take(controller, replica, nextChange(this.view(controller.state.controllerReplicas, replica)));
  }

  private found(controller: Controller): void {
    const clusterId = this.options.clusterId();
    if (clusterId === null) return;
    const voters = this.options.foundingVoters();
    controller.execute({ kind: "founding", clusterId, voters }).catch((error: unknown) => {
      this.options.logger.debug({ err: error }, "the founding command is tried again");
    });
  }

  private view(members: readonly ControllerReplica[], replica: Replica): GroupView {
    const { voters: voting } = replica.log.replicas;
    const isActive = (id: ReplicaId): boolean => replica.node.progress(id)?.isAnswering === true;
    const voters = wantedVoters(members, {
      isVoter: (id) => voting.includes(id),
      isCaughtUp: (id) => isCaughtUp(replica, id),
      isDead: (id) => id !== replica.id && this.silentMs(id, isActive(id)) > this.options.voterDeadMs,
    });
    const staying = members.filter(({ leaving }) => !leaving);
    const leaving = members.filter((member) => member.leaving);
    const after = (id: ReplicaId): ReplicaId | null => {
      const directory = staying.find(({ replicaId }) => replicaId === id)?.directoryId;
      return leaving.find(({ directoryId }) => directoryId === directory)?.replicaId ?? null;
    };
    return {
      self: replica.id,
      config: replica.log.replicas,
      voters: voters.map((replicaId) => ({ replicaId, after: after(replicaId) })),
      learners: staying.map(({ replicaId }) => replicaId).filter((id) => !voters.includes(id) && after(id) === null),
      leaving: leaving.map(({ replicaId }) => replicaId),
      isActive,
      isCaughtUp: (id) => isCaughtUp(replica, id),
    };
  }

  private silentMs(id: ReplicaId, isActive: boolean): number {
    const nowMs = this.options.clock.monotonicMs();
    const heardAtMs = isActive ? nowMs : (this.heardAtMs.get(id) ?? nowMs);
    this.heardAtMs.set(id, heardAtMs);
    return nowMs - heardAtMs;
  }

  private take(controller: Controller, replica: Replica, step: NextStep): void {
    const { logger, leadership } = this.options;
    if (step.kind === "handOver") leadership.handOver(replica, step.to);
    if (step.kind === "left") {
      const { replicaIds } = step;
      controller.execute({ kind: "controllerReplicasLeft", replicaIds }).catch((error: unknown) => {
        if (!isVarveError(error)) throw error;
        logger.debug({ err: error }, "that replicas of the controller have left is written again");
      });
    }
    if (step.kind !== "change") return;
    try {
      replica.proposeConfChange({ transition: "auto", changes: step.changes, context: new Uint8Array(0) });
      const brokers = step.changes.map(({ type, nodeId }) => `${type} ${brokerOf(controller, nodeId) ?? nodeId}`);
      logger.info({ groupId: CONTROLLER_GROUP, brokers }, "changing the members of the controller's group");
    } catch (error) {
      if (!(error instanceof ProposalDropped)) throw error;
      logger.debug({ err: error }, "the change of members is tried again");
    }
  }
}

function brokerOf({ state }: Controller, replicaId: ReplicaId): BrokerId | null {
  return state.brokerOf(CONTROLLER_GROUP, replicaId);
}
