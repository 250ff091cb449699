/**
 * log-keeper.ts: one log's files over time: drains frames to segments, writes checkpoints, deletes what retention let go of,
 * installs snapshots, seals off a damaged log. All of it in the background, one piece after another.
 *
 * Invariants:
 *   B1  a frame is needed in the WAL until the mark of its drain is durable
 *   B2  the checkpoint at the end of a segment is durable before the next segment gets its first frame
 *   B3  a configuration change is drained only after a checkpoint at or above it is durable, so recovery finds it in one of both
 *   B4  a segment is deleted only below the log start in a durable checkpoint; of a log of kind `state`, below that checkpoint
 */
import { assert, type RaftIndex } from "@varve/base";
import type { CheckpointSection, Frame, LogSnapshot } from "../api.js";
import { frameBytes } from "../frame/frame.js";
import type { Mark } from "../wal/records.js";
import {
  damageText,
  decodeCheckpoint,
  encodeCheckpoint,
  isDamage,
  isMissingFile,
  isUnreadable,
  snapshotOf,
} from "./checkpoint.js";
import { FrameMemory } from "./frame-memory.js";
import { Jobs } from "./jobs.js";
import type { LogCore } from "./log-core.js";
import { LogState } from "./log-state.js";
import type { LogWriter } from "./log-writer.js";
import { SegmentPlan } from "./segment-plan.js";

/** Most bytes of one drain: one write, one fsync, one mark. */
const DRAIN_BYTES_MAX = 4 * 1024 * 1024;

/** What a frame in memory costs beside its bytes: its objects, and views of buffers. Measured with small commands of groups: 1.0 to 1.6 KB. */
const FRAME_OBJECT_BYTES = 1_024;

export class LogKeeper {
  private readonly core: LogCore;
  private readonly writer: LogWriter;
  private readonly jobs: Jobs;
  private sectionSource: (() => readonly CheckpointSection[]) | null = null;
  private bytesSinceCheckpoint = 0;
  private isDrainQueued = false;
  private newestCheckpoint: RaftIndex;
  private checkpointsQueued = 0;
  private snapshotCache: LogSnapshot | null = null;
  private isSnapshotLoading = false;

  /** @param newestCheckpoint index of the newest checkpoint that is durable. */
  constructor(core: LogCore, writer: LogWriter, newestCheckpoint: RaftIndex) {
    this.core = core;
    this.writer = writer;
    this.newestCheckpoint = newestCheckpoint;
    this.jobs = new Jobs((error) => this.failed(error));
  }

  setSectionSource(source: () => readonly CheckpointSection[]): void {
    this.sectionSource = source;
  }

  /** Whether a checkpoint needs nothing from the caller. */
  get ownsWholeState(): boolean {
    return this.core.spec.kind === "data" && this.sectionSource === null;
  }

  /** Ends the last segment if the frame does not fit it any more. */
  rollBefore(frame: Frame): void {
    const { plan, config } = this.core;
    if (plan.canRoll() && plan.active.bytes + frameBytes(frame) > config.segmentBytes) this.roll();
  }

  /** A frame was applied: it will need a place in a segment. */
  noteApplied(frame: Frame): void {
    this.core.plan.apply(frame);
    this.bytesSinceCheckpoint += frameBytes(frame);
    this.core.addUndrained(frameBytes(frame));
  }

  /** Begins a new segment or writes a checkpoint if one is due; the caller has applied all that is applied here. */
  afterApply(isCheckpointNeeded: boolean): void {
    const { core } = this;
    if (core.plan.isRollDue(core.config, core.state.appendTimeMs)) this.roll();
    else if (isCheckpointNeeded || this.isCheckpointDue()) this.checkpoint();
    core.context.onCommitted(core);
  }

  private isCheckpointDue(): boolean {
    return this.bytesSinceCheckpoint >= this.core.context.checkpointIntervalBytes && this.checkpointsQueued === 0;
  }

  /** Ends the last segment here and now. */
  roll(): void {
    const { core } = this;
    core.plan.roll(core.state.term);
    this.checkpoint();
  }

  /** Encodes the state as it is now and queues it for its file; the frames up to it are durable already. */
  checkpoint(): void {
    const { core } = this;
    const { state, spec, plan, generation } = core;
    assert(state.index <= core.durableIndex, "a checkpoint holds only what is durable");
    const index = state.index;
    const encoded = encodeCheckpoint({
      owner: spec,
      image: state.image(),
      segments: plan.list(),
      sections: this.sectionSource?.() ?? [],
    });
    const deletableThrough = spec.kind === "data" ? state.logStart.index : index;
    this.bytesSinceCheckpoint = 0;
    this.checkpointsQueued++;
    void this.jobs.add(async () => {
      this.checkpointsQueued--;
      if (core.isStopped || core.generation !== generation) return;
      const isOver = (): boolean => core.isStopped || core.generation !== generation;
      // B2, B3: drains that were queued after it wait as well.
      await this.write(isOver, core.files.dir, () => core.files.writeCheckpoint(index, encoded));
      if (isOver()) return;
      this.newestCheckpoint = index;
      await this.deleteThrough(deletableThrough);
    });
  }

