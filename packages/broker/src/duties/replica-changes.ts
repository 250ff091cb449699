/**
 * replica-changes.ts: brings the groups that this broker leads to the replicas that the controller wants, one step after another.
 *
 * Nothing of a change is kept in memory: what is wanted stands in the controller's log, how far it has come in the group's own
 * configuration. So a change goes on after any crash, under whoever leads then.
 */
import { type Clock, CONTROLLER_GROUP, type GroupId, isVarveError, type Logger, type ReplicaId } from "@varve/base";
import type { ControllerState, GroupReplica, Partition } from "@varve/cluster";
import { ProposalDropped } from "raft-ts";
import type { Replica } from "../replica/replica.js";
import type { Leadership } from "./leadership.js";
import { type GroupView, type NextStep, nextChange } from "./next-change.js";

export interface ReplicaChangesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly state: () => ControllerState;
  readonly replicas: () => Iterable<Replica>;
  readonly leadership: Leadership;
  /** Tells the controller that replicas are out of their group. */
  readonly left: (groupId: GroupId, replicaIds: readonly ReplicaId[]) => Promise<void>;
}

/** Replicas that groups led here teach at once: more would share the same disk and links, and all end later. */
const LEARNING_AT_ONCE = 8;
/** A step that has shown no effect after this time is taken again. */
const AGAIN_MS = 2_000;
/** Entries that a learner may lack when it becomes a voter: less than a leader may have under way anyway. */
const LAG_ENTRIES_MAX = 64;

export class ReplicaChanges {
  private readonly options: ReplicaChangesOptions;
  /** What was done last for a group, and when: a step is not repeated while it may still be on its way. */
  private readonly begun = new Map<GroupId, { readonly step: string; readonly atMs: number }>();

  constructor(options: ReplicaChangesOptions) {
    this.options = options;
  }

  /** Called often: looks at each group that is led here, and takes its next step where there is one. */
  step(): void {
    const state = this.options.state();
    const led = [...this.options.replicas()].filter(
      (replica) => replica.groupId !== CONTROLLER_GROUP && replica.isReadyLeader(),
    );
    const views = led.flatMap((replica) => {
      const partition = state.partitionOf(replica.groupId)?.partition;
      return partition === undefined || isSettled(replica, partition)
        ? []
        : [{ replica, view: viewOf(replica, partition) }];
    });
    const unsettled = new Set(views.map(({ replica }) => replica.groupId));
    for (const groupId of this.begun.keys()) if (!unsettled.has(groupId)) this.begun.delete(groupId);
    let learning = views.filter(({ replica, view }) => isTeaching(replica, view)).length;
    for (const { replica, view } of views) {
      const step = nextChange(view);
      const teaches = step.kind === "change" && step.changes.some(({ type }) => type === "addLearner");
      if (teaches && !isTeaching(replica, view) && ++learning > LEARNING_AT_ONCE) continue;
      this.take(replica, step);
    }
  }

  private take(replica: Replica, step: NextStep): void {
    if (step.kind === "rest" || step.kind === "wait") return;
    const nowMs = this.options.clock.monotonicMs();
    const text = JSON.stringify(step);
    const last = this.begun.get(replica.groupId);
    if (last?.step === text && nowMs - last.atMs < AGAIN_MS) return;
    this.begun.set(replica.groupId, { step: text, atMs: nowMs });
    const { groupId } = replica;
    if (step.kind === "left") {
      this.options.left(groupId, step.replicaIds).catch((error: unknown) => {
        if (!isVarveError(error)) throw error;
        this.options.logger.debug({ err: error, groupId }, "that replicas have left is told to the controller again");
      });
    } else if (step.kind === "handOver") this.options.leadership.handOver(replica, step.to);
    else this.propose(replica, step);
  }

  private propose(replica: Replica, { changes }: Extract<NextStep, { kind: "change" }>): void {
    const { groupId } = replica;
    try {
      replica.proposeConfChange({ transition: "auto", changes, context: new Uint8Array(0) });
      this.options.logger.info({ groupId, changes }, "changing the replicas of a group");
    } catch (error) {
      if (!(error instanceof ProposalDropped)) throw error;
      this.options.logger.debug({ err: error, groupId }, "the change of a group's replicas is tried again");
    }
  }
}

/** Whether a follower answers and lacks so little that it may become a voter, or lead. */
export function isCaughtUp(replica: Replica, replicaId: ReplicaId): boolean {
  const progress = replica.node.progress(replicaId);
  if (progress?.isAnswering !== true || progress.state !== "replicate") return false;
  return replica.node.commit - progress.match <= LAG_ENTRIES_MAX && progress.match >= replica.log.firstIndex() - 1;
}

/** The common case, told without making anything. */
function isSettled(replica: Replica, { replicas, leaving }: Partition): boolean {
  const { voters, learners, votersOutgoing } = replica.log.replicas;
  if (leaving.length > 0 || learners.length > 0 || votersOutgoing.length > 0) return false;
  return voters.length === replicas.length && replicas.every(({ replicaId }) => voters.includes(replicaId));
}

function isTeaching({ log }: Replica, { voters }: GroupView): boolean {
  return voters.some(({ replicaId }) => log.replicas.learners.includes(replicaId));
}

function viewOf(replica: Replica, { replicas, leaving }: Partition): GroupView {
  return {
    self: replica.id,
    config: replica.log.replicas,
    voters: replicas.map(({ replicaId, directoryId }) => ({ replicaId, after: onDirectory(leaving, directoryId) })),
    learners: [],
    leaving: leaving.map(({ replicaId }) => replicaId),
    isActive: (id) => replica.node.progress(id)?.isAnswering === true,
    isCaughtUp: (id) => isCaughtUp(replica, id),
  };
}

function onDirectory(leaving: readonly GroupReplica[], directoryId: string): ReplicaId | null {
  return leaving.find((replica) => replica.directoryId === directoryId)?.replicaId ?? null;
}
