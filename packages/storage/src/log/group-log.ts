/**
 * group-log.ts: one replica's log: recent frames in memory, older ones in segments, and what is known of both.
 *
 * Invariants, beside L1-L3 of api.ts:
 *   G1  every frame above `drained` is in memory; frames at or below may have been evicted and are read from segments
 *   G2  a frame at or below `applied` is never replaced
 *   G3  a segment is deleted only when it lies wholly below the replicated log start and below a durable checkpoint
 */
import { assert, isVarveError, type Offset, type RaftIndex, type Term, VarveError } from "@varve/base";
import type {
  CheckpointSection,
  Frame,
  GroupLog,
  GroupSpec,
  HardState,
  LogConfig,
  LogPointers,
  LogSnapshot,
  LogWrite,
  ProducerStamp,
  ProducerVerdict,
  ReadResult,
  ReplicaSet,
} from "../api.js";
import { FrameKind } from "../api.js";
import { frameBytes } from "../frame.js";
import { LogState } from "./log-state.js";
import type { SegmentStore } from "./segment-store.js";

/** What a log needs of the storage it lives in. */
export interface LogHost {
  readonly producerExpiryMs: number;
  readonly checkpointIntervalBytes: number;
  monotonicMs(): number;
  write(log: GroupLogImpl, write: LogWrite, onDurable: () => void): void;
  /** Bytes of frames in memory changed by `delta`; `drained`: they may be evicted. */
  tailGrew(log: GroupLogImpl, frames: readonly Frame[]): void;
  wantsDrain(log: GroupLogImpl): void;
  undrainedChanged(delta: number): void;
}

/** Where the drainer has to begin a new segment: the state right before `index`, encoded then. */
export interface RollPoint {
  readonly index: RaftIndex;
  readonly offset: Offset;
  readonly previousTerm: Term;
  readonly checkpoint: Uint8Array;
}

export class GroupLogImpl implements GroupLog {
  readonly spec: GroupSpec;
  readonly segments: SegmentStore;
  readonly state: LogState;
  hardState: HardState;
  /** The newest one that is durable; the current one may speak of frames that are not. */
  durableHardState: HardState;
  recoveredSections: readonly CheckpointSection[] = [];
  recoveredFrames: readonly Frame[] = [];
  quarantine: string | null = null;
  config: LogConfig;
  drained: RaftIndex = 0;
  durable: RaftIndex = 0;
  /** Frames from memFirst on, dense. */
  frames: Frame[] = [];
  memFirst: RaftIndex = 1;
  rolls: RollPoint[] = [];
  undrainedBytes = 0;
  oldestUndrainedMs = 0;
  dropped = false;
  /** While a snapshot is being written: writes of this log that came later follow it. */
  installing: Promise<void> | null = null;
  /** Resolves when the newest reset is durable; only then may the files it replaces go. */
  resetDurable: Promise<void> | null = null;
  /** Index of the newest reset, 0 = none since the log was opened. */
  resetIndex: RaftIndex = 0;
  /** The newest drained mark that is durable in the WAL; what a new WAL file repeats. */
  durableMark: { readonly segment: RaftIndex; readonly position: number; readonly index: RaftIndex } | null = null;
  private readonly host: LogHost;
  private sectionSource: () => readonly CheckpointSection[] = () => [];
  private uncommitted = 0;
  private segmentBytes = 0;
  private segmentStartMs = 0;
  bytesSinceCheckpoint = 0;
  private loaded: readonly Frame[] = [];
  private snapshotCache: LogSnapshot | null = null;
  private snapshotLoading = false;

  constructor(spec: GroupSpec, config: LogConfig, segments: SegmentStore, host: LogHost) {
    this.spec = spec;
    this.config = config;
    this.segments = segments;
    this.host = host;
    this.state = new LogState(spec.initial, host.producerExpiryMs);
    this.hardState = { term: 0, vote: 0, commit: 0 };
    this.durableHardState = this.hardState;
  }

  get replicas(): ReplicaSet {
    return this.state.replicas;
  }

  firstIndex(): RaftIndex {
    return this.segments.firstIndex() ?? this.memFirst;
  }

  lastIndex(): RaftIndex {
    return this.memFirst + this.frames.length - 1;
  }