  /** B4; and checkpoints that neither begin a retained segment nor are the newest. */
  private async deleteThrough(index: RaftIndex): Promise<void> {
    const { core } = this;
    const drained = Math.min(index, core.drainedIndex, this.newestCheckpoint);
    const gone = core.plan.dropThrough(core.spec.kind === "data" ? drained : this.keepOneSegment(drained));
    if (gone.length > 0) {
      this.snapshotCache = null;
      core.state.epochs.pruneBelow(core.plan.first.previousIndex);
      await core.files.removeSegments(gone);
    }
    await core.files.pruneCheckpoints(
      new Set([this.newestCheckpoint, ...core.plan.list().map((segment) => segment.previousIndex)]),
    );
  }

  /** A log of kind `state` keeps one closed segment, so that a follower that lags a little needs no snapshot. */
  private keepOneSegment(index: RaftIndex): RaftIndex {
    const segments = this.core.plan.list();
    return Math.min(index, segments[segments.length - 2]?.previousIndex ?? 0);
  }

  get hasUndrained(): boolean {
    return !this.core.isStopped && this.core.drainedIndex < this.core.state.index;
  }

  /** Whether a checkpoint that is written now makes up for the one at `index`: the newest, unless a segment begins with a state that is gone. */
  canReplaceCheckpoint(index: RaftIndex): boolean {
    if (!this.knowsState) return false;
    const begins = this.core.plan.list().some(({ previousIndex }) => previousIndex === index);
    return index === this.newestCheckpoint && (!begins || this.core.state.index === index);
  }

  /** Whether a restart would replay frames that a checkpoint spared it. */
  get isCheckpointStale(): boolean {
    return this.knowsState && !this.core.isStopped && this.newestCheckpoint < this.core.state.index;
  }

  /** A state log whose state machine has not been attached yet can have no checkpoint: it would say that the state at this index is empty. */
  private get knowsState(): boolean {
    return this.core.spec.kind === "data" || this.sectionSource !== null;
  }

  /** Drains all that is committed now, in the background; resolves when it is over, done or failed. */
  drain(): Promise<void> {
    if (this.isDrainQueued || !this.hasUndrained) return this.jobs.idle();
    this.isDrainQueued = true;
    const through = this.core.state.index;
    return this.jobs.add(async () => {
      this.isDrainQueued = false;
      while (this.hasUndrained && this.core.drainedIndex < through) {
        if (!(await this.drainRun(through))) return;
      }
    });
  }

  /** One write, one fsync, one durable mark. False: the log was reset or stopped meanwhile. */
  private async drainRun(through: RaftIndex): Promise<boolean> {
    const { core } = this;
    const { generation } = core;
    const segment = core.plan.forIndex(core.drainedIndex + 1);
    assert(segment !== null, "every applied frame has a segment");
    // Not beyond what was committed when the drain was asked for: checkpoints queued since then come first (B2, B3).
    const frames = core.memory.slice(core.drainedIndex + 1, Math.min(segment.lastIndex, through) + 1, DRAIN_BYTES_MAX);
    const last = frames[frames.length - 1];
    assert(last !== undefined, "a drain has a frame");
    const isOver = (): boolean => core.isStopped || core.generation !== generation;
    const start = core.drainedEnd(segment);
    if (core.context.walFreedEarly) core.memory.release(frames[0]?.index ?? last.index, last.index);
    const position = await this.write(isOver, core.files.segmentPath(segment.name), () =>
      core.files.appendFrames(segment, start, frames),
    );
    if (position === null || isOver()) return false;
    const mark: Mark = {
      kind: "drained",
      segment: segment.name,
      position,
      index: last.index,
      term: last.term,
      offset: last.baseOffset + last.offsetSpan,
    };
    await new Promise<void>((resolve) => this.writer.saveMark(mark, resolve));
    if (core.generation !== generation || core.isStopped) return false;
    this.drained(mark, frames);
    return true;
  }

  private drained(mark: Mark, frames: readonly Frame[]): void {
    const { core } = this;
    assert(mark.index > core.drainedIndex, "drains go forward");
    assert(mark.index <= core.state.index, "only committed frames are drained");
    const bytes = frames.reduce((sum, frame) => sum + frameBytes(frame), 0);
    core.mark = mark;
    core.drainedIndex = mark.index;
    core.addUndrained(-bytes);
    if (!core.context.walFreedEarly) core.memory.release(frames[0]?.index ?? mark.index, mark.index); // B1
    core.context.tail.add(core, mark.index, bytes + frames.length * FRAME_OBJECT_BYTES);
  }

