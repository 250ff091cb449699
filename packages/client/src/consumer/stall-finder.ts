/**
 * stall-finder.ts: looks every second for partitions that do not get on although records wait, says why, and heals what it can: asks for
 * records anew that no broker sends. A broker that says nothing at all is not believed to have nothing: then another is asked. A group
 * that nobody coordinates stands still as a whole, and that is said once for all its partitions, also by a member that never came to join.
 */
import type { Logger } from "@varve/base";
import { listOffsets } from "../admin/list-offsets.js";
import type { Cluster } from "../cluster/cluster.js";
import { type Job, recordName } from "./dispatcher.js";
import type { Fetcher } from "./fetcher.js";
import type { Membership } from "./membership.js";
import type { PartitionWork } from "./partition-work.js";
import { type PartitionFacts, silenceReason, stallOf } from "./watchdog.js";

/** What stands still, and why. */
export interface StalledEvent {
  readonly reason: string;
  /** Null: all topics. */
  readonly topic: string | null;
  /** Null: all partitions. */
  readonly partition: number | null;
  readonly sinceMs: number;
  /** Records that wait, as far as known. */
  readonly lagRecords: number;
}

/** Where records are, of the dispatcher. */
export interface JobsAtWork {
  jobs(): Iterable<Job<unknown>>;
  restingJobs(): Iterable<Job<unknown>>;
  isPaused(key: string): boolean;
}

export interface StallFinderOptions {
  readonly cluster: Cluster;
  readonly group: string;
  readonly stallTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  readonly membership: Membership;
  readonly fetcher: Fetcher;
  readonly dispatcher: JobsAtWork;
  readonly onStalled: (event: StalledEvent) => void;
}

export class StallFinder {
  private readonly options: StallFinderOptions;
  private readonly logger: Logger;
  /** When a partition's stall was last said. */
  private readonly saidAtMs = new WeakMap<PartitionWork, number>();
  private readonly probedAtMs = new Map<string, number>();
  /** When the coordinator's silence was last said. */
  private silenceSaidAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: StallFinderOptions) {
    this.options = options;
    this.logger = options.cluster.settings.logger;
  }

  /** To be called every second or so. */
  look(): void {
    const nowMs = this.options.cluster.ports.clock.monotonicMs();
    if (this.lookAtCoordinator(nowMs)) return;
    for (const work of this.options.membership.works()) if (work.state === "working") this.lookAt(work, nowMs);
  }

  /** Without a coordinator nothing is begun, whether there are records or not. */
  private lookAtCoordinator(nowMs: number): boolean {
    const { group, membership, sessionTimeoutMs, stallTimeoutMs, onStalled } = this.options;
    const { silentMs, trouble } = membership.session;
    if (silentMs < Math.max(sessionTimeoutMs, stallTimeoutMs)) return false;
    if (nowMs - this.silenceSaidAtMs < stallTimeoutMs) return true;
    this.silenceSaidAtMs = nowMs;
    const lags = [...membership.works()].map(({ cursor, prefix }) => cursor.highWatermark - prefix.committable);
    const lagRecords = lags.reduce((sum, lag) => sum + Math.max(0, lag), 0);
    const reason = silenceReason(silentMs, trouble);
    const event = { reason, topic: null, partition: null, sinceMs: silentMs, lagRecords };
    this.logger.warn({ group, ...event }, "no progress: nobody coordinates the group");
    onStalled(event);
    return true;
  }

  private lookAt(work: PartitionWork, nowMs: number): void {
    const { stallTimeoutMs, fetcher, group, onStalled } = this.options;
    const facts = this.factsOf(work, nowMs);
    if (facts.lagRecords <= 0) {
      work.progressAtMs = nowMs;
      if (facts.fetchSilentMs >= stallTimeoutMs) this.probe(work.topic, nowMs);
      return;
    }
    const stall = stallOf(facts, stallTimeoutMs);
    if (stall === null) return;
    if (stall.cure === "refetch") fetcher.restart(work);
    if (nowMs - (this.saidAtMs.get(work) ?? Number.NEGATIVE_INFINITY) < stallTimeoutMs) return;
    this.saidAtMs.set(work, nowMs);
    const { topic, partition } = work;
    const { lagRecords, sinceMs } = facts;
    const event = { reason: stall.reason, topic, partition, sinceMs, lagRecords };
    this.logger.warn({ group, ...event }, "no progress although there are records");
    onStalled(event);
  }

  private factsOf(work: PartitionWork, nowMs: number): PartitionFacts {
    const { dispatcher, fetcher, membership, sessionTimeoutMs } = this.options;
    const { silentMs, trouble } = membership.session;
    const oldest = [...dispatcher.jobs()]
      .filter((job) => job.work === work)
      .sort((left, right) => left.startedAtMs - right.startedAtMs)[0];
    const retrying = [...dispatcher.restingJobs()].find((job) => job.work === work);
    return {
      sinceMs: nowMs - work.progressAtMs,
      lagRecords: work.cursor.highWatermark - work.prefix.committable,
      isPaused: dispatcher.isPaused(work.key),
      inWork: oldest === undefined ? null : { name: recordName(oldest), ms: nowMs - oldest.startedAtMs },
      retrying:
        retrying === undefined
          ? null
          : { name: recordName(retrying), attempt: retrying.attempt, error: retrying.lastError },
      isFetched: work.waiting > 0 || fetcher.has(work),
      fetchTrouble: fetcher.troubleOf(work),
      fetchSilentMs: fetcher.silentMs(work),
      coordinatorSilentMs: silentMs > sessionTimeoutMs ? silentMs : null,
      coordinatorTrouble: trouble,
    };
  }

  /** Nothing is heard of a partition: where does it end? At most once per topic and stall timeout. */
  private probe(topic: string, nowMs: number): void {
    const { cluster, membership, stallTimeoutMs } = this.options;
    if (nowMs - (this.probedAtMs.get(topic) ?? Number.NEGATIVE_INFINITY) < stallTimeoutMs) return;
    this.probedAtMs.set(topic, nowMs);
    listOffsets(cluster, { topic, at: "latest" }, {}).then(
      (offsets) => {
        for (const { partition, offset } of offsets) {
          const work = membership.find(topic, partition);
          if (work !== null) work.cursor.highWatermark = Math.max(work.cursor.highWatermark, offset);
        }
      },
      () => {},
    );
  }
}
