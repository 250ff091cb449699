/**
 * catch-up.ts: whether every replica on this broker has caught up once since the start, which its first readiness waits for. Pure.
 *
 * A replica has caught up when it serves as leader, when its leader counts it as complete, or when what its leader had committed at the moment
 * that it was asked is applied here. (A follower cannot know by itself: a heartbeat never tells a commit index beyond what the follower has.)
 * Invariants:
 *   C1  once every replica that was wanted had caught up, it stays said (a latch): trouble of peers and replicas made later never undo it
 *   C2  what one replica has caught up with says nothing of its successor under another id
 *   C3  a leader of an earlier term than the replica has seen is not believed
 */
import type { GroupId, RaftIndex, ReplicaId, Term } from "@varve/base";

/** A replica that runs here. */
export interface ReplicaHere {
  readonly groupId: GroupId;
  readonly replicaId: ReplicaId;
  /** Leads, and serves. */
  readonly isServing: boolean;
  /** Latest term that it has seen. */
  readonly term: Term;
  readonly appliedIndex: RaftIndex;
}

/** What a group's leader said when it was asked. */
export interface LeaderSays {
  readonly groupId: GroupId;
  readonly epoch: Term;
  readonly inSync: readonly ReplicaId[];
  /** null: a leader of an earlier version, which does not tell. */
  readonly commit: RaftIndex | null;
}

export class CatchUp {
  private readonly caughtUp = new Map<GroupId, ReplicaId>();
  private readonly targets = new Map<GroupId, RaftIndex>();
  private latched = false;
  private pendingCount: number | null = null;

  /** Whether it was complete once. */
  get isOver(): boolean {
    return this.latched;
  }

  /** Replicas that have not caught up yet, as of the last look; null before the first. */
  get behind(): number | null {
    return this.latched ? 0 : this.pendingCount;
  }

  /**
   * Takes notice of what runs here. `missing`: replicas that should run and do not.
   * @returns the groups whose leaders must be asked; none once it is over.
   */
  look(replicas: Iterable<ReplicaHere>, missing: number): GroupId[] {
    if (this.latched) return [];
    const ask: GroupId[] = [];
    let pending = missing;
    for (const replica of replicas) {
      if (this.hasCaughtUp(replica)) continue;
      pending++;
      if (!this.targets.has(replica.groupId)) ask.push(replica.groupId);
    }
    this.pendingCount = pending;
    this.latched = pending === 0;
    if (this.latched) this.forget();
    return ask;
  }

  /** Takes in what leaders said of groups that were asked for. */
  heard(replicas: ReadonlyMap<GroupId, ReplicaHere>, answers: Iterable<LeaderSays>): void {
    for (const { groupId, epoch, inSync, commit } of answers) {
      const replica = replicas.get(groupId);
      if (replica === undefined || epoch < replica.term) continue; // C3
      if (inSync.includes(replica.replicaId)) this.caughtUp.set(groupId, replica.replicaId);
      else if (commit !== null) this.targets.set(groupId, commit);
    }
  }

  private hasCaughtUp({ groupId, replicaId, isServing, appliedIndex }: ReplicaHere): boolean {
    if (this.caughtUp.get(groupId) === replicaId) return true; // C2
    const target = this.targets.get(groupId);
    const hasArrived = isServing || (target !== undefined && appliedIndex >= target);
    if (hasArrived) this.caughtUp.set(groupId, replicaId);
    return hasArrived;
  }

  private forget(): void {
    this.caughtUp.clear();
    this.targets.clear();
  }
}
