/**
 * segment-check.ts: reads a whole segment, frame by frame, at a pace that somebody else sets, and finds whatever is wrong with it.
 *
 * It checks what a start and a read check, for every byte: the header, each frame's header, place and payload, and the end. Memory: one window, or
 * the largest frame.
 */
import type { DiskFile } from "@varve/base";
import type { GroupSpec } from "../api.js";
import { corrupt } from "../bytes.js";
import { frameBytes } from "../frame/frame.js";
import { type Checksum, payloadProblem } from "../frame/payload.js";
import { SEGMENT_HEADER_BYTES, type SegmentInfo } from "../log/segment-plan.js";
import { type IndexEntry, segmentHeaderProblem } from "./segment-format.js";
import { parseRun } from "./segment-reader.js";
import { SparseIndex } from "./sparse-index.js";

const WINDOW_BYTES = 256 * 1024;

/** Asked before each read of so many bytes, and waits as long as it likes; false: stop. */
export type Pace = (bytes: number) => Promise<boolean>;

export interface SegmentCheck {
  readonly path: string;
  readonly spec: GroupSpec;
  readonly segment: SegmentInfo;
  /** Byte up to which it is synced under a durable mark. */
  readonly end: number;
  readonly checksum: Checksum;
  readonly pace: Pace;
  /** Indexes of frames whose places are wanted. */
  readonly noted: ReadonlySet<number>;
}

/** A segment in which nothing is wrong. */
export interface CheckedSegment {
  /** The sparse index that its frames make. */
  readonly entries: readonly IndexEntry[];
  readonly noted: ReadonlyMap<number, IndexEntry>;
}

/**
 * Null when it was stopped.
 * @throws VarveError CORRUPT_BATCH: what is wrong and where.
 */
export async function checkSegment(file: DiskFile, check: SegmentCheck): Promise<CheckedSegment | null> {
  const { path, spec, segment, end, checksum, pace } = check;
  const header = new Uint8Array(SEGMENT_HEADER_BYTES);
  const problem = segmentHeaderProblem(header.subarray(0, await file.read(header, 0)), spec, segment);
  if (problem !== null) throw corrupt(`${path}: ${problem}`);
  const index = new SparseIndex([]);
  const noted = new Map<number, IndexEntry>();
  let next = { index: segment.previousIndex + 1, offset: segment.baseOffset };
  let windowBytes = WINDOW_BYTES;
  for (let position = SEGMENT_HEADER_BYTES; position < end; ) {
    const length = Math.min(windowBytes, end - position);
    if (!(await pace(length))) return null;
    const bytes = new Uint8Array(length);
    const read = await file.read(bytes, position);
    if (read < length) throw corrupt(`${path} has ${position + read} bytes instead of ${end}`);
    const run = parseRun(bytes, spec.groupId, next.index, { path, position });
    if (run.end === 0 && length === end - position) throw corrupt(`${path} at byte ${position}: the last frame is cut`);
    windowBytes = run.end === 0 ? 2 * windowBytes : WINDOW_BYTES; // A frame may be longer than the window.
    for (const frame of run.frames) {
      const wrong =
        payloadProblem(frame, checksum) ??
        (frame.baseOffset === next.offset ? null : `offset ${frame.baseOffset} stands where ${next.offset} should be`);
      if (wrong !== null) throw corrupt(`${path} at byte ${position}: ${wrong}, index ${frame.index}`);
      index.offer(frame, position);
      const { index: at, baseOffset, appendTimeMs } = frame;
      if (check.noted.has(at)) noted.set(at, { index: at, baseOffset, appendTimeMs, position });
      position += frameBytes(frame);
      next = { index: frame.index + 1, offset: frame.baseOffset + frame.offsetSpan };
    }
  }
  return { entries: index.list(), noted };
}
