/**
 * checks.ts: all invariants of a run, told of every event that may break one.
 *
 * The first violation is kept: code under test may catch what is thrown inside of it.
 */
import type { MessageHead } from "@varve/broker/testing";
import type { Frame, GroupLog, LogWrite, ReplicaSet } from "@varve/storage";
import { OneLeaderOneVote } from "./invariants/s01-one-leader-one-vote.js";
import { checkServing } from "./invariants/s02-linearizable-reads.js";
import { checkLeaderHas, checkNewLeader } from "./invariants/s03-leader-completeness.js";
import { LogMatching } from "./invariants/s04-log-matching.js";
import { CommitOwnTerm, checkAppliedSynced, checkQuorumSynced } from "./invariants/s05-quorum-synced.js";
import { SyncedLog } from "./invariants/s06-recovery.js";
import { DamagedStaysSilent } from "./invariants/s07-damaged-stays-silent.js";
import { checkLogStart, checkSnapshot } from "./invariants/s08-log-start.js";
import { ConfigurationsOverlap } from "./invariants/s09-configurations-overlap.js";
import { SameEntries } from "./invariants/s10-same-entries.js";
import { checkAllProducers, checkProducersOf } from "./invariants/s11-producer-table.js";
import { GroupState } from "./invariants/s12-group-state.js";
import { AnswersAreTrue } from "./invariants/s13-answers-are-true.js";
import { type CommittedEntry, type GroupTruth, Truth } from "./truth.js";
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
  /** It answers reads and writes. */
  readonly isServing: boolean;
}

export class Checks {
  readonly truth = new Truth();
  readonly answers = new AnswersAreTrue(this.truth);
  readonly groupState = new GroupState();
  /** How often another leader came, by group; its first one is none. */
  readonly leaderChanges = new Map<number, number>();
  private readonly newLeaders = new Set<string>();
  private readonly oneLeader = new OneLeaderOneVote();
  private readonly logMatching = new LogMatching();
  private readonly commitOwnTerm = new CommitOwnTerm();
  private readonly disks = new Map<string, SyncedLog>();
  private readonly damaged = new DamagedStaysSilent();
  private readonly configurations = new ConfigurationsOverlap();
  private readonly sameEntries = new SameEntries();
  private readonly leadersOf: (groupId: number) => readonly LiveLeader[];
  violation: Violation | null = null;

