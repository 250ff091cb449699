/**
 * lane.ts: everything on its way to one partition, in order.
 *
 * States: open (batches leave) -> draining (a batch failed: wait for what is in flight) -> busy (backoff, metadata, identity) -> open.
 * Invariants:
 *   N1  at most IN_FLIGHT_MAX batches have left since the oldest that is in flight left, with it: of more, leaders would not know the oldest
 *       again when it is repeated. Sequences in flight and waiting are in order and without a gap
 *   N2  after a failure nothing new leaves until all in flight is settled; then the failed ones leave again first, in order
 *   N3  a batch given up after it left under a sequence leaves a hole: before any batch that was never applied goes on, the epoch
 *       is raised and sequences start at 0. Batches that may be in the log are retried under their old sequence before that
 *   N4  a batch is NOT_APPLIED only if every attempt was
 *   N5  records that share a batch were sent at most a linger time, or SHARE_MS_MAX, apart, and with no flush between them, so that none
 *       is given up much before its own time, and no flush waits for what came after it
 *   N6  batches in flight were sent to one address: on two ways one would arrive before those before it
 *   N7  a gap in the sequences is believed only of a batch that left when all before it were answered: else it means one of those
 * Source: KIP-98 (idempotent producer), KIP-360 (epoch after a failed batch).
 */
import {
  assert,
  assertDefined,
  delay,
  INT31_MAX,
  type PartitionId,
  type TimerHandle,
  type TopicId,
  toVarveError,
  VarveError,
} from "@varve/base";
import { Acks, type ProduceResponse } from "@varve/rpc";
import { backoffMs } from "../cluster/backoff.js";
import type { Cluster } from "../cluster/cluster.js";
import type { TopicView } from "../cluster/topic-view.js";
import { endOfWrite, mayRepeat } from "../errors.js";
import { Batch, type Identity, saysWhy } from "./batch.js";
import type { EncodedRecord } from "./encoded-record.js";
import type { Identities } from "./identities.js";
import type { ProducerSettings, SendResult } from "./options.js";
import { REQUEST_TIMEOUT_MS } from "./produce-link.js";
import type { ProduceLinks } from "./produce-links.js";
import type { SendTerms } from "./send-terms.js";

export const IN_FLIGHT_MAX = 5;
/** A request that waits longer is a reason to look whether another broker leads by now. */
const SLOW_ANSWER_MS = 1_000;
/** Then it looks again so often: an election takes longer than the first look. */
const LOOK_AGAIN_MS = 400;
/** A batch that cannot leave takes records for so long, and never for more than a share of the time that each is tried. */
const SHARE_MS_MAX = 1_000;
const SHARE_RATIO = 0.05;
/**
 * An id or epoch is for all that waits: it is waited for at least so long, even if the head's time is over before. Else a producer whose batches have all but
 * run out of time, each behind another, would never get one.
 */
const IDENTITY_MS_MIN = 2_000;
/** Lingering leaves at least this share of the delivery timeout for attempts. */
const LINGER_RATIO_MAX = 0.5;

const ACKS = { quorum: Acks.QUORUM, leader: Acks.LEADER, none: Acks.NONE } as const;

/** The producer's settings without those that concern single records. */
export type LaneSettings = Omit<ProducerSettings<unknown>, "serde">;

export interface LaneOptions {
  readonly cluster: Cluster;
  readonly topic: string;
  readonly partition: PartitionId;
  readonly settings: LaneSettings;
  readonly links: ProduceLinks;
  readonly identities: Identities;
  /** A batch is settled; its bytes are free. */
  readonly onSettled: (batch: Batch) => void;
}

type State = { readonly kind: "open" } | { readonly kind: "draining" } | { readonly kind: "busy" };

export class Lane {
  private readonly options: LaneOptions;
  private filling: Batch | null = null;
  private linger: TimerHandle | null = null;
  private readonly queue: Batch[] = [];
  private readonly inFlight: Batch[] = [];
  private readonly failed: Batch[] = [];
  private state: State = { kind: "open" };
  private identity: Identity | null = null;
  private nextSequence = 0;
  private hole = false;
  private failures = 0;
  private lastError: VarveError | null = null;
  private sentTo: string | null = null;
  /** Batches sent so far, again or for the first time. */
  private turns = 0;
  private topicId: TopicId = "";
  private slowSinceMs: number | null = null;

