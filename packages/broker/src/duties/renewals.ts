/**
 * renewals.ts: asks the controller for a fresh replica in the place of each that this directory has lost, one round a second.
 *
 * Asking is all: the damaged one stays on disk until its group has let it go, which takes a majority of the others. Where too many are
 * damaged nothing is deleted, and the cluster's health says so.
 */
import { type Clock, type GroupId, type Logger, type ReplicaId, toVarveError } from "@varve/base";
import type { ControllerCommand, ControllerState } from "@varve/cluster";

export interface RenewalsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly state: () => ControllerState;
  readonly execute: (command: ControllerCommand) => Promise<unknown>;
}

/** Commands per round: a lost disk asks for thousands. */
const ASKED_AT_ONCE = 16;

export class Renewals {
  private readonly options: RenewalsOptions;
  private readonly damaged = new Map<GroupId, ReplicaId>();
  private asking = false;

  constructor(options: RenewalsOptions) {
    this.options = options;
  }

  /** A replica here does not serve any more. */
  note(groupId: GroupId, replicaId: ReplicaId): void {
    this.damaged.set(groupId, replicaId);
  }

  /** Called once a second. */
  step(): void {
    for (const [groupId, replicaId] of this.damaged)
      if (!this.isWanted(groupId, replicaId)) this.damaged.delete(groupId);
    if (this.asking || this.damaged.size === 0) return;
    this.asking = true;
    const round = [...this.damaged].slice(0, ASKED_AT_ONCE);
    void Promise.all(round.map(([groupId, replicaId]) => this.ask(groupId, replicaId))).then(() => {
      this.asking = false;
    });
  }

  /** Whether the controller still counts on the replica: not once it is leaving. */
  private isWanted(groupId: GroupId, replicaId: ReplicaId): boolean {
    const replicas = this.options.state().partitionOf(groupId)?.partition.replicas ?? [];
    return replicas.some((replica) => replica.replicaId === replicaId);
  }

  private async ask(groupId: GroupId, replicaId: ReplicaId): Promise<void> {
    try {
      await this.options.execute({ kind: "renewReplica", groupId, replicaId });
      this.options.logger.info({ groupId, replicaId }, "a fresh replica takes the place of a damaged one");
    } catch (error) {
      this.options.logger.debug({ err: toVarveError(error), groupId }, "a fresh replica is asked for again");
    }
  }
}
