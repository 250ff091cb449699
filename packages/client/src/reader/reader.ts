/**
 * reader.ts: reads a topic from a point, to a point or for ever, without a group.
 *
 * Invariants:
 *   R1  within one partition every record of [from, to) that is still there is handed out once, in order of offsets, whatever fails
 *   R2  batches in memory take at most bufferBytesMax plus one batch per broker (more while leaders spread over more than LEADERS_USUAL
 *       brokers during the reading: windows that were opened before stay as large as they were)
 *   R3  records that retention deleted before they were read are an error, never a silent gap; only `earliest` moves up with the log
 *       as long as nothing of the partition was read
 */
import { assertDefined, delay, onAbort, type TimerHandle, toVarveError, VarveError } from "@varve/base";
import { batchLastOffset, batchLeaderEpoch, decodeRecords, type RecordCursor } from "@varve/records";
import type { SubscribeBatches, SubscribeProgress } from "@varve/rpc";
import { backoffMs } from "../cluster/backoff.js";
import type { Cluster } from "../cluster/cluster.js";
import type { TopicView } from "../cluster/topic-view.js";
import { aborted, blamesAddress, closed, mayRepeat } from "../errors.js";
import { recordAt, type VarveRecord } from "../records/output.js";
import { PartitionCursor } from "./cursor.js";
import { type ReaderOptions, type ReaderSettings, readerSettings } from "./options.js";
import { Pacer } from "./pacer.js";
import { startPoints } from "./start-points.js";
import { SubscriptionLink } from "./subscription-link.js";

/** How far a reader is. Without `to`, `total` is what was there up to now. */
export interface ReaderProgress {
  /** Records handed out. */
  readonly read: number;
  /** Records to read in all, of those known by now. */
  readonly total: number;
  /** 0 .. 1; 1 when there is nothing left. */
  readonly ratio: number;
  /** Time left at the present speed, ms; null before the first record. */
  readonly etaMs: number | null;
}

/** A batch that was received and not read yet. */
interface Fetched {
  readonly cursor: PartitionCursor;
  readonly link: SubscriptionLink;
  readonly bytes: Uint8Array;
}

/** How often links are looked at for silence, and metadata for partitions that were added. */
const WATCH_MS = 1_000;
/** A pause below this is not worth a timer; the pacer lets it be caught up. */
const PAUSE_MS_MIN = 1;
/** Brokers among which the buffer is divided at least, where so many partitions are read: one that dies is left for another. */
const LEADERS_USUAL = 3;

export class Reader<T = Buffer> implements AsyncIterable<VarveRecord<T>> {
  private readonly cluster: Cluster;
  private readonly settings: ReaderSettings<T>;
  private readonly pacer: Pacer | null;
  private readonly links = new Map<string, SubscriptionLink>();
  private readonly onClosed: () => void;
  private cursors: readonly PartitionCursor[] = [];
  private fetched: Fetched[] = [];
  private fetchedHead = 0;
  private current: { readonly fetched: Fetched; readonly records: RecordCursor } | null = null;
  /** `current` stands on a record that was not handed out yet. */
  private standsOnRecord = false;
  private readCount = 0;
  private startedAtMs = 0;
  private failures = 0;
  private troubleSinceMs: number | null = null;
  private failure: VarveError | null = null;
  private state: "new" | "started" | "over" = "new";
  private forgetSignal: () => void = () => {};
  private wakeReader: (() => void) | null = null;
  private watch: TimerHandle | null = null;

  /** @internal Use `varve.reader()`. @throws VarveError INVALID_ARGUMENT. */
  constructor(cluster: Cluster, options: ReaderOptions<T>, onClosed: () => void) {
    this.cluster = cluster;
    this.settings = readerSettings(options);
    const { maxRecordsPerSecond } = this.settings;
    this.pacer = maxRecordsPerSecond === null ? null : new Pacer(cluster.ports.clock, maxRecordsPerSecond);
    this.onClosed = onClosed;
  }

  /** How far it is; all zero before the first record was asked for. */
  get progress(): ReaderProgress {
    let total = 0;
    let done = 0;
    for (const cursor of this.cursors) {
      total += cursor.total;
      done += cursor.done;
    }
    const tookMs = this.cluster.ports.clock.monotonicMs() - this.startedAtMs;
    const started = this.state !== "new" && this.cursors.length > 0;
    const ratio = total === 0 ? (started ? 1 : 0) : Math.min(1, done / total);
    const etaMs = started && done >= total ? 0 : done > 0 ? (tookMs * (total - done)) / done : null;
    return { read: this.readCount, total, ratio, etaMs };
  }

  /** Reads. Once per reader: it stands where it stands. */
  [Symbol.asyncIterator](): AsyncIterator<VarveRecord<T>, undefined> {
    return {
      next: () => this.next(),
      return: async () => {
        this.close();
        return { done: true, value: undefined };
      },
    };
  }

