/**
 * partition.ts: one partition on its replica: checks and appends batches, acknowledges them, serves reads.
 *
 * Invariants:
 *   T1  a batch is acknowledged with `quorum` only when its index is applied with the term it was appended in
 *   T2  NOT_APPLIED is answered for an appended batch only when another term is applied at its index
 *   T3  nothing is served before an entry of the leader's own term is applied; only applied batches are visible
 *   T4  a producer's batch is appended at most once (see producer-overlay.ts and the committed table)
 *   T5  a gap in a producer's sequences is told only by a leader that a quorum has confirmed after the batch arrived
 */
import {
  type BrokerId,
  type Clock,
  type Codec,
  type GroupId,
  isVarveError,
  type Offset,
  type RaftIndex,
  type Term,
  toVarveError,
  type VarveError,
} from "@varve/base";
import {
  batchBaseSequence,
  batchLastOffsetDelta,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  checkBatch,
  stampBatch,
} from "@varve/records";
import {
  encodeLogStart,
  type Frame,
  FrameKind,
  type GroupLog,
  type LogSnapshot,
  type ProducerStamp,
  type Storage,
} from "@varve/storage";
import { EntryType } from "raft-ts";
import type { Replica, Role, StateMachine } from "../replica/replica.js";
import type { Backlog } from "./backlog.js";
import type { ByteBudget } from "./byte-budget.js";
import * as errors from "./errors.js";
import type { PartitionMeter } from "./meter.js";
import { type Pending, PendingAcks } from "./pending-acks.js";
import { ProducerOverlay } from "./producer-overlay.js";
import type { ProduceRequest, ProduceResult, ReadAnswer, ReadRequest } from "./requests.js";
import { WatermarkWaiters } from "./watermark-waiters.js";

export type { Acks, ProduceRequest, ProduceResult, ReadAnswer, ReadRequest } from "./requests.js";

/** What producers may send: the topic's settings and the broker's. */
export interface PartitionSettings {
  readonly batchBytesMax: number;
  readonly batchRecordsMax: number;
  readonly recordBytesMax: number;
}

export interface PartitionOptions {
  readonly name: errors.PartitionName;
  readonly log: GroupLog;
  readonly storage: Pick<Storage, "pressure">;
  readonly clock: Clock;
  readonly codec: Codec;
  readonly settings: PartitionSettings;
  readonly inFlight: ByteBudget;
  readonly uncommittedBytesMax: number;
  /** Where the storage begins to refuse, for its error's text. */
  readonly undrainedBytesMax: number;
  readonly meter: PartitionMeter;
  /** The broker that holds a replica of this partition. */
  readonly brokerOf: (replicaId: number) => BrokerId | null;
  readonly onRole: (groupId: GroupId, role: Role) => void;
}

/** After losing leadership, how long the new leader's log is waited for before a batch's fate is called unknown, milliseconds. */
const FATE_WAIT_MS = 500;

export class Partition implements StateMachine {
  readonly name: errors.PartitionName;
  readonly log: GroupLog;
  private readonly options: PartitionOptions;
  private settings: PartitionSettings;
  private replica: Replica | null = null;
  private readonly overlay = new ProducerOverlay<Pending>();
  private readonly pending = new PendingAcks();
  private readonly waiters: WatermarkWaiters;
  private readonly durableWaiters: {
    readonly index: RaftIndex;
    readonly term: Term;
    readonly wake: (kept: boolean) => void;
  }[] = [];
  private lastRole: Role["kind"] = "follower";
  private retentionProposed: RaftIndex = 0;
  private waitsEnded = false;

  constructor(options: PartitionOptions) {
    this.options = options;
    this.name = options.name;
    this.log = options.log;
    this.settings = options.settings;
    this.waiters = new WatermarkWaiters(options.clock);
  }

  attach(replica: Replica): void {
    this.replica = replica;
  }

  setSettings(settings: PartitionSettings): void {
    this.settings = settings;
  }

