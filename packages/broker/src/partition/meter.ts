/** meter.ts: what a partition tells those who count its traffic. */

/** Counters of a partition's traffic; implemented by the broker's metrics. */
export interface PartitionMeter {
  produced(bytes: number, records: number): void;
  fetched(bytes: number, records: number, batches: number): void;
  committed(latencyMs: number): void;
  leaderChanged(): void;
}