  term(index: RaftIndex): Term | "compacted" | "unavailable" {
    if (index > this.lastIndex()) return "unavailable";
    if (index === 0) return 0;
    const frame = this.frames[index - this.memFirst];
    if (frame !== undefined) return frame.term;
    if (index < this.firstIndex() - 1) return "compacted";
    return this.state.termOf(index) ?? this.segments.termBefore(index + 1) ?? "compacted";
  }

  entries(lo: RaftIndex, hi: RaftIndex, bytesMax: number): readonly Frame[] | "compacted" | "unavailable" | "pending" {
    if (hi > this.lastIndex() + 1) return "unavailable";
    if (lo < this.firstIndex()) return "compacted";
    if (lo >= this.memFirst) return within(this.frames, lo - this.memFirst, hi - this.memFirst, bytesMax);
    const first = this.loaded[0];
    if (first === undefined || lo < first.index || lo >= first.index + this.loaded.length) return "pending";
    return within(this.loaded, lo - first.index, Math.min(hi - first.index, this.loaded.length), bytesMax);
  }

  async load(lo: RaftIndex, hi: RaftIndex, bytesMax: number): Promise<void> {
    const frames = await this.guardRead(() => this.segments.read({ index: lo }, bytesMax));
    this.loaded = frames.filter((frame) => frame.index < hi);
  }

  snapshot(): LogSnapshot | "pending" {
    const first = this.firstIndex();
    if (this.snapshotCache !== null && this.snapshotCache.index >= first - 1) return this.snapshotCache;
    if (!this.snapshotLoading) {
      this.snapshotLoading = true;
      const pick = this.spec.kind === "data" ? this.segments.checkpointAt(first - 1) : this.segments.newestCheckpoint();
      pick
        .then((snapshot) => {
          if (snapshot !== null) this.snapshotCache = snapshot;
        })
        .catch((error: unknown) => this.noteDamage(error))
        .finally(() => {
          this.snapshotLoading = false;
        });
    }
    return "pending";
  }

  nextOffset(): Offset {
    const last = this.frames[this.frames.length - 1];
    return last === undefined ? this.state.offset : last.baseOffset + last.offsetSpan;
  }

  lastAppendTimeMs(): number {
    return this.frames[this.frames.length - 1]?.appendTimeMs ?? this.state.appendTimeMs;
  }

  save(write: LogWrite, onDurable: () => void): void {
    if (this.dropped) return;
    if (write.reset !== null) this.resetTo(write.reset);
    if (write.hardState !== null) this.hardState = write.hardState;
    const first = write.frames[0];
    if (first !== undefined) this.put(first, write.frames);
    this.host.write(this, write, () => {
      if (write.hardState !== null) this.durableHardState = write.hardState;
      const last = write.frames[write.frames.length - 1];
      // A completion for a frame that was replaced meanwhile says nothing about what stands there now.
      if (last !== undefined && this.term(last.index) === last.term) this.durable = Math.max(this.durable, last.index);
      onDurable();
    });
  }

  private put(first: Frame, frames: readonly Frame[]): void {
    assert(first.index > this.state.index, "G2: applied frames are never replaced");
    assert(first.index <= this.lastIndex() + 1, "L3: frames are dense");
    const removed = this.frames.splice(first.index - this.memFirst);
    for (const frame of removed) this.uncommitted -= frameBytes(frame);
    if (removed.length > 0) this.durable = Math.min(this.durable, first.index - 1);
    for (const frame of frames) {
      assert(frame.baseOffset === this.nextOffset(), "L3: base offsets are dense");
      this.frames.push(frame);
      this.uncommitted += frameBytes(frame);
    }
  }

  private resetTo(snapshot: LogSnapshot): void {
    this.host.undrainedChanged(-this.undrainedBytes);
    this.undrainedBytes = 0;
    this.frames = [];
    this.loaded = [];
    this.rolls = [];
    this.uncommitted = 0;
    this.state.restore(snapshot);
    this.memFirst = snapshot.index + 1;
    this.drained = snapshot.index;
    this.durable = snapshot.index;
    this.resetIndex = snapshot.index;
    // It names a segment that is about to go.
    this.durableMark = null;
    this.segmentBytes = 0;
    this.bytesSinceCheckpoint = 0;
    this.snapshotCache = snapshot;
    this.segments.planReset(snapshot);
    this.host.wantsDrain(this);
  }

