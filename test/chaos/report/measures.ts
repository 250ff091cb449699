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

class PartitionMeter {
  acknowledged = 0;
  readonly epochs = new Set<number>();
  readonly perSecond: number[] = [];
  longestGap: Gap = { fromMs: 0, toMs: 0 };
  private lastMs = 0;

  ack(ms: number, epoch: number): void {
    this.acknowledged++;
    this.epochs.add(epoch);
    const second = Math.floor(ms / 1_000);
    this.perSecond[second] = (this.perSecond[second] ?? 0) + 1;
    this.until(ms);
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
  readonly startMs = nowMs();
  private readonly partitions: readonly PartitionMeter[];
  private readonly samples = new Map<number, Sample[]>();
  private readonly cluster: ChaosCluster;
  private readonly timer: NodeJS.Timeout;
  private isOver = false;

  /** Begins at once. */
  constructor(partitions: number, cluster: ChaosCluster) {
    this.partitions = Array.from({ length: partitions }, () => new PartitionMeter());
    this.cluster = cluster;
    this.timer = setInterval(() => this.sample(), SAMPLE_EVERY_MS);
  }

  ack(partition: number, atMs: number, epoch: number): void {
    if (this.isOver) return;
    this.partitions[partition]?.ack(atMs - this.startMs, epoch);
  }

  /** The load is over: what was not acknowledged until now is a gap. */
  stop(): void {
    if (this.isOver) return;
    this.isOver = true;
    clearInterval(this.timer);
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