  constructor(options: LaneOptions) {
    this.options = options;
  }

  /** Whether a batch is open for records. */
  get isFilling(): boolean {
    return this.filling !== null;
  }

  /** Whether nothing is on its way. */
  get isIdle(): boolean {
    return this.filling === null && this.queue.length === 0 && this.inFlight.length === 0 && this.failed.length === 0;
  }

  /** Adds a record. @throws VarveError RECORD_TOO_LARGE; nothing happened. */
  append(record: EncodedRecord, terms: SendTerms, batchBytesMax: number): Promise<SendResult> {
    const { partition, settings } = this.options;
    if (this.filling !== null && !this.mayShare(this.filling, terms)) this.closeFilling();
    let batch = this.filling ?? this.newBatch(batchBytesMax, terms);
    if (!batch.append(record)) {
      this.closeFilling();
      batch = this.newBatch(batchBytesMax, terms);
      const fits = batch.append(record);
      assert(fits, "the first record of a batch fits");
    }
    if (this.filling === null) this.open(batch);
    const index = batch.recordCount - 1;
    const sent = batch.done.then(({ baseOffset, epoch }) => ({
      partition,
      offset: baseOffset < 0 ? -1 : baseOffset + index,
      epoch,
    }));
    if (batch.byteLength >= settings.batchBytes) this.closeFilling();
    return sent;
  }

  /** Lets an open batch leave now. */
  ripen(): void {
    if (this.filling === null) return;
    this.filling.ripe = true;
    this.pump();
  }

  /** Gives up batches whose time is over, and looks after answers that take long. */
  sweep(nowMs: number): void {
    if (this.filling !== null && this.filling.deadlineAtMs <= nowMs) this.takeFilling();
    for (const batch of this.inFlight) {
      if (batch.settled || batch.deadlineAtMs > nowMs) continue;
      if (this.state.kind === "open") this.state = { kind: "draining" };
      this.giveUp(batch, this.expiryOf(batch, true));
    }
    this.expire(this.failed, nowMs);
    this.expire(this.queue, nowMs);
    this.lookAfterSlow(nowMs);
  }

  /** Rejects everything; for a producer that is closed without waiting. */
  abandon(error: (batch: Batch, inFlight: boolean) => VarveError): void {
    this.takeFilling();
    for (const batch of this.inFlight) this.giveUp(batch, error(batch, true));
    for (const batch of [...this.failed.splice(0), ...this.queue.splice(0)]) this.giveUp(batch, error(batch, false));
  }

  private name(): string {
    return `${this.options.topic}/${this.options.partition}`;
  }

  private newBatch(batchBytesMax: number, terms: SendTerms): Batch {
    return new Batch(Math.min(this.options.settings.batchBytes, batchBytesMax), terms);
  }

  /** N5. */
  private mayShare(batch: Batch, terms: SendTerms): boolean {
    const { deliveryTimeoutMs } = this.options.settings;
    const apartMsMax = Math.max(this.lingerMs(), Math.min(SHARE_MS_MAX, deliveryTimeoutMs * SHARE_RATIO));
    return batch.round === terms.round && terms.deadlineAtMs - batch.deadlineAtMs <= apartMsMax;
  }

  private lingerMs(): number {
    const { lingerMs, deliveryTimeoutMs } = this.options.settings;
    return Math.min(lingerMs, deliveryTimeoutMs * LINGER_RATIO_MAX);
  }

  private open(batch: Batch): void {
    const { clock } = this.options.cluster.ports;
    const lingerMs = this.lingerMs();
    this.filling = batch;
    if (lingerMs === 0) clock.defer(() => this.filling === batch && this.ripen());
    else this.linger = clock.setTimer(lingerMs, () => this.ripen());
  }

  private closeFilling(): void {
    if (this.filling === null) return;
    this.takeFilling();
    this.pump();
  }

  /** Sends what may be sent now. A ripe batch goes on filling as long as it could not leave anyway. */
  private pump(): void {
    while (this.state.kind === "open" && this.turns - (this.inFlight[0]?.turn ?? this.turns) < IN_FLIGHT_MAX) {
      if (this.queue.length === 0 && this.filling?.ripe === true) this.takeFilling();
      const head = this.queue[0];
      if (head === undefined) return;
      if (!this.maySend(head)) return;
      const address = this.address();
      if (this.inFlight.length > 0 && address !== this.sentTo) return; // N6
      this.queue.shift();
      this.send(head, address);
    }
  }