  /**
   * Replaces the log by a snapshot. In memory at once; on disk its checkpoint first, then the reset mark, which is the moment
   * it counts, then the old files go. What is saved after it waits for the checkpoint.
   */
  reset(snapshot: LogSnapshot, releasedFiles: readonly number[]): void {
    const { core } = this;
    const { image, owner } = decodeCheckpoint(snapshot.encoded);
    assert(owner.groupId === core.spec.groupId, "a snapshot is of the same group");
    assert(image.index > core.state.index, "a snapshot is above what is applied");
    core.generation++;
    core.provenIndex = Math.min(core.provenIndex, core.state.index);
    core.addUndrained(-core.undrainedBytes);
    core.uncommittedBytes = 0;
    core.context.tail.drop(core);
    core.context.loaded.drop(core);
    core.state = new LogState(image, core.context.producerExpiryMs);
    core.state.raiseLogStart({ index: image.index, offset: image.offset });
    core.plan = SegmentPlan.startingAt(core.spec.kind, image);
    core.memory = new FrameMemory(image.index + 1, core.context.references);
    // The segments that the snapshot lists are its writer's, not ours.
    const encoded = encodeCheckpoint({
      owner: core.spec,
      image: core.state.image(),
      segments: core.plan.list(),
      sections: snapshot.sections,
    });
    core.drainedIndex = image.index;
    core.durableIndex = image.index;
    this.bytesSinceCheckpoint = 0;
    this.snapshotCache = snapshot;
    const { generation } = core;
    const mark: Mark = { kind: "reset", index: image.index, term: image.term, offset: image.offset };
    const durable = new Promise<void>((resolve) => this.writer.closeGate(mark, releasedFiles, resolve));
    void this.jobs.add(async () => {
      if (core.isStopped) return;
      const isStopped = (): boolean => core.isStopped;
      await this.write(isStopped, core.files.dir, () => core.files.writeReset(image.index, encoded));
      // Dropped meanwhile: what waits at the gate must not come after the tombstone.
      if (core.isStopped) return;
      this.writer.openGate();
      await durable;
      if (core.generation !== generation) return; // The next reset is under way and will clear these files, too.
      core.mark = mark;
      core.provenIndex = Math.max(core.provenIndex, image.index);
      this.newestCheckpoint = image.index;
      await core.files.finishReset(image.index);
    });
  }

  /** The snapshot for a replica that is behind the first segment; read in the background when it is not at hand. */
  snapshot(): LogSnapshot | "pending" {
    const { core } = this;
    const index = core.spec.kind === "data" ? core.plan.first.previousIndex : this.newestCheckpoint;
    if (this.snapshotCache !== null && this.snapshotCache.index === index) return this.snapshotCache;
    if (!this.isSnapshotLoading && !core.isStopped) {
      this.isSnapshotLoading = true;
      void this.jobs.add(async () => {
        this.isSnapshotLoading = false;
        const wanted = core.spec.kind === "data" ? core.plan.first.previousIndex : this.newestCheckpoint;
        const encoded = await core.files.readCheckpoint(wanted);
        this.snapshotCache = snapshotOf(decodeCheckpoint(encoded), encoded);
      });
    }
    return "pending";
  }

  /** Makes the quarantine durable, with the frames that only the WAL had: nothing is lost by it. */
  sealOff(reason: string): Promise<void> {
    const { core } = this;
    const frames = core.memory.slice(core.drainedIndex + 1, core.memory.lastIndex + 1, Number.POSITIVE_INFINITY);
    const through = core.memory.lastIndex;
    return this.jobs.add(async () => {
      const details = { hardState: core.hardState, drainedIndex: core.drainedIndex };
      const isOver = (): boolean => core.isDropped || core.isClosed;
      await this.write(isOver, core.files.dir, () => core.files.writeQuarantine(reason, details, frames));
      if (isOver()) return;
      core.addUndrained(-core.undrainedBytes);
      core.memory.release(core.drainedIndex + 1, through);
      this.writer.release();
    });
  }

  /** Writes when there is space; null: `isOver` came first. */
  private write<T>(isOver: () => boolean, path: string, work: () => Promise<T>): Promise<T | null> {
    const { space, watch } = this.core.context;
    return space.whenSpace(isOver, () => watch.during(path, work));
  }

  /** Runs after all work that was queued before. */
  afterJobs(job: () => Promise<void>): Promise<void> {
    return this.jobs.add(job);
  }

  private failed(error: unknown): void {
    const { core } = this;
    if (core.isDropped) return;
    if (isDamage(error)) core.setQuarantine(damageText(error));
    else if (isMissingFile(error)) core.setQuarantine(`a file is missing: ${error.message}`);
    else if (isUnreadable(error)) core.setQuarantine(`a file cannot be read: ${error.message}`);
    else core.context.onFatal(error instanceof Error ? error : new Error(String(error)));
  }
}