  /** Ends the loop over it. */
  close(): void {
    if (this.state === "over") return;
    this.state = "over";
    this.letGo();
    this.onClosed();
    this.wake();
  }

  /** Ends streams and timers and gives the memory back. */
  private letGo(): void {
    this.watch?.cancel();
    for (const link of this.links.values()) link.close();
    this.links.clear();
    this.fetched = [];
    this.current = null;
    this.standsOnRecord = false;
    this.forgetSignal();
  }

  /** @internal Ends the loop with CLOSED: the client was closed. */
  shutDown(): void {
    if (this.state !== "over") this.fail(closed("the client of this reader").withEffect("NONE"));
  }

  private next(): Promise<IteratorResult<VarveRecord<T>, undefined>> {
    if (this.state === "started" && this.pacer === null) {
      try {
        if (this.hasRecord()) return Promise.resolve({ done: false, value: this.handOut() });
      } catch (error) {
        return this.rejectWith(error);
      }
    }
    return this.nextLater();
  }

  private async nextLater(): Promise<IteratorResult<VarveRecord<T>, undefined>> {
    try {
      if (this.state === "new") await this.start();
      for (;;) {
        if (this.failure !== null) throw this.failure;
        if (this.state === "over") return { done: true, value: undefined };
        if (this.hasRecord()) {
          const pauseMs = this.pacer?.waitMs() ?? 0;
          if (pauseMs < PAUSE_MS_MIN) return { done: false, value: this.handOut() };
          await this.pause(pauseMs);
        } else if (this.isFinished()) {
          this.close();
          return { done: true, value: undefined };
        } else {
          await new Promise<void>((resolve) => {
            this.wakeReader = resolve;
          });
        }
      }
    } catch (error) {
      return this.rejectWith(error);
    }
  }