  commitTo(index: RaftIndex): void {
    assert(index <= this.durable, "L1: only durable frames are applied");
    const applied: Frame[] = [];
    for (let next = this.state.index + 1; next <= index; next++) {
      const frame = this.frames[next - this.memFirst];
      assert(frame !== undefined, "G1: a frame that is not applied is in memory");
      this.rollBefore(frame);
      this.state.apply(frame);
      const bytes = frameBytes(frame);
      this.uncommitted -= bytes;
      this.segmentBytes += bytes;
      this.bytesSinceCheckpoint += bytes;
      if (this.undrainedBytes === 0) this.oldestUndrainedMs = this.host.monotonicMs();
      this.undrainedBytes += bytes;
      this.host.undrainedChanged(bytes);
      applied.push(frame);
    }
    if (applied.length === 0) return;
    this.host.tailGrew(this, applied);
    this.host.wantsDrain(this);
  }

  /** At recovery: applies what was known to be committed; the frames, in order. */
  applyRecovered(commit: RaftIndex): Frame[] {
    const applied: Frame[] = [];
    for (const frame of this.frames) {
      if (frame.index > commit) this.uncommitted += frameBytes(frame);
      else if (frame.index > this.state.index) {
        this.state.apply(frame);
        applied.push(frame);
      }
      if (frame.index <= commit) {
        this.undrainedBytes += frameBytes(frame);
        this.host.undrainedChanged(frameBytes(frame));
      }
    }
    if (this.undrainedBytes > 0) this.host.wantsDrain(this);
    this.host.tailGrew(
      this,
      this.frames.filter((frame) => frame.index <= commit),
    );
    return applied;
  }

  /** A new segment begins where the old one is full or old; the state right there becomes its checkpoint. */
  private rollBefore(frame: Frame): void {
    const size = frameBytes(frame);
    const isFull = this.segmentBytes > 0 && this.segmentBytes + size > this.config.segmentBytes;
    const isOld =
      this.segmentBytes > 0 &&
      this.config.segmentMs >= 0 &&
      frame.appendTimeMs - this.segmentStartMs > this.config.segmentMs;
    if (isFull || isOld) this.rollHere();
    if (this.segmentBytes === 0) this.segmentStartMs = frame.appendTimeMs;
  }

  private rollHere(): void {
    const { index, offset, term } = this.state;
    this.rolls.push({ index: index + 1, offset, previousTerm: term, checkpoint: this.encodeCheckpoint() });
    this.segmentBytes = 0;
    this.bytesSinceCheckpoint = 0;
  }

  /** The state at the applied index, as a checkpoint file holds it. */
  encodeCheckpoint(): Uint8Array {
    return this.state.encode(this.sectionSource());
  }

  setReplicas(index: RaftIndex, replicas: ReplicaSet): void {
    assert(index > this.state.index, "a configuration is set before its frame is applied");
    this.state.replicas = replicas;
  }

  setSectionSource(source: () => readonly CheckpointSection[]): void {
    this.sectionSource = source;
  }

  pointers(): LogPointers {
    return {
      logStartIndex: Math.max(this.state.logStart.index, this.firstIndex()),
      logStartOffset: this.state.logStart.offset,
      drainedIndex: this.drained,
      appliedIndex: this.state.index,
      durableIndex: this.durable,
      lastIndex: this.lastIndex(),
      highWatermark: this.state.offset,
    };
  }

  uncommittedBytes(): number {
    return this.uncommitted;
  }

  diskBytes(): number {
    return this.segments.bytes();
  }

  read(offset: Offset, bytesMax: number): ReadResult | Promise<ReadResult> {
    if (this.quarantine !== null) throw this.quarantined(this.quarantine);
    const first = this.frames[0];
    if (first !== undefined && offset >= first.baseOffset) return collect(this.fromMemory(offset, bytesMax), offset);
    if (offset >= this.state.offset) return { batches: [], nextOffset: offset };
    return this.readSegments(offset, bytesMax);
  }

  private async readSegments(offset: Offset, bytesMax: number): Promise<ReadResult> {
    const frames = await this.guardRead(() => this.segments.read({ offset }, bytesMax));
    const result = collect(frames, offset);
    if (result.batches.length > 0 || frames.length === 0) return result;
    // Only control frames in this run: what follows them is further on.
    const last = frames[frames.length - 1];
    return last === undefined || last.index >= this.drained ? this.read(result.nextOffset, bytesMax) : result;
  }

