/**
 * segment-plan.ts: which frames belong to which segment file, decided when they are applied; the drainer only follows.
 *
 * So a checkpoint at the end of a segment holds exactly the state there, and can list all segments with their final sizes
 * before they are written. Pure.
 * Invariants:
 *   N1  segments are dense: each begins at the index after the last one of the segment before
 *   N2  names are distinct: the base offset, or the first index for logs of kind `state`, which have no offsets
 *   N3  only the last segment grows
 */
import { assert, assertDefined, type Offset, type RaftIndex, type Term } from "@varve/base";
import type { Frame, LogConfig } from "../api.js";
import { frameBytes } from "../frame/frame.js";
import type { LogStart } from "../frame/payload.js";

/** Bytes of a segment file before its first frame. */
export const SEGMENT_HEADER_BYTES = 96;

/** One segment file, written or still to be written. */
export interface SegmentInfo {
  readonly name: number;
  readonly baseOffset: Offset;
  /** The frame before its first one. */
  readonly previousIndex: RaftIndex;
  readonly previousTerm: Term;
  readonly lastIndex: RaftIndex;
  /** Offset after its last record. */
  readonly endOffset: Offset;
  /** Append times of its first and last frame; 0 while it has none. */
  readonly firstAppendMs: number;
  readonly lastAppendMs: number;
  /** Size of the file with all its frames. */
  readonly bytes: number;
}

/** The point after which a segment begins. */
export interface SegmentStart {
  readonly index: RaftIndex;
  readonly term: Term;
  readonly offset: Offset;
}

export class SegmentPlan {
  private readonly kind: "data" | "state";
  private segments: SegmentInfo[];

  constructor(kind: "data" | "state", segments: readonly SegmentInfo[]) {
    assert(segments.length > 0, "a log has a segment to write to");
    this.kind = kind;
    this.segments = [...segments];
  }

  static startingAt(kind: "data" | "state", start: SegmentStart): SegmentPlan {
    return new SegmentPlan(kind, [emptySegment(kind, start)]);
  }

  get active(): SegmentInfo {
    return assertDefined(this.segments[this.segments.length - 1], "a log has a segment to write to");
  }

  get first(): SegmentInfo {
    return assertDefined(this.segments[0], "a log has a segment to write to");
  }

  list(): readonly SegmentInfo[] {
    return this.segments;
  }

  bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /** The frame goes to the last segment. */
  apply(frame: Frame): void {
    const { active } = this;
    assert(frame.index === active.lastIndex + 1, "N1: frames are dense");
    assert(frame.baseOffset === active.endOffset, "N1: offsets are dense");
    const isFirst = active.lastIndex === active.previousIndex;
    this.segments[this.segments.length - 1] = {
      ...active,
      lastIndex: frame.index,
      endOffset: frame.baseOffset + frame.offsetSpan,
      firstAppendMs: isFirst ? frame.appendTimeMs : active.firstAppendMs,
      lastAppendMs: frame.appendTimeMs,
      bytes: active.bytes + frameBytes(frame),
    };
  }

  /** Whether a new segment is due: the last one is full, or its first frame is too old. */
  isRollDue(config: LogConfig, nowMs: number): boolean {
    if (!this.canRoll()) return false;
    const { active } = this;
    const isFull = active.bytes >= config.segmentBytes;
    return isFull || (config.segmentMs >= 0 && nowMs - active.firstAppendMs > config.segmentMs);
  }

  /** Whether the next segment would have another name (N2). */
  canRoll(): boolean {
    const { active } = this;
    return this.kind === "data" ? active.endOffset > active.baseOffset : active.lastIndex > active.previousIndex;
  }

  /** Ends the last segment and begins the next one; `term` is that of the last frame. */
  roll(term: Term): void {
    assert(this.canRoll(), "N2: names are distinct");
    const { lastIndex, endOffset } = this.active;
    this.segments.push(emptySegment(this.kind, { index: lastIndex, term, offset: endOffset }));
  }

  /** The segment that a frame at `index` belongs to, or null when none has it. */
  forIndex(index: RaftIndex): SegmentInfo | null {
    const at = lastWhere(this.segments, (segment) => segment.previousIndex < index);
    const found = at < 0 ? undefined : this.segments[at];
    return found !== undefined && index <= found.lastIndex ? found : null;
  }

  /** The segment that holds the record at `offset`, or null when none has it. */
  forOffset(offset: Offset): SegmentInfo | null {
    const at = lastWhere(this.segments, (segment) => segment.baseOffset <= offset);
    const found = at < 0 ? undefined : this.segments[at];
    return found !== undefined && offset < found.endOffset ? found : null;
  }

  /** The first segment whose last frame was appended at or after `timeMs`. */
  forTime(timeMs: number): SegmentInfo | null {
    return (
      this.segments.find((segment) => segment.lastIndex > segment.previousIndex && segment.lastAppendMs >= timeMs) ??
      null
    );
  }

  /** The log start that retention asks for: after the last segment that is too old or too much. Never the last segment. */
  retentionTarget(config: LogConfig, nowMs: number): LogStart | null {
    let bytes = this.bytes();
    let target: LogStart | null = null;
    for (const segment of this.segments.slice(0, -1)) {
      const isOld = config.retentionMs >= 0 && nowMs - segment.lastAppendMs > config.retentionMs;
      const isTooMuch = config.retentionBytes >= 0 && bytes > config.retentionBytes;
      if (!isOld && !isTooMuch) break;
      bytes -= segment.bytes;
      target = { index: segment.lastIndex, offset: segment.endOffset };
    }
    return target;
  }

  /** Takes out the segments that end at or before `index`, but never the last one; returns them, oldest first. */
  dropThrough(index: RaftIndex): SegmentInfo[] {
    let count = 0;
    while (count < this.segments.length - 1 && (this.segments[count]?.lastIndex ?? Number.POSITIVE_INFINITY) <= index)
      count++;
    return this.segments.splice(0, count);
  }
}

function emptySegment(kind: "data" | "state", { index, term, offset }: SegmentStart): SegmentInfo {
  return {
    name: kind === "data" ? offset : index + 1,
    baseOffset: offset,
    previousIndex: index,
    previousTerm: term,
    lastIndex: index,
    endOffset: offset,
    firstAppendMs: 0,
    lastAppendMs: 0,
    bytes: SEGMENT_HEADER_BYTES,
  };
}

/** Position of the last item for which `holds`, which holds for a prefix; -1 when for none. */
function lastWhere<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item !== undefined && holds(item)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
