/**
 * producer.ts: sends records: collects them into batches per partition and answers when brokers acknowledged them.
 *
 * Invariants:
 *   D1  records of one topic are placed in the order of their `send` calls
 *   D2  records that are not settled take at most bufferBytesMax, or one record; others wait in order
 *   D3  every send settles: acknowledged, refused, or given up at most the delivery timeout plus one sweep after it began, wherever it waited
 */
import { delay, type TimerHandle, toVarveError, type VarveError } from "@varve/base";
import { backoffMs } from "../cluster/backoff.js";
import type { Cluster } from "../cluster/cluster.js";
import type { TopicView } from "../cluster/topic-view.js";
import { aborted, closed, mayRepeat, untilAborted } from "../errors.js";
import type { WaitOptions } from "../options.js";
import type { Data } from "../records/input.js";
import type { Batch } from "./batch.js";
import { checkTopicName, type EncodedRecord, encodeRecord } from "./encoded-record.js";
import { FlushRounds } from "./flush-rounds.js";
import { Identities } from "./identities.js";
import {
  type ProducerOptions,
  type ProducerSettings,
  producerSettings,
  type RecordToSend,
  type SendResult,
} from "./options.js";
import { ProduceLinks } from "./produce-links.js";
import { resultsOrError, waitedTooLong } from "./send-errors.js";
import type { SendTerms } from "./send-terms.js";
import { TopicLanes } from "./topic-lanes.js";
import { type WaitingSend, WaitingSends } from "./waiting-sends.js";

/** A topic that the producer writes to. `waiting`: sends that came before its metadata. */
interface Topic {
  readonly lanes: TopicLanes;
  state: "loading" | "ready" | "missing";
  waiting: WaitingSends;
  /** Why its metadata is not here yet. */
  trouble: VarveError | null;
}

export class Producer<T = Data> {
  private readonly cluster: Cluster;
  private readonly settings: ProducerSettings<T>;
  private readonly topics = new Map<string, Topic>();
  private readonly links: ProduceLinks;
  private readonly identities: Identities;
  /** Sends that wait for room in the buffer, over all topics. */
  private readonly waiting = new WaitingSends(({ terms }) => this.rounds.settle(terms.round, 1));
  private readonly rounds = new FlushRounds();
  private readonly prepared: Promise<void>;
  private readonly onClosed: () => void;
  private bufferedBytes = 0;
  private sweeper: TimerHandle | null = null;
  private closing: Promise<void> | null = null;

  /** @internal Use `varve.producer()`. @throws VarveError INVALID_ARGUMENT. */
  constructor(cluster: Cluster, options: ProducerOptions<T>, onClosed: () => void) {
    this.cluster = cluster;
    this.settings = producerSettings(options);
    this.links = new ProduceLinks(cluster);
    this.identities = new Identities(cluster);
    this.onClosed = onClosed;
    this.prepared = cluster.ports.codec.prepare(this.settings.compression);
    this.prepared.catch(() => {});
  }

