/**
 * crash-model.ts: the slow, obvious model of one log: a list of what was saved, and what of it was acknowledged.
 *
 * After a power cut a log must stand where some prefix of the saves leads that holds at least the acknowledged ones: nothing
 * acknowledged is lost, nothing is half there, nothing is made up. The model is an array and folds it anew each time.
 */
import { assert } from "@varve/base";
import { type Frame, FrameKind, type GroupLog, type HardState, type LogSnapshot } from "../api.js";
import { decodeLogStart } from "../frame/payload.js";
import { readAll } from "./log-driver.js";

/** One save, as the model remembers it. */
export interface ModelWrite {
  readonly hardState: HardState | null;
  readonly frames: readonly Frame[];
  readonly reset: LogSnapshot | null;
}

/** What a prefix of the saves leads to. */
interface ModelState {
  term: number;
  vote: number;
  /** The log begins after this index. */
  baseIndex: number;
  baseOffset: number;
  frames: Frame[];
}

export class LogModel {
  private start: ModelState = { term: 0, vote: 0, baseIndex: 0, baseOffset: 0, frames: [] };
  private writes: ModelWrite[] = [];
  private acknowledged = 0;
  /** Highest committed index, and the term of each committed frame that this log was given. */
  committed = 0;
  private readonly committedTerms = new Map<number, number>();

  /** Notes that everything up to the index is committed, as the log has it now. */
  commit(log: GroupLog, index: number): void {
    this.committed = Math.max(this.committed, index);
    for (let at = log.firstIndex(); at <= index; at++) {
      const term = log.term(at);
      if (typeof term === "number" && !this.committedTerms.has(at)) this.committedTerms.set(at, term);
    }
  }

  /** Notes a save; call the answer when it is acknowledged. */
  saved(write: ModelWrite): () => void {
    this.writes.push(write);
    const number = this.writes.length;
    return () => {
      assert(this.acknowledged === number - 1, "saves are acknowledged in order");
      this.acknowledged = number;
    };
  }

  /** What is wrong with the log after a restart, or null. A right log becomes the model's new start. */
  async judge(log: GroupLog): Promise<string | null> {
    if (log.quarantine !== null) return `a power cut is no damage, but: ${log.quarantine}`;
    const found = this.matchingPrefix(log);
    if (found === null) return this.explain(log);
    this.start = found;
    this.writes = [];
    this.acknowledged = 0;
    const uncommitted = this.judgeCommitted(log);
    if (uncommitted !== null) return uncommitted;
    this.forgetLost(log);
    return this.judgePointers(log) ?? (await this.judgeRecords(log));
  }

  /** Nothing is applied but what was committed, term for term. */
  private judgeCommitted(log: GroupLog): string | null {
    for (let index = log.firstIndex(); index <= log.pointers().appliedIndex; index++) {
      if (log.term(index) !== this.committedTerms.get(index)) {
        return `index ${index} of term ${log.term(index)} is applied, committed is term ${this.committedTerms.get(index)}`;
      }
    }
    return null;
  }

  /** Commits that this log learned together with frames that it then lost: in this test nobody else knows of them. */
  private forgetLost(log: GroupLog): void {
    this.committed = log.pointers().appliedIndex;
    let isLost = false;
    for (const [index, term] of [...this.committedTerms].sort(([left], [right]) => left - right)) {
      if (index < log.firstIndex()) continue;
      isLost ||= log.term(index) !== term;
      if (isLost) this.committedTerms.delete(index);
      else this.committed = Math.max(this.committed, index);
    }
  }

  private matchingPrefix(log: GroupLog): ModelState | null {
    for (let count = this.writes.length; count >= this.acknowledged; count--) {
      // A save that takes several flushes may be there in part: the reset first, the hard state, then frames in order.
      for (let part = partsOf(this.writes[count]); part >= 0; part--) {
        const state = this.after(count, part);
        if (agrees(state, log)) return state;
      }
    }
    return null;
  }

  /** The fold over `count` saves and the first parts of the next one. */
  private after(count: number, parts = 0): ModelState {
    const state: ModelState = { ...this.start, frames: [...this.start.frames] };
    for (const write of this.writes.slice(0, count)) fold(state, write, partsOf(write));
    const next = this.writes[count];
    if (next !== undefined) fold(state, next, parts);
    return state;
  }

