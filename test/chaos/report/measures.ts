/**
 * measures.ts: what a run measures beside its history: acknowledgements per partition and second, the longest gap between two, changes of
 * leader, and the size of each broker's process.
 *
 * Memory: a number per partition and second.
 */
import { readdirSync, readFileSync } from "node:fs";
import { nowMs } from "../clock.js";
import type { ChaosCluster } from "../cluster/chaos-cluster.js";

const PAGE_KIB = 4;
const SAMPLE_EVERY_MS = 1_000;

/** A stretch without an acknowledgement; times since the run's start. */
export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface PartitionMeasures {
  readonly partition: number;
  readonly acknowledged: number;
  readonly longestGap: Gap;
  /** Epochs in acknowledgements, less the first one. */
  readonly leaderChanges: number;
  /** Acknowledgements in each second of the run. */
  readonly perSecond: readonly number[];
}

export interface BrokerMeasures {
  readonly broker: number;
  readonly rssMibFirst: number;
  readonly rssMibMax: number;
  readonly rssMibLast: number;
  readonly descriptorsFirst: number;
  readonly descriptorsMax: number;
  readonly descriptorsLast: number;
}

/** How long partitions whose leader was killed acknowledged nothing. */
export interface ResumeMeasures {
  /** Partitions, by the kills together. */
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

class PartitionMeter {
  acknowledged = 0;
  readonly epochs = new Set<number>();
  readonly perSecond: number[] = [];
  longestGap: Gap = { fromMs: 0, toMs: 0 };
  private lastMs = 0;
  private killed: { readonly ms: number; readonly epoch: number } | null = null;

  /** @returns how long ago the leader was killed, when this is the first acknowledgement of another one. */
  ack(ms: number, epoch: number): number | null {
    this.acknowledged++;
    this.epochs.add(epoch);
    const second = Math.floor(ms / 1_000);
    this.perSecond[second] = (this.perSecond[second] ?? 0) + 1;
    this.until(ms);
    if (this.killed === null || epoch <= this.killed.epoch) return null;
    const resumedMs = ms - this.killed.ms;
    this.killed = null;
    return resumedMs;
  }

  leaderKilled(ms: number, epoch: number): void {
    this.killed ??= { ms, epoch };
  }

  until(ms: number): void {
    if (ms - this.lastMs > this.longestGap.toMs - this.longestGap.fromMs) {
      this.longestGap = { fromMs: this.lastMs, toMs: ms };
    }
    this.lastMs = ms;
  }
}

interface Sample {
  readonly rssMib: number;
  readonly descriptors: number;
}

export class Measures {
  /** When the load began. */
  startMs = nowMs();
  private readonly partitions: readonly PartitionMeter[];
  private readonly samples = new Map<number, Sample[]>();
  private readonly cluster: ChaosCluster;
  private timer: NodeJS.Timeout | null = null;
  private readonly resumed: number[] = [];
  private isOver = false;
  wokenAnswers = 0;
  /** How long the load lasted; 0 while it does. */
  loadMs = 0;

  constructor(partitions: number, cluster: ChaosCluster) {
    this.partitions = Array.from({ length: partitions }, () => new PartitionMeter());
    this.cluster = cluster;
  }

  /** The load begins. */
  begin(): void {
    this.startMs = nowMs();
    this.timer = setInterval(() => this.sample(), SAMPLE_EVERY_MS);
  }

  ack(partition: number, atMs: number, epoch: number): void {
    if (this.isOver) return;
    const resumedMs = this.partitions[partition]?.ack(atMs - this.startMs, epoch) ?? null;
    if (resumedMs !== null) this.resumed.push(resumedMs);
  }

  /** Acknowledgements of a quorum until now. */
  get acknowledged(): number {
    return this.partitions.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  /** The leader of these partitions is killed now. */
  leaderKilled(partitions: readonly { readonly partition: number; readonly epoch: number }[]): void {
    const ms = nowMs() - this.startMs;
    for (const { partition, epoch } of partitions) this.partitions[partition]?.leaderKilled(ms, epoch);
  }

  /** A broker that had just woken answered so many questions for the ends of partitions. */
  woke(answers: number): void {
    this.wokenAnswers += answers;
  }

  /** null: no leader was killed. */
  resumeMeasures(): ResumeMeasures | null {
    const sorted = [...this.resumed].sort((a, b) => a - b);
    const at = (ratio: number): number => Math.round(sorted[Math.ceil(ratio * sorted.length) - 1] ?? 0);
    return sorted.length === 0 ? null : { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  }

  /** The load is over: what was not acknowledged until now is a gap. */
  stop(): void {
    if (this.isOver || this.timer === null) return;
    this.isOver = true;
    clearInterval(this.timer);
    this.loadMs = nowMs() - this.startMs;
    for (const meter of this.partitions) meter.until(nowMs() - this.startMs);
  }

  partitionMeasures(): PartitionMeasures[] {
    return this.partitions.map(({ acknowledged, longestGap, epochs, perSecond }, partition) => ({
      partition,
      acknowledged,
      longestGap,
      leaderChanges: Math.max(0, epochs.size - 1),
      perSecond: Array.from(perSecond, (count) => count ?? 0),
    }));
  }

  brokerMeasures(): BrokerMeasures[] {
    return [...this.samples].map(([broker, samples]) => {
      const rss = samples.map(({ rssMib }) => Math.round(rssMib));
      const descriptors = samples.map((sample) => sample.descriptors);
      return {
        broker,
        rssMibFirst: rss[0] ?? 0,
        rssMibMax: Math.max(0, ...rss),
        rssMibLast: rss.at(-1) ?? 0,
        descriptorsFirst: descriptors[0] ?? 0,
        descriptorsMax: Math.max(0, ...descriptors),
        descriptorsLast: descriptors.at(-1) ?? 0,
      };
    });
  }

  private sample(): void {
    for (const broker of this.cluster.ids) {
      const sample = sampleOf(this.cluster.pidOf(broker));
      if (sample === null) continue;
      const samples = this.samples.get(broker) ?? [];
      this.samples.set(broker, samples);
      samples.push(sample);
    }
  }
}

/** null: no such process, or no such system. */
function sampleOf(pid: number): Sample | null {
  try {
    const [, resident = "0"] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
    return { rssMib: (Number(resident) * PAGE_KIB) / 1_024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return null;
  }
}
