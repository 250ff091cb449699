/**
 * log-state.ts: everything that follows from the applied frames of one log. Pure.
 *
 * Invariants:
 *   S1  frames are applied in order, each once
 *   S2  the log start and the append time never go back
 */
import { assert, type Offset, type RaftIndex, type Term } from "@varve/base";
import { batchBaseSequence, batchProducerEpoch, batchProducerId } from "@varve/records";
import { type Frame, FrameKind, type ReplicaSet } from "../api.js";
import { decodeLogStart, type LogStart } from "../frame/payload.js";
import { type EpochStart, Epochs } from "./epochs.js";
import { type ProducerEntry, ProducerTable } from "./producer-table.js";

/** The state as plain values, as checkpoints hold it. */
export interface LogStateImage {
  readonly index: RaftIndex;
  readonly term: Term;
  readonly offset: Offset;
  readonly appendTimeMs: number;
  readonly logStart: LogStart;
  readonly replicas: ReplicaSet;
  readonly epochs: readonly EpochStart[];
  readonly producers: readonly ProducerEntry[];
}

export class LogState {
  /** Index and term of the last applied frame. */
  index: RaftIndex;
  term: Term;
  /** Offset after the last applied record: the high watermark. */
  offset: Offset;
  appendTimeMs: number;
  logStart: LogStart;
  replicas: ReplicaSet;
  readonly epochs: Epochs;
  readonly producers: ProducerTable;

  constructor(image: LogStateImage, producerExpiryMs: number) {
    this.index = image.index;
    this.term = image.term;
    this.offset = image.offset;
    this.appendTimeMs = image.appendTimeMs;
    this.logStart = image.logStart;
    this.replicas = image.replicas;
    this.epochs = new Epochs(image.epochs);
    this.producers = new ProducerTable(producerExpiryMs, image.producers);
  }

  apply(frame: Frame): void {
    assert(frame.index === this.index + 1, "S1: frames are applied in order");
    assert(frame.term >= this.term, "S1: terms never fall");
    assert(frame.baseOffset === this.offset, "S1: offsets are dense");
    this.epochs.add({ term: frame.term, index: frame.index, offset: frame.baseOffset });
    this.index = frame.index;
    this.term = frame.term;
    this.offset = frame.baseOffset + frame.offsetSpan;
    this.appendTimeMs = Math.max(this.appendTimeMs, frame.appendTimeMs);
    if (frame.kind === FrameKind.batch) this.applyBatch(frame);
    if (frame.kind === FrameKind.logStart) this.applyLogStart(frame);
  }

  private applyBatch(frame: Frame): void {
    const producerId = batchProducerId(frame.data);
    if (producerId < 0) return;
    const stamp = {
      producerId,
      producerEpoch: batchProducerEpoch(frame.data),
      baseSequence: batchBaseSequence(frame.data),
      recordCount: frame.recordCount,
    };
    this.producers.apply(stamp, frame.baseOffset, frame.term, frame.appendTimeMs);
  }

  private applyLogStart(frame: Frame): void {
    const start = decodeLogStart(frame.data);
    assert(start !== null, "a log-start frame holds a log start");
    assert(start.index < frame.index, "a log starts below the frame that says so");
    assert(start.offset <= this.offset, "a log starts below its high watermark");
    this.raiseLogStart(start);
  }

  /** S2 */
  raiseLogStart(start: LogStart): void {
    this.logStart = {
      index: Math.max(this.logStart.index, start.index),
      offset: Math.max(this.logStart.offset, start.offset),
    };
  }

  image(): LogStateImage {
    return {
      index: this.index,
      term: this.term,
      offset: this.offset,
      appendTimeMs: this.appendTimeMs,
      logStart: this.logStart,
      replicas: this.replicas,
      epochs: this.epochs.list(),
      producers: this.producers.entries(),
    };
  }
}

/** The state before the first frame. */
export function emptyImage(initial: ReplicaSet): LogStateImage {
  return {
    index: 0,
    term: 0,
    offset: 0,
    appendTimeMs: 0,
    logStart: { index: 0, offset: 0 },
    replicas: initial,
    epochs: [],
    producers: [],
  };
}