  private explain(log: GroupLog): string {
    const least = this.after(this.acknowledged);
    const most = this.after(this.writes.length);
    const { term, vote } = log.hardState;
    return [
      `the log stands at term ${term}, vote ${vote}, index ${log.lastIndex()} (from ${log.firstIndex()}),`,
      `acknowledged: term ${least.term}, vote ${least.vote}, index ${least.baseIndex + least.frames.length};`,
      `saved: term ${most.term}, vote ${most.vote}, index ${most.baseIndex + most.frames.length}`,
    ].join(" ");
  }

  private judgePointers(log: GroupLog): string | null {
    const { logStartIndex, drainedIndex, appliedIndex, durableIndex, lastIndex } = log.pointers();
    if (logStartIndex > appliedIndex + 1) return `log start ${logStartIndex} > applied ${appliedIndex} + 1`;
    if (drainedIndex > appliedIndex) return `drained ${drainedIndex} > applied ${appliedIndex}`;
    if (appliedIndex > durableIndex || durableIndex > lastIndex)
      return `applied ${appliedIndex}, durable ${durableIndex}, last ${lastIndex}`;
    if (appliedIndex > Math.max(this.committed, this.start.baseIndex))
      return `applied ${appliedIndex} > committed ${this.committed}`;
    return null;
  }

  /** Every record that is served is one that was saved, in place, byte for byte; none between log start and end is missing. */
  private async judgeRecords(log: GroupLog): Promise<string | null> {
    const { appliedIndex, logStartOffset, highWatermark } = log.pointers();
    const applied = this.start.frames.filter((frame) => frame.index <= appliedIndex);
    const end = applied.reduce(
      (offset, frame) => Math.max(offset, frame.baseOffset + frame.offsetSpan),
      this.start.baseOffset,
    );
    if (highWatermark !== end) return `high watermark ${highWatermark} instead of ${end}`;
    const logStart = applied.reduce((start, frame) => Math.max(start, logStartOf(frame)), this.start.baseOffset);
    if (logStartOffset !== logStart) return `log start ${logStartOffset} instead of ${logStart}`;
    const wanted = applied.filter(
      (frame) => frame.kind === FrameKind.batch && frame.baseOffset + frame.offsetSpan > logStart,
    );
    const served = await readAll(log);
    if (served.length !== wanted.length) return `${served.length} batches are served instead of ${wanted.length}`;
    const wrong = wanted.findIndex((frame, at) => !equal(frame.data, served[at]));
    return wrong < 0 ? null : `the batch at index ${wanted[wrong]?.index} is served altered`;
  }
}

function partsOf(write: ModelWrite | undefined): number {
  return write === undefined ? 0 : 2 + write.frames.length;
}

/** The first `parts` parts of a save: reset, hard state, frames. */
function fold(state: ModelState, { hardState, frames, reset }: ModelWrite, parts: number): void {
  if (reset !== null && parts >= 1) {
    state.baseIndex = reset.index;
    state.baseOffset = reset.offset;
    state.frames = [];
    state.term = Math.max(state.term, reset.term);
  }
  if (hardState !== null && parts >= 2) {
    state.term = hardState.term;
    state.vote = hardState.vote;
  }
  for (const frame of frames.slice(0, Math.max(0, parts - 2))) {
    state.frames.length = frame.index - 1 - state.baseIndex;
    state.frames.push(frame);
  }
}

function logStartOf(frame: Frame): number {
  return frame.kind === FrameKind.logStart ? (decodeLogStart(frame.data)?.offset ?? 0) : 0;
}

function agrees(state: ModelState, log: GroupLog): boolean {
  const last = state.frames[state.frames.length - 1];
  const term = Math.max(state.term, last?.term ?? 0);
  if (log.hardState.term !== term || log.hardState.vote !== (term === state.term ? state.vote : 0)) return false;
  if (log.lastIndex() !== state.baseIndex + state.frames.length) return false;
  return state.frames.every((frame) => frame.index < log.firstIndex() || sameFrame(frame, log));
}

function sameFrame(frame: Frame, log: GroupLog): boolean {
  if (log.term(frame.index) !== frame.term) return false;
  const entries = log.entries(frame.index, frame.index + 1, 1);
  return typeof entries === "string" ? entries === "pending" : equal(frame.data, entries[0]?.data);
}

function equal(left: Uint8Array, right: Uint8Array | undefined): boolean {
  if (right === undefined || left.length !== right.length) return false;
  return left.every((byte, at) => byte === right[at]);
}