  /**
   * Sends one record. Resolves when it is acknowledged as `acks` says; waits while the buffer is full.
   * @throws VarveError; `effect` says whether the record may be in the log.
   */
  send(input: RecordToSend<T> & { readonly topic: string }, wait?: WaitOptions): Promise<SendResult> {
    try {
      const signal = wait?.signal;
      if (this.closing !== null) throw closed("this producer");
      if (signal?.aborted) throw aborted("send", "NOT_APPLIED", signal.reason);
      checkTopicName(input.topic);
      const record = encodeRecord(input, this.settings.serde, this.cluster.ports.clock);
      const sent = this.admit(input.topic, record, signal);
      if (signal === undefined) return sent;
      return untilAborted(sent, signal, () => aborted(`send to ${input.topic}`, "UNKNOWN", signal.reason));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends records to one topic. Resolves with one result per record, in order. When some fail, rejects with the first failure,
   * after all are settled: its effect is NOT_APPLIED only if no record was written.
   */
  async sendBatch(
    input: { readonly topic: string; readonly records: readonly RecordToSend<T>[] },
    wait?: WaitOptions,
  ): Promise<SendResult[]> {
    const { topic } = input;
    const signal = wait?.signal;
    if (this.closing !== null) throw closed("this producer");
    if (signal?.aborted) throw aborted("sendBatch", "NOT_APPLIED", signal.reason);
    checkTopicName(topic);
    const records = input.records.map((record) => encodeRecord(record, this.settings.serde, this.cluster.ports.clock));
    const sends = records.map((record) => this.admit(topic, record, signal));
    const all = Promise.allSettled(sends).then(resultsOrError);
    return untilAborted(all, signal, () => aborted(`sendBatch to ${topic}`, "UNKNOWN", signal?.reason));
  }

  /** Resolves when everything sent before is settled, well or not; batches leave without lingering. Later sends do not delay it. */
  async flush(wait?: WaitOptions): Promise<void> {
    const signal = wait?.signal;
    if (signal?.aborted) throw aborted("flush", "NONE", signal.reason);
    await untilAborted(this.flushed(), signal, () => aborted("flush", "NONE", signal?.reason));
  }

  /** Sends what is under way and closes; later sends are refused with CLOSED. When aborted, gives up what is not acknowledged. */
  close(wait?: WaitOptions): Promise<void> {
    this.closing ??= this.shutDown(wait?.signal);
    return this.closing;
  }

  private async shutDown(signal: AbortSignal | undefined): Promise<void> {
    try {
      if (signal?.aborted) throw aborted("close", "UNKNOWN", signal.reason);
      await untilAborted(this.flushed(), signal, () => aborted("close", "UNKNOWN", signal?.reason));
    } finally {
      this.abandonAll();
      this.links.close();
      this.onClosed();
    }
  }

  private abandonAll(): void {
    const gone = (): VarveError => closed("this producer");
    this.waiting.expire(Number.POSITIVE_INFINITY, gone);
    for (const { lanes, waiting } of this.topics.values()) {
      waiting.expire(Number.POSITIVE_INFINITY, gone);
      for (const lane of lanes.all()) {
        lane.abandon((batch, inFlight) => closed("this producer").withEffect(batch.effect(inFlight)));
      }
    }
    this.sweeper?.cancel();
  }

  /** Into the buffer, or behind those that wait for room (D2). @throws VarveError BROKER_OVERLOADED when too many wait. */
  private admit(topic: string, record: EncodedRecord, signal: AbortSignal | undefined): Promise<SendResult> {
    const { clock } = this.cluster.ports;
    const hasRoom = this.waiting.size === 0 && this.hasRoom(record);
    if (!hasRoom) this.waiting.checkRoom(record);
    const deadlineAtMs = clock.monotonicMs() + this.settings.deliveryTimeoutMs;
    const terms: SendTerms = { deadlineAtMs, round: this.rounds.begin(), signal };
    this.sweepLater();
    if (hasRoom) return this.place(topic, record, terms);
    const sent = this.waiting.add(topic, record, terms);
    if (this.waiting.size === 1) this.hurry();
    return sent;
  }

  private hasRoom({ bufferedBytes }: EncodedRecord): boolean {
    return this.bufferedBytes === 0 || this.bufferedBytes + bufferedBytes <= this.settings.bufferBytesMax;
  }

  /** Gives room back and lets in those that wait for it; they leave without lingering as long as others wait. */
  private release(bytes: number): void {
    this.bufferedBytes -= bytes;
    let placed = false;
    for (let send = this.waiting.peek(); send !== null && this.hasRoom(send.record); send = this.waiting.peek()) {
      this.waiting.shift(send);
      send.resolve(this.place(send.topic, send.record, send.terms));
      placed = true;
    }
    if (placed && (this.waiting.size > 0 || this.rounds.isFlushing)) this.hurry();
  }

  /** Into a batch, or behind those that wait for the topic (D1). Takes its bytes from the buffer. */
  private place(name: string, record: EncodedRecord, terms: SendTerms): Promise<SendResult> {
    this.bufferedBytes += record.bufferedBytes;
    const topic = this.topic(name);
    const view = topic.state === "ready" ? this.cluster.metadata.peek(name) : null;
    if (view !== null) return this.append(topic, view, record, terms);
    if (topic.state !== "loading") this.load(name, topic);
    const sent = topic.waiting.add(name, record, terms);
    sent.catch(() => {});
    return sent;
  }

  private append(topic: Topic, view: TopicView, record: EncodedRecord, terms: SendTerms): Promise<SendResult> {
    try {
      return topic.lanes.append(view, record, terms);
    } catch (error) {
      this.settled(terms.round, 1, record.bufferedBytes);
      return Promise.reject(error);
    }
  }

  /** These sends, which were in the buffer, are over. */
  private settled(round: number, sends: number, bytes: number): void {
    this.rounds.settle(round, sends);
    this.release(bytes);
  }

  private topic(name: string): Topic {
    let topic = this.topics.get(name);
    if (topic === undefined) {
      const { cluster, settings, links, identities } = this;
      const onSettled = (batch: Batch): void => this.settled(batch.round, batch.recordCount, batch.bufferedBytes);
      const lanes = new TopicLanes({ cluster, topic: name, settings, links, identities, onSettled });
      topic = { lanes, state: "missing", waiting: this.newWaiting(), trouble: null };
      this.topics.set(name, topic);
    }
    return topic;
  }

  /** Sends whose bytes are in the buffer. */
  private newWaiting(): WaitingSends {
    return new WaitingSends(({ terms, record }) => this.settled(terms.round, 1, record.bufferedBytes));
  }

  /** Finds the topic, then places what waited for it, in order. Goes on for as long as anybody waits, unless that is in vain. */
  private load(name: string, topic: Topic): void {
    topic.state = "loading";
    this.find(name, topic).then(
      (view) => {
        topic.state = "ready";
        topic.trouble = null;
        this.drain(topic, (send) => send.resolve(this.append(topic, view, send.record, send.terms)));
        if (this.waiting.size > 0 || this.rounds.isFlushing) this.hurry();
      },
      (thrown: unknown) => {
        const error = toVarveError(thrown).withEffect("NOT_APPLIED");
        topic.state = "missing";
        topic.trouble = null;
        if (topic.lanes.all().every((lane) => lane.isIdle)) this.topics.delete(name);
        this.drain(topic, (send) => {
          send.reject(error);
          this.settled(send.terms.round, 1, send.record.bufferedBytes);
        });
      },
    );
  }

  /** @throws VarveError what trying again does not change, or the last failure when nobody waits any more. */
  private async find(name: string, topic: Topic): Promise<TopicView> {
    const { metadata, ports } = this.cluster;
    await this.prepared;
    for (let failures = 1; ; failures++) {
      try {
        return await metadata.get(name);
      } catch (thrown) {
        const error = toVarveError(thrown);
        topic.trouble = error;
        if (!mayRepeat(error) || topic.waiting.size === 0) throw error;
        await delay(ports.clock, backoffMs(ports.random, failures, error.retryAfterMs));
      }
    }
  }

  private drain(topic: Topic, handle: (send: WaitingSend) => void): void {
    const { waiting } = topic;
    topic.waiting = this.newWaiting();
    for (let send = waiting.peek(); send !== null; send = waiting.peek()) {
      waiting.shift(send);
      handle(send);
    }
  }

  private flushed(): Promise<void> {
    const flushed = this.rounds.flush();
    this.hurry();
    // Whoever awaits the sends themselves hears of them first.
    return flushed.then(() => new Promise((resolve) => this.cluster.ports.clock.defer(resolve)));
  }

  /** Batches leave without lingering. */
  private hurry(): void {
    for (const { lanes } of this.topics.values()) for (const lane of lanes.all()) lane.ripen();
  }

  /** Looks for records whose time is over, a few times per delivery timeout, as long as there are any. */
  private sweepLater(): void {
    if (this.sweeper !== null) return;
    const periodMs = Math.min(250, Math.max(5, this.settings.deliveryTimeoutMs / 20));
    this.sweeper = this.cluster.ports.clock.setTimer(periodMs, () => {
      this.sweeper = null;
      this.sweep();
      if (!this.rounds.isEmpty) this.sweepLater();
    });
  }

  private sweep(): void {
    const nowMs = this.cluster.ports.clock.monotonicMs();
    const { bootstrap } = this.cluster.settings;
    const late = (topic: string, what: string, last: VarveError | null): VarveError =>
      waitedTooLong(topic, this.settings.deliveryTimeoutMs, what, bootstrap, last);
    this.waiting.expire(nowMs, ({ topic }) => late(topic, "room in the producer's buffer", null));
    for (const topic of this.topics.values()) {
      topic.waiting.expire(nowMs, (send) => late(send.topic, "metadata of the topic", topic.trouble));
      for (const lane of topic.lanes.all()) if (!lane.isIdle) lane.sweep(nowMs);
    }
  }
}
