/**
 * log-core.ts: the state that the parts of one log share: the writer (WAL), the keeper (files) and the reader.
 *
 * The chain of pointers, asserted where they move:
 *   logStart.index <= drained <= applied <= durable <= last        (a log start may be above drained only while its segment drains)
 */
import { assert, type Clock, type Logger, type RaftIndex, VarveError } from "@varve/base";
import type { GroupSpec, HardState, LogConfig } from "../api.js";
import type { DiskWatch } from "../disk-watch.js";
import type { Checksum } from "../frame/payload.js";
import type { SegmentReader } from "../segment/segment-reader.js";
import type { Mark } from "../wal/records.js";
import type { Wal } from "../wal/wal.js";
import type { FileReferences, FrameMemory } from "./frame-memory.js";
import type { LogFiles } from "./log-files.js";
import type { LogState } from "./log-state.js";
import type { SegmentInfo, SegmentPlan } from "./segment-plan.js";
import type { SpaceQueue } from "./space.js";
import type { Evictable, LoadedRuns, TailCache } from "./tail-cache.js";

/** Bytes of committed frames that are in no segment yet, over all logs. */
export interface UndrainedBytes {
  total: number;
  /** Those that have been drained since the start, or thrown away. */
  drained: number;
  /** Above it the broker takes no more of what can wait. */
  readonly max: number;
}

/** What all logs of a broker share. */
export interface LogContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly wal: Wal;
  readonly references: FileReferences;
  readonly reader: SegmentReader;
  readonly checksum: Checksum;
  readonly tail: TailCache;
  readonly loaded: LoadedRuns;
  readonly undrained: UndrainedBytes;
  readonly space: SpaceQueue;
  readonly watch: DiskWatch;
  readonly checkpointIntervalBytes: number;
  readonly producerExpiryMs: number;
  /** A log with this much to drain is drained. */
  readonly drainBytes: number;
  /** Simulators' negative control: votes are forgotten. */
  readonly voteNotPersisted: boolean;
  /** Simulators' negative control: a drain lets go of its frames before they are synced. */
  readonly walFreedEarly: boolean;
  readonly onFatal: (error: Error) => void;
  readonly onQuarantine: (core: LogCore, reason: string) => void;
  /** Something was committed: it may be time to drain this log, or others. */
  readonly onCommitted: (core: LogCore) => void;
}

export interface LogCoreParts {
  readonly spec: GroupSpec;
  readonly config: LogConfig;
  readonly files: LogFiles;
  readonly state: LogState;
  readonly plan: SegmentPlan;
  readonly memory: FrameMemory;
  readonly hardState: HardState;
  readonly mark: Mark | null;
  readonly drainedIndex: RaftIndex;
  readonly durableIndex: RaftIndex;
}

export class LogCore implements Evictable {
  readonly context: LogContext;
  readonly spec: GroupSpec;
  readonly files: LogFiles;
  config: LogConfig;
  state: LogState;
  plan: SegmentPlan;
  memory: FrameMemory;
  hardState: HardState;
  /** The newest durable mark; null: nothing was drained yet. */
  mark: Mark | null;
  drainedIndex: RaftIndex;
  durableIndex: RaftIndex;
  /**
   * As `durableIndex`, but after a reset only once its mark is durable. No commit index above it is stored: after a crash that would
   * declare frames committed which were about to be replaced.
   */
  provenIndex: RaftIndex;
  /** Bytes of applied frames above `drainedIndex`. */
  undrainedBytes = 0;
  uncommittedBytes = 0;
  /** Counts resets: work that was begun for an earlier generation changes nothing any more. */
  generation = 0;
  quarantine: string | null = null;
  isDropped = false;
  /** The storage closes: what runs ends, nothing new begins. */
  isClosed = false;

  constructor(context: LogContext, parts: LogCoreParts) {
    this.context = context;
    this.spec = parts.spec;
    this.config = parts.config;
    this.files = parts.files;
    this.state = parts.state;
    this.plan = parts.plan;
    this.memory = parts.memory;
    this.hardState = parts.hardState;
    this.mark = parts.mark;
    this.drainedIndex = parts.drainedIndex;
    this.durableIndex = parts.durableIndex;
    this.provenIndex = parts.durableIndex;
  }

  /** Whether nothing may be written, read or acknowledged any more. */
  get isStopped(): boolean {
    return this.isDropped || this.isClosed || this.quarantine !== null;
  }

  /** Byte up to which a segment is synced under a durable mark; 0: nothing of it is. One without frames has no file. */
  drainedEnd(segment: SegmentInfo): number {
    if (segment.lastIndex === segment.previousIndex) return 0;
    if (segment.lastIndex <= this.drainedIndex) return segment.bytes;
    return this.mark?.kind === "drained" && this.mark.segment === segment.name ? this.mark.position : 0;
  }

  evictThrough(index: RaftIndex): void {
    assert(index <= this.drainedIndex, "only drained frames leave memory");
    this.memory.evictThrough(index);
  }

  addUndrained(bytes: number): void {
    this.undrainedBytes += bytes;
    this.context.undrained.total += bytes;
    if (bytes < 0) this.context.undrained.drained -= bytes;
    assert(this.undrainedBytes >= 0, "no frame is drained twice");
  }

  /** Damage was found: from now on this replica serves nothing. Nothing is cut or deleted. */
  setQuarantine(reason: string): void {
    if (this.quarantine !== null) return;
    this.quarantine = reason;
    this.context.onQuarantine(this, reason);
  }

  quarantineError(): VarveError {
    return new VarveError("REPLICA_QUARANTINED", {
      message: `this replica found damage in its files and serves no more: ${this.quarantine}; the other replicas go on; "varve log inspect" shows where`,
      details: { groupId: this.spec.groupId, topicId: this.spec.topicId, partition: this.spec.partition },
      effect: "NONE",
    });
  }
}