  private takeFilling(): void {
    this.linger?.cancel();
    this.linger = null;
    if (this.filling !== null) this.queue.push(this.filling);
    this.filling = null;
  }

  /** Whether `head` has an identity to leave under; begins to get one if not (N3). */
  private maySend(head: Batch): boolean {
    if (this.options.settings.acks === "none") return true;
    if (this.identity === null) {
      this.become(async (deadlineMs) => this.adopt(await this.options.identities.initial(deadlineMs)));
      return false;
    }
    this.noticeTopicMadeAnew();
    if (head.maybeApplied) return true;
    if (!this.hole && this.nextSequence + head.recordCount <= INT31_MAX) return true;
    const { identity } = this;
    if (this.inFlight.length === 0) {
      this.become(async (deadlineMs) => this.adopt(await this.options.identities.raised(identity, deadlineMs)));
    }
    return false;
  }

  /** Sequences of a topic that was deleted mean nothing in one of the same name. */
  private noticeTopicMadeAnew(): void {
    const topicId = this.options.cluster.metadata.peek(this.options.topic)?.topicId ?? "";
    if (this.topicId !== "" && topicId !== "" && topicId !== this.topicId) this.hole = true;
    if (topicId !== "") this.topicId = topicId;
  }

  private adopt(identity: Identity): void {
    const { diagnostics } = this.options.cluster.ports;
    this.identity = identity;
    this.nextSequence = 0;
    this.hole = false;
    for (const batch of [...this.queue]) {
      if (!batch.maybeApplied) batch.forgetSequence();
      else this.removeUnknown(batch);
    }
    if (diagnostics.hasSubscribers("varve:producer:epoch")) {
      diagnostics.publish("varve:producer:epoch", {
        topic: this.options.topic,
        partition: this.options.partition,
        ...identity,
      });
    }
  }

  /** A batch that may be in the log, behind one that was given up: it can be sent neither again nor anew (N3). */
  private removeUnknown(batch: Batch): void {
    this.queue.splice(this.queue.indexOf(batch), 1);
    batch.sequence = -1;
    this.giveUp(
      batch,
      new VarveError("COMMIT_UNKNOWN", {
        message: `${batch.recordCount} records for ${this.name()} may or may not be in the log: a batch before them was given up`,
        details: { topic: this.options.topic, partition: this.options.partition },
        ...(batch.lastError === null ? {} : { cause: batch.lastError }),
      }),
    );
  }

  /** Runs something that must be over before the next batch leaves. */
  private become(task: (deadlineMs: number) => Promise<unknown>): void {
    this.state = { kind: "busy" };
    const head = this.queue[0];
    const leftMs = (head?.deadlineAtMs ?? 0) - this.options.cluster.ports.clock.monotonicMs();
    task(Math.max(IDENTITY_MS_MIN, leftMs))
      .catch((thrown: unknown) => {
        this.lastError = toVarveError(thrown);
        const error = this.lastError;
        if (!mayRepeat(error)) this.failQueue(error);
        else this.failures++;
      })
      .finally(() => {
        this.state = { kind: "open" };
        this.sweep(this.options.cluster.ports.clock.monotonicMs());
        this.pump();
      });
  }

  private failQueue(error: VarveError): void {
    for (const batch of this.queue.splice(0)) this.giveUp(batch, endOfWrite(error, batch.effect(false)));
  }

  /** Where the next batch goes. */
  private address(): string {
    const { cluster, topic, partition } = this.options;
    const view = cluster.metadata.peek(topic);
    return view === null ? cluster.pool.anyAddress() : cluster.addressFor(view, partition);
  }