  /** The epoch this replica leads in and serves in, or null. */
  servingEpoch(): Term | null {
    return this.replica?.isReadyLeader() ? this.replica.node.term : null;
  }

  leader(): BrokerId | null {
    const id = this.replica?.leader ?? 0;
    return id === 0 ? null : this.options.brokerOf(id);
  }

  epoch(): Term {
    return this.replica?.node.term ?? this.log.hardState.term;
  }

  /**
   * Appends one batch and answers by `acks`. The answer of a repeated batch has the first one's offset.
   * @throws VarveError: each says whether the batch can be in the log.
   */
  produce(request: ProduceRequest): Promise<ProduceResult> {
    try {
      return this.append(request);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private append(request: ProduceRequest): Promise<ProduceResult> {
    const replica = this.serving(request.epoch);
    const { batch } = request;
    const { batchBytesMax, batchRecordsMax, recordBytesMax } = this.settings;
    checkBatch(batch, this.options.codec, { batchBytesMax, recordsMax: batchRecordsMax, recordBytesMax });
    const stamp = producerStamp(batch);
    if (stamp.producerId >= 0) {
      const verdict = this.overlay.verdict(stamp, (wanted) => this.log.producerVerdict(wanted));
      switch (verdict.kind) {
        case "append":
          break;
        case "duplicate":
          return Promise.resolve(this.answerDuplicate(verdict.baseOffset, verdict.epochOfLog));
        case "in-flight":
          return this.joinOriginal(verdict.original, request);
        case "fenced":
          throw errors.fencedProducer(this.name, stamp.producerId, stamp.producerEpoch, verdict.currentEpoch);
        case "gap":
          return this.refuseGap(replica, stamp, verdict.expectedSequence);
        default:
          return this.refuseGap(replica, stamp, 0);
      }
    }
    this.refuseUnderPressure(batch.length);
    return this.propose(replica, request, stamp);
  }

  /**
   * T5. Where another leads by now, batches before this one may have been acknowledged there. Rejects with NOT_LEADER then, else with
   * OUT_OF_ORDER_SEQUENCE.
   */
  private async refuseGap(
    replica: Replica,
    { producerId, baseSequence }: ProducerStamp,
    expectedSequence: number,
  ): Promise<never> {
    await this.confirm(replica);
    throw errors.sequenceGap(this.name, producerId, baseSequence, expectedSequence);
  }

  private propose(replica: Replica, request: ProduceRequest, stamp: ProducerStamp): Promise<ProduceResult> {
    const { batch } = request;
    let place: { index: RaftIndex; term: Term; baseOffset: Offset };
    try {
      place = replica.propose({
        type: EntryType.normal,
        kind: FrameKind.batch,
        data: batch,
        offsetSpan: batchLastOffsetDelta(batch) + 1,
        recordCount: stamp.recordCount,
        stamp: (baseOffset, term) => stampBatch(batch, baseOffset, term),
      });
    } catch (error) {
      this.options.inFlight.release(batch.length);
      throw this.dropped(error);
    }
    const nowMs = this.options.clock.monotonicMs();
    const pending: Pending = {
      ...place,
      bytes: batch.length,
      stamp,
      appendedAtMs: nowMs,
      waiters: [],
    };
    this.pending.add(pending);
    if (stamp.producerId >= 0) this.overlay.appended(stamp, pending);
    this.options.meter.produced(batch.length, stamp.recordCount);
    if (request.acks === "none") return Promise.resolve(this.result(-1, place.term, false, false));
    if (request.acks === "leader") return this.waitDurable(place);
    return this.waitCommitted(pending, request.timeoutMs, false);
  }

  private waitCommitted(pending: Pending, timeoutMs: number, duplicate: boolean): Promise<ProduceResult> {
    const deadlineAtMs = this.options.clock.monotonicMs() + timeoutMs;
    return new Promise((resolve, reject) => {
      pending.waiters.push({
        duplicate,
        deadlineAtMs,
        resolve: (repeated) => resolve(this.result(pending.baseOffset, pending.term, repeated, true)),
        reject,
      });
    });
  }

  private joinOriginal(original: Pending, request: ProduceRequest): Promise<ProduceResult> {
    if (request.acks === "none") return Promise.resolve(this.result(-1, original.term, true, false));
    return this.waitCommitted(original, request.timeoutMs, true);
  }

  private waitDurable(place: { index: RaftIndex; term: Term; baseOffset: Offset }): Promise<ProduceResult> {
    return new Promise((resolve, reject) => {
      this.durableWaiters.push({
        index: place.index,
        term: place.term,
        wake: (kept) => {
          if (kept) resolve(this.result(place.baseOffset, place.term, false, false));
          else reject(errors.commitUnknown(this.name, place.baseOffset));
        },
      });
    });
  }

  private answerDuplicate(baseOffset: Offset, epochOfLog: Term): ProduceResult {
    return this.result(baseOffset, epochOfLog, true, true);
  }

  private result(baseOffset: Offset, epoch: Term, duplicate: boolean, committed: boolean): ProduceResult {
    return { baseOffset, epoch, duplicate, committed, appendTimeMs: this.log.lastAppendTimeMs() };
  }

  private refuseUnderPressure(bytes: number): void {
    const pressure = this.options.storage.pressure();
    if (pressure === "DISK_FULL") throw errors.diskFull(this.name);
    if (pressure === "BROKER_OVERLOADED")
      throw errors.overloaded(this.name, "bytes of frames not yet in segments", this.options.undrainedBytesMax);
    if (this.log.uncommittedBytes() + bytes > this.options.uncommittedBytesMax) {
      throw errors.overloaded(this.name, "uncommitted bytes of the partition", this.options.uncommittedBytesMax);
    }
    if (!this.options.inFlight.take(bytes)) {
      throw errors.overloaded(this.name, "produced bytes in flight on the broker", this.options.inFlight.bytesMax);
    }
  }

  private dropped(error: unknown): VarveError {
    if (isVarveError(error)) return error;
    if (error instanceof Error && error.name === "ProposalDropped")
      return errors.notLeader(this.name, null, this.epoch());
    return toVarveError(error, "UNKNOWN");
  }

  private serving(epoch: Term): Replica {
    const replica = this.replica;
    if (this.log.quarantine !== null) throw errors.quarantined(this.name, this.log.quarantine);
    if (replica === null || !replica.isReadyLeader())
      throw errors.notLeader(this.name, this.otherLeader(), this.epoch());
    if (epoch !== 0 && epoch !== replica.node.term) throw errors.wrongEpoch(this.name, epoch, replica.node.term);
    return replica;
  }

  private otherLeader(): BrokerId | null {
    return this.replica?.isLeader() ? null : this.leader();
  }

  /**
   * Committed batches from the one that holds `offset` on. Waits for `bytesMin` up to `waitMs`.
   * @throws VarveError NOT_LEADER, FENCED_EPOCH, UNKNOWN_EPOCH, OFFSET_OUT_OF_RANGE, DIVERGED, REPLICA_QUARANTINED.
   */
  async read(request: ReadRequest): Promise<ReadAnswer> {
    const startedAtMs = this.options.clock.monotonicMs();
    for (;;) {
      const answer = await this.readNow(request);
      const leftMs = request.waitMs - (this.options.clock.monotonicMs() - startedAtMs);
      const bytes = answer.batches.reduce((sum, batch) => sum + batch.length, 0);
      const isOver = leftMs <= 0 || this.waitsEnded || request.signal?.aborted === true;
      if (bytes >= Math.max(1, request.bytesMin) || isOver) {
        if (bytes > 0)
          this.options.meter.fetched(
            bytes,
            answer.batches.reduce((sum, batch) => sum + batchRecordCount(batch), 0),
            answer.batches.length,
          );
        return answer;
      }
      await this.waiters.wait(answer.highWatermark, leftMs, request.signal);
    }
  }

  /** What is there now. */
  private async readNow(request: ReadRequest): Promise<ReadAnswer> {
    let replica = this.serving(request.epoch);
    if (this.readRefusal(request) !== null) {
      await this.confirm(replica);
      replica = this.serving(request.epoch);
      const refusal = this.readRefusal(request);
      if (refusal !== null) throw refusal;
    }
    const epoch = replica.node.term;
    const { logStartOffset: logStart, highWatermark } = this.log.pointers();
    if (request.offset === highWatermark)
      return { batches: [], nextOffset: request.offset, highWatermark, logStart, epoch };
    const read = await this.log.read(request.offset, request.bytesMax);
    return { ...read, highWatermark, logStart, epoch };
  }

  /**
   * Why the log as it is known here cannot be read from there; null: it can. A leader that was cut off does not know what its successor
   * committed, and that may be what the caller has read: a refusal counts after a quorum confirmed this leader.
   */
  private readRefusal(request: ReadRequest): VarveError | null {
    const { logStartOffset: logStart, highWatermark } = this.log.pointers();
    if (request.offset < logStart || request.offset > highWatermark)
      return errors.outOfRange(this.name, request.offset, logStart, highWatermark);
    return this.divergence(request, logStart, highWatermark);
  }

  /** Resolves when a quorum has confirmed this leader, and what was committed by then is applied here. @throws VarveError NOT_LEADER. */
  private async confirm(replica: Replica): Promise<void> {
    if ((await replica.readIndex()) === null) throw errors.notLeader(this.name, this.otherLeader(), this.epoch());
  }

  /** Resolves when there is something above `offset`, leadership changed, or the wait ended otherwise. */
  waitAbove(offset: Offset, waitMs: number, signal: AbortSignal): Promise<void> {
    return this.waiters.wait(offset, waitMs, signal);
  }

  /** KIP-320: the caller's last epoch must end, in this log, at or above where it wants to go on. */
  private divergence(request: ReadRequest, logStart: Offset, highWatermark: Offset): VarveError | null {
    if (request.lastFetchedEpoch === 0) return null;
    const end = this.log.epochEnd(request.lastFetchedEpoch);
    if (end === null || end.endOffset >= request.offset) return null;
    return errors.diverged(this.name, end.endOffset, logStart, highWatermark);
  }

  /**
   * Offset of the earliest record, of the next one (linearizable), or of the first with an append time at or after `timeMs`;
   * past the last record that is the latest offset.
   */
  async listOffset(at: "earliest" | "latest" | { readonly timeMs: number }): Promise<{ offset: Offset; epoch: Term }> {
    const replica = this.serving(0);
    const epoch = replica.node.term;
    await this.confirm(replica);
    const { logStartOffset, highWatermark } = this.log.pointers();
    if (at === "earliest") return { offset: logStartOffset, epoch };
    if (at === "latest") return { offset: highWatermark, epoch };
    const found = await this.log.offsetForTime(at.timeMs);
    return { offset: found ?? highWatermark, epoch };
  }

  /**
   * What waits behind a reader that goes on at `from`; null, or what retention deleted: at the first record.
   * @throws VarveError NOT_LEADER, REPLICA_QUARANTINED.
   */
  async backlog(from: Offset | null): Promise<Backlog> {
    this.serving(0);
    const { logStartOffset: logStart, highWatermark } = this.log.pointers();
    const nextOffset = Math.min(Math.max(from ?? logStart, logStart), highWatermark);
    const appendTimeMs = await this.log.appendTimeAt(nextOffset);
    return { highWatermark, logStart, records: highWatermark - nextOffset, appendTimeMs };
  }

  // StateMachine

  apply(): void {}

  applied(frames: readonly Frame[]): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const frame of frames) {
      for (const { pending, applied } of this.pending.take(frame.index, frame.term))
        this.settle(pending, applied, nowMs);
    }
    this.waiters.rise(this.log.pointers().highWatermark);
  }

