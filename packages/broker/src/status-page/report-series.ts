/**
 * report-series.ts: every figure of a broker's report as a time series for /metrics.
 *
 * Invariants:
 *   S1  at most `seriesMax` series of partitions and as many of groups; of how many partitions and groups some are left out is told
 *   S2  those left out are the last by name, so that the same ones stay; totals of groups come before their partitions
 *   S3  what nobody could tell is absent
 */
import { SECOND_MS } from "@varve/base";
import { type Sample, SERIES_MAX, type SeriesName, type SeriesSamples } from "../ops/index.js";
import type { BrokerReport, GroupPartitionRow, GroupReport, PartitionReport } from "./status.js";

export function seriesOf(report: BrokerReport, seriesMax = SERIES_MAX): SeriesSamples {
  const partitions = new Series(seriesMax);
  for (const partition of report.partitions) addPartition(partitions, partition);
  const groups = new Series(seriesMax);
  for (const group of report.groups) addGroup(groups, group);
  for (const group of report.groups) {
    for (const row of group.partitions) addGroupPartition(groups, group.group, row);
    if (group.partitions.length < group.partitionCount) groups.omitted.add(group.group);
  }
  return {
    ...partitions.samples,
    ...groups.samples,
    brokerReady: [
      { labels: { broker: String(report.brokerId), rack: report.rack ?? "" }, value: report.ready ? 1 : 0 },
    ],
    seriesOmitted: [
      { labels: { of: "partitions" }, value: partitions.omitted.size + report.partitionsOmitted },
      { labels: { of: "groups" }, value: groups.omitted.size + report.groupsOmitted },
    ],
  };
}

/** Collects samples up to a bound. */
class Series {
  readonly samples: Partial<Record<SeriesName, Sample[]>> = {};
  /** Of what some series are left out. */
  readonly omitted = new Set<string>();
  private left: number;

  constructor(seriesMax: number) {
    this.left = seriesMax;
  }

  add(of: string, name: SeriesName, labels: Sample["labels"], value: number | null): void {
    if (value === null) return; // S3
    if (this.left === 0) {
      this.omitted.add(of);
      return;
    }
    this.left--;
    const samples = this.samples[name] ?? [];
    this.samples[name] = samples;
    samples.push({ labels, value });
  }
}

function addPartition(series: Series, report: PartitionReport): void {
  const labels = { topic: report.topic, partition: String(report.partition) };
  const of = `${report.topic}/${report.partition}`;
  series.add(of, "partitionLeaderEpoch", labels, report.epoch);
  series.add(of, "partitionLogStart", labels, report.logStart);
  series.add(of, "partitionHighWatermark", labels, report.highWatermark);
  series.add(of, "partitionSize", labels, report.sizeBytes);
  for (const { broker, lagEntries } of report.replicas.slice(1))
    series.add(of, "replicaLag", { ...labels, broker: String(broker) }, lagEntries);
}

function addGroup(series: Series, { group, memberCount, lagRecords, lagMs }: GroupReport): void {
  series.add(group, "groupMembers", { group }, memberCount);
  series.add(group, "groupLagRecords", { group }, lagRecords);
  series.add(group, "groupLagSeconds", { group }, seconds(lagMs));
}

function addGroupPartition(series: Series, group: string, row: GroupPartitionRow): void {
  const labels = { group, topic: row.topic, partition: String(row.partition) };
  series.add(group, "groupPartitionCommitted", labels, row.committed);
  series.add(group, "groupPartitionLagRecords", labels, row.lagRecords);
  series.add(group, "groupPartitionLagSeconds", labels, seconds(row.lagMs));
}

function seconds(durationMs: number | null): number | null {
  return durationMs === null ? null : durationMs / SECOND_MS;
}
