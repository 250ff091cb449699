/**
 * metadata-cache.ts: topics as the client last saw them, refreshed when a broker says that they changed.
 *
 * Invariants:
 *   M1  at most one request per topic and kind is under way; whoever asks meanwhile shares it
 *   M2  UNKNOWN_TOPIC is believed only from an answer that the controller's leader confirmed
 * Bound: TOPICS_MAX views; the least recently loaded one is dropped.
 */
import { type BrokerId, delay, type PartitionId, type Term, VarveError } from "@varve/base";
import { fromErrorStatus, METHODS, type TopicMetadata } from "@varve/rpc";
import { aborted, unknownTopic, untilAborted } from "../errors.js";
import type { WaitOptions } from "../options.js";
import type { ClientPorts } from "../ports.js";
import type { BrokerPool } from "./broker-pool.js";
import type { Caller } from "./caller.js";
import { type TopicView, topicViewOf, withLeader } from "./topic-view.js";

const TOPICS_MAX = 10_000;
/** A view older than this is refreshed in the background when it is used, so that added partitions are found. */
const VIEW_AGE_MAX_MS = 30_000;
const ATTEMPT_MS = 3_000;
/** For what a broker answers from memory: silence means that it is paused or cut off, and another one may know the leaders. */
const SEEK_ATTEMPT_MS = 1_000;
/** Wait before an unknown topic is asked for again, when the controller's leader could not confirm it. */
const UNCONFIRMED_RETRY_MS = 100;

interface Entry {
  view: TopicView;
  loadedAtMs: number;
}

export class MetadataCache {
  private readonly ports: ClientPorts;
  private readonly pool: BrokerPool;
  private readonly caller: Caller;
  private readonly deadlineMs: number;
  private readonly entries = new Map<string, Entry>();
  private readonly loading = new Map<string, Promise<TopicView>>();
  private readonly seeking = new Map<string, Promise<TopicView>>();
  private versionSeen = 0;

  constructor(ports: ClientPorts, pool: BrokerPool, caller: Caller, deadlineMs: number) {
    this.ports = ports;
    this.pool = pool;
    this.caller = caller;
    this.deadlineMs = deadlineMs;
  }

  /** Metadata version that the next answers must have at least, so that the client reads its own writes. */
  get minVersion(): number {
    return this.versionSeen;
  }

  noteVersion(version: number): void {
    this.versionSeen = Math.max(this.versionSeen, version);
  }

  /** The view in memory, or null. An old one is refreshed in the background. */
  peek(topic: string): TopicView | null {
    const entry = this.entries.get(topic);
    if (entry === undefined) return null;
    if (this.ports.clock.monotonicMs() - entry.loadedAtMs > VIEW_AGE_MAX_MS) {
      entry.loadedAtMs = this.ports.clock.monotonicMs();
      this.refresh(topic).catch(() => {});
    }
    return entry.view;
  }

  /** The view in memory, else from a broker. @throws VarveError UNKNOWN_TOPIC, NOT_ENOUGH_REPLICAS, UNREACHABLE, ABORTED. */
  get(topic: string, wait: WaitOptions = {}): Promise<TopicView> {
    const view = this.peek(topic);
    if (view !== null) return Promise.resolve(view);
    return untilAborted(this.refresh(topic), wait.signal, () =>
      aborted(`finding topic ${topic}`, "NONE", wait.signal?.reason),
    );
  }

  /** The view from a broker, in any case, and not from `except` while there is another. @throws VarveError UNKNOWN_TOPIC, NOT_ENOUGH_REPLICAS, UNREACHABLE. */
  refresh(topic: string, except: string | null = null): Promise<TopicView> {
    return shared(this.loading, topic, () => this.load(topic, true, except)); // M1
  }

  /**
   * The view from a broker, for the leaders in it: what the broker itself has heard, without a word of the controller's leader, which may be
   * gone with the leader that is looked for. @throws as `refresh`.
   */
  seekLeaders(topic: string, except: string | null): Promise<TopicView> {
    return shared(this.seeking, topic, () => this.load(topic, false, except)); // M1
  }

