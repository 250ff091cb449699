/**
 * log-driver.ts: what this package's tests share: a clock that tests move, frames with real batches, a storage on a simulated disk.
 */
import { type Clock, type Logger, silentLogger, type TimerHandle } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { encodeBatch, stampBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import {
  type Frame,
  FrameKind,
  type GroupLog,
  type GroupSpec,
  type LogConfig,
  type LogWrite,
  type ReplicaSet,
  type Storage,
} from "../api.js";
import { encodeFrame } from "../frame/frame.js";
import { openStorage } from "../open.js";
import type { OpenOptions } from "../storage.js";
import type { SimDisk } from "./sim-disk.js";

/** Checksums in JavaScript. */
export const CHECKSUM = nodeCodec;
export const DATA_DIR = "/machine/data";
export const REPLICAS: ReplicaSet = {
  voters: [1, 2, 3],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
};
/** Small enough that a few kilobytes roll segments. */
export const TINY_CONFIG: LogConfig = { segmentBytes: 2048, segmentMs: -1, retentionMs: -1, retentionBytes: -1 };

/** A clock that stands still until `advance`; deferred calls run in microtasks. */
export class ManualClock implements Clock {
  private nowMs = 1_000;
  private timers: { readonly atMs: number; callback: (() => void) | null }[] = [];

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.nowMs;
  }

  setTimer(delayMs: number, callback: () => void): TimerHandle {
    const timer: { readonly atMs: number; callback: (() => void) | null } = { atMs: this.nowMs + delayMs, callback };
    this.timers.push(timer);
    return {
      cancel: () => {
        timer.callback = null;
      },
    };
  }

  defer(callback: () => void): void {
    queueMicrotask(callback);
  }

  /** Runs the timers of the next `ms` milliseconds. */
  advance(ms: number): void {
    this.nowMs += ms;
    const due = this.timers.filter((timer) => timer.atMs <= this.nowMs).sort((left, right) => left.atMs - right.atMs);
    this.timers = this.timers.filter((timer) => timer.atMs > this.nowMs);
    for (const timer of due) timer.callback?.();
  }
}

/** Lets everything that is ready run: on a disk without latency that is all there is. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function specOf(groupId: number, kind: "data" | "state" = "data"): GroupSpec {
  const topicId = `00000000-0000-4000-8000-${String(groupId).padStart(12, "0")}`;
  return { groupId, replicaId: groupId * 100 + 1, topicId, partition: 0, kind, initial: REPLICAS };
}

/** Settings small enough that a short test meets every edge. */
export function tinyOptions(clock: Clock, seed: number, changes: Partial<OpenOptions> = {}): OpenOptions {
  const logger: Logger = silentLogger;
  return {
    clock,
    random: new Prng(seed),
    logger,
    onFatal: (error) => {
      throw error;
    },
    walFileBytes: 32 * 1024,
    tailCacheBytesMax: 6_000,
    undrainedBytesMax: 8 * 1024,
    diskReserveBytes: 0,
    checkpointIntervalBytes: 1_500,
    producerExpiryMs: 604_800_000,
    ...changes,
  };
}

export function openOn(disk: SimDisk, options: OpenOptions): Promise<Storage> {
  return openStorage(DATA_DIR, disk.process(), disk.walThread(), CHECKSUM, options);
}

/** Where the next frame goes. */
export interface FramePlace {
  readonly groupId: number;
  readonly index: number;
  readonly term: number;
  readonly baseOffset: number;
  readonly appendTimeMs?: number;
}

/** A frame with a batch of `values.length` records. */
export function batchFrame(
  place: FramePlace,
  values: readonly string[],
  producer?: { readonly id: number; readonly sequence: number; readonly epoch?: number },
): Frame {
  const records = values.map((value) => ({ timestampMs: 1, value: new TextEncoder().encode(value) }));
  const stamp =
    producer === undefined
      ? {}
      : { producerId: producer.id, producerEpoch: producer.epoch ?? 0, baseSequence: producer.sequence };
  const data = encodeBatch({ records, ...stamp }, CHECKSUM);
  stampBatch(data, place.baseOffset, place.term);
  return frameOf(place, FrameKind.batch, data, values.length);
}

/** A frame of any kind. */
export function frameOf(place: FramePlace, kind: FrameKind, data: Uint8Array, offsetSpan = 0): Frame {
  const { groupId, index, term, baseOffset } = place;
  return encodeFrame({
    groupId,
    kind,
    index,
    term,
    baseOffset,
    offsetSpan,
    recordCount: offsetSpan,
    appendTimeMs: place.appendTimeMs ?? 1_700_000_000_000 + index,
    data,
  });
}

/** Saves and resolves when it is durable. */
export function saveDurably(log: GroupLog, write: Partial<LogWrite>): Promise<void> {
  return new Promise((resolve) => log.save({ hardState: null, frames: [], reset: null, ...write }, resolve));
}

/** Appends `count` one-record batches in the log's term, commits them, and returns them. */
export async function appendCommitted(log: GroupLog, count: number, valueBytes = 100): Promise<Frame[]> {
  const term = Math.max(1, log.hardState.term);
  const frames: Frame[] = [];
  for (let made = 0; made < count; made++) {
    const place = {
      groupId: log.spec.groupId,
      index: log.lastIndex() + 1 + made,
      term,
      baseOffset: log.nextOffset() + made,
    };
    frames.push(batchFrame(place, [`${place.index}:${"x".repeat(valueBytes)}`]));
  }
  const hardState = log.hardState.term === 0 ? { term, vote: 0, commit: 0 } : null;
  await saveDurably(log, { hardState, frames });
  log.commitTo(log.lastIndex());
  return frames;
}

/** All committed batches from the log start on, as `read` gives them. */
export async function readAll(log: GroupLog, bytesMax = 1_000): Promise<Uint8Array[]> {
  const { logStartOffset, highWatermark } = log.pointers();
  const batches: Uint8Array[] = [];
  for (let offset = logStartOffset; offset < highWatermark; ) {
    const result = await log.read(offset, bytesMax);
    if (result.nextOffset <= offset) throw new Error(`read at ${offset} of ${highWatermark} got nowhere`);
    batches.push(...result.batches);
    offset = result.nextOffset;
  }
  return batches;
}
