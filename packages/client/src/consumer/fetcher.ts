/**
 * fetcher.ts: brings the records of the assigned partitions, from their leaders, for as long as they are assigned.
 *
 * Invariants:
 *   H1  of one assignment every record from its start on that is still there is handed out once, in order of offsets, whatever fails
 *   H2  batches that were fetched and not taken need credit of `bufferBytesMax` at most, plus one batch per broker
 *   H3  a partition whose records are not taken does not keep the others of its broker from being fetched: after a while it is parked,
 *       that is, its batches are thrown away and fetched again when they are wanted
 */
import { delay, onAbort, toVarveError, type VarveError } from "@varve/base";
import { batchLastOffset, batchLeaderEpoch, decodeRecords, type RecordCursor } from "@varve/records";
import type { SubscribeBatches, SubscribeProgress } from "@varve/rpc";
import { backoffMs } from "../cluster/backoff.js";
import type { Cluster } from "../cluster/cluster.js";
import { blamesAddress } from "../errors.js";
import type { PartitionCursor } from "../reader/cursor.js";
import { SubscriptionLink } from "../reader/subscription-link.js";
import type { PartitionWork } from "./partition-work.js";

export interface FetcherEvents {
  /** There is something to take. */
  arrived(): void;
  /** The place where the partition stands is not in the log. */
  outOfRange(work: PartitionWork, error: VarveError): void;
}

interface Fetched {
  readonly link: SubscriptionLink;
  readonly bytes: Uint8Array;
}

/** What is known of one partition's fetching. */
interface Fetching {
  readonly work: PartitionWork;
  readonly batches: Fetched[];
  current: { readonly batch: Fetched; readonly records: RecordCursor } | null;
  failures: number;
  trouble: VarveError | null;
  /** When a broker last said something about it. */
  heardAtMs: number;
  /** Nothing was taken since the last look although something was there. */
  isIdle: boolean;
  state: "subscribed" | "finding" | "parked" | "over";
}

/** After this many failures in a row the pauses are those of something that takes long: a deleted topic, a partition without quorum. */
const SLOW_AFTER_FAILURES = 10;
const SLOW_MS = 2_000;

export class Fetcher {
  private readonly cluster: Cluster;
  private readonly events: FetcherEvents;
  private readonly bufferBytesMax: number;
  private readonly all = new Map<PartitionCursor, Fetching>();
  private readonly links = new Map<string, SubscriptionLink>();
  private readonly closing = new AbortController();

  constructor(cluster: Cluster, bufferBytesMax: number, events: FetcherEvents) {
    this.cluster = cluster;
    this.bufferBytesMax = bufferBytesMax;
    this.events = events;
  }

  /** Fetches a partition from where its cursor stands. */
  add(work: PartitionWork): void {
    const fetching: Fetching = {
      work,
      batches: [],
      current: null,
      failures: 0,
      trouble: null,
      heardAtMs: this.nowMs(),
      isIdle: false,
      state: "finding",
    };
    this.all.set(work.cursor, fetching);
    this.find(fetching, null);
  }

  /** Fetches it no more, and forgets what was fetched. */
  remove(work: PartitionWork): void {
    const fetching = this.all.get(work.cursor);
    if (fetching === undefined) return;
    this.all.delete(work.cursor);
    fetching.state = "over";
    this.throwAway(fetching);
    this.unsubscribe(fetching);
  }

  /** The cursor at the next record of a partition, or null. It is valid until the next call for this partition. */
  take(work: PartitionWork): RecordCursor | null {
    const fetching = this.all.get(work.cursor);
    if (fetching === undefined) return null;
    if (fetching.state === "parked") {
      fetching.state = "finding";
      this.find(fetching, null);
    }
    for (;;) {
      fetching.current ??= this.openNext(fetching);
      if (fetching.current === null) return null;
      const { batch, records } = fetching.current;
      if (records.advance()) {
        fetching.isIdle = false;
        work.cursor.doneOffset = records.offset + 1;
        work.lastEpoch = batchLeaderEpoch(batch.bytes);
        return records;
      }
      const next = batchLastOffset(batch.bytes) + 1;
      work.cursor.doneOffset = Math.max(work.cursor.doneOffset, next);
      work.prefix.passed(work.cursor.doneOffset);
      fetching.current = null;
      batch.link.consumed(batch.bytes.length);
    }
  }

  /** Whether something of the partition was fetched and not taken. */
  has(work: PartitionWork): boolean {
    const fetching = this.all.get(work.cursor);
    return fetching !== undefined && (fetching.current !== null || fetching.batches.length > 0);
  }

  /** Why nothing comes of a partition; null: no trouble is known. */
  troubleOf(work: PartitionWork): VarveError | null {
    return this.all.get(work.cursor)?.trouble ?? null;
  }

