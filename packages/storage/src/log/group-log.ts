/**
 * group-log.ts: one replica's log as Raft, the partition and the consumers see it. The work is done by its parts:
 * log-writer.ts (WAL), log-keeper.ts (segments, checkpoints, retention, resets), log-reader.ts (reads).
 *
 * Invariants, beside L1-L3 of api.ts:
 *   G1  frames above `drained` are in memory; those at or below may have been evicted and are read from segments
 *   G2  a frame at or below `applied` is never replaced: a conflict there is a broken invariant and stops the replica
 */
import { assert, type Offset, type RaftIndex, type Term } from "@varve/base";
import {
  type CheckpointSection,
  type Frame,
  FrameKind,
  type GroupLog,
  type GroupSpec,
  type HardState,
  type LogConfig,
  type LogPointers,
  type LogSnapshot,
  type LogWrite,
  type ProducerStamp,
  type ProducerVerdict,
  type ReadResult,
  type ReplicaSet,
  type ScrubReport,
} from "../api.js";
import { frameBytes } from "../frame/frame.js";
import type { LogStart } from "../frame/payload.js";
import { withinBytes } from "./frame-memory.js";
import type { LogCore } from "./log-core.js";
import { LogKeeper } from "./log-keeper.js";
import { LogReader } from "./log-reader.js";
import { LogScrub } from "./log-scrub.js";
import { LogWriter } from "./log-writer.js";

/** What recovery hands to the caller. */
export interface RecoveredForCaller {
  readonly sections: readonly CheckpointSection[];
  readonly frames: readonly Frame[];
  /** Index of the checkpoint that recovery started from. */
  readonly checkpointIndex: RaftIndex;
}

export class GroupLogImpl implements GroupLog {
  readonly core: LogCore;
  readonly keeper: LogKeeper;
  readonly writer: LogWriter;
  readonly recoveredSections: readonly CheckpointSection[];
  readonly recoveredFrames: readonly Frame[];
  private readonly reader: LogReader;
  private hasNewReplicas = false;

  constructor(core: LogCore, recovered: RecoveredForCaller) {
    this.core = core;
    this.writer = new LogWriter(core);
    this.keeper = new LogKeeper(core, this.writer, recovered.checkpointIndex);
    this.reader = new LogReader(core);
    this.recoveredSections = recovered.sections;
    this.recoveredFrames = recovered.frames;
  }

  get spec(): GroupSpec {
    return this.core.spec;
  }

  get quarantine(): string | null {
    return this.core.quarantine;
  }

  get hardState(): HardState {
    return this.core.hardState;
  }

  get replicas(): ReplicaSet {
    return this.core.state.replicas;
  }

  firstIndex(): RaftIndex {
    return this.core.plan.first.previousIndex + 1;
  }

  lastIndex(): RaftIndex {
    return this.core.memory.lastIndex;
  }

  term(index: RaftIndex): Term | "compacted" | "unavailable" {
    const { core } = this;
    if (index > this.lastIndex()) return "unavailable";
    if (index < this.firstIndex() - 1) return "compacted";
    const frame = core.memory.get(index);
    if (frame !== undefined) return frame.term;
    assert(index <= core.state.index, "G1: a frame that is not applied is in memory");
    return core.state.epochs.termAt(index) ?? "compacted";
  }

  entries(lo: RaftIndex, hi: RaftIndex, bytesMax: number): readonly Frame[] | "compacted" | "unavailable" | "pending" {
    const { memory, context } = this.core;
    assert(lo < hi, "a range of entries is not empty");
    if (hi > this.lastIndex() + 1) return "unavailable";
    if (lo < this.firstIndex()) return "compacted";
    if (lo >= memory.firstIndex) return memory.slice(lo, hi, bytesMax);
    const run = context.loaded.find(this.core, lo);
    if (run === null) return "pending";
    return withinBytes(run.frames, lo - run.first, Math.min(hi - run.first, run.frames.length), bytesMax);
  }

  load(lo: RaftIndex, hi: RaftIndex, bytesMax: number): Promise<number> {
    return this.reader.load(lo, hi, bytesMax);
  }

  snapshot(): LogSnapshot | "pending" {
    return this.keeper.snapshot();
  }

  nextOffset(): Offset {
    const last = this.core.memory.last();
    return last === undefined ? this.core.state.offset : last.baseOffset + last.offsetSpan;
  }

  lastAppendTimeMs(): number {
    return this.core.memory.last()?.appendTimeMs ?? this.core.state.appendTimeMs;
  }

  save(write: LogWrite, onDurable: () => void): void {
    const { core } = this;
    if (core.isStopped) return;
    const isCommitOnly =
      write.hardState !== null &&
      write.frames.length === 0 &&
      write.reset === null &&
      write.hardState.term === core.hardState.term &&
      write.hardState.vote === core.hardState.vote;
    if (write.hardState !== null) {
      assert(write.hardState.term >= core.hardState.term, "a term never falls");
      core.hardState = write.hardState;
    }
    if (isCommitOnly) {
      this.writer.saveCommit(onDurable);
      return;
    }
    if (write.reset !== null) this.keeper.reset(write.reset, core.memory.truncateFrom(core.memory.firstIndex).files);
    const replacedFiles = this.put(write.frames);
    this.writer.save(write, replacedFiles, onDurable);
  }

