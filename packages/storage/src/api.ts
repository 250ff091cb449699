/**
 * api.ts: what the broker asks of storage: one `Storage` per data directory, one `GroupLog` per replica in it.
 *
 * Words: a frame is *written* when it is in memory and queued for the WAL, *durable* when a WAL flush that covers it has
 * returned from fdatasync, *committed* when the caller said so with `commitTo`, *drained* when it is synced in a segment.
 * Invariants of every log:
 *   L1  logStartIndex - 1 <= applied <= min(committed, durable) <= lastIndex
 *   L2  drained <= applied
 *   L3  frames have dense indexes, and base offsets that are dense over the records
 */
import type {
  Clock,
  DirectoryId,
  GroupId,
  Logger,
  Offset,
  PartitionId,
  RaftIndex,
  Random,
  ReplicaId,
  Term,
  TopicId,
} from "@varve/base";
import type { PendingWork } from "./disk-watch.js";

/** What a frame holds. Numbers are on disk and never change. `gap` is reserved for compaction. */
export const FrameKind = { batch: 1, noop: 2, conf: 3, logStart: 4, state: 5, gap: 6 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/** One entry of a Raft log as it lies in the WAL, in segments and on the peer link: encoded once, then only copied. */
export interface Frame {
  readonly groupId: GroupId;
  readonly kind: FrameKind;
  /** The kind in Raft's vocabulary, so that a frame is a Raft entry as it stands: 2 (a configuration change) for `conf`, else 0. */
  readonly type: 0 | 2;
  readonly index: RaftIndex;
  readonly term: Term;
  /** Offset of the first record; for frames without records, the offset that the next record will get. */
  readonly baseOffset: Offset;
  /** Offsets this frame takes: lastOffsetDelta + 1 for a batch, 0 for every other kind. */
  readonly offsetSpan: number;
  readonly recordCount: number;
  /** Leader's clock, milliseconds since 1970, never decreasing within a log. */
  readonly appendTimeMs: number;
  /** The batch, command or configuration itself. Not modified after the frame is made. */
  readonly data: Uint8Array;
  /** Encoded header (FRAME_HEADER_BYTES long), both checksums filled in. */
  readonly header: Uint8Array;
}

/** The configuration of a Raft group, joint ones included; replica ids. */
export interface ReplicaSet {
  readonly voters: readonly ReplicaId[];
  readonly learners: readonly ReplicaId[];
  readonly votersOutgoing: readonly ReplicaId[];
  readonly learnersNext: readonly ReplicaId[];
  readonly autoLeave: boolean;
}

export interface HardState {
  readonly term: Term;
  /** Replica voted for in `term`, 0 = none. */
  readonly vote: ReplicaId;
  readonly commit: RaftIndex;
}

/** What one replica is; given at creation and found again at recovery. */
export interface GroupSpec {
  readonly groupId: GroupId;
  readonly replicaId: ReplicaId;
  readonly topicId: TopicId;
  readonly partition: PartitionId;
  /** `data`: holds records, a far-behind replica starts at the first retained segment. `state`: installs the newest checkpoint. */
  readonly kind: "data" | "state";
  /** Configuration before the first entry. */
  readonly initial: ReplicaSet;
}

/** Settings of one log that may change while it is open. -1 = unlimited. */
export interface LogConfig {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly retentionMs: number;
  readonly retentionBytes: number;
}

/** A state machine's part of a checkpoint. `tag` is 1..255 and stable on disk; 1..15 belong to storage. */
export interface CheckpointSection {
  readonly tag: number;
  readonly bytes: Uint8Array;
}

/** A point in a log from which it can be continued without what lies before. `encoded` is the checkpoint file's content. */
export interface LogSnapshot {
  readonly index: RaftIndex;
  readonly term: Term;
  /** Offset of the first record above `index`. */
  readonly offset: Offset;
  readonly replicas: ReplicaSet;
  readonly sections: readonly CheckpointSection[];
  readonly encoded: Uint8Array;
}

/** Reads a snapshot that came over the wire. @throws VarveError CORRUPT_BATCH when it is not a whole, valid checkpoint. */
export type DecodeSnapshot = (encoded: Uint8Array) => LogSnapshot;

/**
 * One step of a group, acknowledged as a whole. A crash before that may leave the reset or the hard state without the frames, and of the
 * frames a prefix, never frames without what stands before them: a long write takes more than one flush.
 */
export interface LogWrite {
  readonly hardState: HardState | null;
  /** Dense; the first index may lie at or below lastIndex: what it replaces is superseded. Never at or below `applied`. */
  readonly frames: readonly Frame[];
  /** Replace the whole log by this snapshot first. */
  readonly reset: LogSnapshot | null;
}

/** Where the records of one log are, and how far each stage has come. */
export interface LogPointers {
  /** First index that is not below the log start, whether its frame is there yet or not. */
  readonly logStartIndex: RaftIndex;
  readonly logStartOffset: Offset;
  readonly drainedIndex: RaftIndex;
  readonly appliedIndex: RaftIndex;
  readonly durableIndex: RaftIndex;
  readonly lastIndex: RaftIndex;
  /** Offset after the last record of the applied prefix: the high watermark. */
  readonly highWatermark: Offset;
}

/** Committed batches from `read`, in offset order, each one whole record batch v2, checked against its frame. */
export interface ReadResult {
  readonly batches: readonly Uint8Array[];
  /** Offset after the last record in `batches`; the requested offset when empty. */
  readonly nextOffset: Offset;
}

/** A duplicate's first answer, a gap, a fenced epoch, or go ahead. */
export type ProducerVerdict =
  | { readonly kind: "append" }
  | { readonly kind: "duplicate"; readonly baseOffset: Offset; readonly epochOfLog: Term }
  | { readonly kind: "gap"; readonly expectedSequence: number }
  | { readonly kind: "fenced"; readonly currentEpoch: number }
  | { readonly kind: "unknown" };

/** What identifies an idempotent batch; read from the batch header. producerId -1 = none. */
export interface ProducerStamp {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

/** What a scrub has done. */
export interface ScrubReport {
  /** Segments and checkpoints, or WAL files, that were looked at. */
  readonly files: number;
  readonly bytes: number;
  /** Indexes and checkpoints that were damaged and made anew; damaged WAL files of which all that counts was written again. */
  readonly rebuilt: number;
}

/** One replica's log: Raft's storage, the consumer's reads, retention and checkpoints. All calls come from one thread. */
export interface GroupLog {
  readonly spec: GroupSpec;
  /** Set at open: damage was found. The log serves nothing and takes no vote; the text says what and where. */
  readonly quarantine: string | null;
  readonly hardState: HardState;
  readonly replicas: ReplicaSet;
  /** Sections of the checkpoint that recovery started from; frames above it come again through `recoveredFrames`. */
  readonly recoveredSections: readonly CheckpointSection[];

  /** Only for logs of kind `state`: the committed frames above that checkpoint, up to the applied index, in order; empty for `data`. */
  readonly recoveredFrames: readonly Frame[];

  // Raft's storage; synchronous, from memory. Indexes outside (firstIndex - 1) .. lastIndex have no term.
  /** First index that is still there as a frame; the index before it has a known term. */
  firstIndex(): RaftIndex;
  lastIndex(): RaftIndex;
  term(index: RaftIndex): Term | "compacted" | "unavailable";
  /** `lo` inclusive, `hi` exclusive, at least one. "pending": not in memory; `load` brings it. */
  entries(lo: RaftIndex, hi: RaftIndex, bytesMax: number): readonly Frame[] | "compacted" | "unavailable" | "pending";
  /**
   * Reads a run of frames for a replica that lags; afterwards `entries(lo, ...)` answers from memory until evicted.
   * @returns the bytes of those frames.
   */
  load(lo: RaftIndex, hi: RaftIndex, bytesMax: number): Promise<number>;
  /** For a replica whose next index is below firstIndex. */
  snapshot(): LogSnapshot | "pending";

  /** Offset that the next appended record will get: after the last frame written, committed or not. */
  nextOffset(): Offset;
  lastAppendTimeMs(): number;

  /**
   * Queues one write for the next flush and makes its frames readable to Raft at once.
   * `onDurable` is called once, in order of the calls, after fdatasync covered it; never after a failed flush.
   */
  save(write: LogWrite, onDurable: () => void): void;

  /**
   * Says that everything up to `index` is committed; `index` must be durable here. Applies the frames in order to the epochs,
   * the producer table, the log start and the high watermark, and lets them drain.
   */
  commitTo(index: RaftIndex): void;
  /** The configuration that the committed conf frame at `index` led to; goes into later checkpoints. */
  setReplicas(index: RaftIndex, replicas: ReplicaSet): void;
  /** Asked for at each checkpoint, when everything up to the applied index has been applied by the caller too. */
  setSectionSource(source: () => readonly CheckpointSection[]): void;

  pointers(): LogPointers;
  /** Bytes of frames written but not committed: the caller refuses produce above its limit. */
  uncommittedBytes(): number;
  /**
   * Whether a follower should let more frames wait: the broker holds more than `undrainedBytesMax` of frames that are not in the WAL yet, or
   * committed and in no segment. Only its disk decides when that is less, so nobody waits for each other here. Never of the logs of the controller
   * and the coordinators: what is done about a slow disk depends on them.
   * @param comingBytes of frames that the caller is about to save.
   */
  isCongested(comingBytes: number): boolean;
  /** Bytes this log takes on disk in segments. */
  diskBytes(): number;

  /**
   * Committed batches from the one that holds `offset` on; at least one if any is there, else up to `bytesMax`. Synchronous from
   * the tail, a promise from segments. `offset` must lie in logStartOffset .. highWatermark.
   * @throws VarveError OFFSET_OUT_OF_RANGE, REPLICA_QUARANTINED.
   */
  read(offset: Offset, bytesMax: number): ReadResult | Promise<ReadResult>;
  /** When the batch that holds `offset` was appended, milliseconds since 1970; null at the high watermark. @throws VarveError as `read`. */
  appendTimeAt(offset: Offset): Promise<number | null>;
  /** Offset of the first committed record whose frame has appendTimeMs >= timeMs; null when there is none. */
  offsetForTime(timeMs: number): Promise<Offset | null>;
  /** End offset (exclusive) of the last epoch <= `epoch` in the committed log, with that epoch; null when all are later or pruned. */
  epochEnd(epoch: Term): { readonly epoch: Term; readonly endOffset: Offset } | null;

  /** What the committed log says about an idempotent batch. */
  producerVerdict(stamp: ProducerStamp): ProducerVerdict;
  /** Last committed sequence and epoch of a producer, null when unknown or expired. */
  producerState(producerId: number): { readonly epoch: number; readonly lastSequence: number } | null;

  /**
   * Reads and checks every file of this log: segments frame by frame, indexes, checkpoints. `pace` is asked before each read of so many
   * bytes and may wait; false stops. Indexes and the newest checkpoint are repaired; other damage quarantines the replica, and the promise
   * resolves as ever. At most one at a time.
   */
  scrub(pace: (bytes: number) => Promise<boolean>): Promise<ScrubReport>;

  /** Quarantines the replica for something that its files do not show: others know that it has lost what it acknowledged. */
  condemn(reason: string): void;

  setConfig(config: LogConfig): void;
  /** Where retention would put the log start now, as the leader proposes it in a logStart frame; null = leave it. */
  retentionTarget(nowMs: number): { readonly index: RaftIndex; readonly offset: Offset } | null;
}

/** Counts since open, and gauges, for metrics and benches. */
export interface StorageStats {
  readonly flushes: number;
  readonly fdatasyncs: number;
  readonly walBytesWritten: number;
  readonly segmentBytesWritten: number;
  readonly walFiles: number;
  readonly undrainedBytes: number;
  readonly tailBytes: number;
  readonly diskFreeBytes: number;
}

/** How far the recovery of a data directory has come. */
export interface RecoveryProgress {
  /** Logs in the directory; 0 until the write-ahead log has been read and they have been counted. */
  readonly logs: number;
  readonly logsRecovered: number;
  /** Bytes read of the write-ahead log, and of the ends of segments. */
  readonly bytesRead: number;
}

export interface StorageOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called once, on the first failed write or fsync: nothing after it becomes durable, the process must end. */
  readonly onFatal: (error: Error) => void;
  /** Called after each flush with its duration, milliseconds. */
  readonly onFlush?: (durationMs: number, bytes: number) => void;
  /** Called while the data directory is recovered, with how far that has come; cheap, since it is called at each read. */
  readonly onRecovery?: (progress: RecoveryProgress) => void;
  readonly walFileBytes: number;
  readonly tailCacheBytesMax: number;
  readonly undrainedBytesMax: number;
  /** Below this much free space produce is refused, until an eighth more is free. */
  readonly diskReserveBytes: number;
  readonly checkpointIntervalBytes: number;
  readonly producerExpiryMs: number;
}

/** Identity of a data directory, from node.json. */
export interface NodeIdentity {
  readonly directoryId: DirectoryId;
  readonly clusterId: string | null;
  readonly brokerId: number | null;
  /** Newest last, at most 64; the last one is this start's. */
  readonly bootIds: readonly string[];
  readonly formatVersion: number;
}

/** One data directory, locked by this process. */
export interface Storage {
  readonly identity: NodeIdentity;
  /** Makes cluster id and broker id part of node.json, durably. Either may be set once and never changed. */
  adopt(clusterId: string, brokerId: number): Promise<void>;
  /** An opaque durable note beside node.json (founding promises); null = none. */
  readonly note: string | null;
  setNote(text: string): Promise<void>;
  /** Logs found at open. */
  groups(): readonly GroupLog[];
  group(groupId: GroupId): GroupLog | null;
  /**
   * Creates a log; its existence is durable when the promise resolves.
   * @throws VarveError REPLICA_QUARANTINED: this directory had a replica of the group and has lost what it promised; `forgetLost` when that has left.
   */
  createGroup(spec: GroupSpec, config: LogConfig): Promise<GroupLog>;
  /** Deletes a log and its files; after the promise resolves it never comes back. */
  dropGroup(groupId: GroupId): Promise<void>;
  /**
   * Voids what the WAL knows of a replica whose folder is gone or unreadable, so that another replica of its group may be made here. Only
   * for a replica that has left its group for ever. Durable when the promise resolves; nothing happens when nothing was lost.
   */
  forgetLost(groupId: GroupId, replicaId: ReplicaId): Promise<void>;
  /** Why produce must be refused now: memory not yet drained, or too little disk; null = go on. */
  pressure(): "BROKER_OVERLOADED" | "DISK_FULL" | null;
  stats(): StorageStats;
  /** The write that the disk has not answered for longest, segments and checkpoints included; null: it owes no answer. */
  pendingWrite(): PendingWork | null;
  /** Bytes that `scrubWal` would read now. */
  readonly walScrubBytes: number;
  /**
   * Reads and checks every WAL file but the one that is written. `pace` as for a log's scrub. Damage concerns nobody: all that counts in the file is
   * in memory and is written again, and the file is put aside. At most one at a time.
   */
  scrubWal(pace: (bytes: number) => Promise<boolean>): Promise<ScrubReport>;
  /** Flushes, drains and checkpoints everything, then unlocks. */
  close(): Promise<void>;
  /** Ends at once, as a killed process would; what is not durable is lost. */
  abandon(): Promise<void>;
}