  /** A broker told who leads a partition. */
  noteLeader(topic: string, partition: PartitionId, leader: BrokerId | null, epoch: Term): void {
    const entry = this.entries.get(topic);
    if (entry !== undefined) entry.view = withLeader(entry.view, partition, leader, epoch);
  }

  /** Takes the hint that NOT_LEADER and its like carry; true when it names another leader than was known. */
  noteHint(topic: string, partition: PartitionId, error: VarveError): boolean {
    const { leader, epoch } = error.details;
    const before = this.entries.get(topic)?.view;
    if (typeof epoch !== "number" || typeof leader !== "number") return false;
    this.noteLeader(topic, partition, leader, epoch);
    return this.entries.get(topic)?.view !== before;
  }

  forget(topic: string): void {
    this.entries.delete(topic);
  }

  private async load(topic: string, isConfirmed: boolean, except: string | null): Promise<TopicView> {
    const startedAtMs = this.ports.clock.monotonicMs();
    let authoritative = isConfirmed;
    for (;;) {
      const leftMs = startedAtMs + this.deadlineMs - this.ports.clock.monotonicMs();
      const response = await this.caller.call(
        METHODS.metadata,
        { topics: [topic], minMetadataVersion: this.versionSeen, authoritative },
        {
          what: `finding topic ${JSON.stringify(topic)}`,
          kind: "read",
          deadlineMs: Math.max(1, leftMs),
          attemptMs: authoritative ? ATTEMPT_MS : SEEK_ATTEMPT_MS,
          except,
        },
      );
      this.noteVersion(response.metadataVersion);
      if (response.brokers.length > 0) this.pool.setBrokers(response.brokers);
      const metadata = response.topics[0];
      if (metadata !== undefined && metadata.error === null) return this.keep(topic, metadata);
      const sent = metadata?.error == null ? unknownTopic(topic) : fromErrorStatus(metadata.error);
      const error = sent.code === "UNKNOWN_TOPIC" ? unknownTopic(topic) : sent;
      if (response.authoritative || !error.code.startsWith("UNKNOWN_")) {
        this.forget(topic);
        throw error;
      }
      if (leftMs <= UNCONFIRMED_RETRY_MS) throw unconfirmed(topic, this.deadlineMs);
      if (authoritative) await delay(this.ports.clock, UNCONFIRMED_RETRY_MS);
      authoritative = true; // M2
    }
  }

  private keep(topic: string, metadata: TopicMetadata): TopicView {
    const view = topicViewOf(metadata, this.entries.get(topic)?.view ?? null);
    this.entries.delete(topic);
    this.entries.set(topic, { view, loadedAtMs: this.ports.clock.monotonicMs() });
    const oldest = this.entries.size > TOPICS_MAX ? this.entries.keys().next().value : undefined;
    if (oldest !== undefined) this.entries.delete(oldest);
    const { diagnostics } = this.ports;
    if (diagnostics.hasSubscribers("varve:client:metadata")) diagnostics.publish("varve:client:metadata", { view });
    return view;
  }
}

/** What is under way, or begun now. */
function shared<T>(underway: Map<string, Promise<T>>, key: string, begin: () => Promise<T>): Promise<T> {
  const under = underway.get(key);
  if (under !== undefined) return under;
  const begun = begin().finally(() => underway.delete(key));
  underway.set(key, begun);
  return begun;
}

/** Brokers do not know the topic, and none could ask the controller's leader, whose word alone is final. */
function unconfirmed(topic: string, waitedMs: number): VarveError {
  return new VarveError("NOT_ENOUGH_REPLICAS", {
    message:
      `whether topic ${JSON.stringify(topic)} exists could not be told within ${waitedMs} ms: the brokers that answer do not know it, and ` +
      "none reaches the controller's leader; nothing was written; retry",
    details: { topic },
    effect: "NONE",
    retryable: true,
  });
}
