/**
 * controller-duties.ts: what the controller's leader does beside answering: the founding command, learners for joined brokers, and
 * voters up to the number that the cluster's size asks for.
 *
 * One step at a time, once a second; each step looks at what is there and does the next thing, so it may be repeated or abandoned.
 * Invariant: a learner becomes a voter only when its log has reached the leader's commit index (thesis 4.2.1).
 */
import type { Clock, ClusterId, Logger } from "@varve/base";
import type { ControllerReplica } from "@varve/cluster";
import type { Controller } from "../controller/controller.js";
import type { FoundingVoter } from "../membership/founding-note.js";
import type { Replica } from "../replica/replica.js";

export interface ControllerDutiesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly controller: () => Controller | null;
  readonly foundingVoters: () => readonly FoundingVoter[];
  readonly clusterId: () => ClusterId | null;
}

/** Voters of the controller's group: three, or five from five brokers on. */
export function voterTarget(brokerCount: number): number {
  return brokerCount >= 5 ? 5 : Math.min(3, brokerCount);
}

export class ControllerDuties {
  private readonly options: ControllerDutiesOptions;

  constructor(options: ControllerDutiesOptions) {
    this.options = options;
  }

  step(): void {
    const controller = this.options.controller();
    const replica = controller?.raft ?? null;
    if (controller === null || replica === null || !replica.isReadyLeader()) return;
    if (controller.state.clusterId === null) this.found(controller);
    else this.adjustMembers(controller, replica);
  }

  private found(controller: Controller): void {
    const clusterId = this.options.clusterId();
    if (clusterId === null) return;
    const voters = this.options.foundingVoters();
    controller.execute({ kind: "founding", clusterId, voters }).catch((error: unknown) => {
      this.options.logger.debug({ err: error }, "the founding command is tried again");
    });
  }

  private adjustMembers(controller: Controller, replica: Replica): void {
    const { voters, learners, votersOutgoing } = replica.log.replicas;
    if (votersOutgoing.length > 0) return;
    const members = controller.state.controllerReplicas;
    const missing = members.find(({ replicaId }) => !voters.includes(replicaId) && !learners.includes(replicaId));
    if (missing !== undefined) {
      this.change(replica, "addLearner", missing);
      return;
    }
    if (voters.length >= voterTarget(members.length)) return;
    const ready = members.find(({ replicaId }) => learners.includes(replicaId) && isCaughtUp(replica, replicaId));
    if (ready !== undefined) this.change(replica, "addVoter", ready);
  }

  private change(replica: Replica, type: "addLearner" | "addVoter", member: ControllerReplica): void {
    try {
      replica.proposeConfChange({
        transition: "auto",
        changes: [{ type, nodeId: member.replicaId }],
        context: new Uint8Array(0),
      });
      this.options.logger.info(
        { change: type, broker: member.brokerId },
        "changing the members of the controller's group",
      );
    } catch (error) {
      this.options.logger.debug({ err: error }, "the change of members is tried again");
    }
  }
}

function isCaughtUp(replica: Replica, replicaId: number): boolean {
  const progress = replica.node.progress(replicaId);
  return progress?.recentActive === true && progress.state === "replicate" && progress.match >= replica.node.commit;
}
