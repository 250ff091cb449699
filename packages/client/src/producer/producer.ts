/**
 * producer.ts: sends records: collects them into batches per partition and answers when brokers acknowledged them.
 *
 * Invariants:
 *   D1  records of one topic are placed in the order of their `send` calls
 *   D2  records that are not settled take at most bufferBytesMax, or one record; others wait in order
 *   D3  every send settles: acknowledged, refused, or given up at most the delivery timeout plus one sweep after it began
 */
import { type TimerHandle, toVarveError, VarveError } from "@varve/base";
import type { Cluster } from "../cluster/cluster.js";
import { aborted, closed, untilAborted } from "../errors.js";
import type { WaitOptions } from "../options.js";
import type { Data } from "../records/input.js";
import type { Batch } from "./batch.js";
import { checkTopicName, type EncodedRecord, encodeRecord } from "./encoded-record.js";
import { Identities } from "./identities.js";
import {
  type ProducerOptions,
  type ProducerSettings,
  producerSettings,
  type RecordToSend,
  type SendResult,
} from "./options.js";
import { ProduceLinks } from "./produce-links.js";
import { TopicLanes } from "./topic-lanes.js";
import { type WaitingSend, WaitingSends } from "./waiting-sends.js";

/** A topic that the producer writes to. `waiting`: sends that came before its metadata. */
interface Topic {
  readonly lanes: TopicLanes;
  state: "loading" | "ready" | "missing";
  waiting: WaitingSends;
}

export class Producer<T = Data> {
  private readonly cluster: Cluster;
  private readonly settings: ProducerSettings<T>;
  private readonly topics = new Map<string, Topic>();
  private readonly links: ProduceLinks;
  private readonly identities: Identities;
  /** Sends that wait for room in the buffer, over all topics. */
  private readonly waiting = new WaitingSends();
  private readonly prepared: Promise<void>;
  private readonly onClosed: () => void;
  private bufferedBytes = 0;
  private idleWaiters: (() => void)[] = [];
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

  /** Resolves when everything sent before is settled, well or not; batches leave without lingering. */
  async flush(wait?: WaitOptions): Promise<void> {
    const signal = wait?.signal;
    if (signal?.aborted) throw aborted("flush", "NONE", signal.reason);
    await untilAborted(this.idle(), signal, () => aborted("flush", "NONE", signal?.reason));
  }

  /** Sends what is under way and closes; later sends are refused with CLOSED. When aborted, gives up what is not acknowledged. */
  close(wait?: WaitOptions): Promise<void> {
    this.closing ??= this.shutDown(wait?.signal);
    return this.closing;
  }