  private settle(pending: Pending, applied: boolean, nowMs: number): void {
    this.options.inFlight.release(pending.bytes);
    if (applied) {
      if (pending.stamp.producerId >= 0) this.overlay.committed(pending.stamp);
      this.options.meter.committed(nowMs - pending.appendedAtMs);
      for (const waiter of pending.waiters) waiter.resolve(waiter.duplicate);
    } else {
      this.fail(pending, errors.replaced(this.name));
    }
  }

  private fail(pending: Pending, error: VarveError): void {
    for (const waiter of pending.waiters) waiter.reject(error);
  }

  /** A flush of this replica covered everything up to `index`, in `term`. */
  durable(index: RaftIndex, term: Term): void {
    while (this.durableWaiters[0] !== undefined && this.durableWaiters[0].index <= index) {
      const waiter = this.durableWaiters.shift();
      waiter?.wake(waiter.term === term);
    }
  }

  reset(snapshot: LogSnapshot): void {
    const nowMs = this.options.clock.monotonicMs();
    this.pending.orphanAll(nowMs);
    this.sweep(nowMs);
    this.waiters.rise(snapshot.offset);
  }

  roleChanged(role: Role): void {
    if (role.kind === "follower") this.stepDown();
    if (role.kind !== this.lastRole) this.options.meter.leaderChanged();
    this.lastRole = role.kind;
    this.options.onRole(this.log.spec.groupId, role);
    this.waiters.wakeAll();
  }