  private send(batch: Batch, address: string): void {
    const { cluster, topic, partition, settings, links } = this.options;
    const idempotent = settings.acks !== "none";
    const sequence = batch.sequence >= 0 ? batch.sequence : this.nextSequence;
    let bytes: Uint8Array;
    try {
      bytes = batch.stamped(cluster.ports.codec, settings.compression, idempotent ? this.identity : null, sequence);
    } catch (thrown) {
      this.giveUp(batch, endOfWrite(toVarveError(thrown), batch.effect(false)));
      return;
    }
    if (idempotent) this.nextSequence = Math.max(this.nextSequence, sequence + batch.recordCount);
    batch.attempts++;
    batch.leftBehindOthers = this.inFlight.length > 0;
    batch.turn = this.turns++;
    this.inFlight.push(batch);
    this.sentTo = address;
    const leftMs = batch.deadlineAtMs - cluster.ports.clock.monotonicMs();
    const request = {
      topic,
      topicId: cluster.metadata.peek(topic)?.topicId ?? "",
      partition,
      batch: bytes,
      acks: ACKS[settings.acks],
      timeoutMs: Math.max(1, Math.min(Math.ceil(leftMs), REQUEST_TIMEOUT_MS)),
    };
    try {
      links.to(address).send(request, { settled: (response, error) => this.settled(batch, response, error) });
    } catch (thrown) {
      const error = toVarveError(thrown, "NOT_APPLIED");
      cluster.ports.clock.defer(() => this.settled(batch, null, error));
    }
  }

  private settled(batch: Batch, response: ProduceResponse | null, error: VarveError | null): void {
    const at = this.inFlight.indexOf(batch);
    assert(at >= 0, "L1: a batch in flight is settled once");
    this.inFlight.splice(at, 1);
    if (response !== null) this.acknowledged(batch, response);
    else this.attemptFailed(batch, assertDefined(error, "an answer is a result or an error"));
    if (this.state.kind === "draining" && this.inFlight.length === 0) this.drained();
    this.pump();
  }

  private acknowledged(batch: Batch, response: ProduceResponse): void {
    this.failures = 0;
    this.lastError = null;
    this.slowSinceMs = null;
    const { cluster, topic, partition, settings } = this.options;
    if (response.leaderEpoch > 0) this.noteEpoch(response.leaderEpoch);
    const { diagnostics } = cluster.ports;
    if (diagnostics.hasSubscribers("varve:producer:acknowledged")) {
      const { baseOffset, leaderEpoch, duplicate } = response;
      diagnostics.publish("varve:producer:acknowledged", {
        topic,
        partition,
        baseOffset,
        leaderEpoch,
        duplicate,
        records: batch.recordCount,
      });
    }
    if (batch.settled) return;
    batch.succeed({
      baseOffset: settings.acks === "none" ? -1 : response.baseOffset,
      epoch: response.leaderEpoch,
    });
    this.options.onSettled(batch);
  }

  private noteEpoch(epoch: number): void {
    const { cluster, topic, partition } = this.options;
    const known = cluster.metadata.peek(topic)?.partitions[partition];
    if (known !== undefined && known.epoch < epoch) cluster.metadata.refresh(topic).catch(() => {});
  }

  private attemptFailed(batch: Batch, error: VarveError): void {
    batch.lastError = error;
    if (this.lastError === null || saysWhy(error)) this.lastError = error;
    if (error.effect === "UNKNOWN") batch.maybeApplied = true; // N4
    if (batch.settled) {
      this.hole = true;
      return;
    }
    if (!this.mayTryAgain(batch, error)) {
      this.giveUp(batch, endOfWrite(error, batch.effect(false)));
      return;
    }
    this.tellRetry(batch, error);
    this.failed.push(batch);
    if (this.state.kind === "open") this.state = { kind: "draining" };
  }

  private mayTryAgain(batch: Batch, error: VarveError): boolean {
    const { acks } = this.options.settings;
    if (acks === "none") return !batch.maybeApplied && mayRepeat(error);
    if (error.code === "OUT_OF_ORDER_SEQUENCE") return this.mayCloseGap(batch, error);
    return mayRepeat(error) || isAboutMissing(error);
  }

  /** Whether a gap before a batch is no loss that must be told, so that it may leave again, if need be under a new epoch (N3, N7). */
  private mayCloseGap(batch: Batch, { details }: VarveError): boolean {
    if (batch.leftBehindOthers) return true;
    if (batch.maybeApplied) return false;
    // Acks leader allows that an acknowledged batch is lost with its leader; and where sequence 0 is expected, the log has forgotten
    // the producer, as it does with one that was silent for long.
    if (this.options.settings.acks === "leader" || details["expectedSequence"] === 0) this.hole = true;
    return this.hole;
  }