  private async shutDown(signal: AbortSignal | undefined): Promise<void> {
    try {
      await untilAborted(this.idle(), signal, () => aborted("close", "UNKNOWN", signal?.reason));
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

  /** Into the buffer, or behind those that wait for room (D2). */
  private admit(topic: string, record: EncodedRecord, signal: AbortSignal | undefined): Promise<SendResult> {
    this.sweepLater();
    if (this.waiting.size === 0 && this.take(record.bufferedBytes)) return this.place(topic, record, signal);
    const sent = this.waiting.add(topic, record, this.deadlineAtMs(), signal);
    for (const each of this.topics.values()) for (const lane of each.lanes.all()) lane.ripen();
    return sent;
  }

  private take(bytes: number): boolean {
    if (this.bufferedBytes > 0 && this.bufferedBytes + bytes > this.settings.bufferBytesMax) return false;
    this.bufferedBytes += bytes;
    return true;
  }

  private release(bytes: number): void {
    this.bufferedBytes -= bytes;
    for (
      let send = this.waiting.peek();
      send !== null && this.take(send.record.bufferedBytes);
      send = this.waiting.peek()
    ) {
      this.waiting.shift(send);
      send.resolve(this.place(send.topic, send.record, undefined));
    }
    if (this.isIdle()) for (const wake of this.idleWaiters.splice(0)) wake();
  }

  /** Into a batch, or behind those that wait for the topic (D1). Its bytes are in the buffer. */
  private place(name: string, record: EncodedRecord, signal: AbortSignal | undefined): Promise<SendResult> {
    const topic = this.topic(name);
    const view = topic.state === "ready" ? this.cluster.metadata.peek(name) : null;
    if (view === null) {
      if (topic.state !== "loading") this.load(name, topic);
      const sent = topic.waiting.add(name, record, this.deadlineAtMs(), signal);
      sent.catch(() => {});
      return sent;
    }
    try {
      return topic.lanes.append(view, record);
    } catch (error) {
      this.release(record.bufferedBytes);
      return Promise.reject(error);
    }
  }

  private topic(name: string): Topic {
    let topic = this.topics.get(name);
    if (topic === undefined) {
      const { cluster, settings, links, identities } = this;
      const onSettled = (batch: Batch): void => this.release(batch.bufferedBytes);
      const lanes = new TopicLanes({ cluster, topic: name, settings, links, identities, onSettled });
      topic = { lanes, state: "missing", waiting: this.newWaiting() };
      this.topics.set(name, topic);
    }
    return topic;
  }

  /** Sends whose bytes are in the buffer. */
  private newWaiting(): WaitingSends {
    return new WaitingSends((send) => this.release(send.record.bufferedBytes));
  }

  /** Finds the topic, then places what waited for it, in order. */
  private load(name: string, topic: Topic): void {
    topic.state = "loading";
    Promise.all([this.cluster.metadata.get(name), this.prepared]).then(
      () => {
        topic.state = "ready";
        this.drain(topic, (send) => send.resolve(this.settle(topic, name, send)));
      },
      (thrown: unknown) => {
        const error = toVarveError(thrown).withEffect("NOT_APPLIED");
        topic.state = "missing";
        if (topic.lanes.all().every((lane) => lane.isIdle)) this.topics.delete(name);
        this.drain(topic, (send) => {
          this.release(send.record.bufferedBytes);
          send.reject(error);
        });
      },
    );
  }

  private drain(topic: Topic, handle: (send: WaitingSend) => void): void {
    const { waiting } = topic;
    topic.waiting = this.newWaiting();
    for (let send = waiting.peek(); send !== null; send = waiting.peek()) {
      waiting.shift(send);
      handle(send);
    }
  }

  private settle(topic: Topic, name: string, send: WaitingSend): Promise<SendResult> {
    const view = this.cluster.metadata.peek(name);
    try {
      if (view === null) throw closed("this producer");
      return topic.lanes.append(view, send.record);
    } catch (error) {
      this.release(send.record.bufferedBytes);
      return Promise.reject(error);
    }
  }

  private deadlineAtMs(): number {
    return this.cluster.ports.clock.monotonicMs() + this.settings.deliveryTimeoutMs;
  }

  private isIdle(): boolean {
    return this.bufferedBytes === 0 && this.waiting.size === 0;
  }

  private idle(): Promise<void> {
    for (const { lanes } of this.topics.values()) for (const lane of lanes.all()) lane.ripen();
    if (this.isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  /** Looks for records whose time is over, a few times per delivery timeout, as long as there are any. */
  private sweepLater(): void {
    if (this.sweeper !== null) return;
    const periodMs = Math.min(250, Math.max(5, this.settings.deliveryTimeoutMs / 20));
    this.sweeper = this.cluster.ports.clock.setTimer(periodMs, () => {
      this.sweeper = null;
      this.sweep();
      if (!this.isIdle()) this.sweepLater();
    });
  }

  private sweep(): void {
    const nowMs = this.cluster.ports.clock.monotonicMs();
    const late = (send: WaitingSend, why: string): VarveError =>
      new VarveError("TIMEOUT", {
        message: `send to ${send.topic} waited ${this.settings.deliveryTimeoutMs} ms ${why}; nothing was written`,
        effect: "NOT_APPLIED",
        details: { topic: send.topic },
      });
    this.waiting.expire(nowMs, (send) => late(send, "for room in the producer's buffer"));
    for (const topic of this.topics.values()) {
      topic.waiting.expire(nowMs, (send) => late(send, "for metadata of the topic"));
      for (const lane of topic.lanes.all()) {
        if (!lane.isIdle) lane.sweep(nowMs);
        if (this.waiting.size > 0 || this.idleWaiters.length > 0) lane.ripen();
      }
    }
  }
}

function resultsOrError(outcomes: readonly PromiseSettledResult<SendResult>[]): SendResult[] {
  const results = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const errors = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [toVarveError(outcome.reason)] : []));
  const first = errors[0];
  if (first === undefined) return results;
  const none = results.length === 0 && errors.every(({ effect }) => effect === "NOT_APPLIED");
  throw new VarveError(first.code, {
    message: `${errors.length} of ${outcomes.length} records failed; the first: ${first.message}`,
    effect: none ? "NOT_APPLIED" : "UNKNOWN",
    retryable: first.retryable,
    details: { ...first.details, records: outcomes.length, failed: errors.length },
    cause: first,
  });
}