  private stepDown(): void {
    this.overlay.clear();
    this.pending.orphanAll(this.options.clock.monotonicMs() + FATE_WAIT_MS);
    for (const waiter of this.durableWaiters.splice(0)) waiter.wake(false);
    this.retentionProposed = 0;
  }

  /** Ends waits that are over; called a few times a second. */
  sweep(nowMs: number): void {
    if (this.pending.size === 0) return;
    const { late, unknown } = this.pending.expire(nowMs);
    for (const { pending, waiter } of late)
      waiter.reject(errors.commitTimeout(this.name, nowMs - pending.appendedAtMs));
    for (const pending of unknown) {
      this.options.inFlight.release(pending.bytes);
      this.fail(pending, errors.commitUnknown(this.name, pending.baseOffset));
    }
  }

  /** The leader moves the log start as retention says; `nowMs` is the cluster's median time. */
  retain(nowMs: number): void {
    const replica = this.replica;
    if (replica === null || !replica.isReadyLeader()) return;
    const target = this.log.retentionTarget(nowMs);
    if (target === null || target.index <= this.retentionProposed) return;
    try {
      replica.propose({
        type: EntryType.normal,
        kind: FrameKind.logStart,
        data: encodeLogStart(target),
        offsetSpan: 0,
        recordCount: 0,
        stamp: null,
      });
      this.retentionProposed = target.index;
    } catch (error) {
      if (!(error instanceof Error && error.name === "ProposalDropped")) throw error;
    }
  }

  /** Reads wait no more: the broker will stop. */
  endWaits(): void {
    this.waitsEnded = true;
    this.waiters.wakeAll();
  }

  /** Ends every wait: the broker stops. */
  close(): void {
    for (const pending of this.pending.takeAll()) {
      this.options.inFlight.release(pending.bytes);
      this.fail(pending, errors.commitUnknown(this.name, pending.baseOffset));
    }
    for (const waiter of this.durableWaiters.splice(0)) waiter.wake(false);
    this.waiters.wakeAll();
  }
}

/** The producer's fields of a batch header. */
function producerStamp(batch: Uint8Array): ProducerStamp {
  return {
    producerId: batchProducerId(batch),
    producerEpoch: batchProducerEpoch(batch),
    baseSequence: batchBaseSequence(batch),
    recordCount: batchRecordCount(batch),
  };
}
