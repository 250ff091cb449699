/**
 * log-reader.ts: committed records for consumers, old frames for Raft: from memory where they are, else from segments.
 *
 * Only what is applied is served. Damage that a read meets quarantines the replica; nothing is cut because of it.
 */
import { assert, type Offset, type RaftIndex, VarveError } from "@varve/base";
import { type Frame, FrameKind, type ReadResult } from "../api.js";
import { frameBytes } from "../frame/frame.js";
import type { SegmentKey } from "../segment/sparse-index.js";
import { damageText, isDamage, isMissingFile, isUnreadable } from "./checkpoint.js";
import type { LogCore } from "./log-core.js";
import type { SegmentInfo } from "./segment-plan.js";

/** Frames that `entries` can answer from memory after one load, at most. */
const LOAD_BYTES_MAX = 8 * 1024 * 1024;

export class LogReader {
  private readonly core: LogCore;

  constructor(core: LogCore) {
    this.core = core;
  }

  /** See GroupLog.read. */
  read(offset: Offset, bytesMax: number): ReadResult | Promise<ReadResult> {
    const frames = this.committedFrom(offset, bytesMax);
    return frames instanceof Promise ? frames.then((read) => collect(read, offset)) : collect(frames, offset);
  }

  /** See GroupLog.appendTimeAt. */
  async appendTimeAt(offset: Offset): Promise<number | null> {
    const frames = await this.committedFrom(offset, 0);
    return frames[0]?.appendTimeMs ?? null;
  }

  /** Committed frames from the one that holds `offset` on; none at the end of the log. */
  private committedFrom(offset: Offset, bytesMax: number): readonly Frame[] | Promise<readonly Frame[]> {
    const { core } = this;
    if (core.quarantine !== null) throw core.quarantineError();
    this.checkRange(offset);
    if (offset === core.state.offset) return [];
    return this.fromMemory(offset, bytesMax) ?? this.fromSegments(offset, bytesMax);
  }

  private checkRange(offset: Offset): void {
    const { logStart, offset: highWatermark } = this.core.state;
    if (offset >= logStart.offset && offset <= highWatermark) return;
    throw this.outOfRange(offset);
  }

  private outOfRange(offset: Offset): VarveError {
    const { logStart, offset: highWatermark } = this.core.state;
    return new VarveError("OFFSET_OUT_OF_RANGE", {
      message: `offset ${offset} is not in the log, which holds ${logStart.offset} .. ${highWatermark - 1}; start at one of these`,
      details: { offset, logStart: logStart.offset, highWatermark },
    });
  }

  /** The log went while it was read: who asks finds its leader, or that there is none any more. */
  private hasLeft(): VarveError {
    const { topicId, partition } = this.core.spec;
    return new VarveError("NOT_LEADER", {
      message: `this broker's replica of partition ${partition} was removed while it was read; ask the partition's leader`,
      details: { topicId, partition },
      effect: "NONE",
    });
  }

  private fromMemory(offset: Offset, bytesMax: number): readonly Frame[] | null {
    const { memory, state } = this.core;
    const first = memory.get(memory.firstIndex);
    if (first === undefined || first.baseOffset > offset) return null;
    const start = memory.firstWhere(state.index, (frame) => frame.baseOffset + frame.offsetSpan > offset);
    if (start > state.index) return null;
    return memory.slice(start, state.index + 1, bytesMax);
  }

  private async fromSegments(offset: Offset, bytesMax: number): Promise<readonly Frame[]> {
    const segment = this.core.plan.forOffset(offset);
    if (segment === null) throw this.outOfRange(offset);
    const frames = await this.frames(segment, { kind: "offset", offset }, bytesMax);
    if (frames === null) {
      if (this.core.isDropped) throw this.hasLeft();
      this.checkRange(offset);
      return this.fromSegments(offset, bytesMax);
    }
    // Offsets are dense, so the first frame that reaches an offset holds it.
    const first = frames[0];
    if (first !== undefined && first.baseOffset <= offset) return frames;
    throw this.damaged(`${this.core.files.segmentPath(segment.name)} lacks offset ${offset}`);
  }

  /** See GroupLog.load. */
  async load(lo: RaftIndex, hi: RaftIndex, bytesMax: number): Promise<number> {
    const { core } = this;
    assert(lo < hi, "a load asks for a frame");
    const segment = lo >= core.memory.firstIndex ? null : core.plan.forIndex(lo);
    if (segment === null) return 0;
    const read = await this.frames(segment, { kind: "index", index: lo }, Math.min(bytesMax, LOAD_BYTES_MAX));
    if (read === null) return 0;
    const frames = read.filter((frame) => frame.index < hi);
    core.context.loaded.add(core, frames);
    return frames.reduce((sum, frame) => sum + frameBytes(frame), 0);
  }

  /** See GroupLog.offsetForTime. */
  async offsetForTime(timeMs: number): Promise<Offset | null> {
    const { core } = this;
    if (core.quarantine !== null) throw core.quarantineError();
    const from = core.plan.forTime(timeMs);
    if (from === null) return null;
    const { memory, state } = core;
    const isInMemory = (memory.get(memory.firstIndex)?.appendTimeMs ?? Number.POSITIVE_INFINITY) < timeMs;
    if (!isInMemory) {
      for (const segment of core.plan.list().slice(core.plan.list().indexOf(from))) {
        if (segment.previousIndex >= core.drainedIndex) break;
        const found = (await this.frames(segment, { kind: "time", timeMs }, 0))?.[0];
        if (found !== undefined) return Math.max(found.baseOffset, core.state.logStart.offset);
      }
    }
    for (
      let index = memory.firstWhere(state.index, (frame) => frame.appendTimeMs >= timeMs);
      index <= state.index;
      index++
    ) {
      const frame = memory.get(index);
      if (frame !== undefined && frame.offsetSpan > 0) return Math.max(frame.baseOffset, core.state.logStart.offset);
    }
    return null;
  }

  /** Frames of a segment from the key on; null: retention or a reset removed it meanwhile. */
  private async frames(segment: SegmentInfo, key: SegmentKey, bytesMax: number): Promise<Frame[] | null> {
    const { core } = this;
    const { generation } = core;
    try {
      return await core.context.reader.read(core.files.readable(segment, core.drainedEnd(segment)), key, bytesMax);
    } catch (error) {
      const isGone =
        core.generation !== generation || core.isDropped || !core.plan.list().some(({ name }) => name === segment.name);
      if (isGone) return null;
      if (isDamage(error)) throw this.damaged(damageText(error));
      if (isUnreadable(error)) throw this.damaged(`a segment cannot be read: ${error.message}`);
      if (isMissingFile(error)) throw this.damaged(`a segment is missing: ${error.message}`);
      throw error;
    }
  }

  private damaged(problem: string): VarveError {
    this.core.setQuarantine(problem);
    return this.core.quarantineError();
  }
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