  private fromMemory(offset: Offset, bytesMax: number): Frame[] {
    const found: Frame[] = [];
    let low = 0;
    let high = this.state.index - this.memFirst;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const frame = this.frames[middle];
      if (frame !== undefined && frame.baseOffset <= offset) low = middle;
      else high = middle - 1;
    }
    while (low > 0 && this.frames[low]?.offsetSpan === 0 && this.frames[low]?.baseOffset === offset) low--;
    let bytes = 0;
    for (let at = low; at <= this.state.index - this.memFirst; at++) {
      const frame = this.frames[at];
      if (frame === undefined || frame.baseOffset + frame.offsetSpan <= offset) continue;
      if (found.length > 0 && bytes + frame.data.length > bytesMax) break;
      found.push(frame);
      bytes += frame.data.length;
    }
    return found;
  }

  async offsetForTime(timeMs: number): Promise<Offset | null> {
    const logStart = this.state.logStart.offset;
    const inSegments = await this.guardRead(() => this.segments.offsetForTime(timeMs));
    if (inSegments !== null) return Math.max(inSegments, logStart);
    for (const frame of this.frames) {
      if (frame.index > this.state.index) break;
      if (frame.offsetSpan > 0 && frame.appendTimeMs >= timeMs) return Math.max(frame.baseOffset, logStart);
    }
    return null;
  }

  epochEnd(epoch: Term): { readonly epoch: Term; readonly endOffset: Offset } | null {
    const { epochs } = this.state;
    const at = epochs.findLastIndex((start) => start.term <= epoch);
    const found = epochs[at];
    if (found === undefined) return null;
    return { epoch: found.term, endOffset: epochs[at + 1]?.offset ?? this.state.offset };
  }

  producerVerdict(stamp: ProducerStamp): ProducerVerdict {
    return this.state.producers.verdict(stamp);
  }

  producerState(producerId: number): { readonly epoch: number; readonly lastSequence: number } | null {
    return this.state.producers.state(producerId);
  }

  setConfig(config: LogConfig): void {
    this.config = config;
  }

  retentionTarget(nowMs: number): { readonly index: RaftIndex; readonly offset: Offset } | null {
    this.rollExpired(nowMs);
    const target = this.segments.retentionTarget(this.config, nowMs);
    if (target === null || target.offset <= this.state.logStart.offset) return null;
    return target;
  }

  /** Records that are past retention must not stay because nothing follows them: their segment is closed. */
  private rollExpired(nowMs: number): void {
    const { retentionMs } = this.config;
    if (retentionMs < 0 || this.segmentBytes === 0 || this.rolls.length > 0) return;
    if (nowMs - this.state.appendTimeMs <= retentionMs) return;
    this.rollHere();
    this.host.wantsDrain(this);
  }

  /** Frames at or below `index` are drained and may leave memory. */
  evictTo(index: RaftIndex): void {
    const count = Math.min(index, this.drained) - this.memFirst + 1;
    if (count <= 0) return;
    this.frames.splice(0, count);
    this.memFirst += count;
  }

  setSegmentFill(bytes: number, startMs: number): void {
    this.segmentBytes = bytes;
    this.segmentStartMs = startMs;
  }

  noteDamage(error: unknown): void {
    this.quarantine ??= error instanceof Error ? error.message : String(error);
  }

  private async guardRead<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (isVarveError(error) && error.code === "REPLICA_QUARANTINED") this.noteDamage(error);
      throw error;
    }
  }

  private quarantined(why: string): VarveError {
    return new VarveError("REPLICA_QUARANTINED", { message: `this replica does not serve: ${why}`, effect: "NONE" });
  }
}

function within(frames: readonly Frame[], lo: number, hi: number, bytesMax: number): readonly Frame[] {
  let bytes = 0;
  let end = lo;
  while (end < hi) {
    const frame = frames[end];
    if (frame === undefined) break;
    bytes += frame.data.length;
    if (end > lo && bytes > bytesMax) break;
    end++;
  }
  return frames.slice(lo, end);
}

function collect(frames: readonly Frame[], offset: Offset): ReadResult {
  let nextOffset = offset;
  const batches: Uint8Array[] = [];
  for (const frame of frames) {
    nextOffset = Math.max(nextOffset, frame.baseOffset + frame.offsetSpan);
    if (frame.kind === FrameKind.batch) batches.push(frame.data);
  }
  return { batches, nextOffset };
}