  /** Milliseconds since a broker said something about a partition. */
  silentMs(work: PartitionWork): number {
    const fetching = this.all.get(work.cursor);
    return fetching === undefined ? 0 : this.nowMs() - fetching.heardAtMs;
  }

  /** Asks for a partition anew, elsewhere if possible: the one that should send it does not. */
  restart(work: PartitionWork): void {
    const fetching = this.all.get(work.cursor);
    if (fetching?.state !== "subscribed") return;
    const address = this.linkOf(fetching)?.address ?? null;
    this.unsubscribe(fetching);
    fetching.state = "finding";
    fetching.heardAtMs = this.nowMs();
    this.find(fetching, address);
  }

  /** To be called every second or so: parks what nobody takes (H3), and leaves brokers that say nothing and no longer lead. */
  watch(): void {
    for (const fetching of this.all.values()) {
      if (fetching.state !== "subscribed") continue;
      const isIdle = this.has(fetching.work);
      if (isIdle && fetching.isIdle && this.shares(fetching)) this.park(fetching);
      else fetching.isIdle = isIdle;
    }
    for (const link of this.links.values()) if (link.takeSilenceDue()) this.checkSilent(link);
  }

  close(): void {
    this.closing.abort();
    for (const fetching of this.all.values()) fetching.state = "over";
    this.all.clear();
    for (const link of this.links.values()) link.close();
    this.links.clear();
  }

  private openNext(fetching: Fetching): Fetching["current"] {
    const batch = fetching.batches.shift();
    if (batch === undefined) return null;
    const { doneOffset: fromOffset } = fetching.work.cursor;
    return { batch, records: decodeRecords(batch.bytes, this.cluster.ports.codec, { fromOffset }) };
  }

  private park(fetching: Fetching): void {
    this.throwAway(fetching);
    this.unsubscribe(fetching);
    fetching.state = "parked";
    fetching.isIdle = false;
    const { cursor, lastEpoch } = fetching.work;
    cursor.fetchOffset = cursor.doneOffset;
    cursor.lastEpoch = lastEpoch;
  }

  private throwAway(fetching: Fetching): void {
    const batches = fetching.current === null ? fetching.batches : [fetching.current.batch, ...fetching.batches];
    for (const { link, bytes } of batches) link.consumed(bytes.length);
    fetching.batches.length = 0;
    fetching.current = null;
  }

  private unsubscribe(fetching: Fetching): void {
    const link = this.linkOf(fetching);
    if (link === undefined) return;
    link.remove(fetching.work.cursor);
    if (![...this.all.keys()].some((cursor) => link.reads(cursor))) {
      link.close();
      if (this.links.get(link.address) === link) this.links.delete(link.address);
    }
  }

  private linkOf({ work }: Fetching): SubscriptionLink | undefined {
    return [...this.links.values()].find((link) => link.reads(work.cursor));
  }

  private shares(fetching: Fetching): boolean {
    const link = this.linkOf(fetching);
    return (
      link !== undefined && [...this.all.keys()].some((cursor) => cursor !== fetching.work.cursor && link.reads(cursor))
    );
  }

  /** Finds the leader and subscribes; not at an address that just failed while there is another. */
  private find(fetching: Fetching, except: string | null): void {
    this.subscribe(fetching, except).catch((thrown: unknown) =>
      this.interrupted(fetching, toVarveError(thrown, "NONE"), except),
    );
  }

  private async subscribe(fetching: Fetching, except: string | null): Promise<void> {
    const { work } = fetching;
    const { metadata } = this.cluster;
    const { signal } = this.closing;
    const view =
      except === null ? await metadata.get(work.topic, { signal }) : await metadata.refresh(work.topic, except);
    if (fetching.state !== "finding") return;
    const known = view.topicId === work.topicId && work.partition < view.partitions.length;
    const address = known ? this.cluster.addressFor(view, work.partition) : this.cluster.pool.anyAddress(except);
    this.link(address).add(work.cursor, work.topicId);
    fetching.state = "subscribed";
    const { diagnostics } = this.cluster.ports;
    if (diagnostics.hasSubscribers("varve:reader:subscribed")) {
      const { topic, partition, cursor } = work;
      diagnostics.publish("varve:reader:subscribed", { topic, partition, offset: cursor.fetchOffset, address });
    }
  }