  /** All answers are there: the failed batches go to the front, in order, after a pause (N2). */
  private drained(): void {
    this.failed.sort((left, right) => left.sequence - right.sequence);
    this.queue.unshift(...this.failed.splice(0));
    if (this.queue.length === 0 || this.lastError === null) {
      this.state = { kind: "open" };
      return;
    }
    const error = this.lastError;
    this.become(() => this.recover(error));
  }

  private async recover(error: VarveError): Promise<void> {
    const { cluster, topic, partition } = this.options;
    this.failures++;
    const hinted = cluster.metadata.noteHint(topic, partition, error);
    if (hinted && this.failures === 1) return;
    if (!saysWhy(error) && this.failures === 1) return;
    await delay(cluster.ports.clock, backoffMs(cluster.ports.random, this.failures, error.retryAfterMs));
    if (hinted || !saysWhy(error)) return;
    if (isAboutMissing(error)) await cluster.metadata.refresh(topic, this.sentTo);
    else await cluster.metadata.seekLeaders(topic, this.sentTo);
  }

  private giveUp(batch: Batch, error: VarveError): void {
    if (batch.sequence >= 0) this.hole = true; // N3
    if (batch.settled) return;
    const { cluster, topic, partition } = this.options;
    cluster.settings.logger.warn({ topic, partition, code: error.code, records: batch.recordCount }, "batch given up");
    const { diagnostics } = cluster.ports;
    if (diagnostics.hasSubscribers("varve:producer:failed")) {
      diagnostics.publish("varve:producer:failed", { topic, partition, error, records: batch.recordCount });
    }
    batch.fail(error);
    this.options.onSettled(batch);
  }

  private expire(batches: Batch[], nowMs: number): void {
    const late = batches.filter(({ deadlineAtMs }) => deadlineAtMs <= nowMs);
    // Taken out first: who hears of a failure may send, and that changes the lists.
    for (const batch of late) batches.splice(batches.indexOf(batch), 1);
    for (const batch of late) this.giveUp(batch, this.expiryOf(batch, false));
  }

  private expiryOf(batch: Batch, inFlight: boolean): VarveError {
    return batch.expiry(this.name(), this.options.settings.deliveryTimeoutMs, inFlight, this.lastError);
  }

  /** A broker that is paused answers nothing: once others have elected a leader, its requests are taken elsewhere. */
  private lookAfterSlow(nowMs: number): void {
    const { cluster, topic, partition, links } = this.options;
    const address = this.sentTo;
    if (this.inFlight.length === 0 || address === null) {
      this.slowSinceMs = null;
      return;
    }
    this.slowSinceMs ??= nowMs;
    if (nowMs - this.slowSinceMs < SLOW_ANSWER_MS) return;
    this.slowSinceMs = nowMs - SLOW_ANSWER_MS + LOOK_AGAIN_MS;
    cluster.metadata.seekLeaders(topic, address).then(
      (view: TopicView) => {
        const leader = view.partitions[partition]?.leader ?? null;
        const direct = leader === null ? null : cluster.pool.addressOf(leader);
        const link = links.get(address);
        const oldest = link?.oldestSentAtMs() ?? null;
        const late = oldest !== null && cluster.ports.clock.monotonicMs() - oldest >= SLOW_ANSWER_MS;
        if (direct !== null && direct !== address && late && this.inFlight.length > 0) {
          link?.cut(`does not answer and ${direct} leads ${this.name()} now`);
        }
      },
      () => {},
    );
  }

  private tellRetry(batch: Batch, error: VarveError): void {
    const { cluster, topic, partition } = this.options;
    cluster.settings.logger.debug(
      { topic, partition, code: error.code, attempt: batch.attempts },
      "batch failed, trying again",
    );
    const { diagnostics } = cluster.ports;
    if (diagnostics.hasSubscribers("varve:producer:retry")) {
      diagnostics.publish("varve:producer:retry", { topic, partition, error, attempt: batch.attempts });
    }
  }
}

/** A broker that does not find the topic may be behind; metadata confirmed by the controller decides. */
function isAboutMissing(error: VarveError): boolean {
  return error.code === "UNKNOWN_TOPIC" || error.code === "UNKNOWN_TOPIC_ID" || error.code === "UNKNOWN_PARTITION";
}
