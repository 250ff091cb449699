/**
 * checks.ts: all invariants of a run, told of every event that may break one.
 *
 * The first violation is kept: code under test may catch what is thrown inside of it.
 */
import type { Frame, GroupLog, LogWrite } from "@varve/storage";
import type { Message } from "raft-ts";
import { Acknowledgements } from "./invariants/acknowledgements.js";
import { CommitOwnTerm } from "./invariants/commit-own-term.js";
import { ElectionSafety } from "./invariants/election-safety.js";
import { LeaderCompleteness } from "./invariants/leader-completeness.js";
import { LogMatching } from "./invariants/log-matching.js";
import { checkQuorumSynced } from "./invariants/quorum-synced.js";
import { StateMachineSafety } from "./invariants/state-machine-safety.js";
import { SyncedLog } from "./invariants/synced-log.js";
import { VoteOnce } from "./invariants/vote-once.js";
import { GroupTruth } from "./truth.js";
import { hold, Violation } from "./violation.js";

/** A replica that is leader at this moment. */
export interface LiveLeader {
  readonly log: GroupLog;
  readonly term: number;
}

/** What a replica's core says of itself. */
export interface ReplicaView {
  readonly term: number;
  readonly commit: number;
  readonly isLeader: boolean;
}

export class Checks {
  readonly acknowledgements = new Acknowledgements();
  private readonly commitOwnTerm = new CommitOwnTerm();
  private readonly electionSafety = new ElectionSafety();
  private readonly voteOnce = new VoteOnce();
  private readonly logMatching = new LogMatching();
  private readonly leaderCompleteness = new LeaderCompleteness();
  private readonly stateMachineSafety = new StateMachineSafety();
  private readonly truths = new Map<number, GroupTruth>();
  private readonly disks = new Map<number, Map<number, SyncedLog>>();
  private readonly leadersOf: (groupId: number) => readonly LiveLeader[];
  violation: Violation | null = null;

  constructor(groupIds: readonly number[], leadersOf: (groupId: number) => readonly LiveLeader[]) {
    this.leadersOf = leadersOf;
    for (const groupId of groupIds) {
      this.truths.set(groupId, new GroupTruth(groupId));
      this.disks.set(groupId, new Map());
    }
  }

  truth(groupId: number): GroupTruth {
    const truth = this.truths.get(groupId);
    if (truth === undefined) throw new RangeError(`group ${groupId} is not part of this run`);
    return truth;
  }

  appliedIndex(replicaId: number): number {
    return this.stateMachineSafety.appliedIndex(replicaId);
  }

  /** Runs a check; the first failure is kept and thrown on. */
  run(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  /** Something failed that must not fail. */
  fail(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.violation ??= error instanceof Violation ? error : new Violation("no-failure", text);
  }

  onSent(groupId: number, message: Message): void {
    this.run(() => this.voteOnce.onSent(groupId, message));
  }

  onSaved(log: GroupLog, write: LogWrite): void {
    this.run(() => {
      this.diskOf(log).onSaved(write);
      if (write.reset !== null) this.stateMachineSafety.standsAt(log.spec.replicaId, write.reset.index);
      this.logMatching.onAppended(log, write.frames);
    });
  }

  onDurable(log: GroupLog): void {
    this.run(() => this.diskOf(log).onDurable());
  }

  onLeader(log: GroupLog, term: number, commit: number): void {
    this.run(() => {
      const { groupId, replicaId } = log.spec;
      this.electionSafety.onLeader(groupId, term, replicaId);
      this.commitOwnTerm.onLeader(log, term, commit);
      this.leaderCompleteness.onLeader(this.truth(groupId), log, term);
    });
  }

  /** A replica applies frames. */
  onApplied(log: GroupLog, frames: readonly Frame[], { term, commit, isLeader }: ReplicaView): void {
    this.run(() => {
      if (isLeader) this.commitOwnTerm.onLeader(log, term, commit);
      const truth = this.truth(log.spec.groupId);
      for (const frame of frames) {
        const entry = truth.entry(frame.index) ?? this.committed(truth, frame, term);
        this.stateMachineSafety.onApplied(log.spec.replicaId, frame, entry);
      }
    });
  }

  /** A replica is back after a crash. */
  onRecovered(log: GroupLog): void {
    this.run(() => {
      hold("recovery", log.quarantine === null, () => `replica ${log.spec.replicaId}: ${log.quarantine}`);
      this.diskOf(log).onRecovered(log);
      const truth = this.truth(log.spec.groupId);
      const { appliedIndex } = log.pointers();
      if (appliedIndex > truth.lastIndex) {
        const frames = log.entries(truth.lastIndex + 1, appliedIndex + 1, Number.MAX_SAFE_INTEGER);
        hold("recovery", typeof frames !== "string", () => `applied frames are ${frames}`);
        if (typeof frames !== "string") for (const frame of frames) this.committed(truth, frame, log.hardState.term);
      }
      for (let index = log.pointers().logStartIndex; index <= appliedIndex; index++) {
        const own = log.term(index);
        const term = truth.entry(index)?.term;
        hold(
          "recovery",
          own === term,
          () => `replica ${log.spec.replicaId} recovers ${own} applied at ${index}, committed is ${term}`,
        );
      }
      this.stateMachineSafety.standsAt(log.spec.replicaId, appliedIndex);
    });
  }

  private committed(truth: GroupTruth, frame: Frame, commitTerm: number): ReturnType<GroupTruth["grow"]> {
    const entry = truth.grow(frame, commitTerm);
    checkQuorumSynced(truth.groupId, entry, [...(this.disks.get(truth.groupId)?.values() ?? [])]);
    this.acknowledgements.onCommitted(entry.value, entry.baseOffset);
    for (const { log, term } of this.leadersOf(truth.groupId)) this.leaderCompleteness.onCommitted(entry, log, term);
    return entry;
  }

  /** Announces a replica before anything else is said of it, so that quorums are counted over all voters. */
  addReplica(groupId: number, replicaId: number): void {
    this.disks.get(groupId)?.set(replicaId, new SyncedLog());
  }

  private diskOf(log: GroupLog): SyncedLog {
    const disk = this.disks.get(log.spec.groupId)?.get(log.spec.replicaId);
    if (disk === undefined) throw new RangeError(`replica ${log.spec.replicaId} is not part of this run`);
    return disk;
  }
}