  private link(address: string): SubscriptionLink {
    let link = this.links.get(address);
    if (link === undefined) {
      const brokers = Math.max(3, this.links.size + 1);
      const windowBytes = Math.max(1, Math.floor(this.bufferBytesMax / brokers));
      const { pool, ports } = this.cluster;
      link = new SubscriptionLink(pool.channel(address), ports.clock, windowBytes, {
        batches: (cursor, event, from) => this.onBatches(cursor, event, from),
        progress: (cursor, event) => this.onProgress(cursor, event),
        ended: (cursor, error) => this.onEnded(cursor, error, address),
        over: (over, cursors, error) => {
          if (this.links.get(over.address) === over) this.links.delete(over.address);
          if (blamesAddress(error)) pool.failed(over.address, error.code);
          for (const cursor of cursors) this.onEnded(cursor, error, address);
        },
      });
      this.links.set(address, link);
    }
    return link;
  }

  private onBatches(cursor: PartitionCursor, event: SubscribeBatches, link: SubscriptionLink): void {
    const fetching = this.heard(cursor, event.highWatermark);
    this.cluster.pool.succeeded(link.address);
    for (const bytes of event.batches) {
      const nextOffset = batchLastOffset(bytes) + 1;
      if (fetching === null || nextOffset <= cursor.fetchOffset) {
        link.consumed(bytes.length);
        continue;
      }
      cursor.fetchOffset = nextOffset;
      cursor.lastEpoch = batchLeaderEpoch(bytes);
      fetching.batches.push({ link, bytes });
    }
    this.events.arrived();
  }

  private onProgress(cursor: PartitionCursor, event: SubscribeProgress): void {
    this.heard(cursor, event.highWatermark);
  }

  private heard(cursor: PartitionCursor, highWatermark: number): Fetching | null {
    const fetching = this.all.get(cursor) ?? null;
    if (fetching === null) return null;
    cursor.highWatermark = Math.max(cursor.highWatermark, highWatermark);
    fetching.failures = 0;
    fetching.trouble = null;
    fetching.heardAtMs = this.nowMs();
    return fetching;
  }

  private onEnded(cursor: PartitionCursor, error: VarveError, address: string): void {
    const fetching = this.all.get(cursor);
    if (fetching === undefined || fetching.state === "over") return;
    this.interrupted(fetching, error, address);
  }

  private interrupted(fetching: Fetching, error: VarveError, address: string | null): void {
    const { work } = fetching;
    if (this.closing.signal.aborted || fetching.state === "over") return;
    fetching.failures++;
    fetching.trouble = error.withEffect("NONE");
    const { topic, partition } = work;
    this.cluster.settings.logger.debug({ topic, partition, code: error.code }, "reading interrupted");
    const { diagnostics } = this.cluster.ports;
    if (diagnostics.hasSubscribers("varve:reader:interrupted")) {
      diagnostics.publish("varve:reader:interrupted", { topic, partitions: [partition], error });
    }
    if (error.code === "OFFSET_OUT_OF_RANGE" || error.code === "DIVERGED") {
      this.events.outOfRange(work, error.withEffect("NONE"));
      return;
    }
    fetching.state = "finding";
    const hinted = this.cluster.metadata.noteHint(topic, partition, error);
    if (hinted && fetching.failures === 1) this.find(fetching, null);
    else this.findLater(fetching, error, address);
  }

  private findLater(fetching: Fetching, error: VarveError, address: string | null): void {
    const { clock, random } = this.cluster.ports;
    const shortMs = backoffMs(random, fetching.failures, error.retryAfterMs);
    const waitMs = fetching.failures > SLOW_AFTER_FAILURES ? Math.max(SLOW_MS, shortMs) : shortMs;
    const over = new AbortController();
    const forget = onAbort(this.closing.signal, () => over.abort());
    delay(clock, waitMs, over.signal)
      .then(() => {
        if (fetching.state === "finding") this.find(fetching, address ?? this.cluster.pool.anyAddress());
      })
      .catch(() => {})
      .finally(forget);
  }

  private checkSilent(link: SubscriptionLink): void {
    const topics = new Set<string>();
    for (const [cursor, { work }] of this.all) if (link.reads(cursor)) topics.add(work.topic);
    for (const topic of topics) {
      this.cluster.metadata.seekLeaders(topic, link.address).then(
        () => this.leaveIfMoved(link),
        () => {},
      );
    }
  }

  private leaveIfMoved(link: SubscriptionLink): void {
    for (const [cursor, { work }] of this.all) {
      if (!link.reads(cursor)) continue;
      const leader = this.cluster.metadata.peek(work.topic)?.partitions[work.partition]?.leader ?? null;
      const direct = leader === null ? null : this.cluster.pool.addressOf(leader);
      if (direct === null || direct === link.address) continue;
      link.cut("says nothing and other brokers lead its partitions now");
      return;
    }
  }

  private nowMs(): number {
    return this.cluster.ports.clock.monotonicMs();
  }
}