  constructor(leadersOf: (groupId: number) => readonly LiveLeader[]) {
    this.leadersOf = leadersOf;
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

  /** As `run`, for callers that must go on. */
  note(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Something failed that must not fail. */
  fail(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.violation ??= error instanceof Violation ? error : new Violation("no-failure", text);
  }

  onSent(message: MessageHead): void {
    this.run(() => {
      this.oneLeader.onSent(message);
      this.damaged.onSent(message);
    });
  }

  /** A log that is new on its disk. */
  onCreated(log: GroupLog, mayBeDamaged: boolean): void {
    this.run(() => {
      this.damaged.onSeen(log, mayBeDamaged);
      const { groupId, replicaId } = log.spec;
      const hasPromised = this.disks.get(keyOf(log.spec))?.hasPromised === true;
      hold(
        "S6",
        !hasPromised,
        () => `replica ${replicaId} of group ${groupId} has promised something and comes back empty`,
      );
      this.disks.set(keyOf(log.spec), new SyncedLog());
      this.configurations.begins(log.spec.groupId, log.spec.initial);
      this.sameEntries.standsAt(log, log.pointers().appliedIndex);
    });
  }

  onSaved(log: GroupLog, write: LogWrite): void {
    this.run(() => {
      this.diskOf(log).onSaved(write);
      if (write.reset !== null) {
        checkSnapshot(this.truth.group(log.spec), log, write.reset);
        this.sameEntries.standsAt(log, write.reset.index);
        checkAllProducers(this.truth.group(log.spec), log);
      }
      this.logMatching.onAppended(log, write.frames);
    });
  }

  onDurable(log: GroupLog): void {
    this.run(() => this.diskOf(log).onDurable());
  }

  onReplicas(log: GroupLog, index: number, replicas: ReplicaSet): void {
    this.run(() => this.configurations.onChanged(log.spec.groupId, index, replicas));
  }

  onLeader(log: GroupLog, { term, commit, isServing }: ReplicaView): void {
    this.run(() => {
      const { groupId, replicaId } = log.spec;
      this.oneLeader.onLeader(groupId, term, replicaId);
      this.commitOwnTerm.onLeader(log, term, commit);
      checkNewLeader(this.truth.group(log.spec), log, term);
      if (isServing) checkServing(this.truth.group(log.spec), log, term);
      if (this.newLeaders.has(`${groupId}/${term}`)) return;
      this.newLeaders.add(`${groupId}/${term}`);
      this.leaderChanges.set(groupId, (this.leaderChanges.get(groupId) ?? -1) + 1);
    });
  }

  /** A replica applies frames. */
  onApplying(log: GroupLog, frames: readonly Frame[], { term, commit, isLeader }: ReplicaView): void {
    this.run(() => {
      if (isLeader) this.commitOwnTerm.onLeader(log, term, commit);
      const truth = this.truth.group(log.spec);
      for (const frame of frames) {
        const entry = truth.entry(frame.index) ?? this.committed(truth, frame, term);
        this.sameEntries.onApplied(log, frame, entry);
        checkAppliedSynced(
          truth.spec.groupId,
          log.spec.replicaId,
          entry,
          this.diskOf(log).holds(entry.index, entry.term),
        );
      }
    });
  }

  /** The replica has applied them, and its pointers have moved. */
  onApplied(log: GroupLog, frames: readonly Frame[], { term, commit }: ReplicaView): void {
    this.run(() => {
      const truth = this.truth.group(log.spec);
      const { highWatermark, logStartOffset, appliedIndex } = log.pointers();
      this.logMatching.onMarks(log, { term, commit, highWatermark, logStartOffset });
      checkLogStart(truth, log);
      checkProducersOf(truth, log, frames);
      this.groupState.compare(log, appliedIndex);
    });
  }

  /** A log was found on a disk when its broker started. */
  onRecovered(log: GroupLog, mayBeDamaged: boolean): void {
    this.run(() => {
      this.damaged.onSeen(log, mayBeDamaged);
      if (log.quarantine !== null) return;
      this.diskOf(log).onRecovered(log);
      const truth = this.truth.group(log.spec);
      const { appliedIndex } = log.pointers();
      this.growFromRecovery(truth, log, appliedIndex);
      for (let index = log.pointers().logStartIndex; index <= appliedIndex; index++) {
        const own = log.term(index);
        const term = truth.entry(index)?.term;
        const text = (): string =>
          `replica ${log.spec.replicaId} recovers ${own} applied at ${index}, committed is ${term}`;
        hold("S6", own === term || own === "compacted", text);
      }
      this.sameEntries.standsAt(log, appliedIndex);
      checkLogStart(truth, log);
      checkAllProducers(truth, log);
      this.configurations.onRecovered(log);
    });
  }

  /** A commit index on disk may be ahead of what the process before had applied. */
  private growFromRecovery(truth: GroupTruth, log: GroupLog, appliedIndex: number): void {
    if (appliedIndex <= truth.lastIndex) return;
    const frames = log.entries(truth.lastIndex + 1, appliedIndex + 1, Number.MAX_SAFE_INTEGER);
    hold("S6", typeof frames !== "string", () => `applied frames are ${frames}`);
    if (typeof frames !== "string") for (const frame of frames) this.committed(truth, frame, log.hardState.term);
  }

  private committed(truth: GroupTruth, frame: Frame, commitTerm: number): CommittedEntry {
    const { groupId } = truth.spec;
    const entry = truth.grow(frame, commitTerm, (value) => this.answers.onCommitted(value));
    checkQuorumSynced(
      groupId,
      entry,
      this.configurations.at(groupId, entry.index),
      (replicaId) => this.disks.get(keyOf({ groupId, replicaId }))?.holds(entry.index, entry.term) ?? false,
    );
    for (const { log, term } of this.leadersOf(groupId)) checkLeaderHas(entry, log, term);
    return entry;
  }

  private diskOf(log: GroupLog): SyncedLog {
    const key = keyOf(log.spec);
    let disk = this.disks.get(key);
    if (disk === undefined) {
      disk = new SyncedLog();
      this.disks.set(key, disk);
      this.configurations.begins(log.spec.groupId, log.spec.initial);
    }
    return disk;
  }
}

/** Replica ids are those of a group. */
function keyOf({ groupId, replicaId }: { readonly groupId: number; readonly replicaId: number }): string {
  return `${groupId}/${replicaId}`;
}