  /** Lets time pass; what comes or ends meanwhile cuts it short. */
  private async pause(pauseMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.cluster.ports.clock.setTimer(pauseMs, resolve);
      this.wakeReader = () => {
        timer.cancel();
        resolve();
      };
    });
    this.wakeReader = null;
  }

  private rejectWith(thrown: unknown): Promise<never> {
    const error = this.failure ?? toVarveError(thrown, "NONE").withEffect("NONE");
    this.close();
    return Promise.reject(error);
  }

  private get isReading(): boolean {
    return this.state === "started" && this.failure === null;
  }

  private readonly onAbort = (): void => {
    this.fail(aborted(`reading ${this.settings.topic}`, "NONE", this.settings.signal?.reason));
  };

  private async start(): Promise<void> {
    const { signal, topic } = this.settings;
    this.state = "started";
    this.startedAtMs = this.cluster.ports.clock.monotonicMs();
    if (signal !== undefined) this.forgetSignal = onAbort(signal, this.onAbort);
    if (signal?.aborted) this.onAbort();
    if (this.failure !== null) throw this.failure;
    const view = await this.cluster.metadata.get(topic, { signal });
    this.cursors = await startPoints(this.cluster, view, this.settings as ReaderSettings<never>, { signal });
    if (this.failure !== null) throw this.failure;
    if (!this.isReading) return;
    this.startedAtMs = this.cluster.ports.clock.monotonicMs();
    this.subscribe(view, this.cursors);
    this.watchLater();
  }

  /** Whether a record is in memory; `current` stands on it then. */
  private hasRecord(): boolean {
    if (this.failure !== null) throw this.failure;
    while (!this.standsOnRecord) {
      this.current ??= this.openNext();
      if (this.current === null) return false;
      const { fetched, records } = this.current;
      const { cursor } = fetched;
      if (records.advance() && (cursor.end === null || records.offset < cursor.end)) {
        this.standsOnRecord = true;
        continue;
      }
      cursor.doneOffset = Math.max(
        cursor.doneOffset,
        Math.min(batchLastOffset(fetched.bytes) + 1, cursor.end ?? Number.POSITIVE_INFINITY),
      );
      this.current = null;
      fetched.link.consumed(fetched.bytes.length);
    }
    return true;
  }

  /** The record that `current` stands on; now it counts as read. */
  private handOut(): VarveRecord<T> {
    const { fetched, records } = assertDefined(this.current ?? undefined, "a record is in memory");
    const { topic, serde } = this.settings;
    const { cursor } = fetched;
    this.standsOnRecord = false;
    const record = recordAt(records, topic, cursor.partition, (value) =>
      serde === null ? (value as T) : serde.deserialize(value),
    );
    cursor.doneOffset = records.offset + 1;
    this.readCount++;
    this.pacer?.count();
    return record;
  }

  private openNext(): { fetched: Fetched; records: RecordCursor } | null {
    const fetched = this.fetched[this.fetchedHead];
    if (fetched === undefined) return null;
    this.fetchedHead++;
    if (this.fetchedHead * 2 >= this.fetched.length) {
      this.fetched = this.fetched.slice(this.fetchedHead);
      this.fetchedHead = 0;
    }
    const records = decodeRecords(fetched.bytes, this.cluster.ports.codec, { fromOffset: fetched.cursor.doneOffset });
    return { fetched, records };
  }

  private isFinished(): boolean {
    return (
      this.current === null &&
      this.fetchedHead >= this.fetched.length &&
      this.cursors.every((cursor) => cursor.isFetched)
    );
  }

  /** Reads these partitions from their leaders, where they stand. */
  private subscribe(view: TopicView, cursors: readonly PartitionCursor[]): void {
    const { diagnostics } = this.cluster.ports;
    for (const cursor of cursors) {
      if (cursor.isFetched || !this.isReading) continue;
      const address = this.cluster.addressFor(view, cursor.partition);
      try {
        this.link(address, view).add(cursor, view.topicId);
      } catch (error) {
        this.fail(toVarveError(error).withEffect("NONE"));
        return;
      }
      if (diagnostics.hasSubscribers("varve:reader:subscribed")) {
        const { partition, fetchOffset: offset } = cursor;
        diagnostics.publish("varve:reader:subscribed", { topic: view.topic, partition, offset, address });
      }
    }
    this.wake();
  }

  private link(address: string, view: TopicView): SubscriptionLink {
    let link = this.links.get(address);
    if (link === undefined) {
      const leaders = new Set(view.partitions.map(({ leader }) => leader)).size;
      const brokers = Math.min(this.cursors.length, Math.max(LEADERS_USUAL, leaders, this.links.size + 1));
      const windowBytes = Math.floor(this.settings.bufferBytesMax / Math.max(1, brokers));
      link = new SubscriptionLink(this.cluster.pool.channel(address), this.cluster.ports.clock, windowBytes, {
        batches: (cursor, event, from) => this.onBatches(cursor, event, from),
        progress: (cursor, event) => this.onProgress(cursor, event),
        ended: (cursor, error) => this.onInterrupted([cursor], error, address),
        over: (over, cursors, error) => {
          if (this.links.get(over.address) === over) this.links.delete(over.address);
          if (blamesAddress(error)) this.cluster.pool.failed(over.address, error.code);
          this.onInterrupted(cursors, error, address);
        },
      });
      this.links.set(address, link);
    }
    return link;
  }

  private onBatches(cursor: PartitionCursor, event: SubscribeBatches, link: SubscriptionLink): void {
    this.recovered(link);
    cursor.highWatermark = Math.max(cursor.highWatermark, event.highWatermark);
    for (const bytes of event.batches) {
      const nextOffset = batchLastOffset(bytes) + 1;
      if (nextOffset <= cursor.fetchOffset || cursor.isFetched) {
        link.consumed(bytes.length);
        continue;
      }
      cursor.fetchOffset = nextOffset; // U1
      cursor.lastEpoch = batchLeaderEpoch(bytes);
      this.fetched.push({ cursor, link, bytes });
    }
    if (cursor.isFetched) this.leave(link, cursor);
    this.wake();
  }

  private onProgress(cursor: PartitionCursor, event: SubscribeProgress): void {
    cursor.highWatermark = Math.max(cursor.highWatermark, event.highWatermark);
    const link = [...this.links.values()].find((each) => each.reads(cursor));
    if (link !== undefined) this.recovered(link);
  }

  private recovered(link: SubscriptionLink): void {
    this.failures = 0;
    this.troubleSinceMs = null;
    this.cluster.pool.succeeded(link.address);
  }

  private leave(link: SubscriptionLink, cursor: PartitionCursor): void {
    link.remove(cursor);
    if (![...this.cursors].some((each) => link.reads(each)) && this.links.get(link.address) === link) {
      this.links.delete(link.address);
    }
  }

  private onInterrupted(cursors: readonly PartitionCursor[], error: VarveError, address: string): void {
    if (!this.isReading || cursors.length === 0) return;
    const { clock, diagnostics } = this.cluster.ports;
    const { topic } = this.settings;
    const partitions = cursors.map(({ partition }) => partition);
    this.cluster.settings.logger.debug({ topic, partitions, code: error.code }, "reading interrupted");
    if (diagnostics.hasSubscribers("varve:reader:interrupted")) {
      diagnostics.publish("varve:reader:interrupted", { topic, partitions, error });
    }
    const moved = cursors.length === 1 && this.movesUp(cursors[0], error);
    if (!moved && !mayRepeat(error) && !error.code.startsWith("UNKNOWN_")) {
      this.fail(error.withEffect("NONE"));
      return;
    }
    this.failures++;
    this.troubleSinceMs ??= clock.monotonicMs();
    this.resubscribe(cursors, error, address).catch((thrown: unknown) =>
      this.fail(toVarveError(thrown, "NONE").withEffect("NONE")),
    );
  }

  /** R3: a partition that begins later than it did when the reader asked, and of which nothing was read. */
  private movesUp(cursor: PartitionCursor | undefined, error: VarveError): boolean {
    const { logStart } = error.details;
    if (cursor === undefined || error.code !== "OFFSET_OUT_OF_RANGE" || typeof logStart !== "number") return false;
    if (this.settings.from !== "earliest" || cursor.fetchOffset !== cursor.start || logStart <= cursor.start)
      return false;
    cursor.moveStart(cursor.end === null ? logStart : Math.min(logStart, Math.max(cursor.end, cursor.start)));
    return true;
  }

  private async resubscribe(cursors: readonly PartitionCursor[], error: VarveError, address: string): Promise<void> {
    const { clock, random } = this.cluster.ports;
    const { topic, to, signal } = this.settings;
    const [only] = cursors;
    const hinted =
      only !== undefined && cursors.length === 1 && this.cluster.metadata.noteHint(topic, only.partition, error);
    let fresh = hinted && this.failures <= 1;
    while (!fresh) {
      await delay(clock, backoffMs(random, this.failures, error.retryAfterMs), signal).catch(() => {});
      if (!this.isReading) return;
      fresh = (await this.refreshed(error, address)) !== null;
    }
    if (!this.isReading) return;
    const sinceMs = clock.monotonicMs() - (this.troubleSinceMs ?? clock.monotonicMs());
    if (to !== null && sinceMs > this.cluster.settings.requestDeadlineMs) throw error;
    const view = await this.cluster.metadata.get(topic, { signal });
    if (this.isReading) this.subscribe(view, cursors);
  }

  /** Fresh metadata, or null when a reader that follows shall go on trying. @throws VarveError UNKNOWN_TOPIC and what is final. */
  private async refreshed(error: VarveError, address: string): Promise<TopicView | null> {
    const { topic, to } = this.settings;
    const before = this.cluster.metadata.peek(topic);
    try {
      const view = await this.cluster.metadata.refresh(topic, address);
      if (before !== null && view.topicId !== before.topicId) throw recreated(topic, error);
      return view;
    } catch (thrown) {
      const failure = toVarveError(thrown, "NONE");
      if (to !== null || !mayRepeat(failure) || !this.isReading) throw failure;
      return null;
    }
  }

  /** A paused broker keeps its connection and says nothing: when others lead what it should send, it is left. */
  private watchLater(): void {
    this.watch = this.cluster.ports.clock.setTimer(WATCH_MS, () => {
      if (!this.isReading) return;
      for (const link of this.links.values()) if (link.takeSilenceDue()) this.checkSilent(link);
      this.findNewPartitions();
      this.watchLater();
    });
  }

  /** A reader of all partitions that follows reads those added later, too, from their first record. */
  private findNewPartitions(): void {
    const { topic, partitions, to } = this.settings;
    if (partitions !== null || to !== null) return;
    const view = this.cluster.metadata.peek(topic);
    if (view === null || view.partitions.length <= this.cursors.length) return;
    const added = view.partitions
      .slice(this.cursors.length)
      .map(({ partition }) => new PartitionCursor(partition, 0, null, 0));
    this.cursors = [...this.cursors, ...added];
    this.subscribe(view, added);
  }

  private checkSilent(link: SubscriptionLink): void {
    const { topic } = this.settings;
    this.cluster.metadata.seekLeaders(topic, link.address).then(
      (view) => {
        if (!this.isReading) return;
        const moved = this.cursors.some((cursor) => link.reads(cursor) && this.movedFrom(link, view, cursor));
        if (moved) link.cut("says nothing and other brokers lead its partitions now");
      },
      () => {},
    );
  }

  private movedFrom(link: SubscriptionLink, view: TopicView, cursor: PartitionCursor): boolean {
    const leader = view.partitions[cursor.partition]?.leader ?? null;
    const direct = leader === null ? null : this.cluster.pool.addressOf(leader);
    return direct !== null && direct !== link.address;
  }

  /** The loop rejects as soon as it asks for a record; nothing is fetched until then. */
  private fail(error: VarveError): void {
    this.failure ??= error;
    this.letGo();
    this.wake();
  }

  private wake(): void {
    const wake = this.wakeReader;
    this.wakeReader = null;
    wake?.();
  }
}

function recreated(topic: string, cause: VarveError): VarveError {
  return new VarveError("UNKNOWN_TOPIC_ID", {
    message: `topic ${JSON.stringify(topic)} was deleted and created again while it was read; start a new reader`,
    effect: "NONE",
    details: { topic },
    cause,
  });
}