  /** Takes the frames into memory; returns the WAL files of those they replace. */
  private put(frames: readonly Frame[]): readonly number[] {
    const { core } = this;
    const first = frames[0];
    if (first === undefined) return [];
    assert(first.index > core.state.index, "G2: applied frames are never replaced");
    assert(first.index <= this.lastIndex() + 1, "L3: indexes are dense");
    const removed = core.memory.truncateFrom(first.index);
    for (const frame of removed.frames) core.uncommittedBytes -= frameBytes(frame);
    core.durableIndex = Math.min(core.durableIndex, first.index - 1);
    core.provenIndex = Math.min(core.provenIndex, first.index - 1);
    for (const frame of frames) {
      assert(frame.groupId === core.spec.groupId, "a frame is of this group");
      assert(frame.baseOffset === this.nextOffset(), "L3: offsets are dense");
      assert(frame.term <= core.hardState.term, "no frame is of a term above the log's own");
      core.memory.push(frame);
      core.uncommittedBytes += frameBytes(frame);
    }
    return removed.files;
  }

  commitTo(index: RaftIndex): void {
    const { core } = this;
    if (core.isStopped || index <= core.state.index) return;
    assert(index <= core.durableIndex, "L1: only durable frames are applied");
    const logStartBefore = core.state.logStart.index;
    let isCheckpointNeeded = this.hasNewReplicas;
    // The caller has applied all of this step already, so only without state of its own is a point inside the step a whole one.
    const canRollInside = !this.hasNewReplicas && this.keeper.ownsWholeState;
    while (core.state.index < index) {
      const frame = core.memory.get(core.state.index + 1);
      assert(frame !== undefined, "G1: a frame that is not applied is in memory");
      if (canRollInside) this.keeper.rollBefore(frame);
      core.state.apply(frame);
      core.uncommittedBytes -= frameBytes(frame);
      this.keeper.noteApplied(frame);
      isCheckpointNeeded ||= frame.kind === FrameKind.conf;
    }
    this.hasNewReplicas = false;
    this.keeper.afterApply(isCheckpointNeeded || core.state.logStart.index > logStartBefore);
  }

  setReplicas(index: RaftIndex, replicas: ReplicaSet): void {
    assert(index <= this.lastIndex(), "a configuration comes from a frame of this log");
    this.core.state.replicas = replicas;
    this.hasNewReplicas = true;
  }

  setSectionSource(source: () => readonly CheckpointSection[]): void {
    this.keeper.setSectionSource(source);
  }

  pointers(): LogPointers {
    const { state, drainedIndex, durableIndex, plan } = this.core;
    return {
      logStartIndex: Math.max(state.logStart.index, plan.first.previousIndex) + 1,
      logStartOffset: state.logStart.offset,
      drainedIndex,
      appliedIndex: state.index,
      durableIndex,
      lastIndex: this.lastIndex(),
      highWatermark: state.offset,
    };
  }

  uncommittedBytes(): number {
    return this.core.uncommittedBytes;
  }

  isCongested(comingBytes: number): boolean {
    const { undrained, wal } = this.core.context;
    return this.core.spec.kind === "data" && undrained.total + wal.queuedBytes + comingBytes > undrained.max;
  }

  diskBytes(): number {
    return this.core.plan.bytes();
  }

  read(offset: Offset, bytesMax: number): ReadResult | Promise<ReadResult> {
    return this.reader.read(offset, bytesMax);
  }

  appendTimeAt(offset: Offset): Promise<number | null> {
    return this.reader.appendTimeAt(offset);
  }

  offsetForTime(timeMs: number): Promise<Offset | null> {
    return this.reader.offsetForTime(timeMs);
  }

  epochEnd(epoch: Term): { readonly epoch: Term; readonly endOffset: Offset } | null {
    return this.core.state.epochs.endOf(epoch, this.core.state.offset);
  }

  producerVerdict(stamp: ProducerStamp): ProducerVerdict {
    return this.core.state.producers.verdict(stamp);
  }

  producerState(producerId: number): { readonly epoch: number; readonly lastSequence: number } | null {
    return this.core.state.producers.state(producerId);
  }

  scrub(pace: (bytes: number) => Promise<boolean>): Promise<ScrubReport> {
    return new LogScrub(this.core, this.keeper).run(this.core.context.checksum, pace);
  }

  condemn(reason: string): void {
    this.core.setQuarantine(reason);
  }

  setConfig(config: LogConfig): void {
    this.core.config = config;
  }

  retentionTarget(nowMs: number): LogStart | null {
    const { core } = this;
    const { plan, config, state } = core;
    if (core.isStopped || core.spec.kind === "state") return null;
    // What is past retention must not stay because nothing follows it: its segment ends.
    const isExpired = config.retentionMs >= 0 && nowMs - plan.active.lastAppendMs > config.retentionMs;
    if (plan.canRoll() && (isExpired || plan.isRollDue(config, nowMs))) this.keeper.roll();
    const target = plan.retentionTarget(config, nowMs);
    return target !== null && target.index > state.logStart.index ? target : null;
  }
}
